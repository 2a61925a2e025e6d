"""The machine itself: operating system, C library, CPU, limits, container."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

INTERESTING_FLAGS = ("avx", "avx2", "avx512f", "fma", "f16c", "amx_bf16")
CONTAINER_MARKS = {"/.dockerenv": "docker", "/run/.containerenv": "podman"}


def read() -> dict[str, Any]:
    """Names and versions as text, `limits` as [soft, hard] with -1 for none, `ephemeral_ports` as [first, last]."""
    return {
        "python": platform.python_version(),
        "python_path": sys.executable,
        "os": platform.system(),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "cpu": cpu_of(_text("/proc/cpuinfo")),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "limits": _limits(),
        "container": _container(),
        "ephemeral_ports": [int(n) for n in _text("/proc/sys/net/ipv4/ip_local_port_range").split()],
        "user": os.getuid() if hasattr(os, "getuid") else None,
    }


def cpu_of(cpuinfo: str) -> dict[str, Any]:
    """Model name and the flags that matter, from the text of /proc/cpuinfo; flags None where it has none (not x86)."""
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return {
        "model": model[1].strip() if model else "",
        "flags": [f for f in INTERESTING_FLAGS if f in flags[1].split()] if flags else None,
    }


def _limits() -> dict[str, list[int]]:
    try:
        import resource
    except ImportError:
        return {}
    names = {"open_files": "RLIMIT_NOFILE", "processes": "RLIMIT_NPROC", "locked_memory": "RLIMIT_MEMLOCK"}
    return {
        name: list(resource.getrlimit(getattr(resource, limit))) for name, limit in names.items() if hasattr(resource, limit)
    }


def _container() -> str:
    for path, name in CONTAINER_MARKS.items():
        if os.path.exists(path):
            return name
    found = re.search(r"docker|kubepods|containerd|lxc", _text("/proc/1/cgroup"))
    return found[0] if found else ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
