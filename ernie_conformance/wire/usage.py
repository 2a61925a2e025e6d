"""How many tokens an answer says that it took."""

from __future__ import annotations

import json
from typing import Any

from ernie_conformance.wire.exchange import Exchange, NotJson


def completion_tokens(exchange: Exchange) -> int | None:
    """usage.completion_tokens, None where the answer tells none. What it lacks is for rows to say; this only counts."""
    try:
        usage = _last_usage(exchange.body) if exchange.wants_stream else exchange.json.get("usage")
        return int(usage["completion_tokens"])
    except (NotJson, AttributeError, KeyError, TypeError, ValueError):
        return None


def _last_usage(body: bytes) -> Any:
    at = body.rfind(b'"completion_tokens"')
    if at < 0:
        return None
    start, end = body.rfind(b"data:", 0, at), body.find(b"\n", at)
    return json.loads(body[start + 5 : end if end >= 0 else None])["usage"]
