"""The routes beside chat: models, health, metrics, keys, methods and browsers."""

from __future__ import annotations

from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import auxiliary as rules
from ernie_conformance.judge.rules import metrics as meters
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.targets import Target
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange


@row("AUX-001")
def test_models_are_listed(models: Exchange) -> None:
    rules.is_a_list(models)


@row("AUX-002")
def test_models_say_when_they_were_made_and_whose_they_are(models: Exchange) -> None:
    rules.says_when_and_whose(models)


@row("AUX-003")
def test_a_listed_model_can_be_asked(model_list: Scene, evidence: Evidence) -> None:
    rules.names_what_is_asked(model_list, evidence)


@row("AUX-004")
def test_a_listed_model_has_an_address(model_list: Scene) -> None:
    rules.is_found(model_list)


@row("AUX-005")
def test_an_unknown_model_is_not_found(model_unlisted: Exchange) -> None:
    rules.is_not_found(model_unlisted)


@row("AUX-006")
def test_health_is_200(health: Exchange) -> None:
    rules.answers(health)


@row("AUX-007")
def test_health_answers_head(health_head: Exchange) -> None:
    rules.answers(health_head)


@row("AUX-008")
def test_metrics_are_served(metrics: Exchange) -> None:
    meters.is_served(metrics)


@row("AUX-009")
def test_metrics_are_in_the_text_format(metrics: Exchange) -> None:
    meters.follows_the_format(metrics)


@row("AUX-010")
def test_metrics_tell_tokens_and_requests(metrics: Exchange) -> None:
    meters.tells(metrics)


@row("AUX-011")
def test_metrics_count_generated_tokens_as_usage_does(metered: Scene, target: Target) -> None:
    meters.generated_as_counted(metered, target)


@row("AUX-012")
def test_metrics_count_prompt_tokens_as_usage_does(metered: Scene, target: Target) -> None:
    meters.read_as_counted(metered, target)


@row("AUX-013")
def test_counters_never_fall(metered: Scene) -> None:
    meters.never_fall(meters.before_and_after(metered))


@row("AUX-014")
def test_gauges_come_to_rest(metered: Scene, target: Target) -> None:
    meters.come_to_rest(metered, target)


@row("AUX-025")
def test_who_left_is_not_counted_as_running(left: Scene) -> None:
    meters.forget_who_left(left)


@row("AUX-015")
def test_a_preflight_is_answered(preflight: Exchange) -> None:
    rules.allows_the_request(preflight)


@row("AUX-016")
def test_a_browser_may_read_the_answer(from_a_browser: Exchange) -> None:
    rules.opens_to_browsers(from_a_browser)


@row("AUX-020")
def test_the_right_key_opens(key_right: Exchange) -> None:
    rules.answers(key_right)


@row("AUX-021")
def test_no_key_is_refused(key_missing: Exchange, key_right: Exchange) -> None:
    rules.is_locked(key_missing, key_right)


@row("AUX-022")
@for_each(wrong=["key-wrong", "key-empty"])
def test_a_wrong_key_is_refused(wrong: Exchange, key_right: Exchange) -> None:
    rules.is_locked(wrong, key_right)


@row("AUX-023")
def test_no_other_route_opens_without_a_key(keys: Scene) -> None:
    rules.has_no_back_door(keys)


@row("AUX-024")
def test_a_refusal_does_not_repeat_the_key(key_wrong: Exchange) -> None:
    rules.keeps_the_key(key_wrong)
