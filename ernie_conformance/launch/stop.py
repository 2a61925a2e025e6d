"""Ending a server as an operator would, and finding out what it left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any

from ernie_conformance.launch.plan import Waits, is_free
from ernie_conformance.launch.process import Process, describe, listener

POLL = 0.05  # seconds between two looks
HURRIED = 3.0  # seconds that a server gets when the run itself was broken off


async def until(held: Callable[[], bool], seconds: float) -> bool:
    """Wait for `held` for that long at most; did it come to hold?"""
    deadline = time.monotonic() + seconds
    while not held():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL)
    return True


async def stop(
    process: Process, signal: str, waits: Waits, ports: Collection[int], *, hurried: bool = False
) -> dict[str, Any]:
    """Send `signal` (INT or TERM), wait, look for leftovers, then kill what is left. Returns the facts of the shutdown:

    {"signal", "exit" (None when it had to be killed), "seconds", "forced", "died" (it had ended before we asked),
    "limit" (seconds it had), "processes" [{pid, name, command}], "ports" [{port, holder}], "still" (what even killing left)}
    """
    died = process.ended
    began = time.monotonic()
    limit = min(waits.stop, HURRIED) if hurried else waits.stop
    if not died:
        process.signal(signal)
    ended = await until(lambda: process.ended, limit)
    facts: dict[str, Any] = {
        "signal": f"SIG{signal}",
        "exit": process.exit,
        "seconds": round(time.monotonic() - began, 3),
        "limit": limit,
        "forced": not ended,
        "died": died,
    }
    facts |= {"processes": [], "ports": []}
    if ended:
        await until(lambda: not process.family() and all(map(is_free, ports)), 0 if hurried else waits.grace)
        facts["processes"] = [describe(p) for p in process.family()]
        facts["ports"] = [{"port": port, "holder": listener(port)} for port in ports if not is_free(port)]
    process.signal("KILL")
    await until(lambda: not process.family(), waits.grace)
    await asyncio.to_thread(process.release)
    await until(lambda: all(map(is_free, ports)), waits.grace)
    facts["still"] = [f"port {port}" for port in ports if not is_free(port)]
    return facts
