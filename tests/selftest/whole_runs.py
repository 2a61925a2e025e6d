"""Whole runs of pytest as processes of their own, forked from one that has imported everything: to start anew costs seconds.

A run may halt at a place, to be disturbed exactly there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import multiprocessing
import os
import pkgutil
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from ernie_conformance.gather import asks
from ernie_conformance.launch.plan import is_free
from ernie_conformance.launch.ready import Start
from ernie_conformance.paths import ROOT
from ernie_conformance.probe import packages
from ernie_conformance.programs.gate import read_verdict
from ernie_conformance.report import html
from ernie_conformance.suite import items
from ernie_conformance.wire import evidence

LIMIT = 120  # seconds that anything here may take on a loaded machine
TOKEN = "TOKEN_OF_A_WHOLE_RUN"  # stands in the environment of all that a run starts
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "ERNIE", "COV"))}
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(
    [
        *("pytest", "xdist.plugin", "pytest_asyncio.plugin", "anyio._backends._asyncio", "_hypothesis_pytestplugin"),
        *("ernie_conformance.suite.hooks", "ernie_conformance.gather", "ernie_conformance.report.html"),
        *(f"{asks.__name__}.{module.name}" for module in pkgutil.iter_modules(asks.__path__)),
    ]
)


@dataclass
class WholeRun:
    """A run that was started: what it wrote, and what it started itself."""

    folder: Path
    said: Path
    here: Path  # exists while the run halts
    process: Any = None
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    ports: set[int] = field(default_factory=set)  # that it held when it halted

    def halted(self, processes: int = 0) -> None:
        """Wait until it halts and has started at least so many processes."""
        until(lambda: self.here.exists() or not self.process.is_alive(), self.output)
        assert self.here.exists(), f"it ended before: {self.output()}"
        until(lambda: len(self.family()) >= processes, self.output)
        self.ports = {c.laddr.port for p in self.family() for c in _connections(p) if c.status == psutil.CONN_LISTEN}

    def goes_on(self, number: int | None = None) -> None:
        """Let it go on, after a signal if one is given."""
        if number is not None:
            os.kill(self.process.pid, number)
        self.here.unlink()

    def ended(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        self.process.join(LIMIT)
        assert not self.process.is_alive(), self.output()
        return int(self.process.exitcode)

    def family(self) -> list[psutil.Process]:
        """What it started and still lives, wherever that hangs in the process tree."""
        return [process for process in psutil.process_iter() if _carries(process, self.token)]

    def leaves_nothing(self) -> None:
        """Neither a process nor a port is left, in a moment at most."""
        until(lambda: not self.family() and all(map(is_free, self.ports)), lambda: f"{self.family()} {self.ports}")

    def output(self) -> str:
        return self.said.read_text(encoding="utf-8", errors="replace")

    def verdict(self) -> dict[str, Any]:
        """Its verdict, which must be one by the published schema."""
        return read_verdict(self.folder / "verdict.json")

    def rows(self) -> dict[str, str]:
        return {row["id"]: row["verdict"] for row in self.verdict()["rows"]}


def until(held: Callable[[], bool], told: Callable[[], str]) -> None:
    deadline = time.monotonic() + LIMIT
    while not held():
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)


def _carries(process: psutil.Process, token: str) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get(TOKEN) == token and process.status() != psutil.STATUS_ZOMBIE
    return False


def _connections(process: psutil.Process) -> list[Any]:
    with contextlib.suppress(psutil.Error):
        return list(process.net_connections("tcp"))
    return []


@contextlib.contextmanager
def running(
    folder: Path, *arguments: str, halt: str = "", before: Callable[[], None] | None = None, **environment: str
) -> Iterator[WholeRun]:
    """Start pytest with `arguments` and a report in `folder`; at the end all of it that lives is killed.

    `halt` is one of PLACES. `before` is called in the new process first.
    """
    beside = next(p for p in folder.parents if p.is_dir()) / f"{folder.name}-{uuid.uuid4().hex[:8]}"
    run = WholeRun(folder, beside.with_suffix(".said"), beside.with_suffix(".here"))
    run.said.touch()
    words = ["-c", str(ROOT / "pytest.ini"), "-p", "no:cacheprovider", *arguments, "--report-dir", str(folder)]
    given = (words, {**CLEAN, **environment, TOKEN: run.token}, run.said, run.here, halt, before)
    run.process = FORKING.Process(target=_run, args=given)
    run.process.start()
    try:
        yield run
    finally:
        run.process.kill()
        for process in run.family():
            with contextlib.suppress(psutil.Error):
                process.kill()
        run.process.join()


def _run(
    words: list[str],
    environment: Mapping[str, str],
    said: Path,
    here: Path,
    halt: str,
    before: Callable[[], None] | None,
) -> None:
    """In the new process: begin like a program that was just started."""
    os.setsid()
    for number, file in enumerate((Path(os.devnull), said, said)):
        os.dup2(os.open(file, os.O_RDWR | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv = ["pytest", *words]
    if halt:
        PLACES[halt](here)
    if before:
        before()
    sys.exit(pytest.main(words))


def without_override() -> None:
    """Let permissions bind this process and its children though it be root's (Linux: without CAP_DAC_OVERRIDE)."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(
        24, 1, 0, 0, 0
    )  # PR_CAPBSET_DROP: programs that it becomes don't get it back; refused to those who never had it
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the third version of the call, about ourselves
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; the higher bits behind
    assert libc.capget(header, sets) == 0
    for place in range(3):
        sets[place] &= ~(1 << 1)
    assert libc.capset(header, sets) == 0


