"""The ports that the server is to bind, who holds them, and what an earlier server left on this host."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import Any

from ernie_conformance.launch.leftovers import Leftovers
from ernie_conformance.launch.plan import read_plan
from ernie_conformance.tables import UsageError
from ernie_conformance.targets import Target

# Words by which a process list shows the engine's processes: the API server, and what it starts.
SERVER = "fastdeploy.entrypoints"
WORKERS = ("worker_process.py", "cache_messager", "cache_transfer_manager")


def read_ports(ports: Mapping[str, int], attached: bool) -> dict[str, Any]:
    """By name: the `number`, whether it is `free`, and its `holder` as text. A server that runs already holds its own."""
    if attached:
        return {"skipped": "the server runs already"}
    return {name: _port(number) for name, number in ports.items()}


def _port(number: int) -> dict[str, Any]:
    problem = why_not_free(number)
    return {"number": number, "free": not problem, "problem": problem, "holder": _holder(number) if problem else ""}


def why_not_free(number: int) -> str:
    """Why no server could bind this port on IPv4 and IPv6, "" when one could; 0 asks for any port."""
    for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME_WAIT don't matter
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, number))
        except OSError as error:
            if family == socket.AF_INET6 and error.errno not in (errno.EADDRINUSE, errno.EACCES):
                continue  # this host has no IPv6
            return error.strerror or str(error)
    return ""


def _holder(number: int) -> str:
    """The listener's process as `name (pid N, user U)`, "" where the system doesn't tell us."""
    try:
        import psutil
    except ImportError:
        return ""
    try:
        listeners = [c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == number and c.status == "LISTEN"]
        pids = sorted({c.pid for c in listeners if c.pid})
        return ", ".join(_describe(psutil.Process(pid)) for pid in pids)
    except psutil.Error:
        return ""


def _describe(process: Any) -> str:
    return f"{process.name()} (pid {process.pid}, user {process.username()})"


def read_remains(target: Target, ports: Mapping[str, int]) -> dict[str, Any]:
    """What an earlier server left: `files` of the `known` kinds of the [launch] table, `processes` without a server."""
    try:
        plan = read_plan(target)
    except UsageError:
        return {"files": [], "known": 0, "processes": _orphans()}
    values = {name: str(number) for name, number in ports.items()}
    files = Leftovers(plan.leftovers, values).stale()
    return {"files": files, "known": len(plan.leftovers), "processes": _orphans()}


def _orphans() -> list[dict[str, Any]]:
    """Workers of an engine with no API server above them: `{"pid", "name", "clear"}` each."""
    try:
        import psutil
    except ImportError:
        return []
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or []
        name = next((mark for mark in WORKERS if any(mark in word for word in command)), "")
        if name and "python" in os.path.basename(command[0]) and not _is_served(process):
            found.append({"pid": process.info["pid"], "name": name, "clear": f"kill {process.info['pid']}"})
    return found


def _is_served(process: Any) -> bool:
    """Does an API server stand among the ancestors? One that ended while we looked counts as served: nothing to clear."""
    import psutil

    try:
        return any(SERVER in word for parent in process.parents() for word in parent.cmdline())
    except psutil.Error:
        return True
