"""However the suite itself ends, nothing that it started lives on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ernie_conformance.launch.plan import is_free
from ernie_conformance.paths import ROOT, TESTS

pytestmark = pytest.mark.timeout(120)
GONE_WITHIN = 5.0  # seconds, after SIGKILL of the suite

RUN = """
import asyncio, json, sys
from pathlib import Path
from ernie_conformance.launch.serve import serve
from ernie_conformance.targets import Target, Timeouts

play, engine, folder = sys.argv[1:]
target = Target(
    name="fake", kind="launched", engine="fake", capabilities=frozenset({"chat", "process"}),
    timeouts=Timeouts(connect=5, first_byte=30, gap=30, total=30),
    launch={"command": ["{suite_python}", engine, play, "--port", "{port}"], "ports": {"port": 0}, "cwd": folder,
            "waits": {"port": 60, "stop": 30, "grace": 1}},
)

async def main():
    def progress(line):
        if "waiting" not in line:
            print(json.dumps(line), flush=True)
    async with serve(target, server_python=None, model_dir=None, report_dir=Path(folder), progress=progress) as deployment:
        print(json.dumps({"port": deployment.facts["ports"]["port"]}), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def soon(held: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while not held():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


CONTROLLER = "import subprocess, sys; subprocess.run(sys.argv[1:])"


@contextlib.contextmanager
def running(play: str, folder: Path, *, in_worker: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process that launches the fake engine, as pytest does; it prints progress and then its port.

    `in_worker`: a process whose child does so, as the controller of pytest-xdist.
    """
    words = [sys.executable, "-c", RUN, play, str(TESTS / "selftest" / "fake_engine.py"), str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
    if in_worker:
        words = [sys.executable, "-c", CONTROLLER, *words]
        environment["PYTEST_XDIST_WORKER"] = "gw0"
    run = subprocess.Popen(
        words,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        # A shell's background jobs ignore SIGINT, and so would the run that we are about to interrupt.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


def told(run: subprocess.Popen[str], what: str) -> object:
    """Read what the run prints up to the line that has `what`; its JSON."""
    assert run.stdout
    for line in run.stdout:
        if what in line:
            return json.loads(line)
    raise AssertionError(f"the run ended before it said {what}")


def port_of(run: subprocess.Popen[str]) -> int:
    message = told(run, '"port"')
    assert isinstance(message, dict)
    return int(message["port"])


def lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.parametrize("play", ["good", "leaks-child", "ignores-int", "holds-port"])
def test_sigkill_of_the_suite_leaves_no_child_and_no_port(play: str, tmp_path: Path) -> None:
    with running(play, tmp_path) as run:
        port = port_of(run)
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) >= 2  # the supervisor and the server
        assert not is_free(port)
        os.kill(run.pid, signal.SIGKILL)
        assert soon(lambda: not any(map(lives, family)) and is_free(port), GONE_WITHIN), [p for p in family if lives(p)]


def test_sigkill_of_the_controller_ends_a_workers_server(tmp_path: Path) -> None:
    with running("leaks-child", tmp_path, in_worker=True) as run:
        port = port_of(run)
        (worker,) = psutil.Process(run.pid).children()
        family = worker.children(recursive=True)
        assert len(family) >= 3
        os.kill(run.pid, signal.SIGKILL)
        assert soon(lambda: not any(map(lives, family)) and is_free(port), GONE_WITHIN), [p for p in family if lives(p)]
        assert lives(worker)  # so it wasn't the worker's end that did it


def test_sigkill_during_the_start_leaves_no_child(tmp_path: Path) -> None:
    with running("no-port", tmp_path) as run:
        told(run, "launch: process after")
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) >= 2
        os.kill(run.pid, signal.SIGKILL)
        assert soon(lambda: not any(map(lives, family)), GONE_WITHIN)


@pytest.mark.parametrize("play", ["leaks-child", "ignores-int"])
def test_ctrl_c_ends_the_server_and_its_children(play: str, tmp_path: Path) -> None:
    with running(play, tmp_path) as run:
        port = port_of(run)
        family = psutil.Process(run.pid).children(recursive=True)
        os.kill(run.pid, signal.SIGINT)
        assert run.wait(timeout=60) != 0
        assert not any(map(lives, family))
        assert is_free(port)


def test_a_killed_supervisor_does_not_hide_the_server(tmp_path: Path) -> None:
    with running("leaks-child", tmp_path) as run:
        port = port_of(run)
        (supervisor,) = psutil.Process(run.pid).children()
        family = supervisor.children(recursive=True)
        supervisor.kill()
        os.kill(run.pid, signal.SIGINT)
        assert run.wait(timeout=60) != 0
        assert not any(map(lives, family))
        assert is_free(port)
