"""The recording client against servers that a framework can't imitate: raw sockets, closed connections, silence."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from ernie_conformance.targets import Timeouts
from ernie_conformance.wire.client import Client
from ernie_conformance.wire.exchange import Exchange, Request
from ernie_conformance.wire.unread import unread

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
QUICK = Timeouts(connect=1, first_byte=0.3, gap=0.3, total=1.0)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ASK = Request("POST", "/", (), b"{}")


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def heard(reader: asyncio.StreamReader) -> bool:
    """Read one request; False at the end of the connection."""
    try:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    return True


def saying(*pieces: bytes, close: bool = True) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if close:
            writer.close()
        else:
            await reader.read()
            writer.close()

    return handler


async def asked(handler: Handler) -> Exchange:
    async with serving(handler) as url, Client(url, QUICK) as client:
        return await client.send("x", ASK)


BREAKS = {
    "closes at once": (saying(b""), "broken:"),
    "no http": (saying(b"hello\r\n\r\n"), "broken:"),
    "ends inside a chunk": (saying(CHUNKED + b"5\r\nhel"), "broken:"),
    "shorter than its length": (saying(OK[:-1]), "broken:"),
    "never answers": (saying(close=False), "first-byte:"),
    "only headers": (saying(CHUNKED, close=False), "first-byte:"),
    "stops in mid-body": (saying(CHUNKED + b"1\r\na\r\n", close=False), "gap:"),
}


@pytest.mark.parametrize(("handler", "error"), BREAKS.values(), ids=list(BREAKS))
async def test_what_breaks_is_recorded_not_raised(handler: Handler, error: str) -> None:
    exchange = await asked(handler)
    assert (exchange.error or "").startswith(error), exchange.error


PACKED = gzip.compress("你好".encode())
ZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        ((("Accept-Encoding", "gzip"),), "你好".encode(), None),
        ((), PACKED, None),  # what nobody allowed is kept as it came
        ((("Accept-Encoding", "gzip"),), b"", "broken: error"),
    ],
    ids=["allowed", "unasked", "not gzip"],
)
async def test_compressed_bodies_are_read_where_the_request_allows_them(
    headers: tuple[tuple[str, str], ...], body: bytes, error: str | None
) -> None:
    async with serving(saying(ZIPPED, b"no gzip" if error else PACKED)) as url, Client(url, QUICK) as client:
        exchange = await client.send("x", replace(ASK, headers=headers))
    assert exchange.body == body
    assert (exchange.error or "").startswith(error or "")
    assert bool(exchange.error) is bool(error)


async def test_who_does_not_read_asks_and_takes_nothing() -> None:
    """The server's writes come to a stop while the block lasts, and break when it ends."""
    written, stopped = 0, asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await heard(reader)
        with suppress(ConnectionError):
            while True:
                writer.write(bytes(1000))
                try:
                    await asyncio.wait_for(writer.drain(), 0.3)
                except asyncio.TimeoutError:
                    stopped.set()
                    break
                written += 1000
        writer.close()

    async with serving(handler) as url, Client(url, QUICK) as client, unread(client, ASK) as status:
        await asyncio.wait_for(stopped.wait(), 10)
        assert status() is None  # zeros are no status
    assert 0 < written < 2_000_000


async def test_an_unreachable_server_is_nobodys_error_here() -> None:
    async with serving(saying(b"")) as url:
        pass
    async with Client(url, QUICK) as client, unread(client, ASK) as status:
        assert status() is None


async def test_pieces_keep_their_bytes_and_come_in_time_order() -> None:
    exchange = await asked(saying(CHUNKED, b"2\r\n\xe4\xbd\r\n", b"1\r\n\xa0\r\n0\r\n\r\n"))
    assert (exchange.error, exchange.body.decode()) == (None, "你")
    times = [at for at, _ in exchange.pieces]
    assert times == sorted(times)


async def test_a_closed_port_is_a_connect_error() -> None:
    async with serving(saying(OK)) as url:
        pass
    async with Client(url, QUICK) as client:
        assert (await client.send("x", ASK)).error is not None


async def test_a_total_bound_ends_a_stream_without_end() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(CHUNKED)
        while not writer.is_closing():
            writer.write(b"1\r\na\r\n")
            await asyncio.sleep(0.05)

    assert ((await asked(drip)).error or "").startswith("total:")


async def test_a_kept_connection_that_was_closed_is_no_fault() -> None:
    """A server may close an idle connection without saying so; the next request then takes a fresh one."""
    closed = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await heard(reader):
            writer.write(OK)
            await writer.drain()
        await heard(reader)  # the second request on this connection is never answered
        writer.close()
        closed.set()

    async with serving(once) as url, Client(url, QUICK) as client:
        first, second = await client.send("a", ASK), await client.send("b", ASK)
        assert closed.is_set()
    assert (first.error, second.error) == (None, None)


async def test_hanging_up_is_no_error() -> None:
    handler = saying(CHUNKED + b"3\r\nabc\r\n", close=False)
    async with serving(handler) as url, Client(url, QUICK) as client:
        exchange = await client.send("x", ASK, hang_up=lambda body: b"c" in body)
    assert (exchange.error, exchange.body) == (None, b"abc")


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await asked(saying(OK))).status == 200
