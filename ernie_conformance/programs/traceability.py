"""Makes docs/traceability.md: what the tutorial demands of host and start, and the row that checks it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ernie_conformance.judge.rows import Row, load_rows
from ernie_conformance.paths import ROOT
from ernie_conformance.tables import UsageError, read_table

TABLE, PAGE = ROOT / "docs" / "traceability.toml", ROOT / "docs" / "traceability.md"
HEAD = """# From the tutorial to the rows

What the deployment tutorial asks of a host and of a start (its table of models and sections 1, 2, 3 and 5), and what of it
is checked. Made from traceability.toml and rows/ by `python -m ernie_conformance.programs.traceability`.

| section | the tutorial says | checked by | contradicted by, or why not checked |
|---|---|---|---|
"""
BEYOND = """
## What the tutorial doesn't mention

| row | level | what must hold | source |
|---|---|---|---|
"""


def demands(path: Path = TABLE) -> list[dict[str, Any]]:
    """The tutorial's demands. Raises UsageError for one without a row or a reason, or with a row that doesn't exist."""
    found: list[dict[str, Any]] = read_table(path)["demand"]
    known = load_rows()
    for demand in found:
        if bool(demand.get("rows")) == bool(demand.get("untestable")):
            raise UsageError(f"{path}: {demand['says']!r} needs rows, or the reason why it can't be tested")
        if unknown := [row for row in demand.get("rows", ()) if row not in known]:
            raise UsageError(f"{path}: {demand['says']!r} names {', '.join(unknown)}, which no file in rows/ has")
    return found


def beyond(found: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Env rows that no demand names: what others than the tutorial ask for."""
    named = {row for demand in found for row in demand.get("rows", ())}
    return [row for row in load_rows().values() if row.part == "env" and row.id not in named]


def page() -> str:
    """The whole of traceability.md."""
    found = demands()
    lines = [_line(d["section"], d["says"], ", ".join(d.get("rows", ())) or "–", _remark(d)) for d in found]
    rest = [_line(row.id, row.level, row.text, row.source) for row in beyond(found)]
    return HEAD + "".join(lines) + BEYOND + "".join(rest)


def _remark(demand: Mapping[str, Any]) -> str:
    if "untestable" in demand:
        return f"untestable: {demand['untestable']}"
    return str(demand.get("contradicted", ""))


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main(arguments: list[str]) -> int:
    """Write the page, or with --check only compare; 1 when it isn't up to date."""
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance.programs.traceability", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page isn't up to date")
    options = parser.parse_args(arguments)
    try:
        text = page()
    except UsageError as error:
        print(error, file=sys.stderr)
        return 4
    if options.check:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
