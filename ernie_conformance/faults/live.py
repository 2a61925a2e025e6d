"""Faults that need a live server: a reference behind the injector, asked only what the named row needs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ernie_conformance.faults.fault import Behaviour, Fault
from ernie_conformance.faults.proxy import injecting
from ernie_conformance.faults.score import Score, score
from ernie_conformance.faults.started import launching
from ernie_conformance.gather.gather import Orders, gather
from ernie_conformance.judge.judge import Case, Terms, rule
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.launch.serve import serve
from ernie_conformance.suite.items import needs_of
from ernie_conformance.targets import Target
from ernie_conformance.wire.evidence import Evidence

# Where the rows of a catalogue's area stand: in rows/, by the same name or another.
ROW_AREAS = {
    "framing": ("streaming",),
    "chunks": ("streaming", "schema"),
    "usage": ("schema", "streaming"),
    "finish": ("limits",),
    "reasoning": ("reasoning",),
    "text": ("twins",),
    "sampling": ("parameters",),
    "errors": ("errors",),
    "vision": ("vision",),
    "chat": ("conversation",),
    "concurrency": ("concurrency",),
    "launch": ("launch",),
    "auxiliary": ("auxiliary",),
    "completions": ("auxiliary",),
    "tools": ("tools",),
    "clients": ("clients",),
    "property": ("property",),
    "soak": ("soak",),
}
SOAK_MINUTES = 0.07  # some hundreds of requests, after which a server may have worn out
KEY = "sk-of-the-matrix"
PATIENCE = 120.0  # seconds for one fault: every wait within is bounded by the target's time-outs


def needs_key(fault: Fault) -> bool:
    """Can only a server that asks for a key show this fault?"""
    return fault.row in load_rows() and "api-key" in load_rows()[fault.row].needs


async def gather_against(
    target: Target, base_url: str, metrics_url: str, names: Collection[str], folder: Path, api_key: str | None = None
) -> Evidence:
    """The evidence of `names` alone from a server that already runs."""
    minutes = SOAK_MINUTES if "soak" in names else 0.0
    attached = replace(target, kind="attached", base_url=base_url, metrics_url=metrics_url)
    return await gather(attached, names, Orders(folder, core=False, api_key=api_key, minutes=minutes))


def names_for(fault: Fault, cases: Sequence[Case]) -> set[str]:
    """What must be asked so that the fault's row can see it; all of its area when that names nothing."""
    named = set(fault.needs).union(*(needs_of(case) for case in cases if case.row.id == fault.row))
    areas = ROW_AREAS.get(fault.area, ())
    return named or set().union(*(needs_of(case) for case in cases if case.row.area in areas and not case.row.disruptive))


async def _scored(
    fault: Fault, target: Target, cases: Sequence[Case], base_url: str, metrics_url: str, folder: Path
) -> Score:
    async with injecting(fault, base_url, metrics_url) as injector:
        names = names_for(fault, cases)
        key = KEY if needs_key(fault) else None
        asking = gather_against(target, injector.base_url, injector.metrics_url, names, folder, key)
        evidence = await asyncio.wait_for(asking, PATIENCE)
    terms = Terms(target)
    return score(fault, [rule(case, evidence, terms) for case in cases], narrowed=True)


async def _launched(fault: Behaviour, target: Target, cases: Sequence[Case], folder: Path) -> Score:
    """The score of a server that has to be launched to show what is wrong with it."""
    broken = replace(target, launch=launching(fault, target.launch))
    evidence = await asyncio.wait_for(gather(broken, set(), Orders(report_dir=folder, speed="gate")), PATIENCE)
    return score(fault, [rule(case, evidence, Terms(broken)) for case in cases], narrowed=True)


async def _scores(faults: Sequence[Fault], target: Target, cases: Sequence[Case]) -> list[Score]:
    found = []
    with tempfile.TemporaryDirectory(prefix="injector-") as name:
        folder = Path(name)
        started = [fault for fault in faults if isinstance(fault, Behaviour) and fault.life]
        found += [await _launched(fault, target, cases, folder) for fault in started]
        faults = [fault for fault in faults if fault not in started]
        for speed, keyed in sorted({(fault.speed, needs_key(fault)) for fault in faults}):
            judged = replace(target, capabilities=target.capabilities | {"api-key"}) if keyed else target
            async with serve(
                judged,
                server_python=None,
                model_dir=None,
                report_dir=folder,
                speed=speed,
                api_key=KEY if keyed else None,
                progress=lambda _: None,
            ) as good:
                for fault in faults:
                    if (fault.speed, needs_key(fault)) == (speed, keyed):
                        found.append(await _scored(fault, judged, cases, good.base_url, good.metrics_url, folder))
    return found


def scores(faults: Sequence[Fault], target: Target, cases: Sequence[Case]) -> list[Score]:
    """Judge live faults one after the other, in front of one reference."""
    return asyncio.run(_scores(faults, target, cases))
