"""verdict.json, the machine-readable truth about a run: written closed before it starts, replaced in one move at its end."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_conformance import __version__
from ernie_conformance.files import whole
from ernie_conformance.gather.catalogue import catalogue
from ernie_conformance.judge.judge import Terms
from ernie_conformance.judge.rows import PARTS
from ernie_conformance.judge.verdicts import RowVerdict, Ruling, gate, part_states, row_verdicts
from ernie_conformance.judge.waivers import Waiver, waiver_problems, waiver_states
from ernie_conformance.wire.evidence import CUT, Evidence
from ernie_conformance.wire.secrets import masked
from ernie_conformance.wire.usage import completion_tokens

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
    keep_verdict(folder, {"format": FORMAT, "gate": "closed", "state": "running"})


def finish(folder: Path, run: Run) -> dict[str, Any]:
    """Write the verdict of a run that ended, and return it."""
    verdict = verdict_of(run)
    keep_verdict(folder, verdict)
    return verdict


def keep_verdict(folder: Path, verdict: dict[str, Any]) -> None:
    """Write `verdict` into the report folder in one move."""
    with whole(folder / NAME) as out:
        out.write(json.dumps(verdict, ensure_ascii=False, indent=1) + "\n")


def verdict_of(run: Run) -> dict[str, Any]:
    """The verdict record of a run (format 1)."""
    target, terms = run.terms.target, run.terms
    rows = row_verdicts(run.rulings, run.narrowed)
    today = datetime.date.today()
    problems = waiver_problems(terms.waivers, run.rulings, today, run.evidence.exchanges)
    if run.interrupted:
        problems.append("the run was interrupted; start it again for a verdict")
    parts = part_states(rows)
    partial = run.narrowed or "not asked" in parts.values()
    if cut := [name for name, reason in run.evidence.unasked.items() if reason == CUT]:
        problems.append(f"the budget ended before everything was asked: {len(cut)} of the exchanges and scenarios are missing")
    facts, spent = run.evidence.facts, spent_by_area(run.evidence)
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
        "completion_tokens": sum(figures["completion_tokens"] for figures in spent.values()),
        "spent": spent,
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


def spent_by_area(evidence: Evidence) -> dict[str, dict[str, int]]:
    """Requests and completion tokens (as the server tells them) by the area that asked; what is asked of every area is its own."""
    if not evidence.exchanges:
        return {}  # the catalogue paints its pictures: a second that a run on the host alone doesn't need
    areas = catalogue().areas
    spent: dict[str, dict[str, int]] = {}
    for exchange in evidence.exchanges.values():
        area = areas.get(exchange.notes.get("scenario") or exchange.name, "liveness")
        figures = spent.setdefault(area, {"requests": 0, "completion_tokens": 0})
        figures["requests"] += 1
        figures["completion_tokens"] += completion_tokens(exchange) or 0
    return dict(sorted(spent.items(), key=lambda pair: (-pair[1]["completion_tokens"], pair[0])))
