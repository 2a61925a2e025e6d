"""A good server for the injector's proofs: plays recorded exchanges back, each piece when the test lets it go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11

from ernie_conformance.wire.exchange import Exchange


@dataclass
class Upstream:
    """Plays exchanges by method, path and body. `hold` keeps all pieces but the first back; `left` says a client hung up."""

    exchanges: dict[tuple[str, str, bytes | None], Exchange]
    base_url: str = ""
    hold: asyncio.Event | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER)
        try:
            while (asked := await self._request(wire, reader)) is not None:
                exchange = self.exchanges[asked]
                self.seen.append(asked[2] or b"")
                playing = asyncio.ensure_future(self._play(exchange, wire, writer))
                gone = asyncio.ensure_future(reader.read(1))
                await asyncio.wait({playing, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not playing.done():
                    self.left.set()
                for task in (playing, gone):
                    task.cancel()
                await asyncio.gather(playing, gone, return_exceptions=True)
                return
        finally:
            writer.close()

    async def _request(self, wire: h11.Connection, reader: asyncio.StreamReader) -> tuple[str, str, bytes | None] | None:
        head, body = None, []
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                wire.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                told = {key for key, _ in head.headers} & {b"content-length", b"transfer-encoding"}
                return head.method.decode(), head.target.decode(), b"".join(body) if told else None
            else:
                return None

    async def _play(self, exchange: Exchange, wire: h11.Connection, writer: asyncio.StreamWriter) -> None:
        assert exchange.status is not None
        writer.write(wire.send(h11.Response(status_code=exchange.status, headers=list(exchange.headers))) or b"")
        for number, (_, data) in enumerate(exchange.pieces):
            if number and self.hold is not None:
                await self.hold.wait()
            writer.write(wire.send(h11.Data(data=data)) or b"")
            await writer.drain()
        writer.write(wire.send(h11.EndOfMessage()) or b"")
        await writer.drain()


@asynccontextmanager
async def playing(exchanges: Iterable[Exchange]) -> AsyncIterator[Upstream]:
    """Serve on a free port until the block ends."""
    upstream = Upstream({(e.request.method, e.request.path, e.request.body): e for e in exchanges})
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
