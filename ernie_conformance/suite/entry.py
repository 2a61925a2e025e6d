"""The plugin that pytest loads by entry point: our options must be known before pytest looks for its configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ernie_conformance.paths import ROOT
from ernie_conformance.suite.settings import OPTIONS, add_options

INI = ROOT / "pytest.ini"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register our options, in a run of this project only."""
    if (Path.cwd() / "pytest.ini").resolve() != INI:
        return
    if _misled(sys.argv):
        os.execv(sys.executable, [sys.executable, "-m", "pytest", "-c", str(INI), *sys.argv[1:]])
    add_options(parser)


def _misled(argv: list[str]) -> bool:
    """Might pytest take the value of one of our options for a place to look for pytest.ini?

    It looks beside every argument that is an existing path before it knows which options take one, so that
    `--report-dir /elsewhere` would leave it without configuration. Naming the file settles that, for the workers
    too, which start when the folder has been made.
    """
    if Path(argv[0]).name not in ("pytest", "py.test", "__main__.py") or "-c" in argv:
        return False
    names = {name for name, details in OPTIONS if details.get("metavar") in ("DIR", "FILE", "PATH")}
    return not names.isdisjoint(argv)
