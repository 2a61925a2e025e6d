"""The program that stands between the suite and the server: when the suite is gone, however it went, so is the server.

Run as a script: `python supervisor.py MARKER KEEPER -- COMMAND...`. Its stdin is the leash: a line `INT` or `TERM` passes
that signal on to the server, `KILL` and the end of file kill everything the server started, and so does the end of the
process KEEPER. It writes JSON lines to stdout: `{"pid": N}` or `{"error": TEXT}`, then `{"exit": CODE}` (negative: a signal
ended it). Its stderr is the server's log.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import psutil

MARKER = "ERNIE_CONFORMANCE_LAUNCH"
LOOK_EVERY = 0.5  # seconds between two looks whether the keeper lives
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Let every descendant whose parent dies become our child, also one that left its session (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def marked(marker: str) -> list[psutil.Process]:
    """Processes whose environment carries `marker`, wherever in the process tree they hang."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARKER) == marker and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def descendants(supervisor: int, marker: str) -> list[psutil.Process]:
    """All live processes below `supervisor`, and those that carry the marker; never the supervisor itself.

    Both are needed: a program that rewrites its title loses its environment, and one whose supervisor was killed its parent.
    """
    below: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(supervisor).children(recursive=True)
    found = {process.pid: process for process in [*below, *marked(marker)] if process.pid != supervisor}
    return [process for process in found.values() if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill_all(supervisor: int, marker: str) -> None:
    """Kill what the server started, again until a look finds nothing: a process may fork while we look."""
    for _ in range(20):
        left = descendants(supervisor, marker)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.5)


def _tell(**message: object) -> None:
    with contextlib.suppress(OSError):  # the suite is gone; the leash's end says so too
        os.write(1, (json.dumps(message) + "\n").encode())


def _reap(server: int, ended: threading.Event) -> None:
    """Wait for every child, ours by birth or adoption, and tell how the server ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == server:
                ended.set()
                _tell(exit=os.waitstatus_to_exitcode(status))


def _obey(order: str, server: int, marker: str, ended: threading.Event) -> None:
    if order == "KILL":
        kill_all(os.getpid(), marker)
    elif not ended.is_set():  # afterwards its id may be another's
        os.kill(server, signal.Signals[f"SIG{order}"])


def _watch(keeper: int, marker: str) -> None:
    """End all when `keeper` ends: where workers gather, the end of their controller doesn't close their leash at once."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(keeper)
        while _lives(process):  # psutil's wait would take one that nobody has reaped yet for alive
            time.sleep(LOOK_EVERY)
    kill_all(os.getpid(), marker)
    os._exit(0)


def main(arguments: Sequence[str]) -> int:
    marker, keeper, _, *command = arguments
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the leash alone ends us
    adopt_orphans()
    try:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
            env={**os.environ, MARKER: marker},
            preexec_fn=_default_signals,
        )
    except OSError as error:
        _tell(error=str(error))
        return 1
    _tell(pid=server.pid)
    ended = threading.Event()
    threading.Thread(target=_reap, args=(server.pid, ended), daemon=True).start()
    threading.Thread(target=_watch, args=(int(keeper), marker), daemon=True).start()
    for line in sys.stdin:
        with contextlib.suppress(ProcessLookupError):
            _obey(line.strip(), server.pid, marker, ended)
    kill_all(os.getpid(), marker)
    return 0


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
