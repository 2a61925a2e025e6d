"""One request with all that came back: exact bytes, arrival times, and transport errors as data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

ANSWER = "answer"  # a legal request: 200 is owed
REFUSAL = "refusal"  # an illegal request: 4xx is owed
ABANDONED = "abandoned"  # we hung up on purpose
ANY = "any"  # nothing is owed beyond what holds for every exchange
NOT_TRIED = "connect: not tried, the server stopped answering"  # an error of an exchange that we didn't even try


class NotJson(ValueError):
    """The text is not strict JSON: unparsable, NaN or Infinity, or the same key twice."""


def _no_constant(text: str) -> Any:
    raise NotJson(f"{text} is not JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [name for name, _ in pairs]
        raise NotJson(f"key {next(n for n in names if names.count(n) > 1)!r} stands twice in one object")
    return keys


_STRICT = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_no_duplicates)


def strict_json(text: str | bytes) -> Any:
    """`text` as JSON per RFC 8259. Raises NotJson for what lenient parsers let through (NaN, duplicate keys, bad UTF-8)."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return _STRICT.decode(text)
    except NotJson:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error


@dataclass(frozen=True)
class Request:
    """What was sent. `body` is the exact bytes, None when there was none; `cut` when a recording shortened it."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    cut: bool = False

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} when it isn't one."""
        try:
            value = strict_json(self.body or b"")
        except NotJson:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Exchange:
    """A request and its answer.

    `pieces` are (seconds since sending, bytes) as they arrived; `status` is None when no header came;
    `error` is "KIND: text" with KIND connect, first-byte, gap, total or broken; `expects` says what is owed.
    """

    name: str
    request: Request
    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[tuple[float, bytes], ...] = ()
    error: str | None = None
    phase: str = ""
    sent_at: float = 0.0
    expects: str = ANY
    log: str | None = None
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)
    memo: dict[Any, Any] = field(init=False, default_factory=dict, compare=False, repr=False)  # what was made of it

    @cached_property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def text(self) -> str:
        """The body for people to read; undecodable bytes are shown escaped."""
        return self.body.decode("utf-8", errors="backslashreplace")

    def header(self, name: str) -> str | None:
        """The first value of header `name`, any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def media_type(self) -> str:
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    @cached_property
    def json(self) -> Any:
        """The body as strict JSON. Raises NotJson."""
        return strict_json(self.body)

    @property
    def wants_stream(self) -> bool:
        return self.request.json.get("stream") is True
