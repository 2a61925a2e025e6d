"""Make the report page again from a report folder: index.html from its verdict.json and evidence.jsonl."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ernie_conformance.programs.gate import read_verdict
from ernie_conformance.report.html import write_page
from ernie_conformance.tables import UsageError
from ernie_conformance.wire.evidence import Evidence, read_evidence


def main(arguments: Sequence[str]) -> int:
    """Run the program. Raises UsageError for a folder without a finished verdict."""
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance html", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("report"), help="default: %(default)s")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="the evidence, where it lies elsewhere")
    parser.add_argument("--lang", choices=("en", "zh"), default="en")
    options = parser.parse_args(arguments)
    verdict = read_verdict(options.folder / "verdict.json")
    if verdict["state"] == "running":
        raise UsageError(f"{options.folder} is of a run that hasn't ended; wait, or run again")
    file = options.evidence or options.folder / "evidence.jsonl"
    evidence = read_evidence(file) if options.evidence or file.exists() else Evidence({})
    print(write_page(options.folder.resolve(), verdict, evidence, options.lang))
    return 0
