"""The kill matrix: every fault against every row. Which row sees which broken server, and what no row sees.

python -m ernie_conformance.faults.matrix --evidence report/evidence.jsonl [--check | --write]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from ernie_conformance.faults.catalogue import AREAS, catalogue
from ernie_conformance.faults.fault import Fault, Rewrite
from ernie_conformance.faults.live import needs_key, scores
from ernie_conformance.faults.score import Golden, Score
from ernie_conformance.faults.variations import variations
from ernie_conformance.gather.gather import Orders, gather
from ernie_conformance.judge.judge import Case, Terms, suite_cases
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.paths import ROOT
from ernie_conformance.suite.items import needs_of
from ernie_conformance.targets import Target, load_target
from ernie_conformance.wire.evidence import read_evidence, write_evidence

TABLE, DATA = ROOT / "docs" / "matrix.md", ROOT / "docs" / "matrix.json"
JOBS = 4  # on two cores: half the faults live on a socket and wait more than they work
AGAIN = 3  # times at most that a live fault is put alone before it counts as unseen
BATCH = 8  # rewriting faults handed to a process at a time: few enough to end together, enough to outweigh the handing


def _target() -> Target:
    return replace(load_target("reference"), disruptive=True)


@cache
def _cases() -> tuple[Case, ...]:
    return suite_cases("api")


@cache
def _golden(path: str) -> Golden:
    """Once in every process."""
    return Golden.judged(read_evidence(Path(path)), Terms(_target()), _cases())


def _fault(id: str) -> Fault:
    return catalogue()[id] if id in catalogue() else variations()[id]


def _rewritten(path: str, ids: Sequence[str]) -> list[Score]:
    golden = _golden(path)
    return [golden.broken_by(fault) for fault in map(_fault, ids) if isinstance(fault, Rewrite)]


def _lived(ids: Sequence[str]) -> list[Score]:
    return scores([_fault(id) for id in ids], _target(), _cases())


def gathered(path: Path) -> Path:
    """Ask the reference everything and keep it at `path`."""
    target = _target()
    names = set().union(*(needs_of(case) for case in _cases()))
    orders = Orders(report_dir=path.parent, progress=lambda line: print(line, file=sys.stderr))
    write_evidence(path, asyncio.run(gather(target, names, orders)))
    return path


def run(faults: Iterable[Fault], evidence: Path, jobs: int) -> list[Score]:
    """Judge every fault, in `jobs` processes."""
    chosen = list(faults)
    rewriting = [fault.id for fault in chosen if isinstance(fault, Rewrite) and not needs_key(fault)]
    live = [fault.id for fault in chosen if fault.id not in rewriting]
    with ProcessPoolExecutor(jobs) as pool:
        # A reference's slots belong to one fault at a time, so each process has its own and a share of the live faults.
        waiting = [pool.submit(_lived, share) for start in range(jobs) if (share := live[start::jobs])]
        batches = [rewriting[start : start + BATCH] for start in range(0, len(rewriting), BATCH)]
        waiting += [pool.submit(_rewritten, str(evidence), batch) for batch in batches]
        found = {score.id: score for done in waiting for score in done.result()}
    # What shows by its pace alone may not show on a busy machine: what wasn't seen is put again, with nothing beside it.
    alarms = [id for id in live if id in variations() and found[id].red]
    found |= {score.id: score for score in _lived(alarms)}
    for _ in range(AGAIN):
        unseen = [id for id in live if id not in variations() and not found[id].killed]
        found |= {score.id: score for score in _lived(unseen)}
    return [found[fault.id] for fault in chosen]


def problems(found: Sequence[Score], golden: Golden, whole: bool) -> list[str]:
    """Everything that makes the matrix red, a line each."""
    said = [f"the good server isn't green: {row}: {detail}" for row, detail in golden.problems.items()]
    for one in found:
        said += [f"{one.id}: {row} is an ERROR of the suite: {detail}" for row, detail in one.errors.items()]
        if one.id in variations():
            said += [f"false alarm: {one.id} turns {row} red: {detail}" for row, detail in one.red.items()]
            said += [f"false alarm: {one.id} blocks {row}" for row in one.blocked]
        elif not one.row:
            said.append(f"{one.id} names no row (red: {', '.join(one.red) or 'none'})")
        elif not one.killed:
            said.append(f"survives: {one.id} should turn {one.row} red ({_why(one)})")
    if whole:
        killers = {one.row for one in found if one.killed}
        # What breaks a launch is a fake engine's play, no server behind the injector: its rows are proven in the tests.
        rows = [row for row in load_rows().values() if row.part == "api" and row.area != "launch" and not row.unobservable]
        said += [f"row {row.id} has no killer" for row in rows if row.id not in killers]
    return said


def _why(one: Score) -> str:
    if one.silent:
        return "it changes nothing that was asked"
    if one.row in one.red:
        return f"it is red for another reason: {one.red[one.row]}"
    return f"red instead: {', '.join(one.red) or 'none'}"


def tables(found: Sequence[Score]) -> tuple[str, str]:
    """The committed table as Markdown and as JSON: nothing that differs from run to run."""
    killed = {one.id: one.row for one in found if one.killed}
    lines = ["# Which row sees which broken server", "", "Made by `make matrix`. A dash marks a fault that no row sees.", ""]
    for area in AREAS:
        lines += [f"## {area}", "", "| fault | what is broken | severity | kind | row |", "|---|---|---|---|---|"]
        lines += [
            f"| {_linked(f)} | {f.title} | {f.severity} | {f.kind} | {killed.get(f.id, '-')} |"
            for f in catalogue().values()
            if f.area == area
        ]
        lines.append("")
    lines += ["## harmless variations", "", "All must stay green.", "", "| variation | why it is harmless |", "|---|---|"]
    lines += [f"| {one.id} | {one.title} |" for one in variations().values()]
    data = {"faults": {id: killed.get(id, "") for id in catalogue()}, "variations": list(variations())}
    return "\n".join(lines) + "\n", json.dumps(data, indent=1) + "\n"


def _linked(fault: Fault) -> str:
    return f"[{fault.id}]({fault.evidence[0]})" if fault.evidence else fault.id


def _summary(found: Sequence[Score]) -> str:
    faults = [one for one in found if one.id not in variations()]
    killed = [one for one in faults if one.killed]
    blame = median(len(one.blame) for one in killed) if killed else 0
    noisiest = Counter({one.id: len(one.blame) for one in killed}).most_common(5)
    alarms = sum(bool(one.red) for one in found if one.id in variations())
    return (
        f"{len(killed)} of {len(faults)} faults killed, {len(found) - len(faults)} variations with {alarms} false alarms, "
        f"median blame {blame}, most: {', '.join(f'{id} {count}' for id, count in noisiest)}"
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance.faults.matrix", description=__doc__)
    parser.add_argument("--evidence", type=Path, help="a good server's evidence (default: ask the reference now)")
    parser.add_argument("--jobs", type=int, default=JOBS, help="processes (%(default)s)")
    parser.add_argument("--only", nargs="+", metavar="ID", help="these faults, variations or areas alone")
    parser.add_argument("--kind", choices=("rewrite", "question", "behaviour"), help="faults of this kind alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every score with every red row here")
    parser.add_argument("--write", action="store_true", help="write docs/matrix.md and docs/matrix.json")
    parser.add_argument("--check", action="store_true", help="fail when the committed table is another")
    return parser.parse_args(argv)


def _chosen(arguments: argparse.Namespace) -> list[Fault]:
    everything: list[Fault] = [*catalogue().values(), *variations().values()]
    wanted = set(arguments.only or ())
    return [
        fault
        for fault in everything
        if (not wanted or wanted & {fault.id, fault.area}) and arguments.kind in (None, fault.kind)
    ]


def _stale(written: dict[Path, str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} is stale: run `make matrix` and commit it"
        for path, text in written.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix; 1 when anything is red."""
    arguments = _arguments(argv)
    evidence = arguments.evidence or gathered(ROOT / "report" / "matrix" / "evidence.jsonl")
    golden = _golden(str(evidence))
    chosen = _chosen(arguments)
    found = run(chosen, evidence, arguments.jobs)
    whole = len(chosen) == len(catalogue()) + len(variations())
    said = problems(found, golden, whole)
    written: dict[Path, str] = dict(zip((TABLE, DATA), tables(found), strict=True)) if whole else {}
    if arguments.check:
        said += _stale(written)
    if arguments.write:
        for path, text in written.items():
            path.write_text(text, encoding="utf-8")
    if arguments.json:
        records: list[dict[str, Any]] = [one.as_record() for one in found]
        arguments.json.write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
    print(*said, _summary(found), sep="\n")
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
