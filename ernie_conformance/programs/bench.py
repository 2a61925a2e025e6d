"""What the suite itself costs: `-m api` against the reference at two speeds, beside what the server's answers take."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import psutil

from ernie_conformance import __version__
from ernie_conformance.paths import ROOT
from ernie_conformance.report.bound import bound
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import read_evidence

SPEEDS = ("a800", "full")
HISTORY = ROOT / "docs" / "bench.jsonl"
LONGEST = 900.0  # seconds that one run may take on a loaded machine


def main(argv: list[str] | None = None) -> int:
    """Write bench.json, print it as a table. 1 when a run was red: then its figures say nothing."""
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance.programs.bench", description=__doc__)
    parser.add_argument("--report-dir", type=Path, default=Path("report"), help="where bench.json goes (default: report/)")
    parser.add_argument("--speed", action="append", choices=SPEEDS, help="one speed only; may be repeated")
    parser.add_argument("--select", default="api", metavar="MARKS", help="what to ask, as for -m (default: api)")
    parser.add_argument("--keep", action="store_true", help=f"add a line to {HISTORY.relative_to(ROOT)}")
    parser.add_argument("--inside", choices=SPEEDS, help=argparse.SUPPRESS)  # the measured process itself
    given = parser.parse_args(argv)
    if given.inside:
        return _inside(given.inside, given.report_dir, given.select)
    found = {speed: measure(speed, given.report_dir.resolve(), given.select) for speed in given.speed or SPEEDS}
    given.report_dir.mkdir(parents=True, exist_ok=True)
    (given.report_dir / "bench.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(found)))
    if given.keep:
        facts = {
            "date": date.today().isoformat(),
            "suite": __version__,
            "select": given.select,
            "machine": machine(),
            **found,
        }
        with HISTORY.open("a", encoding="utf-8") as history:
            history.write(json.dumps(facts | found) + "\n")
    return int(any(figures["gate"] == "closed" for figures in found.values()))


def measure(speed: str, folder: Path, select: str) -> dict[str, Any]:
    """Run the suite once in a process of its own.

    {"seconds" (wall), "bound_seconds", "ratio", "requests", "completion_tokens", "cpu_seconds" (the suite's alone, without
    the server), "cpu_ms_per_request", "peak_mb", "cpu" {stage: seconds}, "gate"}
    """
    folder = folder / f"bench-{speed}"
    command = [sys.executable, "-m", __name__ if __name__ != "__main__" else "ernie_conformance.programs.bench"]
    command += ["--inside", speed, "--report-dir", str(folder), "--select", select]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    began = time.monotonic()
    subprocess.run(command, cwd=ROOT, env=clean, check=False, timeout=LONGEST, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    cost = json.loads((folder / "cost.json").read_text(encoding="utf-8"))
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    least = bound(read_evidence(folder / "evidence.jsonl").exchanges.values(), load_target("reference").slots)
    return {
        "seconds": round(seconds, 2),
        "bound_seconds": round(least, 2),
        "ratio": round(seconds / least, 3),
        "requests": verdict["requests"],
        "completion_tokens": verdict["completion_tokens"],
        "cpu_seconds": cost["cpu_seconds"],
        "cpu_ms_per_request": round(1000 * cost["cpu_seconds"] / verdict["requests"], 2),
        "peak_mb": cost["peak_mb"],
        "cpu": cost["cpu"],
        "gate": verdict["gate"],
    }


def _inside(speed: str, folder: Path, select: str) -> int:
    import pytest

    from ernie_conformance.programs.stopwatch import Stopwatch

    watch = Stopwatch()
    marks = ["-m", select, "--target", "reference", "--reference-speed", speed, "--report-dir", str(folder)]
    code = pytest.main(["-c", str(ROOT / "pytest.ini"), "-q", "-p", "no:cacheprovider", *marks], plugins=[watch])
    used = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # macOS counts bytes, Linux kilobytes
    cost = {
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss / unit, 1),
        "cpu": {stage: round(seconds, 2) for stage, seconds in watch.told().items()},
    }
    (folder / "cost.json").write_text(json.dumps(cost), encoding="utf-8")
    return int(code)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def table(found: dict[str, dict[str, Any]]) -> list[str]:
    """One line a figure, one column a speed."""
    names = [name for name in next(iter(found.values())) if name != "cpu"]
    rows = [(name, [str(figures[name]) for figures in found.values()]) for name in names]
    stages = dict.fromkeys(stage for figures in found.values() for stage in figures["cpu"])
    rows += [(f"  cpu: {stage}", [str(figures["cpu"].get(stage, "")) for figures in found.values()]) for stage in stages]
    lines = [("", list(found)), *rows]
    return ["  ".join([f"{name:<22}", *(f"{cell:>12}" for cell in cells)]) for name, cells in lines]


if __name__ == "__main__":
    sys.exit(main())
