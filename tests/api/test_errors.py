"""Wrong requests: refused with a reason, as the client's mistake, and without harm to anyone else."""

from __future__ import annotations

from ernie_conformance.gather.asks import errors as asked
from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.outcome import Blocked, NotAsked, expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import errors as rules
from ernie_conformance.judge.views import Answer, Stream
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange

HELPFUL = [name for name, wrong in asked.WRONG.items() if wrong.blames]


@row("ERR-001")
@for_each(wrong=asked.WRONG)
def test_a_wrong_request_is_refused(wrong: Exchange, err_good: Answer) -> None:
    rules.is_refused(wrong, err_good)


@row("ERR-002")
def test_a_wrong_request_is_the_clients_mistake(refusal: Exchange) -> None:
    rules.is_clients_mistake(refusal)


@row("ERR-003")
def test_no_error_comes_with_status_200(exchange: Exchange) -> None:
    if exchange.status != 200:
        raise NotAsked(f"{exchange.name} has another status")
    rules.is_no_error(exchange)


@row("ERR-004")
def test_an_error_has_a_message_where_clients_look(error_body: Exchange) -> None:
    rules.has_documented_body(error_body, "compat")


@row("ERR-005")
def test_an_error_has_every_published_field(error_body: Exchange) -> None:
    rules.reason(error_body)
    rules.has_documented_body(error_body, "openai")


@row("ERR-006")
def test_an_error_in_json_says_so(error_body: Exchange) -> None:
    rules.is_labelled_json(error_body)


@row("ERR-007")
def test_an_error_shows_no_stack_and_no_path(exchange: Exchange) -> None:
    if (exchange.status or 0) < 400:
        raise NotAsked(f"{exchange.name} is no error")
    rules.leaks_nothing(exchange)


@row("ERR-008")
@for_each(wrong=HELPFUL)
def test_an_error_names_the_field(wrong: Exchange) -> None:
    rules.names_what_is_wrong(wrong)


@row("ERR-009")
def test_an_error_is_short(error_body: Exchange) -> None:
    rules.is_short(error_body)


@row("ERR-010")
def test_the_server_lives_on(evidence: Evidence, err_huge: Exchange) -> None:  # noqa: ARG001  (named to be sent)
    rules.server_lives_on(evidence)


@row("ERR-011")
@for_each(wrong=[f"{name}-stream" for name in asked.STREAMED])
def test_a_refused_stream_is_a_plain_error(wrong: Exchange, err_good_stream: Stream, evidence: Evidence) -> None:
    unstreamed = evidence.exchanges.get(wrong.name.removesuffix("-stream"))
    if unstreamed is not None and unstreamed.status == 200:
        raise Blocked("ERR-001", f"{unstreamed.name} isn't refused either", unstreamed)
    rules.is_plain(wrong, err_good_stream)


@row("ERR-012")
def test_an_unknown_model_is_refused(err_model: Exchange, err_good_alone: Answer) -> None:
    rules.is_refused(err_model, err_good_alone)


@row("ERR-013")
@for_each(route=[*asked.ROUTES, "err-route-post"])
def test_an_unknown_route_is_not_found(route: Exchange) -> None:
    rules.is_unknown(route)


@row("ERR-014")
@for_each(missing=[*asked.ROUTES, "err-route-post", *asked.METHODS])
def test_errors_of_routing_are_json(missing: Exchange) -> None:
    rules.has_json(missing)


@row("ERR-015")
@for_each(method=asked.METHODS)
def test_a_wrong_method_is_refused(method: Exchange) -> None:
    status = rules.answered(method)
    expect(400 <= status < 500, f"{method.name}: status {status}: {method.text[:80]!r}", method)


@row("ERR-016")
@for_each(body=asked.BODIES)
def test_a_body_that_is_no_json_object_is_refused(body: Exchange, err_good: Answer) -> None:
    rules.is_refused(body, err_good)


@row("ERR-017")
@for_each(heavy=(*asked.HEAVY, *asked.EMPTY_PROMPTS))
def test_a_monstrous_body_is_answered_or_refused(heavy: Exchange) -> None:
    rules.is_taken_or_refused(heavy)


@row("ERR-018")
def test_what_no_schema_allows_is_refused(
    err_role_unknown: Exchange,
    err_temperature_high: Exchange,
    err_max_tokens_quoted: Exchange,
    err_stop_number: Exchange,
    err_model_number: Exchange,
    err_user_number: Exchange,
    err_label_form: Exchange,
) -> None:
    fields = (err_temperature_high, err_max_tokens_quoted, err_stop_number, err_model_number, err_user_number)
    rules.are_strict((err_role_unknown, *fields, err_label_form))


@row("ERR-019")
@for_each(strange=(*asked.LENIENT, *asked.STRANGE, *asked.LABELS))
def test_a_strange_request_is_answered_or_refused(strange: Exchange) -> None:
    rules.is_taken_or_refused(strange)


@row("ERR-020")
def test_a_refusal_is_prompt(err_wrong_alone: Exchange, err_good_alone: Exchange) -> None:
    rules.is_prompt(err_wrong_alone, err_good_alone)


@row("ERR-021")
def test_a_refusal_says_whose_fault_it_is(refusal: Exchange) -> None:
    rules.says_whose_fault(refusal)
