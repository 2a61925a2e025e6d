"""Text completions in all their forms."""

from __future__ import annotations

from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.outcome import NotAsked, expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import completions as rules
from ernie_conformance.judge.rules import streams
from ernie_conformance.judge.rules.parameters import is_taken
from ernie_conformance.judge.schemas import breach
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, Reply, Stream
from ernie_conformance.wire.exchange import Exchange


@row("COMP-001")
def test_a_completion_has_the_fields_that_clients_read(completion: Answer) -> None:
    wrong = breach("compat/text_completion", completion.data)
    expect(wrong is None, f"{completion.name}: {wrong}", completion)


@row("COMP-002")
def test_every_chunk_has_the_fields_that_clients_read(completion_stream: Stream) -> None:
    streams.conforms(completion_stream, "compat/text_completion.chunk")


@row("COMP-003")
def test_each_choice_of_a_stream_finishes_once(completion_stream: Stream) -> None:
    streams.finishes_once(completion_stream)


@row("COMP-004")
def test_usage_comes_once_at_the_end_when_asked(completion_stream: Stream) -> None:
    if not streams.wants_usage(completion_stream):
        raise NotAsked("no usage was asked for")
    streams.gives_usage_once(completion_stream)


@row("COMP-005")
def test_no_usage_comes_unasked(completion_stream_plain: Stream) -> None:
    streams.gives_no_usage(completion_stream_plain)


@row("COMP-006")
@for_each(several=["completion-list", "completion-list-stream", "completion-many"])
def test_each_prompt_of_a_list_is_answered(several: Reply) -> None:
    rules.has_a_choice_for_each(several, len(several.asked["prompt"]))


@row("COMP-007")
@for_each(several=["completion-list", "completion-list-stream"])
def test_choices_stand_in_the_order_of_prompts(several: Reply, completion_river: Answer, completion_days: Answer) -> None:
    rules.are_not_swapped(several, completion_river, completion_days)


@row("COMP-008")
@for_each(several=["completion-list", "completion-list-stream"])
def test_every_prompt_is_counted(several: Reply, completion_river: Answer, completion_days: Answer) -> None:
    rules.counts_every_prompt(several, completion_river, completion_days)


@row("COMP-009")
@for_each(several=["completion-n", "completion-best-of"])
def test_several_choices_come_or_are_refused(several: Exchange) -> None:
    rules.honours_or_refuses(several)


@row("COMP-018")
def test_choices_of_several_prompts_come_prompt_by_prompt(completion_list_n: Exchange) -> None:
    rules.stand_by_prompt(completion_list_n)


@row("COMP-010")
def test_a_prompt_may_be_token_ids(completion_ids: Exchange) -> None:
    rules.takes_token_ids(completion_ids)


@row("COMP-011")
def test_echo_gives_the_prompt_back(completion_echo: Answer) -> None:
    rules.begins_with_the_prompt(completion_echo)


@row("COMP-012")
def test_nothing_is_echoed_unasked(completion_2: Answer) -> None:
    rules.is_not_echoed(completion_2)


@row("COMP-013")
def test_logprobs_are_parallel_lists(completion_logprobs: Answer) -> None:
    rules.has_parallel_lists(completion_logprobs)


@row("COMP-014")
def test_echoed_tokens_have_logprobs_too(completion_echo_logprobs: Answer) -> None:
    rules.tells_the_prompts_logprobs(completion_echo_logprobs)


@row("COMP-015")
def test_every_chunk_carries_the_same_id(completion_stream: Stream) -> None:
    streams.assert_one_value(completion_stream, "id")


@row("COMP-016")
def test_null_is_taken_for_absent(completion_nulls: Exchange, completion_2: Exchange) -> None:
    is_taken(completion_nulls, completion_2)


@row("COMP-017")
def test_a_stop_string_ends_a_completion(completion_stops: Scene) -> None:
    rules.ends_at_its_stop_string(completion_stops)
