"""The shape of whole answers, and what their counts must add up to."""

from __future__ import annotations

from ernie_conformance.judge.outcome import expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules.answers import (
    adds_up,
    counts_reasoning,
    counts_something,
    counts_the_prompt_alike,
    has_no_part_above_the_whole,
    ids_differ,
    is_dated,
    names_a_model,
    stays_within_its_limit,
)
from ernie_conformance.judge.schemas import breach
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, Reply, Stream
from ernie_conformance.wire.evidence import Evidence


@row("SCHEMA-001")
def test_a_chat_answer_has_the_fields_that_clients_read(answer: Answer) -> None:
    wrong = breach("compat/chat.completion", answer.data)
    expect(wrong is None, f"{answer.name}: {wrong}", answer)


@row("SCHEMA-002")
def test_a_chat_answer_has_every_published_field(answer: Answer) -> None:
    wrong = breach("openai/chat.completion", answer.data)
    expect(wrong is None, f"{answer.name}: {wrong}", answer)


@row("SCHEMA-003")
def test_created_is_the_time_of_the_answer_in_seconds(generation: Reply) -> None:
    is_dated(generation)


@row("SCHEMA-004")
def test_no_two_requests_get_the_same_id(generations: list[Reply], same_at_once: Scene) -> None:  # noqa: ARG001 - is sent
    ids_differ(generations)


@row("SCHEMA-005")
def test_each_answer_names_the_model(generation: Reply, evidence: Evidence) -> None:
    names_a_model(generation, evidence)


@row("USAGE-001")
def test_total_tokens_is_the_sum(generation: Reply) -> None:
    adds_up(generation)


@row("USAGE-002")
def test_tokens_are_counted(generation: Reply) -> None:
    counts_something(generation)


@row("USAGE-003")
def test_reasoning_tokens_match_the_reasoning(reply: Reply) -> None:
    counts_reasoning(reply)


@row("USAGE-004")
def test_no_answer_exceeds_its_limit(generation: Reply) -> None:
    stays_within_its_limit(generation)


@row("USAGE-005")
def test_no_detail_is_larger_than_its_count(generation: Reply) -> None:
    has_no_part_above_the_whole(generation)


@row("USAGE-006")
def test_a_prompt_that_comes_again_counts_the_same(
    prompt_1100: Answer, prompt_1100_again: Answer, prompt_1100_stream: Stream
) -> None:
    counts_the_prompt_alike(prompt_1100, prompt_1100_again, prompt_1100_stream)
