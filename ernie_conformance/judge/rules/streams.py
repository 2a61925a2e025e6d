"""Rules about streams: framing, order, what comes once, and when it arrives."""

from __future__ import annotations

import re
from typing import Any

from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, expect
from ernie_conformance.judge.schemas import breach
from ernie_conformance.judge.views import Chunk, EventStream, Piece, Stream, reasoning_of
from ernie_conformance.wire import sse
from ernie_conformance.wire.exchange import NotJson, strict_json

FRAMING = {"bad-utf8", "unknown-field", "incomplete-event"}
# Incrementality can be seen only where generating took this long: below it, one write may rightly carry everything.
LONG_ENOUGH = 0.3  # seconds
LONG_TEXT = 100  # characters: fewer may be a handful of tokens, which one write may rightly carry too
LATEST_FIRST = 0.75  # the first text must have come before this share of the stream's time has passed


def assert_one_value(stream: Stream, key: str) -> None:
    """Every chunk has the same value under `key`. Raises Broken with the values seen."""
    values = list(dict.fromkeys(repr(chunk.data.get(key)) for chunk in stream.chunks))
    expect(len(values) == 1, f"{stream.name}: {key} takes {len(values)} values: {', '.join(values[:3])}", stream)


def is_well_framed(stream: EventStream) -> None:
    """The bytes follow the WHATWG rules. Raises Broken with the first violation and its place."""
    wrong = [v for v in stream.decoded.violations if v.kind in FRAMING]
    expect(not wrong, f"{stream.name}: {wrong[0].kind} at byte {wrong[0].at}: {wrong[0].detail}" if wrong else "", stream)


def has_plain_payloads(stream: EventStream) -> None:
    """Each event is one data line: a JSON object or [DONE]; and an object comes. Raises Broken."""
    expect(bool(stream.payloads), f"{stream.name}: no data event but [DONE] came", stream)
    for event in stream.decoded.events:
        shown = repr(event.data if len(event.data) < 80 else event.data[:77] + "...")
        expect(event.lines == 1, f"{stream.name}: one event has {event.lines} data lines: {shown}", stream)
        if event.data.strip() == sse.DONE:
            continue
        try:
            data = strict_json(event.data)
        except NotJson as error:
            expect(False, f"{stream.name}: an event is not JSON ({error}): {shown}", stream)
        expect(isinstance(data, dict), f"{stream.name}: an event is no JSON object: {shown}", stream)


def holds_no_error(stream: EventStream) -> None:
    """No event is an error object. Raises Broken with it; what isn't JSON belongs to another row."""
    for event in stream.payloads:
        try:
            data = strict_json(event.data)
        except NotJson:
            continue
        wrong = isinstance(data, dict) and Chunk(data, 0.0, event.span).is_error
        expect(not wrong, f"{stream.name}: the stream holds an error: {event.data[:200]}", stream)


def ends_with_done(stream: EventStream) -> None:
    """[DONE] is there once, exactly so written, and last. Raises Broken."""
    events = stream.decoded.events
    expect(stream.done_marks == 1, f"{stream.name}: [DONE] came {stream.done_marks} times", stream)
    last = events[-1].data
    expect(last == sse.DONE, f"{stream.name}: the last event is {last[:80]!r}, not [DONE]", stream)


BARE_CR = re.compile(rb"\r(?!\n)")


def ends_lines_with_lf(stream: EventStream) -> None:
    """No line ends with CR alone. Raises Broken with its place."""
    found = BARE_CR.search(stream.exchange.body)
    expect(found is None, f"{stream.name}: a bare CR ends a line at byte {found.start() if found else 0}", stream)


def has_no_names(stream: EventStream) -> None:
    """Every event goes to the listeners for messages. Raises Broken with the first name."""
    names = [event.event for event in stream.decoded.events if event.event != "message"]
    expect(not names, f"{stream.name}: {len(names)} events are named, the first {names[0] if names else ''!r}", stream)


def ends_with_its_mark(stream: EventStream) -> None:
    """No comment follows [DONE]. Raises Broken; NotAsked without [DONE]. Events and loose bytes there have other rows."""
    ends = [event.span[1] for event in stream.decoded.events if event.data.strip() == sse.DONE]
    if not ends:
        raise NotAsked(f"{stream.name} has no [DONE]")
    rest = stream.exchange.body[ends[-1] :].strip()
    expect(not rest.startswith(b":"), f"{stream.name}: after [DONE] came the comment {rest[:40]!r}", stream)


def begins_with_text(stream: Stream) -> None:
    """The first delta of a choice has no null content, unless it thinks or the choice calls tools. Raises Broken."""
    for index in stream.indices:
        pieces = stream.pieces_of(index)
        delta = pieces[0].delta
        null = "content" in delta and delta["content"] is None
        instead = any(piece.delta.get("tool_calls") for piece in pieces) or reasoning_of(delta) is not None
        expect(not null or bool(instead), f"{stream.name}: the first delta of choice {index} has content null", stream)


def conforms(stream: Stream, schema: str) -> None:
    """Every chunk conforms to `schema`. Raises Broken with the first breach."""
    for number, chunk in enumerate(stream.chunks):
        wrong = breach(schema, chunk.data)
        expect(wrong is None, f"{stream.name}: chunk {number}: {wrong}", stream)


