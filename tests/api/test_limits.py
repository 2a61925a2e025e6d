"""What ends an answer: its limit, a stop string, the context."""

from __future__ import annotations

from ernie_conformance.gather.asks.limits import LIMITED, MODERN, THINKING
from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.outcome import expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import limits as rules
from ernie_conformance.judge.rules import logprobs
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, Reply, view
from ernie_conformance.targets import Target
from ernie_conformance.wire.exchange import Exchange


@row("LIMIT-001")
@for_each(limited=[ask.name for ask in (*LIMITED, *MODERN)])
def test_an_answer_cut_by_its_limit_says_so(limited: Reply, limit_long: Reply) -> None:
    rules.ends_with_length(limited, limit_long)


@row("LIMIT-002")
@for_each(limited=[ask.name for ask in THINKING])
def test_an_answer_cut_while_thinking_says_so(limited: Reply, limit_thinking_long: Reply) -> None:
    rules.ends_with_length(limited, limit_thinking_long)


@row("LIMIT-003")
def test_a_cut_answer_has_as_many_tokens_as_its_limit(generation: Reply, target: Target) -> None:
    rules.used_up_its_limit(generation, target)


@row("LIMIT-004")
def test_an_answer_without_a_limit_is_not_cut(limit_none: Answer, target: Target) -> None:
    rules.is_not_cut_unasked(limit_none, target)


@row("LIMIT-005")
def test_a_limit_beyond_the_context_is_bent_or_refused(limit_huge: Exchange) -> None:
    taken = limit_huge.status is not None and (limit_huge.status == 200 or 400 <= limit_huge.status < 500)
    expect(taken, f"{limit_huge.name}: status {limit_huge.status}: {limit_huge.error or limit_huge.text[:120]}", limit_huge)


@row("LIMIT-006")
def test_no_answer_holds_its_stop_string(generation: Reply) -> None:
    rules.holds_no_stop(generation)


@row("LIMIT-007")
def test_an_answer_goes_on_until_its_stop_string(stops: Scene) -> None:
    for answer in rules.stopped(stops):
        answer.keeps_what_came_before()


@row("LIMIT-008")
def test_no_part_of_a_stop_string_is_sent(stops: Scene) -> None:
    for answer in rules.stopped(stops):
        answer.sends_no_more()


@row("LIMIT-021")
def test_logprobs_end_where_a_stop_string_cut(stops: Scene) -> None:
    for reply in rules.stopped_with_logprobs(stops):
        logprobs.end_with_the_text(reply)


@row("LIMIT-009")
def test_a_stop_string_met_while_thinking_leaves_an_answer(stop_in_thought: Scene) -> None:
    for name in ("thought-stop", "thought-stop-stream"):
        if name in stop_in_thought.exchanges:
            rules.answers_after_a_stop_in_thought(view(stop_in_thought.exchanges[name]), stop_in_thought)


@row("LIMIT-010")
def test_prompt_tokens_grow_with_the_prompt(context: Scene) -> None:
    rules.grow_in_step(context)


@row("LIMIT-011")
def test_a_prompt_that_leaves_room_for_an_answer_is_taken(context: Scene) -> None:
    rules.is_answered_at_the_edge(rules.edge(context))


@row("LIMIT-012")
def test_a_prompt_at_the_limit_is_not_cut(context: Scene) -> None:
    rules.is_counted_whole(context, rules.edge(context))


@row("LIMIT-013")
def test_a_prompt_over_the_limit_is_refused(context: Scene) -> None:
    Answer(rules.usable_edge(rules.edge(context)))
    rules.is_refused(context.exchanges["context-over"])


@row("LIMIT-014")
def test_a_prompt_over_the_limit_is_refused_before_a_stream_begins(context: Scene) -> None:
    Answer(rules.usable_edge(rules.edge(context)))
    rules.is_refused(context.exchanges["context-over-stream"])


@row("LIMIT-018")
def test_a_conversation_over_the_limit_is_refused(context: Scene) -> None:
    Answer(rules.usable_edge(rules.edge(context)))
    rules.is_refused(context.exchanges["context-over-turns"])


@row("LIMIT-015")
def test_an_answer_cut_by_the_context_says_so(context: Scene, target: Target) -> None:
    rules.says_that_the_context_cut_it(view(rules.usable_edge(rules.edge(context))), target)


@row("LIMIT-019")
def test_what_might_begin_a_stop_string_is_sent_at_the_end(stops: Scene) -> None:
    rules.sends_what_it_held_back(stops)


@row("LIMIT-020")
def test_a_stop_string_ends_no_other_choice(choices_stop: Scene) -> None:
    rules.ends_no_other_choice(choices_stop)


@row("LIMIT-016")
def test_a_fifth_stop_string_is_obeyed_or_refused(stops: Scene, stop_fifth: Exchange) -> None:
    rules.obeys_or_refuses_a_fifth(stop_fifth, stops)


@row("LIMIT-017")
def test_a_prompt_that_comes_again_is_told_as_cached(prompt_1100_again: Answer) -> None:
    rules.was_cached(prompt_1100_again)
