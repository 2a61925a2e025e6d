"""Known deviations as data: which row, shown by which exchange, why, whose, for which versions, until when."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ernie_conformance.judge.rows import Row
from ernie_conformance.judge.verdicts import Ruling
from ernie_conformance.tables import UsageError, read_table


@dataclass(frozen=True)
class Waiver:
    """One known deviation. `case` matches exchange names with * and ?; it says `*` only where every exchange shows it."""

    row: str
    case: str
    reason: str
    evidence: str
    owner: str
    versions: str
    added: datetime.date
    expires: datetime.date

    def applies_to(self, version: str) -> bool:
        if not version:
            return True
        try:
            return Version(version) in SpecifierSet(self.versions, prereleases=True)
        except InvalidVersion:
            return True

    def covers(self, row: str, exchanges: tuple[str, ...]) -> bool:
        """Does it explain a finding of `row`: is every exchange that shows it named?"""
        return row == self.row and all(fnmatchcase(name, self.case) for name in exchanges or ("",))


def load_waivers(paths: Iterable[Path], rows: dict[str, Row], version: str) -> list[Waiver]:
    """The waivers for this engine version. Raises UsageError for malformed ones, unknown rows and security rows."""
    found = []
    for path in paths:
        for number, table in enumerate(read_table(path).get("waiver", ()), 1):
            where = f"{path}: waiver {number}"
            try:
                waiver = Waiver(**table)
                SpecifierSet(waiver.versions)
            except (TypeError, InvalidSpecifier) as error:
                raise UsageError(f"{where}: {error}; see CONTRIBUTING.md for the fields") from error
            if waiver.row not in rows:
                raise UsageError(f"{where} names row {waiver.row}, which doesn't exist; remove it")
            if rows[waiver.row].security:
                raise UsageError(f"{where}: {waiver.row} can't be waived; accept it with --accept-risk {waiver.row}")
            if not all((waiver.reason, waiver.evidence, waiver.owner)):
                raise UsageError(f"{where} ({waiver.row}) needs a reason, evidence and an owner")
            if waiver.applies_to(version):
                found.append(waiver)
    return found


USED, UNUSED, STALE, EXPIRED = "used", "unused", "stale", "expired"


def waiver_states(waivers: Sequence[Waiver], rulings: Sequence[Ruling], today: datetime.date) -> list[tuple[Waiver, str]]:
    """Each waiver with what it did: expired, used, stale (its row was exercised and it covered nothing), else unused."""
    exercised = {r.row.id for r in rulings if r.asked}
    states = []
    for waiver in waivers:
        used = any(waiver.covers(r.row.id, f.exchanges) for r in rulings for f in r.findings if f.waived)
        expired = waiver.expires < today
        states.append((waiver, EXPIRED if expired else USED if used else STALE if waiver.row in exercised else UNUSED))
    return states


def waiver_problems(waivers: Sequence[Waiver], rulings: Sequence[Ruling], today: datetime.date) -> list[str]:
    """What is wrong with the waivers themselves, a sentence each."""
    problems = []
    for waiver, state in waiver_states(waivers, rulings, today):
        what = f"waiver {waiver.row} ({waiver.case})"
        if state == EXPIRED:
            problems.append(f"{what} expired on {waiver.expires}")
        elif state == STALE:
            problems.append(f"{what} is stale: nothing needs it any more")
    return problems