def names_role_once(stream: Stream) -> None:
    """role is in each choice's first delta and in no other. Raises Broken."""
    for index in stream.indices:
        roles = [piece.delta.get("role") for piece in stream.pieces_of(index)]
        expect(roles[0] == "assistant", f"{stream.name}: the first delta of choice {index} has role {roles[0]!r}", stream)
        again = sum(role is not None for role in roles)
        expect(again == 1, f"{stream.name}: choice {index} names its role {again} times", stream)


def finishes_once(stream: Stream) -> None:
    """Each choice has exactly one finish_reason that isn't null. Raises Broken."""
    expect(bool(stream.indices), f"{stream.name}: no chunk has a choice", stream)
    for index in stream.indices:
        reasons = [p.finish_reason for p in stream.pieces_of(index) if p.finish_reason is not None]
        expect(len(reasons) == 1, f"{stream.name}: choice {index} has {len(reasons)} finish reasons: {reasons[:3]}", stream)


def says_nothing_after_finish(stream: Stream) -> None:
    """Nothing but usage follows a choice's finish_reason. Raises Broken with the late text."""
    for index in stream.indices:
        finished = False
        for piece in stream.pieces_of(index):
            late = piece.content or piece.reasoning or piece.delta.get("tool_calls")
            expect(not (finished and late), f"{stream.name}: after finish_reason came {late!r:.80}", stream)
            finished = finished or piece.finish_reason is not None


def wants_usage(stream: Stream) -> bool:
    """Did the request ask for usage in the stream?"""
    options = stream.asked.get("stream_options") or {}
    return isinstance(options, dict) and options.get("include_usage") is True


def gives_usage_once(stream: Stream) -> None:
    """Usage comes in one chunk, the last, with no choices. Raises Broken."""
    having = [n for n, chunk in enumerate(stream.chunks) if chunk.data.get("usage") is not None]
    expect(bool(having), f"{stream.name}: no chunk has usage though include_usage was true", stream)
    if (stream.asked.get("stream_options") or {}).get("continuous_usage_stats"):
        having = having[-1:]
    expect(len(having) == 1, f"{stream.name}: {len(having)} chunks have usage", stream)
    last = stream.chunks[having[0]]
    expect(having[0] == len(stream.chunks) - 1, f"{stream.name}: usage stands in chunk {having[0]}, not in the last", stream)
    expect(
        last.data.get("choices") == [],
        f"{stream.name}: the usage chunk has choices {last.data.get('choices')!r:.60}",
        stream,
    )


def gives_no_usage(stream: Stream) -> None:
    """No chunk has usage, and each has a choice, so that choices[0] can always be read. Raises Broken."""
    for number, chunk in enumerate(stream.chunks):
        usage = chunk.data.get("usage")
        expect(usage is None, f"{stream.name}: chunk {number} has usage {usage!r:.60}, though none was asked for", stream)
        expect(bool(chunk.choices), f"{stream.name}: chunk {number} has no choices", stream)


def arrives_piecemeal(stream: Stream) -> None:
    """Text came while it was made: the first well before the end, and in several arrivals. Raises Broken.

    NotAsked when the stream was too short in time or text to tell. For streams asked alone: a queue holds text back too.
    """
    texts, seconds = stream.text_pieces, stream.exchange.seconds
    if len(stream.text) < LONG_TEXT or seconds < LONG_ENOUGH:
        raise NotAsked(f"{stream.name}: {len(stream.text)} characters in {seconds:.2f} s are too few to tell")
    first = texts[0].chunk.at
    arrivals = len({piece.chunk.at for piece in texts})
    detail = f"{stream.name}: the first text came after {first:.2f} of {seconds:.2f} s, in {arrivals} arrivals"
    expect(arrivals >= 3, detail, stream)
    expect(first <= LATEST_FIRST * seconds, detail, stream)


def arrives_piecemeal_too(stream: Stream, plain: Stream) -> None:
    """As for `arrives_piecemeal`. Blocked where `plain` doesn't either."""
    try:
        arrives_piecemeal(plain)
    except Broken as held:
        raise Blocked("STREAM-012", held.detail, plain) from held
    arrives_piecemeal(stream)


def carries_new_text_only(stream: Stream) -> None:
    """No delta repeats all of the text before it. Raises Broken. Three times in a row isn't a coincidence of wording."""
    for index in stream.indices:
        for channel in ("content", "reasoning"):
            so_far, repeats = "", 0
            for text in (_text(getattr(p, channel)) for p in stream.pieces_of(index)):
                if text and so_far:
                    repeats = repeats + 1 if len(text) > len(so_far) and text.startswith(so_far) else 0
                    expect(repeats < 3, f"{stream.name}: deltas repeat the text so far: {text[:60]!r}", stream)
                    so_far = text if repeats else so_far + text
                else:
                    so_far += text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def goes_one_way(stream: Stream) -> None:
    """role, reasoning, answer, finish: no step back, and never both channels in one delta. Raises Broken."""
    for index in stream.indices:
        answered = False
        for piece in stream.pieces_of(index):
            both = bool(piece.content) and bool(piece.reasoning)
            expect(not both, f"{stream.name}: one delta has both channels: {_shown(piece)}", stream)
            back = answered and bool(piece.reasoning)
            expect(not back, f"{stream.name}: reasoning after the answer began: {_shown(piece)}", stream)
            answered = answered or bool(_text(piece.content).strip())


def _shown(piece: Piece) -> str:
    return f"{piece.delta!r:.100}"
