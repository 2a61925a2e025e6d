"""Area 1: how the bytes of an event stream are framed, ordered and timed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import bodies, chunks, header, pieces, streams, successes
from ernie_conformance.faults.fault import Cut, Edit, Fault, Piece, Response, behaviour, question, rewrite
from ernie_conformance.faults.frames import (
    DONE,
    Frame,
    after,
    before,
    every,
    first,
    has_answer,
    has_finish,
    has_text,
    is_chunk,
    is_done,
    nth,
    swap,
    until,
    without,
)
from ernie_conformance.faults.objects import change, text
from ernie_conformance.faults.questions import unset
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

third_text = nth(3, has_text)


def _at_once(found: Iterator[Piece]) -> Iterable[Piece]:
    held = list(found)
    return [(held[-1][0], b"".join(data for _, data in held))] if held else []


def _in_bursts(seconds: float) -> Edit:
    """Flush only so often, as a proxy with a buffer does."""

    def burst(frames: Iterator[Frame]) -> Iterator[Frame]:
        held: list[Frame] = []
        for frame in frames:
            held.append(frame)
            if frame.at - held[0].at >= seconds:
                yield from (Frame(frame.at, old.raw) for old in held)
                held = []
        yield from (Frame(held[-1].at, old.raw) for old in held)

    return streams(burst)


def _glued(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Break the third text chunk off in the middle of its JSON and go on with the next event on the same line."""
    pick = third_text()
    for frame in frames:
        yield frame.saying(frame.raw[: len(frame.raw) // 2]) if pick(frame) else frame


def _reset(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Break the connection where the finish should have come."""
    for frame in frames:
        if has_finish(frame):
            raise Cut
        yield frame


def _torn_character(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Cut the answer's first wide character in two, each half in an event of its own."""
    torn = False
    for frame in frames:
        wide = next((at for at, byte in enumerate(frame.raw) if byte >= 0xE0), None)
        if torn or wide is None or not has_text(frame):
            yield frame
            continue
        torn = True
        start, end = frame.raw.rfind(b'"', 0, wide) + 1, frame.raw.find(b'"', wide)
        yield frame.saying(frame.raw[: wide + 1] + frame.raw[end:])
        yield frame.saying(frame.raw[:start] + frame.raw[wide + 1 :])


def _pretty(frame: Frame) -> Iterable[Frame]:
    lines = json.dumps(frame.chunk, ensure_ascii=False, indent=2).splitlines()
    return [frame.saying("".join(f"data: {line}\n" for line in lines).encode() + b"\n")]


def _ends(new: bytes) -> Edit:
    return streams(swap(every(lambda _: True), lambda frame: [frame.saying(frame.raw.replace(b"\n", new))]))


def _reversed_pair(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Swap the second and third text chunk, as two flushing threads do."""
    held: list[Frame] = []
    seen = 0
    for frame in frames:
        seen += has_text(frame)
        if seen == 2 and has_text(frame):
            held.append(frame)
        elif held:
            yield Frame(frame.at, frame.raw)
            yield Frame(frame.at, held.pop().raw)
        else:
            yield frame
    yield from held


def _undelimited(frame: Frame) -> Iterable[Frame]:
    return [frame.saying(frame.raw.rstrip() + b"\n")]


def _latin1(_: Request, response: Response) -> Response:
    if not response.is_event_stream:
        return response
    return response.with_header("content-type", "text/event-stream; charset=iso-8859-1")


def _too_short(_: Request, response: Response) -> Response:
    """A length is told, less comes, and the connection ends."""
    if not response.is_event_stream:
        return response
    told = response.with_header("transfer-encoding").with_header("content-length", "1000000")
    return replace(told, pieces=_then_cut(told.pieces))


def _then_cut(found: Iterable[Piece]) -> Iterator[Piece]:
    yield from found
    raise Cut


async def _keeps_open(visit: Visit) -> None:
    """Everything comes, then the body never ends."""
    response = await visit.fetch()
    await visit.wire.head(response.status, response.headers)
    for _, data in response.pieces:
        await visit.wire.piece(data)
    await visit.stall()


async def _stalls_midway(visit: Visit) -> None:
    response = await visit.fetch()
    found = list(response.pieces)
    await visit.wire.head(response.status, response.headers)
    for _, data in found[: len(found) // 2]:
        await visit.wire.piece(data)
    await visit.stall()


async def _never_starts(visit: Visit) -> None:
    response = await visit.fetch()
    await visit.wire.head(response.status, response.headers)
    await visit.stall()


async def _chunked_torn(visit: Visit) -> None:
    """The last HTTP chunk of the body is missing, and the connection closes."""
    response = await visit.fetch()
    await visit.wire.head(response.status, response.headers)
    for _, data in response.pieces:
        await visit.wire.piece(data)
    visit.wire.reusable = False


async def _chunked_lies(visit: Visit) -> None:
    """An HTTP chunk that is shorter than its size line says."""
    response = await visit.fetch()
    await visit.wire.head(response.status, response.headers)
    for _, data in response.pieces:
        await visit.wire.raw(b"%x\r\n%b\r\n" % (len(data) + 2, data))
    await visit.wire.raw(b"0\r\n\r\n")


chat_stream = where.both(where.chat, where.streamed)

FAULTS: tuple[Fault, ...] = (
    rewrite("sse-done-missing", "SSE-004", streams(without(is_done))),
    rewrite("sse-truncated-eof", "STREAM-005", streams(until(has_finish))),
    rewrite("sse-buffered-whole", "STREAM-012", pieces(_at_once), where=where.streamed),
    rewrite("sse-json-cut", "SSE-003", streams(_glued)),
    rewrite("sse-missing-blank-line", "SSE-003", streams(swap(third_text, _undelimited))),
    rewrite("sse-ping-as-data", "SSE-003", streams(before(third_text, b"data: : PROCESSING\n\n"))),
    question("sse-stream-ignored", "SSE-001", unset("stream", "stream_options")),
    rewrite("sse-wrong-content-type", "SSE-001", header("content-type", "application/json"), where=where.streamed),
    # Uniform CRLF is harmless by the standard; a bare CR is too, but clients that split lines themselves hang on it.
    rewrite("sse-crlf", "SSE-005", _ends(b"\r")),
    rewrite("sse-done-repeated", "SSE-004", streams(before(first(has_finish), DONE))),
    rewrite("sse-multiline-data", "SSE-003", streams(swap(every(is_chunk), _pretty))),
    # A comment between two events is harmless by the standard; after the end mark nobody reads it any more.
    rewrite("sse-comment-keepalive", "SSE-007", streams(after(every(is_done), b": ping\n\n"))),
    rewrite(
        "own-empty-data", "SSE-003", streams(before(third_text, b"data: \n\n")), title="empty data events", severity="high"
    ),
    rewrite(
        "own-keepalive-no-colon",
        "SSE-002",
        streams(before(third_text, b"ping\n\n")),
        title="keep-alive lines that are no SSE field",
        severity="medium",
    ),
    rewrite(
        "own-done-quoted",
        "SSE-004",
        streams(swap(every(is_done), lambda frame: [frame.saying(b'data: "[DONE]"\n\n')])),
        title="the end mark is sent as a JSON string",
        severity="high",
    ),
    rewrite(
        "own-done-unterminated",
        "SSE-002",
        streams(swap(every(is_done), lambda frame: [frame.saying(b"data: [DONE]")])),
        title="no blank line after [DONE]",
        severity="high",
    ),
    rewrite(
        "own-done-before-finish",
        "SSE-004",
        streams(without(is_done), before(first(has_finish), DONE)),
        title="[DONE] overtakes the last chunk",
        severity="high",
    ),
    rewrite(
        "own-chunk-after-done",
        "SSE-004",
        streams(after(every(is_done), b'data: {"choices":[]}\n\n')),
        title="an event follows [DONE]",
        severity="medium",
    ),
    rewrite(
        "own-text-after-done",
        "SSE-002",
        streams(after(every(is_done), b"bye")),
        title="loose bytes after [DONE]",
        severity="low",
    ),
    rewrite(
        "own-torn-character",
        "SSE-002",
        streams(_torn_character),
        title="a UTF-8 character is torn between two events",
        severity="critical",
    ),
    rewrite(
        "own-order-swapped",
        "TWIN-005",
        streams(_reversed_pair),
        title="two chunks change places",
        severity="critical",
    ),
    rewrite(
        "own-nan",
        "SSE-003",
        streams(swap(third_text, lambda frame: [frame.saying(frame.raw.replace(b"{", b'{"score":NaN,', 1))])),
        title="NaN in a chunk",
        severity="high",
    ),
    rewrite(
        "own-duplicate-key",
        "SSE-003",
        streams(swap(third_text, lambda frame: [frame.saying(frame.raw.replace(b"{", b'{"id":"x",', 1))])),
        title="a key stands twice in a chunk",
        severity="medium",
    ),
    rewrite(
        "own-python-dict",
        "SSE-003",
        streams(swap(third_text, lambda frame: [frame.saying(f"data: {frame.chunk}\n\n".encode())])),
        title="a chunk is a Python repr instead of JSON",
        severity="critical",
    ),
    rewrite(
        "own-named-events",
        "SSE-006",
        streams(swap(every(is_chunk), lambda frame: [frame.saying(b"event: chunk\n" + frame.raw)])),
        title="events carry a name, so that EventSource clients don't see them as messages",
        severity="medium",
    ),
    rewrite(
        "own-bursts",
        "STREAM-012",
        _in_bursts(60.0),
        title="flushed only once a minute",
        severity="high",
        where=where.streamed,
    ),
    rewrite(
        "own-reset-midway", "WIRE-001", streams(_reset), title="connection reset before the finish", severity="critical"
    ),
    rewrite("own-charset-latin1", "WIRE-005", _latin1, title="streams are declared as Latin-1", severity="medium"),
    rewrite(
        "own-lone-surrogate",
        "STREAM-013",
        streams(
            swap(
                first(has_answer),
                lambda f: [f.saying(f.raw.replace(b'"content":"', b'"content":"\\ud83d', 1))],
            )
        ),
        title="half a surrogate pair in a delta",
        severity="high",
    ),
    rewrite(
        "own-length-wrong",
        "WIRE-001",
        _too_short,
        where=where.streamed,
        title="a stream with a content length that isn't its own",
        severity="high",
    ),
    rewrite(
        "own-crlf-in-text",
        "TWIN-007",
        chunks(change("choices.*.delta.content", text(lambda s: s.replace("\n", "\r\n")))),
        title="line ends inside the text are rewritten in streams",
        severity="high",
    ),
    rewrite(
        "own-answer-cut",
        "WIRE-003",
        successes(bodies(lambda body: body[:-1])),
        where=where.both(where.chat, where.unstreamed),
        title="the last byte of whole answers is missing",
        severity="critical",
    ),
    rewrite(
        "own-answer-as-html",
        "WIRE-004",
        successes(header("content-type", "text/html; charset=utf-8")),
        where=where.both(where.chat, where.unstreamed),
        title="JSON is labelled as HTML",
        severity="medium",
    ),
    behaviour(
        "own-open-after-done",
        "WIRE-001",
        _keeps_open,
        where=chat_stream,
        title="body never ends after [DONE]",
        severity="high",
    ),
    behaviour(
        "own-stall-midway", "WIRE-001", _stalls_midway, where=chat_stream, title="stream stalls midway", severity="critical"
    ),
    behaviour(
        "own-head-only",
        "WIRE-001",
        _never_starts,
        where=chat_stream,
        title="a head comes and then nothing",
        severity="critical",
    ),
    behaviour(
        "own-chunked-unended",
        "WIRE-001",
        _chunked_torn,
        where=chat_stream,
        title="the connection closes without the last HTTP chunk",
        severity="high",
    ),
    behaviour(
        "own-chunked-lies",
        "WIRE-001",
        _chunked_lies,
        where=chat_stream,
        title="HTTP chunk sizes that aren't true",
        severity="critical",
    ),
)
