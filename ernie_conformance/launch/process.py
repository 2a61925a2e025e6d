"""A server process on a leash: start it, see whether it lives, pass signals on, and end all that it started."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from ernie_conformance.launch import supervisor


class Process:
    """One start of a server. Its output goes to `log`, its marker stands in the environment of all that it starts."""

    def __init__(self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path) -> None:
        self.marker = uuid.uuid4().hex
        self.pid: int | None = None
        self.error: str | None = None  # why it couldn't be started
        self.exit: int | None = None  # its exit status, negative for a signal
        self._unread = b""
        with log.open("ab") as output:
            self._supervisor = subprocess.Popen(
                [sys.executable, supervisor.__file__, self.marker, str(keeper()), "--", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=cwd,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self.since = psutil.Process(self._supervisor.pid).create_time()  # by the clock of all process times, not ours
        assert self._supervisor.stdout
        os.set_blocking(self._supervisor.stdout.fileno(), False)

    def look(self) -> None:
        """Take in what the supervisor has told: sets `pid`, `error` and `exit`."""
        assert self._supervisor.stdout
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._supervisor.stdout.fileno(), 4096):
                self._unread += piece
            if self.exit is None and self.pid is None and self.error is None:
                self.error = "the supervisor ended before it could start the server"
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            for key, value in json.loads(line).items():
                setattr(self, key, value)

    @property
    def alive(self) -> bool:
        self.look()
        return self.pid is not None and self.exit is None and self._supervisor.poll() is None

    @property
    def ended(self) -> bool:
        """Is it over: it exited, never started, or its supervisor is gone?"""
        self.look()
        return self.exit is not None or self.error is not None or self._supervisor.poll() is not None

    def signal(self, name: str) -> None:
        """Send INT or TERM to the server itself, or KILL to all that it started."""
        assert self._supervisor.stdin
        with contextlib.suppress(OSError, ValueError):
            self._supervisor.stdin.write(f"{name}\n".encode())
            self._supervisor.stdin.flush()

    def family(self) -> list[psutil.Process]:
        """The live processes that the server is or started."""
        return supervisor.descendants(self._supervisor.pid, self.marker)

    def memory(self) -> int:
        """Resident bytes of the server and all that it started."""
        total = 0
        for process in self.family():
            with contextlib.suppress(psutil.Error):  # it ended meanwhile
                total += process.memory_info().rss
        return total

    def release(self) -> None:
        """Let go of the leash: everything that is left is killed. Safe to call twice."""
        assert self._supervisor.stdin
        assert self._supervisor.stdout
        with contextlib.suppress(OSError):
            self._supervisor.stdin.close()
        try:
            self._supervisor.wait(timeout=15)  # it kills in rounds of half a second, twenty at most
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        with contextlib.suppress(ValueError):
            self.look()
            self._supervisor.stdout.close()
        for process in supervisor.marked(self.marker):  # left only when the supervisor itself was killed
            with contextlib.suppress(psutil.Error):
                process.kill()


def keeper() -> int:
    """The process that the whole run stands and falls with: in a worker of pytest-xdist its controller, else our own."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def describe(process: psutil.Process) -> dict[str, Any]:
    """A process for a reader of the report: `{"pid", "name", "command"}`."""
    try:
        return {"pid": process.pid, "name": process.name(), "command": " ".join(process.cmdline())[:200]}
    except psutil.Error:
        return {"pid": process.pid, "name": "", "command": ""}


def listener(port: int) -> dict[str, Any] | None:
    """Who listens on `port`: `{"pid", "name", "command", "since" (its create_time)}`; None where we may not see it."""
    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError):  # macOS shows them to root alone
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and (*connection.laddr, 0, 0)[1] == port and connection.pid:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(connection.pid)
                return {**describe(process), "since": process.create_time()}
    return None
