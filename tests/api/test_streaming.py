"""Streams: the bytes, the order of chunks, and when they arrive."""

from __future__ import annotations

from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.outcome import NotAsked, expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import streams as rules
from ernie_conformance.judge.rules.streams import assert_one_value
from ernie_conformance.judge.rules.text import is_whole
from ernie_conformance.judge.views import EventStream, Reply, Stream
from ernie_conformance.wire.exchange import Exchange


@row("SSE-001")
def test_a_stream_says_it_is_an_event_stream(stream_exchange: Exchange) -> None:
    media = stream_exchange.media_type
    expect(media == "text/event-stream", f"{stream_exchange.name}: media type is {media!r}", stream_exchange)


@row("SSE-002")
def test_a_stream_is_well_framed(event_stream: EventStream) -> None:
    rules.is_well_framed(event_stream)


@row("SSE-003")
def test_every_event_is_one_json_object_or_done(event_stream: EventStream) -> None:
    rules.has_plain_payloads(event_stream)


@row("SSE-004")
def test_done_comes_once_and_last(event_stream: EventStream) -> None:
    rules.ends_with_done(event_stream)


@row("SSE-005")
def test_no_line_ends_with_a_bare_cr(event_stream: EventStream) -> None:
    rules.ends_lines_with_lf(event_stream)


@row("SSE-006")
def test_events_have_no_names(event_stream: EventStream) -> None:
    rules.has_no_names(event_stream)


@row("SSE-007")
def test_nothing_follows_done(event_stream: EventStream) -> None:
    rules.ends_with_its_mark(event_stream)


@row("STREAM-001")
def test_every_chunk_has_the_fields_that_clients_read(stream: Stream) -> None:
    rules.conforms(stream, "compat/chat.completion.chunk")


@row("STREAM-002")
def test_every_chunk_has_every_published_field(stream: Stream) -> None:
    rules.conforms(stream, "openai/chat.completion.chunk")


@row("STREAM-003")
def test_no_error_stands_in_the_stream_of_a_legal_request(event_stream: EventStream) -> None:
    rules.holds_no_error(event_stream)


@row("STREAM-004")
def test_the_role_comes_once_and_first(stream: Stream) -> None:
    rules.names_role_once(stream)


@row("STREAM-005")
def test_each_choice_finishes_once(stream: Stream) -> None:
    rules.finishes_once(stream)


@row("STREAM-006")
def test_no_text_follows_the_finish(stream: Stream) -> None:
    rules.says_nothing_after_finish(stream)


@row("STREAM-007")
def test_every_chunk_carries_the_same_id(stream: Stream) -> None:
    assert_one_value(stream, "id")


@row("STREAM-008")
def test_every_chunk_carries_the_same_created_and_model(stream: Stream) -> None:
    assert_one_value(stream, "created")
    assert_one_value(stream, "model")


@row("STREAM-009")
def test_an_index_names_a_choice(stream: Stream) -> None:
    most = stream.asked.get("n") or 1
    wrong = [index for index in stream.numbers if not 0 <= index < most]
    expect(not wrong, f"{stream.name}: indices {wrong[:5]} where n is {most}", stream)


@row("STREAM-010")
def test_usage_comes_once_at_the_end_when_asked(stream: Stream) -> None:
    if not rules.wants_usage(stream):
        raise NotAsked("no usage was asked for")
    rules.gives_usage_once(stream)


@row("STREAM-011")
def test_no_usage_comes_unasked(stream: Stream) -> None:
    if stream.asked.get("stream_options") not in (None, {"include_usage": False}):
        raise NotAsked("stream_options were given")
    rules.gives_no_usage(stream)


@row("STREAM-016")
def test_empty_stream_options_ask_for_nothing(stream_options_empty: Stream) -> None:
    rules.gives_no_usage(stream_options_empty)


@row("STREAM-012")
@for_each(long_stream=("long-stream", "long-stream-thinking", "long-stream-tools"))
def test_text_arrives_while_it_is_made(long_stream: Stream) -> None:
    rules.arrives_piecemeal(long_stream)


@row("STREAM-018")
def test_text_that_is_compressed_arrives_while_it_is_made(long_stream_gzip: Stream, long_stream: Stream) -> None:
    rules.arrives_piecemeal_too(long_stream_gzip, long_stream)


@row("STREAM-013")
def test_no_character_is_torn(generation: Reply) -> None:
    is_whole(generation)


@row("STREAM-014")
def test_deltas_carry_new_text_only(any_stream: Stream) -> None:
    rules.carries_new_text_only(any_stream)


@row("STREAM-015")
def test_counted_tokens_are_seen(stream: Stream) -> None:
    if not isinstance(stream.usage, dict):
        raise NotAsked(f"{stream.name} carries no usage")
    shown = any(piece.delta.get("tool_calls") for piece in stream.pieces) or stream.text
    count = stream.count("completion_tokens")
    expect(bool(shown) or count <= 2, f"{stream.name}: {count} tokens were counted, no text came", stream)


@row("STREAM-017")
def test_the_first_content_is_not_null(stream: Stream) -> None:
    rules.begins_with_text(stream)
