"""Put runs side by side: evidence files or report folders, judged by today's rules; what differs, and how fast each was."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ernie_conformance.judge.judge import judge
from ernie_conformance.report.comparison import Side, page, record, side, told
from ernie_conformance.report.verdict import Run, verdict_of
from ernie_conformance.suite.settings import language_of, recorded_target, terms_of
from ernie_conformance.tables import UsageError
from ernie_conformance.wire.evidence import Evidence, read_evidence


def main(arguments: Sequence[str]) -> int:
    """Run the program. Raises UsageError for what is no evidence."""
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance compare", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="an evidence file, or a report folder with one")
    parser.add_argument(
        "--accept-risk", default="", metavar="IDS", help="breaches accepted in the open, as pytest takes them"
    )
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page, too")
    parser.add_argument("--lang", choices=("en", "zh"), default=language_of(dict(os.environ)), help="of the page")
    options = parser.parse_args(arguments)
    if len(options.runs) < 2:
        raise UsageError("compare needs two runs or more; name evidence files or report folders")
    sides = read_sides(options.runs, options.accept_risk)
    print(json.dumps(record(sides), ensure_ascii=False, indent=1) if options.json else "\n".join(told(sides)))
    if options.html:
        options.html.write_text(page(sides, options.lang), encoding="utf-8", errors="backslashreplace")
    return 0


def read_sides(paths: Sequence[Path], accept_risk: str = "") -> list[Side]:
    """The runs at `paths`, judged. Raises UsageError for what is no evidence."""
    read = [read_evidence(path / "evidence.jsonl" if path.is_dir() else path) for path in paths]
    labels = [label_of(evidence, path) for evidence, path in zip(read, paths, strict=True)]
    often = Counter(labels)
    labels = [f"{label} ({path})" if often[label] > 1 else label for label, path in zip(labels, paths, strict=True)]
    return [_judged(label, evidence, accept_risk) for label, evidence in zip(labels, read, strict=True)]


def label_of(evidence: Evidence, path: Path) -> str:
    """A run's name: target and version; the file's name for recordings of other tools."""
    target = evidence.target
    if not target:
        return path.stem
    return " ".join(filter(None, [str(target["name"]), str(target.get("version", ""))]))


def _judged(label: str, evidence: Evidence, accept_risk: str) -> Side:
    terms = terms_of(replace(recorded_target(evidence), disruptive=True), "release", None, accept_risk)
    verdict = verdict_of(Run(terms, judge(evidence, terms), evidence, narrowed=not evidence.complete))
    return side(label, verdict, evidence)
