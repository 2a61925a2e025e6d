"""`python -m ernie_conformance`: what it says of itself, and how it ends when it is called wrongly."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ernie_conformance import __version__
from ernie_conformance.__main__ import BESIDE, PROGRAMS, main

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_it_tells_its_version(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    assert capsys.readouterr().out == f"ernie-conformance {__version__}\n"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_tells_every_program(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option]) == 0
    said = capsys.readouterr().out
    assert [name for name in (*PROGRAMS, *BESIDE) if name not in said] == []


@pytest.mark.parametrize("arguments", [[], ["no-such-program"]])
def test_a_wrong_call_ends_with_4_and_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 4
    told = capsys.readouterr()
    assert "usage:" in told.err
    assert told.out == ""


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert "usage:" in capsys.readouterr().out


def test_it_is_a_module_that_can_be_run() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "ernie_conformance", "--version"], capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stdout) == (0, f"ernie-conformance {__version__}\n")
