"""The one judge: how a test's end becomes a ruling, rulings a row's verdict, and verdicts a gate."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import replace
from typing import Any

import pytest

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Case, Terms, rule, suite_cases
from ernie_conformance.judge.outcome import Blocked, Broken, Inconclusive, NotAsked, NotTestable
from ernie_conformance.judge.rows import Row, load_rows
from ernie_conformance.judge.verdicts import Finding, Ruling, gate, part_states, row_verdicts
from ernie_conformance.judge.views import Answer
from ernie_conformance.judge.waivers import Waiver, waiver_problems
from ernie_conformance.targets import Target
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import ANSWER, Exchange, Request

ROW = Row("X-001", "x", "api", "MUST", "compat", "It holds.", "here", {"en": "so", "zh": "故"})
SHOULD = replace(ROW, level="SHOULD", layer="openai")
TARGET = Target("t", "attached", "e", capabilities=frozenset({"chat"}), disruptive=True)
CHAT = b'{"model": "null", "messages": [{"role": "user", "content": "hi"}]}'


def exchange(name: str, body: bytes = b"{}", status: int | None = 200, error: str | None = None) -> Exchange:
    request = Request("POST", "/v1/chat/completions", (), CHAT)
    return Exchange(name, request, status, pieces=((0.1, body),), error=error, expects=ANSWER)


def ruled(check: Any, row: Row = ROW, terms: Terms | None = None, *exchanges: Exchange) -> Ruling:
    evidence = Evidence({e.name: e for e in exchanges or (exchange("one"), exchange("two"))})
    return rule(Case(row, check, "test"), evidence, terms or Terms(TARGET))


def ends_with(outcome: BaseException) -> Any:
    def check() -> None:
        raise outcome

    return check


@pytest.mark.parametrize(
    ("outcome", "row", "verdict"),
    [
        (Broken("no", "one"), ROW, verdicts.FAIL),
        (Broken("no", "one"), SHOULD, verdicts.WARN),
        (Blocked("WIRE-001", "no"), ROW, verdicts.BLOCKED),
        (NotTestable("no"), ROW, verdicts.NOT_TESTABLE),
        (NotAsked("no"), ROW, verdicts.NOT_ASKED),
        (Inconclusive("no"), ROW, verdicts.INCONCLUSIVE),
        (KeyError("no"), ROW, verdicts.ERROR),
        (AssertionError("a bare assert"), ROW, verdicts.ERROR),
    ],
)
def test_each_end_of_a_test_has_its_verdict(outcome: BaseException, row: Row, verdict: str) -> None:
    assert ruled(ends_with(outcome), row).verdict == verdict


def test_a_should_of_the_published_layer_fails_when_strict() -> None:
    assert ruled(ends_with(Broken("no")), SHOULD, Terms(TARGET, "strict")).verdict == verdicts.FAIL


def test_a_quantified_test_names_every_exchange_that_shows_it() -> None:
    def check(exchange: Exchange) -> None:
        raise Broken(f"{exchange.name} is wrong", exchange)

    ruling = ruled(check)
    assert (ruling.verdict, ruling.exchanges, ruling.asked) == (verdicts.FAIL, ("one", "two"), 2)


def test_a_quantified_test_passes_where_it_could_be_put() -> None:
    def check(answer: Answer) -> None:
        assert answer.data == {}

    assert ruled(check, ROW, None, exchange("good"), exchange("bad", b"nonsense")).verdict == verdicts.PASS
    assert ruled(check, ROW, None, exchange("bad", b"nonsense")).verdict == verdicts.BLOCKED


def test_a_test_with_nothing_to_look_at_never_passes() -> None:
    def check(stream: Any) -> None:  # noqa: ARG001  (its name says what it asks for)
        raise Broken("never called")

    assert ruled(check).verdict == verdicts.NOT_ASKED


def test_what_a_target_does_not_declare_is_not_testable() -> None:
    ruling = ruled(ends_with(Broken("no")), replace(ROW, needs=("vision",)))
    assert (ruling.verdict, ruling.detail) == (verdicts.NOT_TESTABLE, "not declared: vision")


def test_a_disruptive_row_is_not_asked_of_a_server_that_may_not_be_disturbed() -> None:
    terms = Terms(replace(TARGET, disruptive=False))
    assert ruled(ends_with(Broken("no")), replace(ROW, disruptive=True), terms).verdict == verdicts.NOT_ASKED


def ruling(verdict: str, row: Row = ROW, *findings: Finding) -> Ruling:
    return Ruling(row, f"test-{row.id}", verdict, findings, asked=1)


def test_the_worst_test_decides_a_row() -> None:
    order = [verdicts.NOT_ASKED, verdicts.PASS, verdicts.WAIVED, verdicts.WARN, verdicts.FAIL, verdicts.ERROR]
    for better, worse in itertools.pairwise(order):
        (row,) = row_verdicts([ruling(worse), ruling(better)])
        assert row.verdict == worse


def test_blocked_by_a_row_that_is_not_red_is_our_own_error() -> None:
    owner = replace(ROW, id="X-002")
    blocked = ruling(verdicts.BLOCKED, ROW, Finding("no", (), "X-002"))
    assert row_verdicts([blocked, ruling(verdicts.PASS, owner)])[0].verdict == verdicts.ERROR
    assert row_verdicts([blocked])[0].verdict == verdicts.ERROR
    assert row_verdicts([blocked], narrowed=True)[0].verdict == verdicts.BLOCKED
    assert row_verdicts([blocked, ruling(verdicts.FAIL, owner)])[0].verdict == verdicts.BLOCKED


@pytest.mark.parametrize("verdict", [verdicts.FAIL, verdicts.INCONCLUSIVE, verdicts.ERROR])
def test_red_closes_the_gate(verdict: str) -> None:
    rows = row_verdicts([ruling(verdict), ruling(verdicts.PASS, replace(ROW, id="X-002"))])
    assert gate(rows, reference=False, partial=False) == "closed"


def test_the_gate_says_what_it_may_say() -> None:
    clean = row_verdicts([ruling(verdicts.PASS), ruling(verdicts.WARN, replace(SHOULD, id="X-002"))])
    assert gate(clean, reference=False, partial=False) == "open"
    assert gate(clean, reference=False, partial=True) == "partial"
    assert gate(clean, reference=True, partial=False) == "self-check"
    assert gate(clean, reference=False, partial=False, problems=["a stale waiver"]) == "closed"
    assert gate([], reference=False, partial=False) == "closed"
    assert gate(row_verdicts([ruling(verdicts.NOT_TESTABLE)]), reference=False, partial=False) == "closed"


def test_a_part_without_an_exercised_row_was_not_asked() -> None:
    rows = row_verdicts([ruling(verdicts.PASS), ruling(verdicts.NOT_TESTABLE, replace(ROW, id="E", part="env"))])
    assert part_states(rows) == {"env": "not asked", "api": "clean", "acceptance": "not asked"}


WAIVER = Waiver("X-001", "one", "known", "bytes", "us", ">=2.0,<2.1", datetime.date(2026, 1, 1), datetime.date(2030, 1, 1))
TODAY = datetime.date(2026, 6, 1)


def test_a_waiver_covers_only_the_exchanges_it_names() -> None:
    def check(exchange: Exchange) -> None:
        raise Broken(f"{exchange.name} is wrong", exchange)

    terms = Terms(TARGET, waivers=(WAIVER,))
    assert ruled(check, ROW, terms).verdict == verdicts.FAIL
    assert ruled(check, ROW, terms, exchange("one")).verdict == verdicts.WAIVED
    assert ruled(check, ROW, Terms(TARGET, waivers=(replace(WAIVER, case="*"),))).verdict == verdicts.WAIVED


def test_stale_and_expired_waivers_are_problems() -> None:
    used = [ruling(verdicts.WAIVED, ROW, Finding("no", ("one",), waived="known"))]
    assert waiver_problems([WAIVER], used, TODAY) == []
    assert "stale" in waiver_problems([WAIVER], [ruling(verdicts.PASS)], TODAY)[0]
    assert "expired" in waiver_problems([WAIVER], used, datetime.date(2031, 1, 1))[0]
    assert waiver_problems([WAIVER], [], TODAY) == []


def test_an_accepted_risk_is_shown_as_waived() -> None:
    terms = Terms(TARGET, accepted=frozenset({"X-001"}))
    assert ruled(ends_with(Broken("no", "one")), ROW, terms).verdict == verdicts.WAIVED


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    asked = {case.row.id for case in suite_cases()}
    assert sorted(row.id for row in load_rows().values() if not row.unobservable and row.id not in asked) == []
    assert sorted(row.id for row in load_rows().values() if row.unobservable and row.id in asked) == []
