"""How much memory and disk there is for us: what the machine has, less what a control group or a quota leaves of it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

NO_LIMIT = 1 << 60  # version 1 control groups write about 9.2e18 for "no limit"
ROOT = Path("/")


def read_memory(root: Path = ROOT) -> dict[str, Any]:
    """Bytes: `total` and `available` of the machine, the control group's `limit` or None, the smaller `effective`."""
    total, available = _of_machine(root)
    limit, file = group_limit(root)
    effective = total if limit is None else min(total, limit)
    return {"total": total, "available": available, "limit": limit, "limit_file": file, "effective": effective}


def _of_machine(root: Path) -> tuple[int, int]:
    try:
        text = (root / "proc/meminfo").read_text()
    except OSError:
        import psutil

        memory = psutil.virtual_memory()
        return memory.total, memory.available
    sizes = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return sizes["MemTotal"], sizes.get("MemAvailable", sizes["MemFree"])


def group_limit(root: Path = ROOT) -> tuple[int | None, str]:
    """The tightest memory limit over our control group and its ancestors (version 1, 2, both), and its file."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None, ""
    limits: list[tuple[int, str]] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            places = [("sys/fs/cgroup", "memory.max"), ("sys/fs/cgroup/unified", "memory.max")]
        elif "memory" in controllers.split(","):
            places = [("sys/fs/cgroup/memory", "memory.limit_in_bytes")]
        else:
            continue
        # Inside a container the group's path may be the host's; then only the root of the mount is there.
        groups = [Path(group.lstrip("/")), *Path(group.lstrip("/")).parents, Path()]
        files = [root / place / path / name for place, name in places for path in groups]
        limits += [(limit, str(file)) for file in files if (limit := _limit_in(file)) is not None]
    return min(limits) if limits else (None, "")


def _limit_in(file: Path) -> int | None:
    try:
        limit = int(file.read_text())
    except (OSError, ValueError):  # ValueError: "max"
        return None
    return limit if limit < NO_LIMIT else None


def read_space(path: str) -> dict[str, Any]:
    """The file system at `path`, or at its nearest parent that exists: bytes `total` and `free` to us, `inodes_free`."""
    place = Path(path).expanduser().absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    place = place.resolve()
    stat = os.statvfs(place)
    return {
        "path": str(place),
        "total": stat.f_blocks * stat.f_frsize,
        "free": stat.f_bavail * stat.f_frsize,
        "inodes_free": stat.f_favail if stat.f_files else None,  # some file systems don't count them
        "writable": os.access(place, os.W_OK),
    }
