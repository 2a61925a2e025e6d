"""`python -m ernie_conformance PROGRAM ...`: what the suite offers beside pytest."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from ernie_conformance import __version__
from ernie_conformance.tables import UsageError

PROGRAMS = {
    "judge": ("ernie_conformance.programs.judge", "judge recorded traffic by every rule that holds for any exchange"),
    "gate": ("ernie_conformance.programs.gate", "say whether a release may go on, and what changed since the last one"),
    "compare": ("ernie_conformance.programs.compare", "put runs side by side: rows, engines, times"),
    "html": ("ernie_conformance.programs.html", "make a report folder's page again"),
    "grade": ("ernie_conformance.graders.program", "grade model outputs as the acceptance part does"),
}


def main(arguments: list[str]) -> int:
    """Run one program. Exit codes: 0 all is well, 1 something is red, 4 the call itself is wrong."""
    if arguments[:1] == ["--version"]:
        print(__version__)
        return 0
    if not arguments or arguments[0] not in PROGRAMS:
        print("usage: python -m ernie_conformance PROGRAM [--help] ...\n")
        for name, (_, what) in PROGRAMS.items():
            print(f"  {name:<10}{what}")
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 4
    program = import_module(PROGRAMS[arguments[0]][0])
    try:
        return int(program.main(arguments[1:]))
    except SystemExit as end:
        return 4 if end.code == 2 else int(end.code or 0)  # argparse ends so after --help, and with 2 after a wrong call
    except UsageError as error:
        print(error, file=sys.stderr)
        return 4


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
