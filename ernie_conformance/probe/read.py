"""Every probe of the host, side by side, each on a time limit of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ernie_conformance.probe import command, cuda, gpu, memory, model, packages, ports, system
from ernie_conformance.probe.command import Start, start_of
from ernie_conformance.targets import Target

Probe = Callable[[], dict[str, Any]]

# Seconds. Most probes take milliseconds; importing Paddle and FastDeploy takes tens of seconds on a cold disk.
LIMIT, IMPORT_LIMIT = 20.0, 120.0


def read_facts(target: Target, *, server_python: str | None, model_dir: str | None, attached: bool) -> dict[str, Any]:
    """The facts of this host, JSON-able, one key a probe; a probe that fails leaves `{"error": why}` under its key.

    `server_python` is the engine's interpreter, None when there is none; `model_dir` None means the launch command's.
    `attached`: the server runs already, and perhaps elsewhere. Never raises.
    """
    begun = time.monotonic()
    start = start_of(target, server_python=server_python, model_dir=model_dir, attached=attached)
    # Importing Paddle may take GPU memory, so the GPU is read before the packages are.
    first: dict[str, Probe] = {
        "system": system.read,
        "memory": memory.read_memory,
        "disk": lambda: memory.read_space(start.model_dir),
        "scratch": lambda: memory.read_space("."),
        "shm": lambda: memory.read_space("/dev/shm"),
        "suite": packages.read_suite,
        "gpu": gpu.read,
        "cuda": cuda.read,
        "model": lambda: model.read(start.model_dir),
        "ports": lambda: ports.read_ports(start.ports, attached),
        "remains": lambda: ports.read_remains(target, start.ports),
        "command": lambda: command.read(start),
    }
    then: dict[str, Probe] = {"engine": lambda: packages.read_engine(server_python, IMPORT_LIMIT)}
    facts: dict[str, Any] = {"target": _what_for(target, start, attached)}
    facts |= _together(first, LIMIT) | _together(then, IMPORT_LIMIT + LIMIT)
    facts["seconds"] = round(time.monotonic() - begun, 3)
    return facts


def _what_for(target: Target, start: Start, attached: bool) -> dict[str, Any]:
    return {
        "name": target.name,
        "attached": attached,
        "elsewhere": attached and not start.is_local,
        "launch_problem": start.problem,
    }


def _together(probes: Mapping[str, Probe], limit: float) -> dict[str, Any]:
    """Run probes in threads; one that hangs (a dead network disk) is left behind when its time is up."""
    found: dict[str, Any] = {}

    def run(name: str, probe: Probe) -> None:
        try:
            found[name] = probe()
        except Exception as error:  # whatever a broken host does to a probe is a fact about the host
            found[name] = {"error": f"{type(error).__name__}: {error}"}

    threads = {
        name: threading.Thread(target=run, args=(name, probe), daemon=True, name=f"probe-{name}")
        for name, probe in probes.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + limit
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    late = {"error": f"the probe didn't end within {limit:g} s"}
    return {name: found.get(name, late) for name in probes}
