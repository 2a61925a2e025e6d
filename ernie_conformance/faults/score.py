"""What the judge makes of a fault: which rows turn red, and whether the one that should is among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ernie_conformance.faults.apply import apply, touched
from ernie_conformance.faults.fault import Fault, Rewrite
from ernie_conformance.gather.catalogue import catalogue
from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Case, Terms, rule
from ernie_conformance.judge.subjects import TRAFFIC, WHOLE, Scene, signature_of
from ernie_conformance.judge.verdicts import Ruling, row_verdicts
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange

GREEN = {verdicts.PASS, verdicts.NOT_TESTABLE, verdicts.NOT_ASKED}
FEW = 4  # of a crowd's exchanges that are alike
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
class Changes:
    """The exchanges that a fault made others of, as they were and as they are."""

    pairs: tuple[tuple[Exchange, Exchange], ...]

    @cached_property
    def names(self) -> set[str]:
        return {was.name for was, _ in self.pairs}

    @cached_property
    def scenarios(self) -> set[str]:
        return {was.notes.get("scenario", "") for was, _ in self.pairs}

    @cached_property
    def _kinds(self) -> dict[str, tuple[list[str], list[str]]]:
        """By kind of traffic the names of those that belonged to it, and of those that belong to it now."""
        return {
            name: (
                [was.name for was, _ in self.pairs if kind.belongs(was)],
                [is_.name for _, is_ in self.pairs if kind.belongs(is_)],
            )
            for name, kind in TRAFFIC.items()
        }

    def before(self, kind: str) -> list[str]:
        return self._kinds[kind][0]

    def after(self, kind: str) -> list[str]:
        return self._kinds[kind][1]

    def concern(self, kind: str) -> bool:
        """Did any change belong to a kind of traffic, or does it now?"""
        return any(self._kinds[kind])


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
        changes = Changes(tuple((self.evidence.exchanges[name], evidence.exchanges[name]) for name in names))
        judged = zip(self.cases, self.rulings, strict=True)
        rulings = [self._ruled(case, before, evidence, changes) for case, before in judged]
        return score(fault, rulings, silent=not names)

    @cached_property
    def _crowd(self) -> frozenset[str]:
        """What scenarios send once more for every slot: what a rule says of the first few one by one it says of all."""
        crowds: dict[tuple[str, str], list[str]] = {}
        for scenario in (one.name for one in catalogue().scenarios.values() if one.by_slots):
            for name in self.evidence.made_by.get(scenario, {}):
                crowds.setdefault((scenario, name.rstrip("0123456789")), []).append(name)
        return frozenset(name for names in crowds.values() for name in names[FEW:])

    def _ruled(self, case: Case, before: Ruling, evidence: Evidence, changes: Changes) -> Ruling:
        """What a test says of the changed run, `before` what it said of the good one: put again as little as need be."""
        if _concerned(case, changes):
            return rule(case, evidence, self.terms)
        every = signature_of(case.check).every
        if every is None or not changes.concern(every):
            return before
        # Each exchange is judged by itself, so those that didn't change are what they were: good, where all were.
        members = [name for name in changes.after(every) if name not in self._crowd]
        others = before.asked - len(changes.before(every))
        if before.verdict != verdicts.PASS or not members or others <= 0:
            return rule(case, evidence, self.terms)
        ruling = rule(case, evidence, self.terms, members)
        return before if ruling.verdict in {*GREEN, verdicts.BLOCKED} else ruling


def _concerned(case: Case, changes: Changes) -> bool:
    """May anything but the exchanges that it is put to one by one be other for a test?"""
    for name, wanted in signature_of(case.check).names.items():
        asked = case.bound.get(name, name).replace("_", "-")
        if name == "evidence" and changes.pairs:
            return True
        if name in WHOLE:
            if changes.concern(WHOLE[name]):
                return True
        elif name not in TRAFFIC and asked in (changes.scenarios if wanted is Scene else changes.names):
            return True
    return False
