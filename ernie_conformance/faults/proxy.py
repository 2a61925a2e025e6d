"""The injector on a socket: in front of any server, one fault at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from ernie_conformance.faults.fault import Behaviour, Fault, Question, Rewrite
from ernie_conformance.faults.visit import Memory, Visit, Wire
from ernie_conformance.wire.exchange import Request

READ = 65536
MANY = 512  # threads for edits; each waits for its own stream


@dataclass
class Listener:
    """One listening socket in front of one server. Listeners of one injector share its memory."""

    fault: Fault | None
    base_url: str
    memory: Memory
    threads: ThreadPoolExecutor
    clients: set[asyncio.Task[None]]

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has come: serve it in a task of ours, which ends with the injector."""
        task = asyncio.ensure_future(self._connection(reader, writer))
        self.clients.add(task)
        task.add_done_callback(self.clients.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            wire = Wire(writer)
            parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
            while wire.reusable and (request := await _request(parser, reader, wire)) is not None:
                if not await self._answered(request, parser, reader, wire) or not _again(parser):
                    break
        except (ConnectionError, h11.RemoteProtocolError):
            pass  # the client left, or spoke no HTTP: either way there is no one to answer
        finally:
            writer.close()

    async def _answered(self, request: Request, parser: h11.Connection, reader: asyncio.StreamReader, wire: Wire) -> bool:
        """Answer while watching the client; False when it left first, and then the good server is told so too."""
        visit = Visit(request, self.base_url, wire, self.memory, self.threads)
        answering = asyncio.ensure_future(self._answer(visit))
        watching = asyncio.ensure_future(_left(parser, reader))
        try:
            await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
                return True
            return False
        finally:
            for task in (answering, watching):
                task.cancel()
            await asyncio.gather(answering, watching, return_exceptions=True)

    async def _answer(self, visit: Visit) -> None:
        self.memory.visits += 1
        self.memory.inside += 1
        try:
            fault = self.fault
            if fault is None or not fault.where(visit.request):
                await visit.relay()
            elif isinstance(fault, Rewrite):
                await visit.relay(edit=fault.edit)
            elif isinstance(fault, Question):
                changed = await asyncio.get_running_loop().run_in_executor(self.threads, fault.ask, visit.request)
                await visit.relay(request=changed)
            elif isinstance(fault, Behaviour) and fault.act is not None:
                await fault.act(visit)
        finally:
            self.memory.inside -= 1


async def _event(parser: h11.Connection, reader: asyncio.StreamReader, wire: Wire) -> h11.Event | None:
    while True:
        event = parser.next_event()
        if event is h11.PAUSED:
            return None
        if event is not h11.NEED_DATA:
            assert isinstance(event, h11.Event), event
            return event
        if parser.they_are_waiting_for_100_continue:
            await wire.raw(b"HTTP/1.1 100 Continue\r\n\r\n")
            parser.send(h11.InformationalResponse(status_code=100, headers=[]))
        parser.receive_data(await reader.read(READ))


async def _request(parser: h11.Connection, reader: asyncio.StreamReader, wire: Wire) -> Request | None:
    """The next request with its whole body, None when the client closed."""
    head = await _event(parser, reader, wire)
    if not isinstance(head, h11.Request):
        return None
    body, data = [], None
    while isinstance(data := await _event(parser, reader, wire), h11.Data):
        body.append(bytes(data.data))
    headers = tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in head.headers.raw_items())
    told = {key.lower() for key, _ in headers} & {"content-length", "transfer-encoding"}
    method, path = head.method.decode("ascii"), head.target.decode("latin-1")
    return Request(method, path, headers, b"".join(body) if told else None)


async def _left(parser: h11.Connection, reader: asyncio.StreamReader) -> None:
    """Wait until the client closes; what it sends early stays for the next request."""
    try:
        while data := await reader.read(READ):
            parser.receive_data(data)
    except ConnectionError:
        return


def _again(parser: h11.Connection) -> bool:
    """Get the parser ready for the next request. We write answers by hand, so it is told a plain one."""
    if parser.their_state is not h11.DONE:
        return False
    parser.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
    parser.send(h11.EndOfMessage())
    if parser.our_state is not h11.DONE:
        return False
    parser.start_next_cycle()
    return True


@dataclass(frozen=True)
class Injector:
    """A running injector: where it listens, and what it remembers."""

    base_url: str
    metrics_url: str
    memory: Memory

    async def drain(self, seconds: float) -> None:
        """Take no new connection and wait until every answer has ended, at most so long."""
        self.memory.hang_up()
        ends = asyncio.get_running_loop().time() + seconds
        while self.memory.inside and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def injecting(
    fault: Fault | None,
    upstream: str,
    metrics_upstream: str = "",
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    metrics_port: int = 0,
) -> AsyncIterator[Injector]:
    """Serve `upstream` with one fault (None: none) until the block ends. Port 0 is any free one."""
    memory = Memory()
    threads = ThreadPoolExecutor(MANY, thread_name_prefix="edit")
    servers: list[asyncio.Server] = []

    clients: set[asyncio.Task[None]] = set()

    async def listen(base_url: str, wanted: int) -> str:
        listener = Listener(fault, base_url, memory, threads, clients)
        server = await asyncio.start_server(listener.connected, host, wanted, backlog=1024)
        servers.append(server)
        return f"http://{host}:{server.sockets[0].getsockname()[1]}{urlsplit(base_url).path}"

    def hang_up() -> None:
        for server in servers:
            server.close()

    memory.hang_up = hang_up
    try:
        base_url = await listen(upstream, port)
        yield Injector(base_url, await listen(metrics_upstream, metrics_port) if metrics_upstream else "", memory)
    finally:
        hang_up()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        threads.shutdown(wait=False)
