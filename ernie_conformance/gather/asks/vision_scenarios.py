"""Pictures over time and from elsewhere: caches, files, addresses inside the network, hosts that don't answer."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ernie_conformance.gather.ask import Ask, Scenario, chat, get, refused, user
from ernie_conformance.gather.asks.vision import QUESTION, RED, ROOM, VISION, look, picture, solid, text
from ernie_conformance.gather.pictures import encoded, grid, png
from ernie_conformance.gather.stage import Stage
from ernie_conformance.wire.exchange import ANY, Exchange

BLUE = solid("b")
# One more character, of the same price, that doesn't change the question: a cache that minds the text sees another one.
WORDINGS = tuple(f"{QUESTION}（{mark}）" for mark in "甲乙丙丁")
# Stored without compression, the first 66 kB and the length of these files are the same.
TAILS = tuple(png(grid(f"w/w/{c}", (210, 70)), compress_level=0) for c in "rgb")
COPIES = 4  # of each picture, side by side
BRIEF = 72  # tokens: enough to say what one colour it is


async def _in_turn(stage: Stage, asks: Sequence[Ask]) -> None:
    for ask in asks:
        await stage.send(ask)


async def _asked_again(stage: Stage) -> dict[str, Any]:
    """Two pictures in turns under four wordings, each wording with the other picture first; then files that begin alike."""

    def asked(name: str, url: str, wording: str = WORDINGS[0]) -> Ask:
        return look(name, url, question=wording, max_tokens=BRIEF, expects=ANY)

    both = (("red", RED), ("blue", BLUE))
    in_turn = [
        [
            asked(f"again-{number}-{turn}-{name}", url, wording)
            for turn, (name, url) in enumerate((both if number % 2 == 0 else both[::-1]) * (2 if number == 0 else 1))
        ]
        for number, wording in enumerate(WORDINGS)
    ]
    tails = [look(f"again-tail-{turn}", url, expects=ANY) for turn, url in enumerate(TAILS)]
    await _in_turn(stage, in_turn[0])  # nothing beside it: later answers are compared with these
    await asyncio.gather(*(_in_turn(stage, asks) for asks in (*in_turn[1:], tails)))
    beside = [asked(f"beside-{copy}-{name}", url) for copy in range(COPIES) for name, url in both]
    await stage.send_all(beside, at_most=len(beside))
    return {}


FILES = ("/etc/hosts", "/etc/no-such-hosts")  # one that every Unix host has, one that none has
FORMS = {"url": "file://{}", "path": "{}", "host": "file://localhost{}"}


def _unfetched(name: str, url: str, **rest: Any) -> Ask:
    body = chat(name, user([picture(url), text(QUESTION)]), max_tokens=4).body
    return refused(name, body, needs=VISION, **rest)


def is_beside_us(base_url: str) -> bool:
    """Does the server share our loopback interface?"""
    host = urlsplit(base_url).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"


async def _files(stage: Stage) -> dict[str, Any]:
    """A file that is there and one that isn't, named in three ways; and a real picture, where the server shares our disk."""
    await stage.send_all(
        _unfetched(f"file-{form}-{state}", pattern.format(path))
        for form, pattern in FORMS.items()
        for state, path in zip(("there", "missing"), FILES, strict=True)
    )
    if not is_beside_us(stage.client.base_url):
        return {"picture": False}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        path.write_bytes(encoded(grid("g", (168, 168))))
        await stage.send_all(
            _unfetched(f"file-{form}-picture", pattern.format(path.as_posix())) for form, pattern in FORMS.items()
        )
    return {"picture": True}


@dataclass
class Listener:
    """A web server of our own on the loopback interface: who knocks, and whether it answers with a picture."""

    answers: bool
    port: int = 0
    knocks: list[str] = field(default_factory=list)
    knocked: asyncio.Event = field(default_factory=asyncio.Event)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocks.append("a connection")
        self.knocked.set()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.knocks[-1] = (await reader.readuntil(b"\r\n")).decode("latin-1").strip()
            if not self.answers:
                await reader.read()  # until the other side leaves: a host that never answers
            body = encoded(grid("g", (168, 168)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\nconnection: close\r\n")
            writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def listening(answers: bool) -> AsyncIterator[Listener]:
    listener = Listener(answers)
    server = await asyncio.start_server(listener._serve, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()


# Ways to write the loopback address; filters that look at the text miss the last ones.
LOOPBACKS = {
    "number": "127.0.0.1", "name": "localhost", "any": "0.0.0.0", "decimal": "2130706433", "short": "127.1",
    "hex": "0x7f000001", "mapped": "[::ffff:127.0.0.1]",
}  # fmt: skip


async def _loopback(stage: Stage) -> dict[str, Any]:
    """Pictures on a web server beside us. The first knock is our own: it shows that a knock is heard."""
    if not is_beside_us(stage.client.base_url):
        await stage.send(_unfetched("loopback-closed", "http://127.0.0.1:9/picture.png"))
        return {"listened": False}
    async with listening(answers=True) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET /control HTTP/1.1\r\n\r\n")
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        heard = list(listener.knocks)
        listener.knocks.clear()
        await stage.send_all(
            _unfetched(f"loopback-{kind}", f"http://{host}:{listener.port}/{kind}.png") for kind, host in LOOPBACKS.items()
        )
        return {"listened": heard == ["GET /control HTTP/1.1"], "knocks": list(listener.knocks)}


SILENT = "192.0.2.1"  # TEST-NET-1, RFC 5737: nobody is there
HEAD_START = 0.5  # seconds for the server to begin fetching before the others are asked


def _seen(exchange: Exchange) -> dict[str, Any]:
    return {"status": exchange.status, "error": exchange.error, "seconds": round(exchange.seconds, 3)}


async def _unreachable(stage: Stage) -> dict[str, Any]:
    """A picture on a host that never answers; meanwhile a text question and a look at the health."""

    async def bounded(ask: Ask) -> dict[str, Any]:
        return _seen(await stage.send(ask, hang_up=lambda _: False))  # it may hang: its own rows judge, not the transport's

    async with listening(answers=False) as listener:
        ours = is_beside_us(stage.client.base_url)
        url = f"http://127.0.0.1:{listener.port}/picture.png" if ours else f"http://{SILENT}/picture.png"
        fetching = asyncio.ensure_future(bounded(_unfetched("unreachable-picture", url, disruptive=True)))
        knocked = asyncio.ensure_future(listener.knocked.wait())
        await asyncio.wait({fetching, knocked}, timeout=HEAD_START, return_when=asyncio.FIRST_COMPLETED)
        knocked.cancel()
        beside: Sequence[Ask] = [
            chat("unreachable-beside", "1+1=?", max_tokens=4),
            *([get("unreachable-health", "/health")] if "health" in stage.target.capabilities else []),
        ]
        started = time.perf_counter()
        others = dict(zip((a.name for a in beside), await asyncio.gather(*map(bounded, beside)), strict=True))
        return {"others": others, "waited": round(time.perf_counter() - started, 3), "picture": await fetching}


SCENARIOS = (
    Scenario("vision-again", _asked_again, VISION, wording=True, requests=21, tokens=17 * BRIEF + 4 * ROOM),
    Scenario("vision-files", _files, VISION, alone=False, requests=9),
    Scenario("vision-loopback", _loopback, VISION, alone=False, requests=len(LOOPBACKS)),
    Scenario("vision-unreachable", _unreachable, VISION, disruptive=True, requests=3, tokens=2 * 4),
)
