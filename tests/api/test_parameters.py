"""Parameters: which values are taken and refused, and what sampling parameters change."""

from __future__ import annotations

from ernie_conformance.gather.ask import Ask
from ernie_conformance.gather.asks import parameters as asks
from ernie_conformance.gather.asks.parameters import REPEATING
from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import logprobs
from ernie_conformance.judge.rules import parameters as rules
from ernie_conformance.judge.rules.errors import is_taken_or_refused
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, Reply, Stream, view
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange


def names(*groups: tuple[Ask, ...]) -> list[str]:
    return [ask.name for group in groups for ask in group]


def answers(scene: Scene, prefix: str = "") -> list[Answer]:
    return [Answer(exchange) for name, exchange in scene.exchanges.items() if name.startswith(prefix)]


@row("PARAM-001")
def test_the_tutorials_full_call_is_answered(tutorial_call: Stream) -> None:
    rules.says_something(tutorial_call)


@row("PARAM-002")
@for_each(alone=names(asks.ALONE))
def test_each_of_the_tutorials_parameters_works_alone(alone: Reply) -> None:
    rules.says_something(alone)


@row("PARAM-003")
def test_a_request_without_a_model_is_answered_or_refused(param_no_model: Exchange) -> None:
    is_taken_or_refused(param_no_model)


@row("PARAM-004")
@for_each(allowed=names(asks.IN_RANGE))
def test_the_whole_legal_range_is_taken(allowed: Exchange, plain: Exchange) -> None:
    rules.is_taken(allowed, plain)


@row("PARAM-005")
@for_each(null=[*names(asks.NULLS), asks.ALL_NULL.name])
def test_null_is_taken_for_absent(null: Exchange, plain: Exchange) -> None:
    rules.is_taken(null, plain)


@row("PARAM-006")
@for_each(outside=names(asks.OUT_OF_RANGE))
def test_a_value_just_outside_the_range_is_refused(outside: Exchange, plain: Exchange) -> None:
    rules.is_refused(outside, plain)


@row("PARAM-006")
@for_each(outside=asks.NO_CHOICES)
def test_less_than_one_choice_is_refused(outside: Exchange, plain: Exchange) -> None:
    rules.is_refused(outside, plain)


@row("PARAM-007")
@for_each(mistyped=names(asks.MISTYPED))
def test_a_value_of_a_wrong_type_is_refused(mistyped: Exchange, plain: Exchange) -> None:
    rules.is_refused(mistyped, plain)


@row("PARAM-009")
@for_each(extreme=names(asks.EXTREMES))
def test_an_extreme_value_leaves_the_server_alive(extreme: Exchange, evidence: Evidence) -> None:
    rules.leaves_the_server_alive(extreme, evidence)


@row("PARAM-010")
def test_an_unknown_parameter_is_no_server_error(param_unknown: Exchange) -> None:
    rules.is_no_server_error(param_unknown)


@row("PARAM-011")
def test_temperature_0_repeats_itself(greedy: Scene) -> None:
    rules.some_are_equal(answers(greedy), "at temperature 0")


@row("PARAM-012")
def test_temperature_0_always_repeats_itself(greedy: Scene) -> None:
    rules.all_are_equal(answers(greedy), "at temperature 0")


@row("PARAM-013")
def test_temperature_1_varies(free_1: Answer, free_2: Answer, free_3: Answer, free_4: Answer) -> None:
    rules.some_differ([free_1, free_2, free_3, free_4], "at temperature 1")


@row("PARAM-014")
def test_a_seed_repeats_an_answer(seeds: Scene) -> None:
    rules.some_are_equal(answers(seeds, "seed-7"), "with one seed")


@row("PARAM-015")
def test_other_seeds_give_other_answers(seeds: Scene) -> None:
    rules.some_differ(answers(seeds), "with four seeds")


@row("PARAM-033")
def test_a_seed_is_for_its_own_request(seed_left: Scene) -> None:
    rules.some_differ(answers(seed_left, "loose"), "without a seed, each after the same seeded request")


