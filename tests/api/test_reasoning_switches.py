"""Thinking on and off, its budget, a cut in its midst, a tag in the answer, and reasoning in both modes."""

from __future__ import annotations

from ernie_conformance.gather.asks.tools import TAGGED
from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import reasoning as rules
from ernie_conformance.judge.rules.documents import is_verbatim
from ernie_conformance.judge.rules.twins import pair
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, Reply, Stream, view

CUT = ("reason-cut", "reason-cut-inside")


@row("REASON-007")
def test_the_template_switch_alone_turns_thinking_off(think_off_kwargs: Answer, think_off_kwargs_stream: Stream) -> None:
    rules.doesnt_think(think_off_kwargs)
    rules.doesnt_think(think_off_kwargs_stream)


@row("REASON-008")
def test_the_metadata_switch_alone_turns_thinking_off(think_off_metadata: Answer, think_off_metadata_stream: Stream) -> None:
    rules.doesnt_think(think_off_metadata)
    rules.doesnt_think(think_off_metadata_stream)


@row("REASON-009")
def test_thinking_can_be_asked_for(think_on: Answer) -> None:
    rules.thinks(think_on)


@row("REASON-010")
def test_a_budget_shortens_the_thought(reason_budget: Answer, thinking: Answer) -> None:
    rules.is_within_budget(reason_budget, thinking)


@row("REASON-011")
def test_a_cut_thought_stays_reasoning(reason_twins: Scene) -> None:
    for name in CUT:
        cut = pair(reason_twins, name)
        rules.stays_reasoning(cut.whole)
        rules.stays_reasoning(cut.stream)


@row("REASON-012")
def test_a_cut_loses_nothing(reason_twins: Scene) -> None:
    for name in CUT:
        cut = pair(reason_twins, name)
        rules.loses_nothing(cut.whole)
        rules.loses_nothing(cut.stream)


@row("REASON-013")
def test_a_cut_adds_nothing(reason_twins: Scene) -> None:
    for name in CUT:
        rules.adds_no_notice(pair(reason_twins, name))


@row("REASON-014")
def test_both_modes_split_alike(reason_twins: Scene) -> None:
    rules.split_alike(pair(reason_twins, "reason-twin"))


@row("REASON-015")
def test_reasoning_comes_in_tokens(reason_twins: Scene) -> None:
    rules.comes_in_tokens(pair(reason_twins, "reason-twin").stream)


@row("REASON-016")
@for_each(thought=("thinking", "thinking-stream"))
def test_the_answer_begins_with_text(thought: Reply) -> None:
    rules.begins_with_text(thought)


@row("REASON-017")
def test_thinking_is_switched_for_each_request(mixed_thinking: Scene) -> None:
    for name, exchange in mixed_thinking.exchanges.items():
        reply = view(exchange)
        (rules.thinks_and_answers if name.startswith("mixed-on") else rules.doesnt_think)(reply)


@row("REASON-018")
def test_the_answer_does_not_repeat_the_reasoning(answer: Answer) -> None:
    rules.says_it_once(answer)


@row("REASON-019")
def test_what_is_asked_without_thinking_gets_none(reply: Reply, plain: Answer) -> None:
    rules.keeps_quiet(reply, plain)


@row("REASON-020")
@for_each(tagged=[ask.name for ask in TAGGED])
def test_a_quoted_tag_ends_no_thought(tagged: Reply, json_thinking: Reply) -> None:
    is_verbatim(tagged, json_thinking, owner="JSON-003")
