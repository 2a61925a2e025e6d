"""Beside chat: the model list, health, metrics joined to traffic, keys, methods, and browsers of other origins."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from ernie_conformance.gather.ask import (
    CHAT,
    COMPLETIONS,
    JSON_HEADERS,
    MODEL,
    NO_THINKING,
    Ask,
    Scenario,
    chat,
    cost_of,
    get,
    user,
)
from ernie_conformance.gather.asks.limits import SHORT, STREAMED
from ernie_conformance.gather.stage import Stage
from ernie_conformance.wire.client import Client
from ernie_conformance.wire.exchange import ANY, REFUSAL, Exchange, NotJson

ORIGIN = "http://console.example"
BROWSER = (("Origin", ORIGIN),)
PREFLIGHT = (
    *BROWSER,
    ("Access-Control-Request-Method", "POST"),
    ("Access-Control-Request-Headers", "authorization, content-type"),
)
HELLO: dict[str, Any] = {"model": MODEL, "messages": user(SHORT), "max_tokens": 4, **NO_THINKING}

ASKS = (
    get("health", "/health", needs=("health",), expects=ANY),
    Ask("health-head", None, "/health", "HEAD", (), needs=("health",), expects=ANY),
    get("metrics", "/metrics", needs=("metrics",), expects=ANY, metrics=True),
    Ask("preflight", b"", CHAT, "OPTIONS", PREFLIGHT, needs=("cors",), expects=ANY),
    Ask("from-a-browser", HELLO, headers=(*JSON_HEADERS, *BROWSER), needs=("cors",)),
)


def _first_id(exchange: Exchange) -> str:
    """The name of the first listed model; "" when the list has none."""
    try:
        found = exchange.json["data"][0]["id"]
    except (NotJson, KeyError, IndexError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


async def _models(stage: Stage) -> dict[str, Any]:
    """The list, a listed model by its address and by use, and one that isn't there."""
    first = _first_id(await stage.send(get("models", "/v1/models", expects=ANY)))
    if first:
        await stage.send(get("model-listed", f"/v1/models/{quote(first, safe='')}", expects=ANY))
        await stage.send(Ask("model-asked", {**HELLO, "model": first}, expects=ANY))
    await stage.send(get("model-unlisted", "/v1/models/no-such-model", expects=REFUSAL))
    return {"first": first}


METERED = (
    chat("metered-1", SHORT, max_tokens=8),
    chat("metered-2", SHORT, max_tokens=16, **STREAMED),
    chat("metered-3", f"{SHORT} Then say goodbye.", max_tokens=16),
)
READINGS, BETWEEN = 10, 0.3  # an engine may count in another process: read until two readings agree, 3 s at most


async def _metered(stage: Stage) -> dict[str, Any]:
    """Metrics, a little traffic, and metrics again once they have come to rest."""
    await stage.send(get("metrics-before", "/metrics", expects=ANY, metrics=True))
    await stage.send_all(METERED)
    return {"after": await _at_rest(stage, "metrics-after")}


async def _at_rest(stage: Stage, name: str) -> str:
    """Read the metrics until two readings agree. The name of the last one."""
    last = b""
    for reading in range(READINGS):
        await asyncio.sleep(BETWEEN)
        exchange = await stage.send(get(f"{name}-{reading}", "/metrics", expects=ANY, metrics=True))
        if exchange.error or exchange.body == last:
            break
        last = exchange.body
    return exchange.name


STORY = "Count from 1 to 300 in digits, separated by commas. Write nothing else."
LEAVING = 8  # clients: more than come by chance in the meantime


async def _left(stage: Stage) -> dict[str, Any]:
    """Metrics, clients who leave their streams, and metrics again once they have come to rest."""
    await stage.send(get("metrics-before-leaving", "/metrics", expects=ANY, metrics=True))
    leaving = [chat(f"left-{n}", STORY, max_tokens=300, **STREAMED) for n in range(LEAVING)]
    await asyncio.gather(*(stage.send(ask, hang_up=lambda so_far: so_far.count(b"data:") > 3) for ask in leaving))
    return {"after": await _at_rest(stage, "metrics-after-leaving")}


WRONG_KEY = "sk-0123456789-this-is-no-key"
# Where engines answer prompts, beside chat: each must ask for the key too, or not exist.
OTHER_ROUTES = (
    COMPLETIONS,
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/invocations",
    "/generate",
    "/completion",
    "/chat/completions",
    "/completions",
    "/tokenize",
)
ANYTHING = {**HELLO, "prompt": SHORT, "input": SHORT, "content": SHORT}


def _bearing(name: str, value: str) -> Ask:
    return Ask(name, HELLO, headers=(*JSON_HEADERS, ("Authorization", value)), expects=REFUSAL)


async def _keys(stage: Stage) -> dict[str, Any]:
    """With the key, with a wrong one, and with none at all."""
    await stage.send(chat("key-right", SHORT, max_tokens=4, expects=ANY))
    await stage.send_all([_bearing("key-wrong", f"Bearer {WRONG_KEY}"), _bearing("key-empty", "Bearer")])
    async with Client(stage.client.base_url, stage.target.timeouts) as stranger:
        keyless = stage.through(stranger)
        await keyless.send(Ask("key-missing", HELLO, expects=REFUSAL))
        await keyless.send(get("key-missing-models", "/v1/models", expects=REFUSAL))
        await keyless.send_all(
            Ask(f"key-missing{path.replace('/', '-')}", ANYTHING, path, expects=REFUSAL) for path in OTHER_ROUTES
        )
    return {}


SCENARIOS = (
    Scenario(
        "model-list",
        _models,
        needs=("models",),
        alone=False,
        makes=("models", "model-listed", "model-asked", "model-unlisted"),
        tokens=4,
    ),
    Scenario(
        "metered", _metered, needs=("metrics",), makes=("metrics-before",), requests=6, tokens=cost_of(METERED)["tokens"]
    ),
    Scenario(
        "left",
        _left,
        needs=("metrics",),
        makes=("metrics-before-leaving",),
        requests=LEAVING + 3,
        tokens=LEAVING * 20,
        last=1,
    ),
    Scenario(
        "keys",
        _keys,
        needs=("api-key",),
        makes=("key-right", "key-wrong", "key-empty", "key-missing"),
        requests=15,
        tokens=4,
    ),
)
