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
        changed = [(self.evidence.exchanges[name], evidence.exchanges[name]) for name in names]
        rulings = [
            rule(case, evidence, self.terms) if _concerned(case, changed) else ruling
            for case, ruling in zip(self.cases, self.rulings, strict=True)
        ]
        return score(fault, rulings, silent=not names)


def _concerned(case: Case, changed: list[tuple[Exchange, Exchange]]) -> bool:
    """May a test come to another end when these exchanges (before, after) change?"""
    signature = signature_of(case.check)
    for name, wanted in signature.names.items():
        kind = WHOLE.get(name, name)
        asked = case.bound.get(name, name).replace("_", "-")
        for pair in changed:
            if name == "evidence":
                return True
            if kind in TRAFFIC:
                if any(TRAFFIC[kind].belongs(exchange) for exchange in pair):
                    return True
            elif asked == (pair[0].notes.get("scenario") if wanted is Scene else pair[0].name):
                return True
    return False
