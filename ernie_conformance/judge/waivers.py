"""Known deviations as data: which row, shown by which exchange, why, whose, for which versions, until when."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ernie_conformance.judge.rows import Row
from ernie_conformance.judge.verdicts import Ruling
from ernie_conformance.tables import UsageError, read_table

LONGEST = datetime.timedelta(days=366)  # a year, leap or not: then somebody must look again


@dataclass(frozen=True)
class Waiver:
    """One known deviation. `case` matches exchange names with * and ?; it says `*` only where every exchange shows it.

    `by_chance`: it shows in some runs and exchanges only (with the clock, the load, a random draw), so that a run without
    it makes the waiver neither stale nor too broad.
    """

    row: str
    case: str
    reason: str
    evidence: str
    owner: str
    versions: str
    added: datetime.date
    expires: datetime.date
    by_chance: bool = False

    def applies_to(self, version: str) -> bool:
        if not version:
            return True
        try:
            return Version(version) in SpecifierSet(self.versions, prereleases=True)
        except InvalidVersion:
            return True

    def names(self, exchange: str) -> bool:
        return fnmatchcase(exchange, self.case)

    @property
    def names_all(self) -> bool:
        return not self.case.strip("*?")


def load_waivers(paths: Iterable[Path], rows: Mapping[str, Row], version: str) -> list[Waiver]:
    """The waivers for this engine version, one for each pattern of `case`.

    Raises UsageError for malformed ones, for rows that don't exist, and for those that can't be waived.
    """
    found = []
    for path in paths:
        document = read_table(path)
        if unknown := sorted(set(document) - {"waiver"}):
            raise UsageError(f"{path} has {', '.join(unknown)} beside [[waiver]]; see CONTRIBUTING.md for the form")
        for number, table in enumerate(document.get("waiver", ()), 1):
            where = f"{path}: waiver {number} ({table.get('row', 'no row')})"
            found += _read(table, where, rows)
    _no_two_alike(found)
    return [waiver for waiver in found if waiver.applies_to(version)]


def _read(table: Mapping[str, Any], where: str, rows: Mapping[str, Row]) -> list[Waiver]:
    """The waivers of one table. Raises UsageError."""
    _check_fields(table, where)
    row = rows.get(table["row"])
    if row is None:
        raise UsageError(f"{where} names row {table['row']}, which doesn't exist; remove it")
    if row.security or row.hang:
        what = "a security hole" if row.security else "a hang"
        raise UsageError(f"{where}: {row.id} is {what} and can't be waived; accept it with --accept-risk {row.id}")
    if not table["added"] <= table["expires"] <= table["added"] + LONGEST:
        raise UsageError(f"{where} must expire within a year of {table['added']}; it says {table['expires']}")
    cases = [table["case"]] if isinstance(table["case"], str) else table["case"]
    return [Waiver(**{**table, "case": case}) for case in cases]


def _check_fields(table: Mapping[str, Any], where: str) -> None:
    """Raises UsageError unless every field is there, of its type, and says something."""
    needed = {field.name for field in fields(Waiver) if field.default is MISSING}
    if lacking := sorted(needed - set(table)):
        raise UsageError(f"{where} lacks {', '.join(lacking)}; see CONTRIBUTING.md for the fields")
    if unknown := sorted(set(table) - {field.name for field in fields(Waiver)}):
        raise UsageError(f"{where} has unknown fields {', '.join(unknown)}; see CONTRIBUTING.md for the fields")
    for name in ("added", "expires"):
        if type(table[name]) is not datetime.date:
            raise UsageError(f"{where}: {name} is no date; write it without quotes, like 2026-11-24")
    for name in ("row", "reason", "evidence", "owner", "versions"):
        if not (isinstance(table[name], str) and table[name].strip()):
            raise UsageError(f"{where} needs {name} as text that isn't empty")
    if type(table.get("by_chance", False)) is not bool:
        raise UsageError(f"{where}: by_chance is true or false")
    cases = table["case"] if isinstance(table["case"], list) else [table["case"]]
    if not cases or not all(isinstance(case, str) and case for case in cases):
        raise UsageError(f"{where} needs case: the name of an exchange, a pattern, or a list of them")
    try:
        SpecifierSet(table["versions"])
    except InvalidSpecifier as error:
        raise UsageError(f"{where}: versions {table['versions']!r} is no version range like '>=2.0,<2.1'") from error


def _no_two_alike(waivers: Sequence[Waiver]) -> None:
    seen = set()
    for waiver in waivers:
        key = (waiver.row, waiver.case, waiver.versions)
        if key in seen:
            raise UsageError(f"{waiver.row} is waived twice for {waiver.case} and {waiver.versions}; keep one")
        seen.add(key)


def covering(waivers: Iterable[Waiver], row: str, exchanges: tuple[str, ...]) -> list[Waiver]:
    """The waivers that explain a finding of `row`: together they name every exchange that shows it. Else none."""
    mine = [waiver for waiver in waivers if waiver.row == row]
    naming = {name: [w for w in mine if w.names(name)] for name in exchanges or ("",)}
    return list(dict.fromkeys(w for found in naming.values() for w in found)) if all(naming.values()) else []


def accepts(accepted: Iterable[str], row: str, exchanges: tuple[str, ...]) -> bool:
    """Is a finding's risk accepted in the open? Entries are `ROW`, or `ROW:PATTERN` for some exchanges only."""
    patterns = [case or "*" for name, _, case in (entry.partition(":") for entry in accepted) if name == row]
    return bool(patterns) and all(any(fnmatchcase(e, p) for p in patterns) for e in exchanges or ("",))


USED, UNUSED, STALE, EXPIRED = "used", "unused", "stale", "expired"


def waiver_states(
    waivers: Sequence[Waiver], rulings: Sequence[Ruling], today: datetime.date, asked: Collection[str] | None = None
) -> list[tuple[Waiver, str]]:
    """Each waiver with what it did: expired, used, stale (what it names was put and held), else unused.

    `asked` are the exchanges that the evidence has; None: all that a waiver may name.
    """
    exercised = {r.row.id for r in rulings if r.asked}
    used = {
        waiver
        for ruling in rulings
        for finding in ruling.findings
        if finding.waived
        for waiver in covering(waivers, ruling.row.id, finding.exchanges)
    }
    states = []
    for waiver in waivers:
        put = waiver.row in exercised and (asked is None or waiver.names_all or any(map(waiver.names, asked)))
        put = put and not waiver.by_chance
        expired = waiver.expires < today
        states.append((waiver, EXPIRED if expired else USED if waiver in used else STALE if put else UNUSED))
    return states


def waiver_problems(
    waivers: Sequence[Waiver], rulings: Sequence[Ruling], today: datetime.date, asked: Collection[str] | None = None
) -> list[str]:
    """What is wrong with the waivers themselves, a sentence each."""
    problems = []
    for waiver, state in waiver_states(waivers, rulings, today, asked):
        what = f"waiver {waiver.row} ({waiver.case})"
        if state == EXPIRED:
            problems.append(f"{what} expired on {waiver.expires}")
        elif state == STALE:
            problems.append(f"{what} is stale: nothing needs it any more")
        elif state == USED and waiver.names_all and not waiver.by_chance and (held := _held(waiver.row, rulings)):
            problems.append(f"{what} is too broad: the row held {held} times; name the exchanges that show the deviation")
    return problems


def _held(row: str, rulings: Iterable[Ruling]) -> int:
    """How often the row was put and held."""
    return sum(max(0, r.asked - len(r.findings)) for r in rulings if r.row.id == row)
