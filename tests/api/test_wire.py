"""What holds for every request, whatever it asks."""

from __future__ import annotations

from ernie_conformance.judge.outcome import expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules.wire import is_json, is_usable, names_utf8, tells_health
from ernie_conformance.wire.exchange import Exchange


@row("WIRE-001")
def test_every_request_gets_a_complete_response(exchange: Exchange) -> None:
    expect(exchange.error is None and exchange.status is not None, f"{exchange.name}: {exchange.error}", exchange)


@row("WIRE-002")
def test_a_legal_request_is_answered_with_200(legal: Exchange) -> None:
    is_usable(legal)


@row("WIRE-003")
def test_an_answer_is_one_json_document(whole: Exchange) -> None:
    is_json(whole)


@row("WIRE-004")
def test_a_json_answer_says_it_is_json(whole: Exchange) -> None:
    expect(whole.media_type == "application/json", f"{whole.name}: media type is {whole.media_type!r}", whole)


@row("WIRE-005")
def test_a_named_charset_is_utf8(exchange: Exchange) -> None:
    names_utf8(exchange)


@row("WIRE-006")
def test_health_is_200_or_503(health: Exchange) -> None:
    tells_health(health)