def _stay(here: Path) -> None:
    """Halt until a signal ends it, or the test takes the file away (asyncio minds SIGINT only where the code goes on)."""
    here.touch()
    while here.exists():
        time.sleep(0.01)


def _before(owner: Any, name: str, here: Path, call: int = 1) -> None:
    """Halt before the function `name` of `owner` is called for that time."""
    calls = count(1)
    real = getattr(owner, name)

    def halts(*arguments: Any, **more: Any) -> Any:
        if next(calls) == call:
            _stay(here)
        return real(*arguments, **more)

    setattr(owner, name, halts)


def _instead(owner: Any, name: str, here: Path) -> None:
    """Halt in place of a coroutine that waits for a server."""

    async def halts(*_: Any) -> Any:
        here.touch()
        await asyncio.Event().wait()

    setattr(owner, name, halts)


def _probing(here: Path) -> None:
    """The engine's interpreter hangs when it is asked for its packages."""
    packages.INVENTORY = here.with_suffix(".py")  # type: ignore[misc]
    packages.INVENTORY.write_text(f"import time\nopen({str(here)!r}, 'w').close()\ntime.sleep(600)\n")


def _keeping(here: Path) -> None:
    """Half of the evidence is written."""
    real = evidence._lines

    def lines(kept: evidence.Evidence) -> Iterator[dict[str, Any]]:
        first, *others = real(kept)
        yield first
        _stay(here)
        yield from others

    evidence._lines = lines


def _committing(here: Path) -> None:
    """The last verdict is written and doesn't stand in its place yet."""
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target.name == "verdict.json" and json.loads(self.read_text(encoding="utf-8"))["state"] != "running":
            _stay(here)
        return real(self, target)

    Path.replace = replace  # type: ignore[method-assign, assignment]


PLACES: dict[str, Callable[[Path], None]] = {
    "collecting": lambda here: _before(items, "cases_of", here, 5),
    "probing": _probing,
    "launching": lambda here: _instead(Start, "become_ready", here),
    "gathering": lambda here: _instead(sys.modules["ernie_conformance.gather.gather"], "_play", here),
    "keeping the evidence": _keeping,
    "judging": lambda here: _before(items, "rule", here, 5),
    "making the page": lambda here: _before(html, "_cards", here),
    "committing the verdict": _committing,
}
