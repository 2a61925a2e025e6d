"""verdict.json, the machine-readable truth about a run: written closed before it starts, replaced in one move at its end."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_conformance import __version__
from ernie_conformance.judge.judge import Terms
from ernie_conformance.judge.rows import PARTS
from ernie_conformance.judge.verdicts import RowVerdict, Ruling, gate, part_states, row_verdicts
from ernie_conformance.judge.waivers import Waiver, waiver_problems, waiver_states
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import NotJson
from ernie_conformance.wire.secrets import masked

FORMAT = 1
NAME = "verdict.json"
# The order of areas; those of other names come after these.
AREAS = (
    *("host", "gpu", "cuda", "packages", "model_directory", "ports", "command"),
    *("launch", "wire", "schema", "streaming", "text", "reasoning", "limits", "parameters", "errors"),
)


@dataclass(frozen=True)
class Run:
    """What a run came to, before it is put into words. `narrowed`: less than whole parts was selected."""

    terms: Terms
    rulings: Sequence[Ruling]
    evidence: Evidence
    narrowed: bool = False
    interrupted: bool = False


def begin(folder: Path) -> None:
    """Say that a run is under way and nothing is known yet, so that a crash leaves no old 'open' behind."""
    _replace(folder, {"format": FORMAT, "gate": "closed", "state": "running"})


def finish(folder: Path, run: Run) -> dict[str, Any]:
    """Write the verdict of a run that ended, and return it."""
    verdict = verdict_of(run)
    _replace(folder, verdict)
    return verdict


def _replace(folder: Path, verdict: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{NAME}.{os.getpid()}"
    partial.write_text(json.dumps(verdict, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / NAME)


def verdict_of(run: Run) -> dict[str, Any]:
    """The verdict record of a run (format 1)."""
    target, terms = run.terms.target, run.terms
    rows = row_verdicts(run.rulings, run.narrowed)
    today = datetime.date.today()
    problems = waiver_problems(terms.waivers, run.rulings, today, run.evidence.exchanges)
    if run.interrupted:
        problems.append("the run was interrupted")
    parts = part_states(rows)
    partial = run.narrowed or "not asked" in parts.values()
    facts = run.evidence.facts
    return {
        "format": FORMAT,
        "state": "interrupted" if run.interrupted else "done",
        "gate": gate(rows, reference=target.kind == "reference", partial=partial, problems=problems),
        "parts": parts,
        "target": {
            "name": target.name,
            "kind": target.kind,
            "base_url": masked(target.base_url or run.evidence.target.get("base_url", "")),
            "engine": target.engine,
            "version": target.version,
        },
        "profile": terms.profile,
        "suite": __version__,
        "started": facts.get("started_at"),
        "seconds": facts.get("seconds"),
        "requests": len(run.evidence.exchanges),
        "completion_tokens": completion_tokens(run.evidence),
        "accepted_risks": sorted(terms.accepted),
        "waivers": [_waiver(*pair) for pair in waiver_states(terms.waivers, run.rulings, today, run.evidence.exchanges)],
        "problems": problems,
        "counts": _counts([row.verdict for row in rows]),
        "rows": [row.as_record() for row in sorted(rows, key=_place)],
    }


def _place(verdict: RowVerdict) -> tuple[int, int, str, str]:
    """Where a row stands in every report: what others rest on comes first, so that the first red is nearest to the cause."""
    row = verdict.row
    return PARTS.index(row.part), AREAS.index(row.area) if row.area in AREAS else len(AREAS), row.area, row.id


def _waiver(waiver: Waiver, state: str) -> dict[str, str]:
    told = ("row", "case", "reason", "evidence", "owner", "versions", "added", "expires")
    return {**{name: str(getattr(waiver, name)) for name in told}, "state": state}


def _counts(found: list[str]) -> dict[str, int]:
    return {verdict: found.count(verdict) for verdict in sorted(set(found))}


def completion_tokens(evidence: Evidence) -> int:
    """Tokens that the server says it generated, summed over every exchange that says so."""
    total = 0
    for exchange in evidence.exchanges.values():
        try:
            usage = exchange.json.get("usage") if not exchange.wants_stream else _last_usage(exchange.body)
            total += int((usage or {}).get("completion_tokens") or 0)
        except (NotJson, AttributeError, TypeError, ValueError):
            continue  # what an answer lacks is for rows to say; this is only a sum
    return total


def _last_usage(body: bytes) -> dict[str, Any] | None:
    at = body.rfind(b'"completion_tokens"')
    start, end = body.rfind(b"data:", 0, at), body.find(b"\n", at)
    if at < 0:
        return None
    usage = json.loads(body[start + 5 : end if end >= 0 else None]).get("usage")
    return usage if isinstance(usage, dict) else None