@row("PARAM-034")
def test_choices_of_a_seeded_request_are_no_copies(choices_seeded: Answer) -> None:
    rules.choices_differ([choices_seeded])


@row("PARAM-016")
def test_penalties_change_a_repetitive_answer(penalties: Scene) -> None:
    made = ("none", "none-again", "high")
    trials = ([Answer(penalties.exchanges[f"penalty-{name}{kind}"]) for name in made] for kind in REPEATING)
    rules.changes_repetition(tuple(trials))


@row("PARAM-017")
@for_each(several=names(asks.CHOICES, asks.CHOICES_CUT))
def test_n_choices_come(several: Reply) -> None:
    rules.has_choices(several)


@row("PARAM-018")
def test_sampled_choices_are_no_copies(choices_1: Answer, choices_2: Answer, choices_3: Answer) -> None:
    rules.choices_differ([choices_1, choices_2, choices_3])


@row("PARAM-018")
def test_streamed_choices_are_no_copies(
    choices_1_stream: Stream, choices_2_stream: Stream, choices_3_stream: Stream
) -> None:
    rules.choices_differ([choices_1_stream, choices_2_stream, choices_3_stream])


@row("PARAM-019")
@for_each(several=names(asks.CHOICES_CUT))
def test_usage_counts_every_choice(several: Reply) -> None:
    rules.counts_every_choice(several)


@row("PARAM-020")
def test_min_tokens_is_reached(min_tokens: Answer) -> None:
    rules.is_long_enough(min_tokens)


@row("PARAM-021")
@for_each(told=names(asks.LOGPROB_ASKS))
def test_logprobs_cover_the_answer(told: Reply) -> None:
    logprobs.cover_the_text(told)


@row("PARAM-022")
@for_each(told=names(asks.LOGPROB_ASKS))
def test_logprobs_are_logarithms_of_probabilities(told: Reply) -> None:
    logprobs.are_logarithms(told)


@row("PARAM-023")
@for_each(told=names(asks.LOGPROB_ASKS))
def test_top_logprobs_has_as_many_as_asked(told: Reply) -> None:
    logprobs.have_so_many_alternatives(told)


@row("PARAM-024")
@for_each(told=names(asks.LOGPROB_ASKS))
def test_top_logprobs_stand_in_order(told: Reply) -> None:
    logprobs.are_in_order(told)


@row("PARAM-025")
@for_each(told=names(asks.LOGPROB_ASKS))
def test_bytes_are_those_of_the_token(told: Reply) -> None:
    logprobs.tell_the_bytes(told)


@row("PARAM-026")
@for_each(told=names(asks.LOGPROB_ASKS))
def test_the_greedy_token_is_the_likeliest(told: Reply) -> None:
    logprobs.took_the_likeliest(told)


@row("PARAM-027")
@for_each(bare=names(asks.BARE_LOGPROBS))
def test_logprobs_need_no_top_logprobs(bare: Exchange, logprobs_1: Exchange) -> None:
    rules.is_taken(bare, logprobs_1)
    logprobs.come(view(bare))


@row("PARAM-028")
@for_each(bad=names(asks.BAD_LOGPROBS))
def test_illegal_logprobs_are_refused(bad: Exchange, logprobs_1: Exchange) -> None:
    rules.is_refused(bad, logprobs_1)


@row("PARAM-029")
def test_a_top_p_of_0_is_taken(param_top_p_zero: Exchange, plain: Exchange) -> None:
    rules.is_taken(param_top_p_zero, plain)


@row("PARAM-030")
@for_each(useless=names(asks.USELESS))
def test_a_field_that_asks_for_nothing_special_is_taken(useless: Exchange, plain: Exchange) -> None:
    rules.is_taken(useless, plain)


@row("PARAM-031")
def test_a_narrow_top_p_repeats_itself(narrow: Scene) -> None:
    rules.some_are_equal(answers(narrow), "with a top_p of 0.01")


@row("PARAM-032")
def test_stream_options_need_a_stream(param_options_alone: Exchange, plain: Exchange) -> None:
    rules.is_refused(param_options_alone, plain)
