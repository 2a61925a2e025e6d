"""The two channels: what was thought, and what is answered."""

from __future__ import annotations

from ernie_conformance.judge.outcome import expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules.streams import goes_one_way
from ernie_conformance.judge.rules.text import CONTROL_TOKEN, THINK_TAG, has_no
from ernie_conformance.judge.views import Answer, Reply, Stream


@row("REASON-001")
def test_a_stream_goes_one_way(stream: Stream) -> None:
    goes_one_way(stream)


@row("REASON-002")
def test_no_channel_holds_a_think_tag(reply: Reply) -> None:
    has_no(reply, THINK_TAG, "a think tag")


@row("REASON-003")
def test_no_text_holds_a_control_token(generation: Reply) -> None:
    has_no(generation, CONTROL_TOKEN, "a control token")


@row("REASON-004")
def test_thinking_comes_before_the_answer(thinking: Answer, thinking_stream: Stream) -> None:
    for reply in (thinking, thinking_stream):
        expect(bool(reply.reasoning.strip()), f"{reply.name}: no reasoning came", reply)
        expect(bool(reply.content.strip()), f"{reply.name}: no answer came, only reasoning", reply)


@row("REASON-005")
def test_without_thinking_the_answer_is_content(plain: Answer, plain_stream: Stream) -> None:
    for reply in (plain, plain_stream):
        expect(bool(reply.content.strip()), f"{reply.name}: content is empty", reply)
        expect(not reply.reasoning.strip(), f"{reply.name}: reasoning came: {reply.reasoning[:60]!r}", reply)


@row("REASON-006")
def test_the_field_is_called_reasoning_content(thinking: Answer, thinking_stream: Stream) -> None:
    deltas = [piece.delta for piece in thinking_stream.pieces if piece.reasoning]
    for reply, holders in ((thinking, [thinking.message()]), (thinking_stream, deltas)):
        other = [h for h in holders if "reasoning_content" not in h]
        expect(not other, f"{reply.name}: the field is called {sorted(set(other[0]) if other else ())}", reply)
