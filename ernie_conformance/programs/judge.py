"""Judge recorded traffic: every row whose tests can be put to it, one table and the red rows for each file."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from ernie_conformance.judge.judge import judge
from ernie_conformance.report.terminal import summary_lines
from ernie_conformance.report.verdict import Run, verdict_of
from ernie_conformance.suite.settings import recorded_target, terms_of
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import read_evidence


def main(arguments: list[str]) -> int:
    """Judge each FILE; 1 when a gate is closed, else 0. Raises UsageError for files that aren't evidence."""
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance judge", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--target", help="judge as this target (default: the one in the file, or the tutorial's)")
    parser.add_argument("--profile", choices=("release", "strict", "smoke"), default="release")
    parser.add_argument("--waivers", metavar="FILE", help="known deviations, instead of the target's")
    parser.add_argument(
        "--accept-risk", default="", metavar="IDS", help="breaches accepted in the open, by commas: ROW or ROW:EXCHANGE"
    )
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    parser.add_argument("--json", action="store_true", help="print the verdicts as a JSON list")
    options = parser.parse_args(arguments)
    verdicts = []
    for path in options.files:
        evidence = read_evidence(path)
        target = replace(load_target(options.target), kind="replay") if options.target else recorded_target(evidence)
        terms = terms_of(replace(target, disruptive=True), options.profile, options.waivers, options.accept_risk)
        verdict = verdict_of(Run(terms, judge(evidence, terms), evidence, narrowed=not evidence.complete))
        verdicts.append(verdict)
        if not options.json:
            print(f"== {path}", *summary_lines(verdict, evidence, options.lang), sep="\n")
    if options.json:
        print(json.dumps(verdicts, ensure_ascii=False, indent=1))
    return int(any(verdict["gate"] == "closed" for verdict in verdicts))
