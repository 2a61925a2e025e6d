"""`python -m ernie_conformance.probe`: the facts of this host as JSON, or as a table of what was found."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from ernie_conformance.launch.plan import engine_python
from ernie_conformance.probe import read_facts
from ernie_conformance.tables import UsageError
from ernie_conformance.targets import Target, load_target


def main() -> int:
    """Print the facts. Exit codes: 0 always when they could be read, 4 when the call itself is wrong."""
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance.probe", description=__doc__)
    parser.add_argument("--target", default="fastdeploy", metavar="NAME[@VERSION]", help="a file in targets/")
    parser.add_argument("--server-python", metavar="PATH", help="the engine's interpreter")
    parser.add_argument("--model-dir", metavar="DIR", help="where the model lies (default: the launch command's)")
    parser.add_argument("--json", action="store_true", help="print the whole record instead of the table")
    parser.add_argument("--blank-ids", action="store_true", help="leave out GPU ids and paths, for a file to share")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the table")
    options = parser.parse_args()
    try:
        target = load_target(options.target)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 4
    python = options.server_python or _engine_python()
    facts = read_facts(target, server_python=python, model_dir=options.model_dir, attached=False)
    if options.blank_ids:
        facts = blanked(facts)
    if options.json:
        print(json.dumps(facts, ensure_ascii=False, indent=1))
    else:
        print("\n".join(_table(facts, target, options.lang)))
    return 0


def _engine_python() -> str | None:
    try:
        return engine_python()
    except UsageError:
        return None


def blanked(facts: dict[str, Any]) -> dict[str, Any]:
    """The same facts without what tells one host from another: GPU ids, bus addresses, interpreters' places."""
    text = json.dumps(facts)
    text = re.sub(r"(GPU|MIG)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"\1-00000000-0000-0000-0000-000000000000", text)
    text = re.sub(r"[0-9a-fA-F]{8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.\d", "00000000:00:00.0", text)
    found: dict[str, Any] = json.loads(text.replace(json.dumps(str(Path.cwd()))[1:-1], "/suite"))
    return found


def _table(facts: dict[str, Any], target: Target, lang: str) -> list[str]:
    """Every env row judged, in the tutorial's form."""
    from ernie_conformance.judge.judge import Terms, judge, suite_cases
    from ernie_conformance.report.env_table import env_table
    from ernie_conformance.wire.evidence import Evidence

    head = {"host": facts}
    found = judge(Evidence({}, facts=head), Terms(target), suite_cases("env"))
    return env_table(head, {ruling.row.id: ruling.verdict for ruling in found}, lang)


if __name__ == "__main__":
    sys.exit(main())
