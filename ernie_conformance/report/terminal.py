"""The summary an operator reads first: a line an area, then each red row with what was seen and how to repeat it."""

from __future__ import annotations

from typing import Any

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.verdicts import printable
from ernie_conformance.report.curl import repeat_line
from ernie_conformance.report.words import word
from ernie_conformance.wire.evidence import Evidence

COLUMNS = (
    verdicts.PASS,
    verdicts.FAIL,
    verdicts.WARN,
    verdicts.WAIVED,
    verdicts.BLOCKED,
    verdicts.INCONCLUSIVE,
    verdicts.ERROR,
    verdicts.NOT_TESTABLE,
    verdicts.NOT_ASKED,
)
TOLD = (verdicts.ERROR, verdicts.FAIL, verdicts.INCONCLUSIVE, verdicts.WARN, verdicts.WAIVED)
WIDTH = 300  # characters of a detail, so that a hostile answer can't flood the terminal


def summary_lines(verdict: dict[str, Any], evidence: Evidence, lang: str, folder: str = "report") -> list[str]:
    """The lines of the terminal summary. `folder` is the report's: curl lines read long bodies from it."""
    rows = verdict["rows"]
    lines = ["", *_table(rows, lang)]
    for kind in TOLD:
        for row in (r for r in rows if r["verdict"] == kind):
            lines += ["", *_told(row, verdict, evidence, lang, folder)]
    lines += _blocked(rows, lang)
    lines += [f"! {printable(problem, WIDTH)}" for problem in verdict["problems"]]
    spent = f"{verdict['requests']} {word('spent', lang)}, {verdict['completion_tokens']} {word('tokens', lang)}"
    if verdict["seconds"]:
        spent += f", {verdict['seconds']:.1f} {word('seconds', lang)}"
    lines += ["", f"{word('spent_by_area', lang)}: {', '.join(_by_area(verdict))}"]
    return [*lines, spent, f"{word('gate', lang)}: {word(verdict['gate'], lang)}"]


def _by_area(verdict: dict[str, Any]) -> list[str]:
    """`area requests/tokens`, the dearest first."""
    return [f"{area} {found['requests']}/{found['completion_tokens']}" for area, found in verdict["spent"].items()] or ["-"]


def _table(rows: list[dict[str, Any]], lang: str) -> list[str]:
    shown = [c for c in COLUMNS if any(r["verdict"] == c for r in rows)]
    lines = ["  ".join([f"{word('area', lang):<22}", *(f"{c:>{max(len(c), 4)}}" for c in shown)])]
    for part, area in dict.fromkeys((r["part"], r["area"]) for r in rows):
        mine = [r["verdict"] for r in rows if (r["part"], r["area"]) == (part, area)]
        cells = (f"{mine.count(c) or '':>{max(len(c), 4)}}" for c in shown)
        lines.append("  ".join([f"{part + ' · ' + area:<22}", *cells]))
    return lines


def _told(row: dict[str, Any], verdict: dict[str, Any], evidence: Evidence, lang: str, folder: str) -> list[str]:
    lines = [
        f"{row['verdict']} {row['id']} ({row['level']}, {row['layer']}) {row['text']}",
        f"  {word('seen', lang)}: {printable(row['detail'], WIDTH)}",
        f"  {word('why', lang)}: {row['hint'][lang]}",
    ]
    exchange = next((evidence.exchanges[n] for n in row["exchanges"] if n in evidence.exchanges), None)
    if exchange is not None:
        curl = repeat_line(exchange, evidence, verdict["target"]["base_url"], folder)
        lines.append(f"  {word('repeat', lang)}: {printable(curl, 1000)}")
        if exchange.log:
            lines.append(f"  {word('log', lang)}: {printable(exchange.log.strip().splitlines()[-1], WIDTH)}")
    return lines


def _blocked(rows: list[dict[str, Any]], lang: str) -> list[str]:
    owners: dict[str, list[str]] = {}
    for row in rows:
        if row["verdict"] == verdicts.BLOCKED:
            owners.setdefault(row["blocked_by"], []).append(row["id"])
    return [
        line
        for owner, names in owners.items()
        for line in (
            "",
            f"BLOCKED: {len(names)} {word('blocked', lang)} {owner}: {', '.join(names[:8])}{' …' * (len(names) > 8)}",
        )
    ]
