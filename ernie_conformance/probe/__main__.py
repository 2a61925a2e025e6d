"""`python -m ernie_conformance.probe`: the facts of this host as JSON, or as a table of what was found."""

from __future__ import annotations

import argparse
import json
import sys

from ernie_conformance.probe import read_facts
from ernie_conformance.tables import UsageError
from ernie_conformance.targets import load_target


def main() -> int:
    """Print the facts. Exit codes: 0 always when they could be read, 4 when the call itself is wrong."""
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance.probe", description=__doc__)
    parser.add_argument("--target", default="fastdeploy", metavar="NAME[@VERSION]", help="a file in targets/")
    parser.add_argument("--server-python", metavar="PATH", help="the engine's interpreter")
    parser.add_argument("--model-dir", metavar="DIR", help="where the model lies (default: the launch command's)")
    parser.add_argument("--json", action="store_true", help="print the whole record instead of the table")
    parser.add_argument("--blank-ids", action="store_true", help="leave out GPU ids, user and paths, for a file to share")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the table")
    options = parser.parse_args()
    try:
        target = load_target(options.target)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 4
    facts = read_facts(target, server_python=options.server_python, model_dir=options.model_dir, attached=False)
    print(json.dumps(facts, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
