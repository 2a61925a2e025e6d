"""Programs that are run for their answer end when we do, however we end. (Servers have launch/supervisor.py for that.)"""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # found here: a forked child should look for nothing


def end_with_us() -> None:
    """For a child before it becomes another program: it is killed when the thread that started it ends (Linux only)."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
