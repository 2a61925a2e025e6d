"""What becomes of a stream that runs when its server is told to end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from ernie_conformance.targets import Target
from ernie_conformance.wire.client import Client
from ernie_conformance.wire.exchange import Exchange, Request

COUNT = "Count from 1 to 1000 in digits, separated by commas. Write nothing else."
LASTING = 1.5  # seconds that the stream would take: it runs when the signal comes, and a server that drains ends in time
TAIL = 1000  # characters kept of its end: a finish_reason before the usage too


async def last_words(
    client: Client, target: Target, end: Callable[[], Awaitable[dict[str, Any] | None]]
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Begin a stream, `end` the server, and tell how both went: what `end` returned, and of the stream

    {"running" (did it still run when the server was told to end), "status", "media_type", "error", "seconds", "tail"}
    """
    begun = asyncio.Event()
    body = {
        "model": target.model,
        "messages": [{"role": "user", "content": COUNT}],
        "max_tokens": int(LASTING * target.tokens_per_second),
        "stream": True,
    }
    request = Request("POST", "/v1/chat/completions", (("Content-Type", "application/json"),), json.dumps(body).encode())

    def listen(_: bytes) -> bool:
        begun.set()
        return False

    async def ask() -> Exchange:
        try:
            return await client.send("farewell", request, hang_up=listen)
        finally:
            begun.set()

    asking = asyncio.ensure_future(ask())
    await begun.wait()
    running = not asking.done()
    ended = await end()
    got = await asking
    stream = {"running": running, "status": got.status, "media_type": got.media_type, "error": got.error}
    return ended, {**stream, "seconds": round(got.seconds, 3), "tail": got.text[-TAIL:]}
