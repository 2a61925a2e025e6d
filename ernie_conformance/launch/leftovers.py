"""What engines are known to leave behind besides processes and ports: files, shared memory, message queues, GPU memory."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ernie_conformance.launch.plan import Leftover

QUEUES = Path("/proc/sysvipc/msg")
HELD_MIB = 512  # GPU memory a driver may keep or move without a server's doing: contexts of other programs come and go


@dataclass(frozen=True)
class Found:
    """One thing lying around. `id` is a path, or a message queue's id."""

    left: Leftover
    id: str

    @property
    def clear(self) -> str:
        return self.left.clear.format(path=self.id, id=self.id)


@dataclass
class Leftovers:
    """Looks before a start and after its end. `values` are the placeholders of the start, without {pid}."""

    known: Sequence[Leftover]
    values: Mapping[str, str]
    before: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.before = {found.id for found in self._look("*")}

    def stale(self) -> list[dict[str, Any]]:
        """What an earlier server on the same ports left: `{"what", "id", "clear"}`. Nothing is removed."""
        lasting = [left for left in self.known if "{pid}" not in left.glob]  # a foreign pid's may be in use
        return [
            {"what": found.left.what, "id": found.id, "clear": found.clear}
            for left in lasting
            for found in self._of(left, "*")
        ]

    def clear(self, pid: int | None) -> list[dict[str, Any]]:
        """What is new since the start: `{"what", "id", "clear", "removed"}`.

        Only what carries this start's process id or a port of it, and belongs to our user, is removed.
        """
        mine = {found.id for found in self._look(str(pid))}
        new = [found for found in self._look("*") if found.id not in self.before]
        return [
            {
                "what": found.left.what,
                "id": found.id,
                "clear": found.clear,
                "removed": found.id in mine and _proves(found.left) and _remove(found),
            }
            for found in new
        ]

    def _look(self, pid: str) -> Iterable[Found]:
        return [found for left in self.known for found in self._of(left, pid)]

    def _of(self, left: Leftover, pid: str) -> Iterable[Found]:
        if left.glob:
            escaped = {name: glob.escape(value) for name, value in self.values.items()}
            return [Found(left, path) for path in glob.glob(left.glob.format(**escaped, pid=pid))]
        path, number = left.queue
        key = ftok(path, int(self.values[number]))
        return [Found(left, queue) for queue in queues_of(key)]


def _proves(left: Leftover) -> bool:
    """Does its name say which server made it?"""
    return bool(left.queue[1]) or bool(re.search(r"\{(pid|port|\w+_port)\}", left.glob))


def _remove(found: Found) -> bool:
    try:
        if found.left.queue[1]:
            return subprocess.run(["ipcrm", "-q", found.id], capture_output=True, timeout=10, check=False).returncode == 0
        path = Path(found.id)
        if path.lstat().st_uid != os.getuid():
            return False
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except (OSError, subprocess.TimeoutExpired):
        return False
    return True


def ftok(path: str, number: int) -> int | None:
    """The System V key that ftok(3) of the GNU C library makes; None when `path` isn't there."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return (number & 0xFF) << 24 | (stat.st_dev & 0xFF) << 16 | (stat.st_ino & 0xFFFF)


def queues_of(key: int | None) -> list[str]:
    """Ids of our user's message queues with this key, [] where the system shows none."""
    if key is None or not QUEUES.exists():
        return []
    head, *lines = (line.split() for line in QUEUES.read_text().splitlines())
    rows = (dict(zip(head, line, strict=False)) for line in lines)
    return [row["msqid"] for row in rows if int(row["key"]) & 0xFFFFFFFF == key and int(row["uid"]) == os.getuid()]


def gpu_memory() -> list[dict[str, Any]]:
    """Used MiB and process ids of every GPU: `{"index", "used", "pids"}`; [] without NVML."""
    import pynvml

    found = []
    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        try:
            for index in range(pynvml.nvmlDeviceGetCount()):
                device = pynvml.nvmlDeviceGetHandleByIndex(index)
                used = pynvml.nvmlDeviceGetMemoryInfo(device).used // 2**20
                pids = [p.pid for p in pynvml.nvmlDeviceGetComputeRunningProcesses(device)]
                found.append({"index": index, "used": used, "pids": pids})
        finally:
            pynvml.nvmlShutdown()
    return found


def gpu_kept(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """GPUs that hold more than before, by more than HELD_MIB: `{"index", "before", "after", "newcomers" (foreign pids)}`."""
    pairs = ((b, a) for b, a in zip(before, after, strict=False) if a["used"] - b["used"] > HELD_MIB)
    return [
        {
            "index": a["index"],
            "before": b["used"],
            "after": a["used"],
            "newcomers": sorted(set(a["pids"]) - set(b["pids"])),
        }
        for b, a in pairs
    ]
