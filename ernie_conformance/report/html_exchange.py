"""One exchange on the page: its curl line and its bytes, made visible and cut to a size that is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from ernie_conformance.judge.verdicts import printable
from ernie_conformance.wire.exchange import ABANDONED, Exchange

HEAD_SHARE = 2 / 3  # of what is shown of a long body: its beginning; the rest is its end, where streams go wrong
GROWTH = 2  # how much longer than its bytes a text may get by being made safe, before more of it is cut
Piece = tuple[float, bytes]


@dataclass(frozen=True)
class Shown:
    """An exchange in words. `left_out` counts the bytes of the answer's body that aren't shown."""

    name: str
    outcome: str
    curl: str
    request: str
    answer: str
    size: int
    left_out: int
    log: str


def shown(exchange: Exchange, curl: str, limit: int) -> Shown:
    """`exchange` for the page with the line that repeats it, and at most about `limit` bytes of its answer."""
    request, left_of_request = _fitting([(0.0, exchange.request.body or b"")], limit // 3, timed=False)
    answer, left = _fitting(exchange.pieces, limit, timed=exchange.wants_stream)
    cut = f"\n… {left_of_request} B …" if left_of_request else ""
    asked = [f"{exchange.request.method} {exchange.request.path}", *(f"{k}: {v}" for k, v in exchange.request.headers)]
    told = [f"{exchange.status or '-'}", *(f"{k}: {v}" for k, v in exchange.headers)]
    return Shown(
        name=printable(exchange.name, 120),
        outcome=printable(_outcome(exchange), 300),
        curl=printable(curl, 4000),
        request="\n".join(printable(line, 500) for line in asked) + "\n\n" + request + cut,
        answer="\n".join(printable(line, 500) for line in told[:40]) + "\n\n" + answer,
        size=len(exchange.body),
        left_out=left,
        log="\n".join(printable(line, 300) for line in (exchange.log or "").strip().splitlines()[-8:]),
    )


def _outcome(exchange: Exchange) -> str:
    # What is sent bounded may be heard to its end all the same.
    ended = exchange.body.rstrip().endswith(b"[DONE]") if exchange.wants_stream else bool(exchange.body)
    if exchange.expects == ABANDONED and not (ended and exchange.error is None):
        return f"left on purpose after {exchange.seconds:.2f} s"
    status = f"HTTP {exchange.status}" if exchange.status is not None else "no answer"
    return f"{status}, {exchange.seconds:.2f} s" + (f", {exchange.error}" if exchange.error else "")


def _fitting(pieces: Sequence[Piece], limit: int, timed: bool) -> tuple[str, int]:
    """The pieces as text that stays near `limit` bytes when escaped, and how many bytes were left out."""
    while True:
        head, tail, left = ends(pieces, limit)
        text = _text(head, timed) + (f"\n… {left} B …\n" + _text(tail, timed) if left else "")
        if len(escape(text).encode("utf-8", "replace")) <= GROWTH * limit + 400 or limit < 50:
            return text, left
        limit //= 2


def ends(pieces: Sequence[Piece], limit: int) -> tuple[list[Piece], list[Piece], int]:
    """The first and the last pieces within `limit` bytes, and the number of bytes between them."""
    size = sum(len(data) for _, data in pieces)
    if size <= limit:
        return list(pieces), [], 0
    head = _first(pieces, int(limit * HEAD_SHARE))
    backwards = _first([(at, data[::-1]) for at, data in reversed(pieces)], limit - int(limit * HEAD_SHARE))
    tail = [(at, data[::-1]) for at, data in reversed(backwards)]
    return head, tail, size - sum(len(data) for _, data in head + tail)


def _first(pieces: Sequence[Piece], limit: int) -> list[Piece]:
    found: list[Piece] = []
    for at, data in pieces:
        if limit <= 0:
            break
        found.append((at, data[:limit]))
        limit -= len(data)
    return found


def _text(pieces: Sequence[Piece], timed: bool) -> str:
    """Pieces as text; with the second at which each came, and its line ends shown, where time matters."""
    if not timed:
        return visible(b"".join(data for _, data in pieces))
    lines = []
    for at, data in pieces:
        said = visible(data)
        bare = said.rstrip("\n")
        lines.append(f"{at:8.3f}  " + bare.replace("\n\n", "⏎⏎\n          ") + "⏎" * (len(said) - len(bare)))
    return "\n".join(lines)


def visible(data: bytes) -> str:
    """Bytes as text: lines stay lines, whatever else can't be printed is shown as an escape."""
    text = data.decode("utf-8", errors="backslashreplace")
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)
