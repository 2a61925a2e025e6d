"""Rules about single HTTP answers."""

from __future__ import annotations

import re

from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, expect
from ernie_conformance.judge.views import TRANSPORT
from ernie_conformance.wire.exchange import Exchange, NotJson

CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
CONTRACT = ("application/json", "text/event-stream")  # an error page of a proxy may be in any charset
UTF8 = ("utf-8", "utf8")


def is_usable(exchange: Exchange) -> None:
    """The answer came with status 200. Raises Broken with the body's start, Blocked when no answer came at all."""
    if exchange.status is None:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error}", exchange)
    expect(exchange.status == 200, f"{exchange.name}: status {exchange.status}: {exchange.text[:160]}", exchange)


def is_json(exchange: Exchange) -> None:
    """The body is one strict JSON document. Raises Broken with the reason and the body's start."""
    try:
        exchange.json  # noqa: B018  (parsing is the question)
    except NotJson as error:
        raise Broken(f"{exchange.name}: the body is not JSON ({error}): {exchange.text[:80]!r}", exchange) from error


def names_utf8(exchange: Exchange) -> None:
    """JSON and event streams that name a charset name UTF-8. Raises Broken; NotAsked where none is named."""
    named = CHARSET.search(exchange.header("content-type") or "")
    if named is None or exchange.media_type not in CONTRACT:
        raise NotAsked(f"{exchange.name} names no charset")
    expect(named[1].lower() in UTF8, f"{exchange.name}: {exchange.media_type} in charset {named[1]!r}", exchange)


def tells_health(exchange: Exchange) -> None:
    """A health check answers 200 or 503. Raises Broken, Blocked when no answer came at all."""
    if exchange.status is None:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error}", exchange)
    expect(exchange.status in (200, 503), f"{exchange.name}: status {exchange.status}, 200 or 503 is owed", exchange)
