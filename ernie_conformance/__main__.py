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
# Programs with a package of their own.
BESIDE = {
    "ernie_conformance.reference": "the embedded reference server, with the tutorial's options",
    "ernie_conformance.faults": "a server between client and server that breaks one thing",
    "pytest -m env|api|acceptance": "the suite itself; pytest --help shows its options under conformance",
}
HELP = ("-h", "--help")


def usage() -> str:
    """What there is, a line each."""
    lines = [f"  {name:<10}{what}" for name, (_, what) in PROGRAMS.items()]
    beside = [f"  python -m {name:<30}{what}" for name, what in BESIDE.items()]
    head = "usage: python -m ernie_conformance [--help] [--version] PROGRAM [--help] ..."
    codes = "Exit codes: 0 all is well, 1 something is red, 4 the call itself is wrong."
    return "\n".join([head, "", *lines, "", "beside them:", *beside, "", codes])


def main(arguments: list[str]) -> int:
    """Run one program. Exit codes: 0 all is well, 1 something is red, 4 the call itself is wrong."""
    first = arguments[0] if arguments else ""
    if first in ("-V", "--version"):
        print(f"ernie-conformance {__version__}")
        return 0
    if first in HELP:
        print(usage())
        return 0
    if first not in PROGRAMS:
        said = f"there is no program {first!r}\n\n" if first else ""
        print(f"{said}{usage()}", file=sys.stderr)
        return 4
    program = import_module(PROGRAMS[first][0])
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
