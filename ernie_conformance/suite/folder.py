"""The report folder of a run: its own while it lasts, and without an earlier run's verdict from the first moment."""

from __future__ import annotations

import signal
from pathlib import Path

from filelock import FileLock, Timeout

from ernie_conformance.report.html import forget_page
from ernie_conformance.report.verdict import begin
from ernie_conformance.tables import UsageError


def take(folder: Path) -> FileLock:
    """Make `folder` this run's until its process ends, however it ends. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".run.lock")
        lock.acquire(blocking=False)
        begin(folder)
        forget_page(folder)
    except Timeout as error:
        raise UsageError(
            f"another run writes its report to {folder}; wait for its end, or name another folder with --report-dir"
        ) from error
    except OSError as error:
        raise UsageError(f"{unwritable(folder, error)}, or name another folder with --report-dir") from error
    return lock


def unwritable(folder: Path, error: OSError) -> str:
    """What is wrong with the report folder, in a sentence that says what to do."""
    return f"cannot write the report to {folder}: {error.strerror or error}; free space there, or let it be written"


def hear_no_signals() -> None:
    """From here on the run only says what it came to: an exit code that told of an interruption would belie the verdict."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
