"""Streams and whole answers of the same request, and text that must arrive as it was written."""

from __future__ import annotations

from ernie_conformance.judge.outcome import NotAsked
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import fidelity
from ernie_conformance.judge.rules import twins as rules
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, Reply


@row("TWIN-001")
def test_twins_use_the_same_channels(twins: Scene) -> None:
    for pair in rules.pairs(twins):
        rules.use_the_same_channels(pair)


@row("TWIN-002")
def test_twins_finish_alike(twins: Scene) -> None:
    rules.finish_alike(rules.pairs(twins))


@row("TWIN-003")
def test_at_least_one_pair_is_identical(twins: Scene) -> None:
    rules.one_is_identical(rules.pairs(twins))


@row("TWIN-004")
def test_every_pair_is_identical(twins: Scene) -> None:
    for pair in rules.pairs(twins):
        rules.is_identical(pair)


@row("TWIN-005")
def test_no_character_is_lost_doubled_or_moved(twins: Scene) -> None:
    for pair in rules.pairs(twins):
        rules.is_undamaged(pair, "characters")


@row("TWIN-006")
def test_twins_count_alike(twins: Scene) -> None:
    rules.count_alike(rules.pairs(twins))


@row("TWIN-007")
def test_no_white_space_is_lost_or_changed(twins: Scene) -> None:
    for pair in rules.pairs(twins):
        rules.is_undamaged(pair, "white space")


@row("TWIN-008")
def test_text_is_read_as_utf8(generation: Reply) -> None:
    fidelity.is_read_as_utf8(generation)


@row("TWIN-009")
def test_no_text_holds_what_only_a_tokenizer_writes(generation: Reply) -> None:
    fidelity.holds_no_artefact(generation)


@row("TWIN-010")
def test_text_is_not_html_escaped(replies: list[Reply]) -> None:
    fidelity.are_not_html(replies)


@row("TWIN-011")
def test_answers_do_not_begin_with_the_prompt(replies: list[Reply]) -> None:
    fidelity.do_not_begin_with_their_prompts(replies)


@row("TWIN-012")
def test_echoed_text_comes_back_character_by_character(echo_fidelity: Answer) -> None:
    fidelity.comes_back_whole(echo_fidelity)


@row("TWIN-013")
def test_offered_tools_change_no_text(twins_with_tools: Scene) -> None:
    pair = rules.pair(twins_with_tools, "twin-tools")
    if pair.calls_a_tool:
        raise NotAsked("the model called the tool; there is no text to compare")
    rules.use_the_same_channels(pair)
    rules.is_undamaged(pair, "characters")
    rules.is_undamaged(pair, "white space")


@row("TWIN-014")
def test_logprobs_change_no_text(twins: Scene, twins_with_logprobs: Scene) -> None:
    for plain, probed in (("twin-count", "twin-logprobs"), ("twin-sentence", "twin-logprobs-sentence")):
        rules.match_with_logprobs(rules.pair(twins, plain), rules.pair(twins_with_logprobs, probed))
