"""Several runs side by side: what each came to, row by row, and how fast its streams were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.verdicts import CLOSING, printable
from ernie_conformance.report.html import embedded, template
from ernie_conformance.report.plots import UNITS, measures, quantile
from ernie_conformance.wire.evidence import Evidence

SHOWN = 160  # characters of a detail on the terminal
WIDE = max(map(len, verdicts.WEIGHT))


@dataclass(frozen=True)
class Side:
    """One run: its verdict record, and the times of its streams as {measure: (how many, median, 95th percentile)}."""

    label: str
    verdict: Mapping[str, Any]
    times: Mapping[str, tuple[int, float, float]]


@dataclass(frozen=True)
class Line:
    """One row on every side; "" where a side doesn't know it."""

    id: str
    level: str
    text: str
    verdicts: tuple[str, ...]
    details: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.verdicts)) > 1

    @property
    def closes(self) -> bool:
        return bool(CLOSING.intersection(self.verdicts))


def side(label: str, verdict: Mapping[str, Any], evidence: Evidence) -> Side:
    """A run as a side of a comparison."""
    times = {}
    for name, values in measures(evidence).items():
        if ordered := sorted(values):
            times[name] = (len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.95))
    return Side(label, verdict, times)


def lines(sides: Sequence[Side]) -> list[Line]:
    """Every row that any side knows, in the order of the first that does."""
    rows = [{row["id"]: row for row in one.verdict["rows"]} for one in sides]
    return [_line(name, [known.get(name) for known in rows]) for name in dict.fromkeys(n for known in rows for n in known)]


def _line(name: str, found: Sequence[Mapping[str, Any] | None]) -> Line:
    row = next(row for row in found if row)
    return Line(
        name,
        row["level"],
        row["text"],
        tuple(row["verdict"] if row else "" for row in found),
        tuple(row["detail"] if row else "" for row in found),
    )


def counts(sides: Sequence[Side]) -> dict[str, tuple[int, ...]]:
    """How many rows of each verdict each side has; verdicts that none has are left out."""
    table = {kind: tuple(one.verdict["counts"].get(kind, 0) for one in sides) for kind in verdicts.WEIGHT}
    return {kind: numbers for kind, numbers in table.items() if any(numbers)}


def record(sides: Sequence[Side]) -> dict[str, Any]:
    """The comparison as JSON: sides with gate, counts and times; every row with its verdict on each side."""
    return {
        "sides": [
            {
                "label": one.label,
                "target": one.verdict["target"],
                "gate": one.verdict["gate"],
                "counts": one.verdict["counts"],
                "times": {name: dict(zip(("n", "median", "p95"), t, strict=True)) for name, t in one.times.items()},
            }
            for one in sides
        ],
        "rows": [
            {"id": line.id, "text": line.text, "differs": line.differs, "verdicts": line.verdicts, "details": line.details}
            for line in lines(sides)
        ],
    }


def told(sides: Sequence[Side]) -> list[str]:
    """The comparison for a terminal: who, counts, times, and each row on which the sides differ."""
    letters = [chr(ord("A") + number) for number in range(len(sides))]
    text = [f"{letter}  {one.label}, gate {one.verdict['gate']}" for letter, one in zip(letters, sides, strict=True)]
    text += ["", _cells("rows", letters)]
    text += [_cells(kind, map(str, numbers)) for kind, numbers in counts(sides).items()]
    text += ["", _cells("median / 95th", letters)]
    text += [_cells(f"{name}, {unit}", [_time(one, name) for one in sides]) for name, unit in UNITS.items()]
    differing = [line for line in lines(sides) if line.differs]
    text += ["", _cells(f"{len(differing)} rows differ", letters)]
    for line in differing:
        text.append(_cells(line.id, [verdict or "-" for verdict in line.verdicts]) + f"  {line.text}")
        for letter, detail, verdict in zip(letters, line.details, line.verdicts, strict=True):
            if verdict in verdicts.RED:
                text.append(f"    {letter}: {printable(detail, SHOWN)}")
    return text


def _cells(head: str, cells: Iterable[str]) -> str:
    return "  ".join([f"{head:<18}", *(f"{cell:>{WIDE + 2}}" for cell in cells)])


def _time(one: Side, name: str) -> str:
    if name not in one.times:
        return "-"
    _, median, late = one.times[name]
    return f"{median:.3g} / {late:.3g}"


def page(sides: Sequence[Side], lang: str) -> str:
    """The comparison as one HTML file that opens from a disk without a network."""
    found: str = template("compare.html.j2").render(
        lang=lang, sides=sides, counts=counts(sides), lines=lines(sides), units=UNITS, time=_time, red=verdicts.RED, **embedded()
    )
    return found
