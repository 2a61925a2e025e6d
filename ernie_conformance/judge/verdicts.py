"""Verdicts: what one test found, what a row comes to, and whether the gate is open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ernie_conformance.judge.rows import Row

PASS, FAIL, WARN, WAIVED = "PASS", "FAIL", "WARN", "WAIVED"
BLOCKED, NOT_TESTABLE, NOT_ASKED = "BLOCKED", "NOT TESTABLE", "NOT ASKED"
INCONCLUSIVE, ERROR = "INCONCLUSIVE", "ERROR"

# The worst of a row's tests is the row's verdict; a test that couldn't be put weighs less than one that passed.
WEIGHT = [NOT_ASKED, NOT_TESTABLE, PASS, WAIVED, WARN, INCONCLUSIVE, BLOCKED, FAIL, ERROR]
CLOSING = {FAIL, BLOCKED, INCONCLUSIVE, ERROR}
RED = {FAIL, WARN, WAIVED, ERROR}
LONGEST = 2000  # characters of a detail: a server may answer with megabytes


def printable(text: str, width: int = LONGEST) -> str:
    """`text` on one line, control and other unprintable characters shown as escapes, cut at `width`."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: width + 1])
    return safe if len(safe) <= width else safe[: width - 1] + "…"


@dataclass(frozen=True)
class Finding:
    """One thing a test saw, with the exchanges that show it. `by` is the row that owns a BLOCKED, `waived` says why.

    The detail quotes servers: it is made printable here, before it reaches a terminal, JUnit or a page.
    """

    detail: str
    exchanges: tuple[str, ...] = ()
    by: str = ""
    waived: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", printable(self.detail))


@dataclass(frozen=True)
class Ruling:
    """What one test came to."""

    row: Row
    test: str
    verdict: str
    findings: tuple[Finding, ...] = ()
    asked: int = 0  # how often the test was called, e.g. once for each stream

    @property
    def detail(self) -> str:
        if not self.findings:
            return ""
        more = f" (and {len(self.findings) - 1} more like it)" if len(self.findings) > 1 else ""
        return self.findings[0].detail + more

    @property
    def exchanges(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for finding in self.findings for name in finding.exchanges))


@dataclass(frozen=True)
class RowVerdict:
    """What a row came to over all its tests."""

    row: Row
    verdict: str
    rulings: tuple[Ruling, ...] = field(default=())

    @property
    def deciding(self) -> Ruling:
        """The first ruling of this verdict; the blocked one where nobody owns what blocks it."""
        own = [r for r in self.rulings if r.verdict == self.verdict]
        return (own or [r for r in self.rulings if r.verdict == BLOCKED])[0]

    def as_record(self) -> dict[str, Any]:
        row, ruling = self.row, self.deciding
        return {
            "id": row.id,
            "part": row.part,
            "level": row.level,
            "layer": row.layer,
            "area": row.area,
            "verdict": self.verdict,
            "tests": [r.test for r in sorted(self.rulings, key=lambda r: r is not ruling)],  # the deciding one first
            "text": row.text,
            "source": row.source,
            "hint": row.hint,
            "detail": ruling.detail,
            "blocked_by": next((f.by for f in ruling.findings if f.by), ""),
            "waived": next((f.waived for f in ruling.findings if f.waived), "") if self.verdict == WAIVED else "",
            "exchanges": list(ruling.exchanges),
        }


def row_verdicts(rulings: Iterable[Ruling], narrowed: bool = False) -> list[RowVerdict]:
    """Put the rulings together by row. A row blocked by a row that isn't red is an ERROR of the suite.

    `narrowed`: the owner may simply not have been selected; then it stays BLOCKED.
    """
    by_row: dict[str, list[Ruling]] = {}
    for ruling in rulings:
        by_row.setdefault(ruling.row.id, []).append(ruling)
    verdicts = {
        name: RowVerdict(group[0].row, max((r.verdict for r in group), key=WEIGHT.index), tuple(group))
        for name, group in by_row.items()
    }
    return [
        RowVerdict(v.row, ERROR, v.rulings) if v.verdict == BLOCKED and _unowned(v, verdicts, narrowed) else v
        for v in verdicts.values()
    ]


def _unowned(blocked: RowVerdict, verdicts: dict[str, RowVerdict], narrowed: bool) -> bool:
    owners = {finding.by for ruling in blocked.rulings if ruling.verdict == BLOCKED for finding in ruling.findings}
    for owner in owners:
        if owner not in verdicts:
            if narrowed:
                return False
        elif verdicts[owner].verdict in RED | {BLOCKED}:
            return False
    return True


def gate(verdicts: Sequence[RowVerdict], *, reference: bool, partial: bool, problems: Sequence[str] = ()) -> str:
    """closed, self-check (the reference judges the suite, not a deployment), partial or open.

    `problems` are defects of the run itself: a stale waiver, nothing selected, an exchange lost.
    """
    if problems or not verdicts or any(v.verdict in CLOSING for v in verdicts):
        return "closed"
    if all(v.verdict in (NOT_ASKED, NOT_TESTABLE) for v in verdicts):
        return "closed"  # nothing was exercised, so nothing is known
    if reference:
        return "self-check"
    return "partial" if partial else "open"


def part_states(verdicts: Sequence[RowVerdict]) -> dict[str, str]:
    """For each part: clean, red, or not asked."""
    states = {}
    for part in ("env", "api", "acceptance"):
        mine = [v for v in verdicts if v.row.part == part and v.verdict not in (NOT_ASKED, NOT_TESTABLE)]
        states[part] = "not asked" if not mine else "red" if any(v.verdict in CLOSING for v in mine) else "clean"
    return states
