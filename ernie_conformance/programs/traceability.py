"""Makes docs/traceability.md: what the tutorial, the API reference and FastDeploy's deviations lead to, demand by demand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_conformance.judge.rows import Row, load_rows
from ernie_conformance.paths import ROOT
from ernie_conformance.tables import UsageError, read_table

TABLES, PAGE = ROOT / "docs" / "traceability", ROOT / "docs" / "traceability.md"
SOURCES = ("tutorial", "openai", "fastdeploy")
# What becomes of a demand: the kind that a closing count counts, and how its entry says so.
KINDS = {"rows": "checked", "untestable": "untestable", "outside": "out of scope", "contradicted": "contradicted"}
KEYS = {"at", "says", *KINDS}
HEAD = """# From the sources to the rows

What the deployment tutorial, the OpenAI API reference and FastDeploy's known deviations demand, and what of it is checked.
Made from traceability/ and rows/ by `python -m ernie_conformance.programs.traceability`.
"""
BEYOND = """
## What none of these asks for

| row | level | what must hold | source |
|---|---|---|---|
"""
COUNT = """
## The count

| source | demands | checked | of these, to something else than it says | contradicted | untestable | out of scope |
|---|---|---|---|---|---|---|
"""

Demand = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """A source and its demands, in its own order. `place` and `says` head the columns."""

    title: str
    about: str
    place: str
    says: str
    demands: list[dict[str, Any]]


def read(path: Path) -> Source:
    """One table. Raises UsageError for a demand that leads nowhere, or to a row that doesn't exist."""
    table = read_table(path)
    source = Source(**{key: table[key] for key in ("title", "about", "place", "says")}, demands=table["demand"])
    for demand in source.demands:
        if wrong := _wrong(demand):
            raise UsageError(f"{path}: {demand.get('at')}: {demand.get('says')!r} {wrong}")
    return source


def _wrong(demand: Demand) -> str:
    if unknown := demand.keys() - KEYS:
        return f"has the key {min(unknown)}, which means nothing"
    ways = [key for key in ("rows", "untestable", "outside") if demand.get(key)]
    if len(ways) > 1 or not (ways or demand.get("contradicted")):
        return "needs rows, or one reason why it isn't checked"
    missing = [row for row in demand.get("rows", ()) if row not in load_rows()]
    return f"names {', '.join(missing)}, which no file in rows/ has" if missing else ""


def sources(folder: Path = TABLES) -> list[Source]:
    """Every source, in the order of the page."""
    return [read(folder / f"{name}.toml") for name in SOURCES]


def beyond(found: Iterable[Source]) -> list[Row]:
    """Rows that no demand names: what still others ask for."""
    named = {row for source in found for demand in source.demands for row in demand.get("rows", ())}
    return [row for row in load_rows().values() if row.id not in named]


def kind_of(demand: Demand) -> str:
    """What becomes of a demand. One that is checked and contradicted is checked: the row says to what it holds."""
    return next(kind for key, kind in KINDS.items() if demand.get(key))


def page() -> str:
    """The whole of traceability.md."""
    found = sources()
    rest = [_line(row.id, row.level, row.text, row.source) for row in beyond(found)]
    counts = [_line(source.title, *map(str, _counts(source.demands))) for source in found]
    total = _line("together", *map(str, _counts([demand for source in found for demand in source.demands])))
    return HEAD + "".join(map(_section, found)) + BEYOND + "".join(rest) + COUNT + "".join(counts) + total


def _section(source: Source) -> str:
    head = _line(source.place, source.says, "checked by", "contradicted by, or why not checked") + "|---|---|---|---|\n"
    lines = [_line(d["at"], d["says"], ", ".join(d.get("rows", ())) or "–", _remark(d)) for d in source.demands]
    return f"\n## {source.title}\n\n{source.about.strip()}\n\n{head}{''.join(lines)}"


def _remark(demand: Demand) -> str:
    said = [f"{KINDS[key]}: {demand[key]}" for key in ("untestable", "outside") if key in demand]
    return "; ".join([*said, *filter(None, [demand.get("contradicted")])])


def _counts(found: list[dict[str, Any]]) -> list[int]:
    kinds = [kind_of(demand) for demand in found]
    otherwise = sum(bool(demand.get("rows") and demand.get("contradicted")) for demand in found)
    return [len(found), kinds.count("checked"), otherwise, *map(kinds.count, ("contradicted", "untestable", "out of scope"))]


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
