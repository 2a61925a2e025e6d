"""Running the small programs that tell about a host."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from ernie_conformance.tether import end_with_us


@dataclass(frozen=True)
class Said:
    """What a program answered. `status` is None when it isn't there, didn't start or didn't end in time."""

    status: int | None
    out: str
    error: str

    @property
    def last_line(self) -> str:
        lines = (self.error.strip() or self.out.strip()).splitlines()
        return lines[-1][:300] if lines else ""


def ask(command: Sequence[str], seconds: float = 10.0) -> Said:
    """Run `command`, no longer than `seconds`, with messages in English."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
            preexec_fn=end_with_us,
        )
    except subprocess.TimeoutExpired:
        return Said(None, "", f"{command[0]} didn't end within {seconds:g} s")
    except OSError as error:
        return Said(None, "", f"{command[0]}: {error.strerror}")
    return Said(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
