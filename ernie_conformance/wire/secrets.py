"""What must never stand in a report: the keys that a run was given, and whatever looks like one where a server repeats it.

A secret is overwritten by as many asterisks, so that lengths, offsets and the borders of pieces stay what they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from ernie_conformance.wire.exchange import Exchange, Request

KNOWN = "this-is-no-key"  # in keys that we send on purpose, to see whether a server repeats them: those stay readable
LEAST = 6  # characters; a shorter key (EMPTY, null) can't be told from ordinary words, and isn't secret

# Needles that a text must hold before the pattern is tried (a body may have megabytes), and the secret as group 1.
_LIKELY: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (needles, re.compile(pattern, re.IGNORECASE))
    for needles, pattern in (
        (
            ("authorization", "api-key", "api_key", "apikey", "cookie"),
            r"\b(?:authorization|api[-_]?key|cookie)[\"'\\]{0,4}(?:\s{0,3}[:=]\s{0,3}|\s)[\"'\\]{0,4}"
            r"(?:(?:bearer|basic|token|digest)\s+)?([^\s\"'\\,<>&){}]{6,})",
        ),
        (("bearer",), r"\bbearer\s+([A-Za-z0-9._~+/=-]{6,})"),
        (("://",), r"\b[a-z][a-z0-9+.-]{1,12}://([^\s/?#@\"'\\<>]{1,256})@"),
        (
            ("key=", "token=", "secret=", "password=", "passwd=", "signature=", "sig=", "auth="),
            r"[?&;][\w.-]{0,40}(?:key|token|secret|password|passwd|signature|sig|auth)=([^\s&#\"'\\<>]+)",
        ),
        (("sk-", "hf_", "ghp_"), r"\b((?:sk-|hf_|ghp_)[A-Za-z0-9_-]{16,})"),
    )
)

T = TypeVar("T")


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with every one of `secrets`, and everything that looks like one, overwritten by asterisks."""
    for secret in secrets:
        if len(secret) >= LEAST:
            for form in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, "")):
                text = text.replace(form, "*" * len(form))
    folded = text.lower()
    for needles, pattern in _LIKELY:
        if any(needle in folded for needle in needles):
            text = pattern.sub(_starred, text)
    return text


def _starred(match: re.Match[str]) -> str:
    if KNOWN in match.group(1):
        return match.group(0)
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    found = match.group(0)
    return found[:start] + "*" * (end - start) + found[end:]


def masked_bytes(data: bytes, secrets: Iterable[str] = ()) -> bytes:
    """The same for bytes of any encoding that keeps ASCII."""
    as_read = [secret.encode().decode("latin-1") for secret in secrets]
    text = data.decode("latin-1")
    found = masked(text, as_read)
    return data if found == text else found.encode("latin-1")


def masked_within(value: T, secrets: Iterable[str] = ()) -> T:
    """A JSON value with every text in it masked."""
    secrets = tuple(secrets)
    found: Any = value
    if isinstance(value, str):
        found = masked(value, secrets)
    elif isinstance(value, dict):
        found = {key: masked_within(item, secrets) for key, item in value.items()}
    elif isinstance(value, list):
        found = [masked_within(item, secrets) for item in value]
    result: T = found
    return result


def without_secrets(exchange: Exchange, secrets: Iterable[str] = ()) -> Exchange:
    """`exchange` masked in request and answer, also where a secret reaches over two pieces."""
    secrets = tuple(secrets)
    request = exchange.request
    return replace(
        exchange,
        request=Request(
            request.method,
            masked(request.path, secrets),
            _headers(request.headers, secrets),
            None if request.body is None else masked_bytes(request.body, secrets),
            request.cut,
        ),
        headers=_headers(exchange.headers, secrets),
        pieces=_pieces(exchange, secrets),
        error=None if exchange.error is None else masked(exchange.error, secrets),
        log=None if exchange.log is None else masked(exchange.log, secrets),
        notes=masked_within(exchange.notes, secrets),
    )


def _headers(pairs: tuple[tuple[str, str], ...], secrets: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Each header is masked as the line that it is: its name tells what its value may be."""
    return tuple((name, masked(f"{name}: {value}", secrets)[len(name) + 2 :]) for name, value in pairs)


def _pieces(exchange: Exchange, secrets: tuple[str, ...]) -> tuple[tuple[float, bytes], ...]:
    body = masked_bytes(exchange.body, secrets)
    if body == exchange.body:
        return exchange.pieces
    pieces, position = [], 0
    for at, piece in exchange.pieces:
        pieces.append((at, body[position : position + len(piece)]))
        position += len(piece)
    return tuple(pieces)
