"""What the judge makes of a fault: which rows turn red, and whether the one that should is among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ernie_conformance.faults.apply import apply, touched
from ernie_conformance.faults.fault import Fault, Rewrite
from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Case, Terms, rule
from ernie_conformance.judge.subjects import TRAFFIC, WHOLE, Scene, signature_of
from ernie_conformance.judge.verdicts import Ruling, row_verdicts
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange

GREEN = {verdicts.PASS, verdicts.NOT_TESTABLE, verdicts.NOT_ASKED}
Change = tuple[Exchange, Exchange]  # before and after
RED = {verdicts.FAIL, verdicts.WARN, verdicts.INCONCLUSIVE, verdicts.ERROR}


@dataclass(frozen=True)
class Score:
    """One fault, judged. `red` are rows with what they said; `blocked` the rows that couldn't be put because of it."""

    id: str
    row: str
    shows: str
    red: dict[str, str]
    errors: dict[str, str]
    blocked: tuple[str, ...] = ()
    silent: bool = False  # it changed nothing of the evidence, so that no row could see it

    @property
    def killed(self) -> bool:
        """Did the named row turn red, for the right reason?"""
        return self.row in self.red and self.row not in self.errors and self.shows in self.red[self.row]

    @property
    def blame(self) -> list[str]:
        """The other red rows: the fewer, the clearer the report of a real server."""
        return [row for row in self.red if row != self.row]

    def as_record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "row": self.row,
            "killed": self.killed,
            "red": self.red,
            "errors": self.errors,
            "blocked": list(self.blocked),
            "silent": self.silent,
        }


def score(fault: Fault, rulings: Sequence[Ruling], *, narrowed: bool = False, silent: bool = False) -> Score:
    """Put rulings over a broken server's evidence together."""
    rows = row_verdicts(rulings, narrowed)
    return Score(
        fault.id,
        fault.row,
        fault.shows,
        {row.row.id: row.deciding.detail for row in rows if row.verdict in RED},
        {row.row.id: row.deciding.detail for row in rows if row.verdict == verdicts.ERROR},
        tuple(row.row.id for row in rows if row.verdict == verdicts.BLOCKED),
        silent,
    )


@dataclass(frozen=True)
class Golden:
    """A good server's evidence with its rulings: what rewriting faults are put to."""

    evidence: Evidence
    terms: Terms
    cases: tuple[Case, ...]
    rulings: tuple[Ruling, ...]

    @classmethod
    def judged(cls, evidence: Evidence, terms: Terms, cases: Sequence[Case]) -> Golden:
        return cls(evidence, terms, tuple(cases), tuple(rule(case, evidence, terms) for case in cases))

    @property
    def problems(self) -> dict[str, str]:
        """Rows that aren't green although nothing is broken, with what they say."""
        return {row.row.id: row.deciding.detail for row in row_verdicts(self.rulings) if row.verdict not in GREEN}

    def broken_by(self, fault: Rewrite) -> Score:
        """Judge the same run as the fault leaves it. Tests whose exchanges it doesn't touch keep their ruling."""
        evidence = apply(fault, self.evidence)
        names = touched(self.evidence, evidence)
        changes = [(self.evidence.exchanges[name], evidence.exchanges[name]) for name in names]
        judged = zip(self.cases, self.rulings, strict=True)
        rulings = [self._ruled(case, before, evidence, changes) for case, before in judged]
        return score(fault, rulings, silent=not names)

    def _ruled(self, case: Case, before: Ruling, evidence: Evidence, changes: Sequence[Change]) -> Ruling:
        """What a test says of the changed run, `before` what it said of the good one: put again as little as need be."""
        if _concerned(case, changes):
            return rule(case, evidence, self.terms)
        every = signature_of(case.check).every
        belongs = TRAFFIC[every].belongs if every else lambda _: False
        if not any(belongs(exchange) for change in changes for exchange in change):
            return before
        # Each exchange is judged by itself, so those that didn't change are what they were: good, where all were.
        members = [after.name for _, after in changes if belongs(after)]
        others = before.asked - sum(belongs(was) for was, _ in changes)
        if before.verdict != verdicts.PASS or not members or others <= 0:
            return rule(case, evidence, self.terms)
        ruling = rule(case, evidence, self.terms, members)
        return before if ruling.verdict in {*GREEN, verdicts.BLOCKED} else ruling


def _concerned(case: Case, changes: Sequence[Change]) -> bool:
    """May anything but the exchanges that it is put to one by one be other for a test?"""
    names = {before.name for before, _ in changes}
    scenarios = {before.notes.get("scenario") for before, _ in changes}
    for name, wanted in signature_of(case.check).names.items():
        asked = case.bound.get(name, name).replace("_", "-")
        if name == "evidence" and changes:
            return True
        if name in WHOLE:
            if any(TRAFFIC[WHOLE[name]].belongs(exchange) for change in changes for exchange in change):
                return True
        elif name not in TRAFFIC and asked in (scenarios if wanted is Scene else names):
            return True
    return False
