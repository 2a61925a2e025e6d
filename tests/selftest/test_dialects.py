"""Dialects prove waivers: what a dialect turns red is what its engine's waivers and accepted risks say, both ways."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ernie_conformance.faults.dialects import dialects
from ernie_conformance.gather import Orders, gather
from ernie_conformance.gather.catalogue import catalogue
from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Terms, judge
from ernie_conformance.judge.verdicts import Ruling
from ernie_conformance.judge.waivers import USED, accepts, waiver_problems, waiver_states
from ernie_conformance.paths import FIXTURES
from ernie_conformance.suite.settings import as_speaker, terms_of
from ernie_conformance.targets import Target, load_target
from ernie_conformance.wire.evidence import Evidence, read_evidence

RECORDING = FIXTURES / "recordings" / "fastdeploy-2.0.0.jsonl"
HANG = "WIRE-001:n-0"  # of the recording
RED = (verdicts.FAIL, verdicts.WARN, verdicts.BLOCKED, verdicts.INCONCLUSIVE, verdicts.ERROR)


def judged(evidence: Evidence, target: Target, accept: str) -> tuple[Terms, list[Ruling]]:
    terms = terms_of(replace(target, disruptive=True), "release", None, accept)
    return terms, judge(evidence, terms)


def used(terms: Terms, rulings: list[Ruling], evidence: Evidence) -> set[tuple[str, str]]:
    states = waiver_states(terms.waivers, rulings, date.today(), evidence.exchanges)
    return {(waiver.row, waiver.case) for waiver, state in states if state == USED}


def recording() -> tuple[Terms, list[Ruling], Evidence]:
    evidence = read_evidence(RECORDING)
    return *judged(evidence, replace(load_target("fastdeploy@2.0"), kind="replay"), HANG), evidence


def test_the_recording_of_fastdeploy_has_no_finding_without_a_waiver_and_none_is_stale() -> None:
    terms, rulings, evidence = recording()
    assert {r.row.id: r.detail for r in rulings if r.verdict in RED} == {}
    assert waiver_problems(terms.waivers, rulings, date.today(), evidence.exchanges) == []
    assert used(terms, rulings, evidence)


@pytest.mark.dialects
@pytest.mark.parametrize("name", sorted(dialects()))
def test_what_a_dialect_turns_red_is_what_is_waived_or_accepted(name: str, tmp_path: Path) -> None:
    spoken = dialects()[name]
    target = as_speaker(load_target("reference"), spoken)
    names = {*catalogue().asks, *catalogue().scenarios}
    target = replace(target, disruptive=True)
    evidence = asyncio.run(gather(target, names, Orders(tmp_path, through=spoken.as_fault())))
    terms, rulings = judged(evidence, target, ",".join(spoken.accept))
    assert {r.row.id: r.detail for r in rulings if r.verdict in RED} == {}
    assert waiver_problems(terms.waivers, rulings, date.today(), evidence.exchanges) == []
    shown = used(terms, rulings, evidence) | used(*recording())
    assert {(waiver.row, waiver.case) for waiver in terms.waivers if not waiver.by_chance} - shown == set()
    waived = [(r.row.id, f.exchanges) for r in rulings for f in r.findings if f.waived]
    assert [risk for risk in spoken.accept if not any(accepts([risk], *finding) for finding in waived)] == []
