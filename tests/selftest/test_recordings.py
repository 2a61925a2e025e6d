"""Real traffic, judged: exactly the findings that were confirmed by looking at the bytes, no more and no fewer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Terms, judge
from ernie_conformance.paths import FIXTURES
from ernie_conformance.suite.settings import recorded_target
from ernie_conformance.tables import read_table
from ernie_conformance.wire.evidence import Evidence, read_evidence
from ernie_conformance.wire.exchange import Exchange

FOLDER = FIXTURES / "recordings"
EXPECTED = read_table(FOLDER / "expected.toml")


def found_in(name: str) -> dict[str, Any]:
    """Red rows with the exchanges that show each; a number where more than a dozen do."""
    evidence = read_evidence(FOLDER / f"{name}.jsonl")
    terms = Terms(replace(recorded_target(evidence), disruptive=True))
    red = [r for r in judge(evidence, terms) if r.verdict in (verdicts.FAIL, verdicts.WARN, verdicts.ERROR)]
    return {r.row.id: list(r.exchanges) if len(r.exchanges) <= 12 else len(r.exchanges) for r in red}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_recording_shows_exactly_what_was_confirmed(name: str) -> None:
    assert found_in(name) == EXPECTED[name]["rows"]


def test_every_recording_has_its_findings() -> None:
    assert sorted(EXPECTED) == sorted(path.stem for path in FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_recorded_exchange_with_a_name_of_ours_asked_the_same_route(name: str, golden: Evidence) -> None:
    """Tests find exchanges by name: another tool's `models` must be a model list."""
    recorded = read_evidence(FOLDER / f"{name}.jsonl").exchanges
    shared = recorded.keys() & golden.exchanges.keys()
    assert [_route(recorded[one]) for one in sorted(shared)] == [_route(golden.exchanges[one]) for one in sorted(shared)]


def _route(exchange: Exchange) -> tuple[str, str, str]:
    return exchange.name, exchange.request.method, exchange.request.path.split("?")[0]
