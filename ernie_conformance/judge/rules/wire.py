"""Rules about single HTTP answers."""

from __future__ import annotations

from ernie_conformance.judge.outcome import Blocked, Broken, expect
from ernie_conformance.judge.views import TRANSPORT
from ernie_conformance.wire.exchange import Exchange, NotJson


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
