"""The good server behind the injector: one connection a request, answered as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from ernie_conformance.faults.fault import Cut, Headers, Piece
from ernie_conformance.wire.exchange import Request

PER_HOP = {"host", "connection", "content-length", "transfer-encoding", "expect", "keep-alive", "te", "upgrade"}
READ = 65536


@dataclass(frozen=True)
class Live:
    """An answer whose head has come. `pieces` gives (seconds since the request, bytes) as they come."""

    status: int
    headers: Headers
    pieces: AsyncIterator[Piece]


def _text(pairs: list[tuple[bytes, bytes]]) -> Headers:
    return tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in pairs)


def _head(request: Request, host: str) -> h11.Request:
    kept = [(key, value) for key, value in request.headers if key.lower() not in PER_HOP]
    length = [("Content-Length", str(len(request.body)))] if request.body is not None else []
    return h11.Request(method=request.method, target=request.path, headers=[("Host", host), *kept, *length])


async def _next(wire: h11.Connection, reader: asyncio.StreamReader) -> h11.Event:
    while True:
        event = wire.next_event()
        if event is not h11.NEED_DATA:
            assert isinstance(event, h11.Event), event
            return event
        wire.receive_data(await reader.read(READ))


async def _answered(
    wire: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, host: str
) -> h11.Response:
    """Send `request` and wait for the head of its answer."""
    try:
        writer.write(wire.send(_head(request, host)) or b"")
        if request.body:
            writer.write(wire.send(h11.Data(data=request.body)) or b"")
        writer.write(wire.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        head = await _next(wire, reader)
        while isinstance(head, h11.InformationalResponse):
            head = await _next(wire, reader)
    except (h11.RemoteProtocolError, ConnectionError) as error:
        raise Cut from error
    if not isinstance(head, h11.Response):
        raise Cut
    return head


async def _pieces(wire: h11.Connection, reader: asyncio.StreamReader, started: float) -> AsyncIterator[Piece]:
    clock = asyncio.get_running_loop().time
    try:
        while isinstance(event := await _next(wire, reader), h11.Data):
            yield clock() - started, bytes(event.data)
    except (h11.RemoteProtocolError, ConnectionError) as error:
        raise Cut from error  # what breaks behind us breaks before us too


@asynccontextmanager
async def asking(base_url: str, request: Request) -> AsyncIterator[Live]:
    """Put `request` to the server at `base_url`; leaving the block hangs up. Raises Cut when there is no answer."""
    address = urlsplit(base_url)
    started = asyncio.get_running_loop().time()
    try:
        reader, writer = await asyncio.open_connection(address.hostname, address.port or 80)
    except OSError as error:
        raise Cut from error
    wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    try:
        head = await _answered(wire, reader, writer, request, address.netloc)
        yield Live(head.status_code, _text(head.headers.raw_items()), _pieces(wire, reader, started))
    finally:
        writer.close()
