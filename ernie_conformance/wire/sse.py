"""A server-sent-events decoder that reports what is wrong instead of healing it.

It follows the WHATWG rules for interpreting an event stream
(https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation) and keeps, for each event,
the span of bytes it came from, so that a reader can be shown the very bytes and the time at which they arrived.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DONE = "[DONE]"
BOM = b"\xef\xbb\xbf"
LINE = re.compile(rb"([^\r\n]*)(\r\n?|\n)")
FIELDS = ("data", "event", "id", "retry")


@dataclass(frozen=True, slots=True)
class Event:
    """One dispatched event. `span` is [start, end) in the body, blank line included; `lines` counts its data lines."""

    data: str
    event: str
    span: tuple[int, int]
    lines: int


@dataclass(frozen=True)
class Violation:
    """Something a strict reader stumbles over. `kind`: bad-utf8, unknown-field, incomplete-event, after-done."""

    kind: str
    at: int
    detail: str


@dataclass(frozen=True)
class Decoded:
    """The events of one body, the comments between them, and what was wrong with it."""

    events: tuple[Event, ...]
    comments: tuple[str, ...]
    violations: tuple[Violation, ...]


class Decoder:
    """Feed bytes as they come, then `close`. Any split of the same bytes gives the same result."""

    def __init__(self) -> None:
        self._pending = b""
        self._offset = 0
        self._data: list[str] = []
        self._name = ""
        self._start: int | None = None
        self._done = False
        self._at_start = True
        self.events: list[Event] = []
        self.comments: list[str] = []
        self.violations: list[Violation] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body."""
        self._pending += data
        if self._at_start:
            if len(self._pending) < len(BOM) and BOM.startswith(self._pending):
                return
            self._skip_byte_order_mark()
        self._take_lines(final=False)

    def close(self) -> Decoded:
        """End of the body: an event without its blank line is never dispatched, but reported."""
        if self._at_start:
            self._skip_byte_order_mark()
        self._take_lines(final=True)
        if self._pending:
            self._take(self._pending, self._offset, self._offset + len(self._pending))
        if self._data:
            self._report("incomplete-event", self._start or 0, f"no blank line ends {self._shown(self._data[-1])}")
        return Decoded(tuple(self.events), tuple(self.comments), tuple(self.violations))

    def _skip_byte_order_mark(self) -> None:
        self._at_start = False
        if self._pending.startswith(BOM):
            self._pending = self._pending[len(BOM) :]
            self._offset += len(BOM)

    def _take_lines(self, final: bool) -> None:
        """Take every line that has its end."""
        pending, place = self._pending, 0
        while line := LINE.match(pending, place):
            if line[2] == b"\r" and line.end() == len(pending) and not final:
                break  # the next byte decides whether this is CR or CRLF
            place = line.end()
            self._take(line[1], self._offset + line.start(), self._offset + place)
        self._pending = pending[place:]
        self._offset += place

    def _take(self, line: bytes, start: int, end: int) -> None:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            self._report("bad-utf8", start + error.start, f"{line[error.start : error.end]!r} is not UTF-8")
            text = line.decode("utf-8", errors="replace")
        if not text:
            self._dispatch(end)
            return
        if text.startswith(":"):
            self.comments.append(text[1:])
            return
        if self._start is None:
            self._start = start
        field, colon, value = text.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field not in ("id", "retry") and not _is_extension(field, colon, value):
            self._report("unknown-field", start, f"a line is no SSE field: {self._shown(text)}")

    def _dispatch(self, end: int) -> None:
        if self._data:
            data = "\n".join(self._data)
            start = self._start if self._start is not None else end
            if self._done:
                self._report("after-done", start, f"an event follows [DONE]: {self._shown(data)}")
            self._done = self._done or data.strip() == DONE
            self.events.append(Event(data, self._name or "message", (start, end), len(self._data)))
        self._data, self._name, self._start = [], "", None

    def _report(self, kind: str, at: int, detail: str) -> None:
        self.violations.append(Violation(kind, at, detail))

    @staticmethod
    def _shown(text: str) -> str:
        return repr(text if len(text) <= 80 else text[:77] + "...")


def _is_extension(field: str, colon: str, value: str) -> bool:
    """A field of somebody's own, which clients pass over; not a known one misspelt, nor a payload that lost its name."""
    named = re.fullmatch(r"[A-Za-z][\w.-]*", field) is not None
    return bool(colon) and named and field.lower() not in FIELDS and not value.lstrip().startswith(("{", "[", '"'))


def decode(body: bytes) -> Decoded:
    """The events of a whole body."""
    decoder = Decoder()
    decoder.feed(body)
    return decoder.close()
