"""The CUDA toolkit, cuDNN and NCCL as the system has them; pip's copies are among the engine's packages."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from ernie_conformance.probe.shell import ask

HOME = Path("/usr/local/cuda")


def read() -> dict[str, Any]:
    """`toolkit {version, full, where}` or None, `libraries {cudnn, nccl: {version, where}}` or None each."""
    listing = ask(["ldconfig", "-p"]) if shutil.which("ldconfig") else ask(["/sbin/ldconfig", "-p"])
    return {
        "toolkit": _toolkit(),
        "libraries": {name: library_in(listing.out, name) for name in ("cudnn", "nccl")},
    }


def _toolkit() -> dict[str, str] | None:
    program = shutil.which("nvcc") or shutil.which(str(HOME / "bin" / "nvcc"))
    if program:
        said = ask([program, "--version"])
        if found := toolkit_of(said.out):
            return {**found, "where": program}
    file = HOME / "version.json"
    try:
        full = str(json.loads(file.read_text())["cuda"]["version"])
    except (OSError, ValueError, KeyError):
        return None
    return {"version": ".".join(full.split(".")[:2]), "full": full, "where": str(file)}


def toolkit_of(text: str) -> dict[str, str] | None:
    """`version` and `full` from the answer of `nvcc --version`, None when it says neither."""
    found = re.search(r"release (\d+\.\d+), V([\d.]+)", text)
    return {"version": found[1], "full": found[2]} if found else None


def library_in(listing: str, name: str) -> dict[str, str] | None:
    """Where `ldconfig -p` finds lib<name>, and the version that the real file's name carries (the major one at least)."""
    found = re.search(rf"^\s*(lib{name}\.so\.\d+)\s.*=> (\S+)$", listing, re.MULTILINE)
    if not found:
        return None
    real = os.path.realpath(found[2])
    version = re.search(r"\.so\.([\d.]+)$", real) or re.search(r"\.so\.(\d+)$", found[1])
    return {"version": version[1] if version else "", "where": real}
