"""The rewriting faults put to a real server's evidence: does the suite see them there too, and not on our reference alone?

python -m ernie_conformance.faults.elsewhere --target llama-cpp report/evidence.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ernie_conformance.faults.apply import apply, touched
from ernie_conformance.faults.catalogue import catalogue
from ernie_conformance.faults.fault import Rewrite
from ernie_conformance.faults.score import Golden, Score
from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Terms, suite_cases
from ernie_conformance.judge.verdicts import row_verdicts
from ernie_conformance.targets import load_target
from ernie_conformance.wire import sse
from ernie_conformance.wire.evidence import Evidence, read_evidence
from ernie_conformance.wire.exchange import Exchange


def _meaning(exchange: Exchange) -> tuple[Any, ...]:
    """What an answer says, without the spelling of its JSON."""
    texts = [e.data for e in sse.decode(exchange.body).events] if exchange.wants_stream else [exchange.text]
    said = []
    for text in texts:
        try:
            said.append(json.loads(text))
        except ValueError:
            said.append(text)
    return exchange.status, exchange.headers, exchange.error, said


def _changes_nothing(fault: Rewrite, evidence: Evidence) -> bool:
    after = apply(fault, evidence)
    pairs = ((evidence.exchanges[name], after.exchanges[name]) for name in touched(evidence, after))
    return all(_meaning(one) == _meaning(other) for one, other in pairs)


def _ending(fault: Rewrite, score: Score, golden: Golden) -> str:
    if score.killed:
        return "caught"
    if set(score.red) - set(golden.problems):
        return "caught by another"
    return "untouched" if _changes_nothing(fault, golden.evidence) else "survives"


def put_to(golden: Golden) -> Iterator[tuple[str, Score]]:
    """(what became of it, score) of each rewriting fault whose row holds on this server.

    "caught" by its row, "caught by another", "untouched" where it changes nothing that this server said, "survives".
    """
    held = {one.row.id for one in row_verdicts(golden.rulings) if one.verdict == verdicts.PASS}
    for fault in catalogue().values():
        if isinstance(fault, Rewrite) and fault.row in held:
            score = golden.broken_by(fault)
            yield _ending(fault, score, golden), score


def main(argv: Sequence[str] | None = None) -> int:
    """Print what became of each fault; 1 when one survives."""
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance.faults.elsewhere", description=__doc__)
    parser.add_argument("evidence", type=Path, help="of a run that judged this target")
    parser.add_argument("--target", required=True, metavar="NAME[@VERSION]", help="a file in targets/")
    arguments = parser.parse_args(argv)
    target = replace(load_target(arguments.target), disruptive=True)
    golden = Golden.judged(read_evidence(arguments.evidence), Terms(target), suite_cases("api"))
    found: dict[str, list[Score]] = {}
    for ending, score in put_to(golden):
        found.setdefault(ending, []).append(score)
    for score in (*found.get("caught by another", ()), *found.get("survives", ())):
        print(f"{score.id}: {score.row} stays green; new red: {', '.join(set(score.red) - set(golden.problems)) or 'none'}")
    print(", ".join(f"{len(scores)} {ending}" for ending, scores in sorted(found.items())))
    return int("survives" in found)


if __name__ == "__main__":
    sys.exit(main())
