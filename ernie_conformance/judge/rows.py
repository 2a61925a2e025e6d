"""Rows: what must hold, one TOML table each, grouped by area in rows/<area>.toml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ernie_conformance.paths import ROWS
from ernie_conformance.tables import UsageError, read_table
from ernie_conformance.targets import CAPABILITIES

PARTS = ("env", "api", "acceptance")
LEVELS = ("MUST", "SHOULD", "MAY")
LAYERS = ("openai", "compat", "ernie", "tutorial", "vendor")

Check = TypeVar("Check", bound=Callable[..., None])


@dataclass(frozen=True)
class Row:
    """One promise. `area` is its file's name; `needs` are capabilities of the target without which it isn't testable."""

    id: str
    area: str
    part: str
    level: str
    layer: str
    text: str
    source: str
    hint: dict[str, str]
    needs: tuple[str, ...] = ()
    disruptive: bool = False
    smoke: bool = False  # asked in the profile that answers in half a minute
    security: bool = False  # a hole: it can't be waived, only accepted in the open
    hang: bool = False  # a breach leaves clients or the whole server hanging: not waivable either
    unobservable: str = ""  # why no test can see it from outside


def _row(name: str, area: str, table: dict[str, Any], path: Path) -> Row:
    try:
        row = Row(id=name, area=area, **{**table, "needs": tuple(table.get("needs", ()))})
    except TypeError as error:
        raise UsageError(f"{path}: row {name}: {error}") from error
    for value, allowed, what in (
        (row.part, PARTS, "part"),
        (row.level, LEVELS, "level"),
        (row.layer, LAYERS, "layer"),
        *((need, CAPABILITIES, "needs") for need in row.needs),
    ):
        if value not in allowed:
            raise UsageError(f"{path}: row {name}: {what} {value!r} is none of {', '.join(allowed)}")
    if not (row.hint.get("en") and row.hint.get("zh")):
        raise UsageError(f"{path}: row {name} needs a hint in en and in zh")
    return row


@cache
def load_rows(directory: Path = ROWS) -> dict[str, Row]:
    """Every row by id, in file order. Raises UsageError for a malformed or doubled row."""
    rows: dict[str, Row] = {}
    for path in sorted(directory.glob("*.toml")):
        for name, table in read_table(path).items():
            if name in rows:
                raise UsageError(f"{path}: row {name} stands in {rows[name].area}.toml too")
            rows[name] = _row(name, path.stem, table, path)
    return rows


def row(row_id: str) -> Callable[[Check], Check]:
    """Say which row a suite test asks. Each test carries exactly one."""

    def mark(check: Check) -> Check:
        if hasattr(check, "__row__"):
            raise UsageError(f"{check.__name__} carries two rows; split it")
        check.__row__ = row_id  # type: ignore[attr-defined]
        return check

    return mark
