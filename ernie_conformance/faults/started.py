"""A server that starts or ends badly, as a program to be launched: a good one in front of which one fault stands.

python -m ernie_conformance.faults.started ID --port N --metrics-port M -- COMMAND with {port} and {metrics_port}
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from ernie_conformance.faults.__main__ import serve
from ernie_conformance.faults.catalogue import catalogue
from ernie_conformance.faults.fault import Behaviour
from ernie_conformance.launch.plan import chosen_ports

STARTING = 30.0  # seconds for the good server
AGAIN = 0.05  # seconds between two looks
LEFT = "ernie-conformance-left.{pid}"  # a file's name


def launching(fault: Behaviour, table: Mapping[str, Any]) -> dict[str, Any]:
    """A target's [launch] table whose server is broken so. It gets little time to end, as it may not mean to."""
    command = [word.replace("{port}", "{{port}}").replace("{metrics_port}", "{{metrics_port}}") for word in table["command"]]
    ours = ["{suite_python}", "-m", "ernie_conformance.faults.started", fault.id, "--port", "{port}"]
    left = {"what": "a file of its own", "glob": str(Path(gettempdir()) / LEFT), "clear": "rm {path}"}
    return {
        **table,
        "command": [*ours, "--metrics-port", "{metrics_port}", "--", *command],
        "waits": {"process": STARTING, "port": STARTING, "health": STARTING, "answer": STARTING, "stop": 8.0, "grace": 1.0},
        "leftovers": [left],
    }


async def _opened(port: int, server: asyncio.subprocess.Process) -> None:
    """Wait until the good server listens. Raises TimeoutError, and RuntimeError when it ended."""

    async def knock() -> None:
        while server.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(AGAIN)
            else:
                writer.close()
                return
        raise RuntimeError(f"the good server ended with {server.returncode}")

    await asyncio.wait_for(knock(), STARTING)


async def run(fault: Behaviour, port: int, metrics_port: int, words: Sequence[str]) -> None:
    """The good server, and the broken one before it, until told to end."""
    with chosen_ports({"port": 0, "metrics_port": 0}) as ports:
        behind = dict(ports)
    server = await asyncio.create_subprocess_exec(
        *(word.format(**behind) for word in words), stdin=asyncio.subprocess.DEVNULL
    )
    try:
        await _opened(behind["port"], server)
        if fault.life == "leaves-file":
            (Path(gettempdir()) / LEFT.format(pid=os.getpid())).touch()
        upstream = f"http://127.0.0.1:{behind['port']}"
        metrics = f"http://127.0.0.1:{behind['metrics_port']}"
        await serve(fault, upstream, metrics, port=port, metrics_port=metrics_port)
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ernie_conformance.faults.started", description=__doc__)
    parser.add_argument("fault", metavar="ID")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--metrics-port", type=int, required=True)
    parser.add_argument("words", nargs="+", metavar="COMMAND")
    given = parser.parse_args(argv)
    fault = catalogue()[given.fault]
    if not isinstance(fault, Behaviour):
        parser.error(f"{given.fault} is no behaviour")
    if fault.life == "exits":
        print("CUDA error(2), out of memory.", flush=True)
        return 1
    asyncio.run(run(fault, given.port, given.metrics_port, given.words))
    return 0


if __name__ == "__main__":
    sys.exit(main())
