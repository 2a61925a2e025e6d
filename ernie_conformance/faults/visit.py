"""One request on its way through the injector: what a fault may do with it."""

from __future__ import annotations

import asyncio
import queue
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from ernie_conformance.faults.fault import Cut, Edit, Headers, Piece, Response
from ernie_conformance.faults.upstream import asking
from ernie_conformance.wire.exchange import Request

NO_LINGER = struct.pack("ii", 1, 0)
BODILESS = (204, 304)


@dataclass
class Memory:
    """What one injector remembers between requests."""

    visits: int = 0
    inside: int = 0  # requests being answered now
    dead: bool = False
    kept: dict[Any, Any] = field(default_factory=dict)
    hang_up: Callable[[], None] = lambda: None  # stops listening


class Wire:
    """The client's side of one connection, written by hand so that every byte is ours."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._chunked = False
        self._mute = False
        self.reusable = True
        self.answered = 0  # requests on this connection that have been answered
        self.pace: Callable[[], Awaitable[None]] | None = None  # awaited before each piece

    async def raw(self, data: bytes) -> None:
        """Send these very bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def head(self, status: int, headers: Headers, method: str = "GET") -> None:
        """Send the head. The body is framed as the headers say: chunked, by length, or by closing."""
        told = {key.lower(): value.lower() for key, value in headers}
        self._chunked = "chunked" in told.get("transfer-encoding", "")
        self._mute = method == "HEAD" or status in BODILESS
        framed = self._chunked or "content-length" in told or self._mute
        self.reusable = framed and told.get("connection") != "close"
        reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{key}: {value}" for key, value in headers)]
        if not framed and "connection" not in told:
            lines.append("connection: close")
        await self.raw("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def piece(self, data: bytes) -> None:
        """Send the next bytes of the body."""
        if self.pace is not None:
            await self.pace()
        if data and not self._mute:
            await self.raw(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def end(self) -> None:
        """End the body properly."""
        self.answered += 1
        if self._chunked and not self._mute:
            await self.raw(b"0\r\n\r\n")

    def reset(self) -> None:
        """Break the connection with a RST."""
        self.reusable = False
        sock = self._writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:  # else the client has closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._writer.transport.abort()


@dataclass
class Visit:
    """A request, the way to the good server and the way back to the client."""

    request: Request
    base_url: str
    wire: Wire
    memory: Memory
    threads: Executor

    async def relay(self, edit: Edit | None = None, request: Request | None = None) -> None:
        """Forward and send back as it comes, through `edit` if there is one. A broken answer breaks the connection."""
        try:
            async with asking(self.base_url, request or self.request) as live:
                if edit is None:
                    await self.wire.head(live.status, live.headers, self.request.method)
                    async for _, data in live.pieces:
                        await self.wire.piece(data)
                    await self.wire.end()
                else:
                    await self._through(edit, Response(live.status, live.headers, ()), live.pieces)
        except Cut:
            self.wire.reset()

    async def fetch(self, request: Request | None = None) -> Response:
        """The good server's whole answer. Raises Cut when there is none."""
        async with asking(self.base_url, request or self.request) as live:
            return Response(live.status, live.headers, [piece async for piece in live.pieces])

    async def send(self, response: Response) -> None:
        """Answer with `response`, each piece no earlier than its time; a Cut among the pieces breaks the connection."""
        started = asyncio.get_running_loop().time()
        await self.wire.head(response.status, response.headers, self.request.method)
        try:
            for at, data in response.pieces:
                await self._wait_for(started + at)
                await self.wire.piece(data)
        except Cut:
            self.wire.reset()
            return
        await self.wire.end()

    async def say(self, edit: Edit) -> None:
        """Answer on our own, without asking the good server."""
        await self.send(edit(self.request, Response(200, (), ())))

    async def stall(self) -> None:
        """Say nothing more until the client leaves."""
        await asyncio.Event().wait()

    @staticmethod
    async def _wait_for(time: float) -> None:
        delay = time - asyncio.get_running_loop().time()
        if delay > 0.001:  # what came through at once is not held up
            await asyncio.sleep(delay)

    async def _through(self, edit: Edit, head: Response, source: AsyncIterator[Piece]) -> None:
        """Run an edit, which pulls pieces, in a thread of its own, while pieces come in and go out here."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        inbox: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        outbox: asyncio.Queue[Response | Piece | BaseException | None] = asyncio.Queue()

        def work() -> None:
            def put(item: Response | Piece | BaseException | None) -> None:
                loop.call_soon_threadsafe(outbox.put_nowait, item)

            try:
                response = edit(self.request, replace(head, pieces=iter(inbox.get, None)))
                put(response)
                for piece in response.pieces:
                    put(piece)
                put(None)
            except BaseException as error:
                put(error)

        feeder = asyncio.ensure_future(_feed(source, inbox))
        worker = loop.run_in_executor(self.threads, work)
        try:
            while (item := await outbox.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, Response):
                    await self.wire.head(item.status, item.headers, self.request.method)
                else:
                    await self._wait_for(started + item[0])
                    await self.wire.piece(item[1])
            await self.wire.end()
        finally:
            feeder.cancel()
            inbox.put(None)
            await asyncio.wait([feeder, worker])
        if not feeder.cancelled() and (error := feeder.exception()) is not None:
            raise error


async def _feed(source: AsyncIterator[Piece], inbox: queue.SimpleQueue[Piece | None]) -> None:
    try:
        async for piece in source:
            inbox.put(piece)
    finally:
        inbox.put(None)
