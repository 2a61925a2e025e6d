"""The injector as a program: a broken server in front of any good one.

python -m ernie_conformance.faults --upstream http://127.0.0.1:8180 --port 9000 --fault sse-done-missing
python -m ernie_conformance.faults --list
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ernie_conformance.faults.catalogue import catalogue
from ernie_conformance.faults.fault import Behaviour, Fault
from ernie_conformance.faults.proxy import injecting
from ernie_conformance.faults.variations import variations

LIFETIME = 6  # requests that a dying server answers, those by which it becomes ready among them
DRAIN = 10.0  # seconds for open answers when told to stop
LEFT_BEHIND = "import socket,time; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); time.sleep(30)"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ernie_conformance.faults", description="A broken server, one fault at a time."
    )
    parser.add_argument("--upstream", metavar="URL", help="the good server, e.g. http://127.0.0.1:8180")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on, 0 for any free one (%(default)s)")
    parser.add_argument(
        "--metrics-upstream", metavar="URL", default="", help="the good server's metrics, if they are to pass too"
    )
    parser.add_argument("--metrics-port", type=int, default=0, help="port for the metrics, 0 for any free one (%(default)s)")
    parser.add_argument("--fault", metavar="ID", help="the fault or harmless variation; none: everything passes unchanged")
    parser.add_argument("--list", action="store_true", help="list the faults and variations, then exit")
    parser.add_argument("--json", action="store_true", help="list as JSON")
    arguments = parser.parse_args(argv)
    if not arguments.list and not arguments.upstream:
        parser.error("name the good server with --upstream URL, or ask for --list")
    if arguments.fault and arguments.fault not in {**catalogue(), **variations()}:
        parser.error(f"there is no fault {arguments.fault!r}; --list names them all")
    return arguments


def as_record(fault: Fault, harmless: bool) -> dict[str, Any]:
    """One line of --list --json."""
    return {
        "id": fault.id,
        "harmless": harmless,
        "kind": fault.kind,
        "area": fault.area,
        "severity": fault.severity,
        "row": fault.row,
        "title": fault.title,
        "evidence": list(fault.evidence),
    }


def _list(as_json: bool) -> None:
    records = [as_record(f, False) for f in catalogue().values()] + [as_record(f, True) for f in variations().values()]
    if as_json:
        print(json.dumps(records, ensure_ascii=False, indent=1))
        return
    for record in records:
        print("{id:34} {kind:9} {area:11} {severity:8} {row:14} {title}".format(**record))


async def serve(
    fault: Fault | None, upstream: str, metrics_upstream: str = "", *, host: str = "127.0.0.1", port: int, metrics_port: int
) -> None:
    """Listen until told to stop (SIGTERM or SIGINT), then let open answers end."""
    life = fault.life if isinstance(fault, Behaviour) else ""
    stop = asyncio.Event()
    for number, name in ((signal.SIGTERM, "term"), (signal.SIGINT, "int")):
        deaf = life == f"ignores-{name}"
        asyncio.get_running_loop().add_signal_handler(number, (lambda: None) if deaf else stop.set)
    if life == "leaves-child":
        subprocess.Popen([sys.executable, "-c", LEFT_BEHIND], start_new_session=True)
    async with injecting(fault, upstream, metrics_upstream, host=host, port=port, metrics_port=metrics_port) as injector:
        print(json.dumps({"base_url": injector.base_url, "metrics_url": injector.metrics_url}), flush=True)
        while life == "dies" and not stop.is_set():
            if injector.memory.visits >= LIFETIME:
                os._exit(3)
            await asyncio.sleep(0.01)
        await stop.wait()
        if life != "cuts-streams":
            await injector.drain(DRAIN)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = _arguments(argv)
    if arguments.list:
        _list(arguments.json)
    else:
        fault = {**catalogue(), **variations()}.get(arguments.fault or "")
        ports = {"host": arguments.host, "port": arguments.port, "metrics_port": arguments.metrics_port}
        asyncio.run(serve(fault, arguments.upstream, arguments.metrics_upstream, **ports))


if __name__ == "__main__":
    main()
