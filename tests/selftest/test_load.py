"""Load with Locust: one master and two workers, whose answers the rows judge; and the recorder that it sends with."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from reference_client import Running, free_ports, server

from ernie_conformance.faults.catalogue import catalogue
from ernie_conformance.faults.fault import Fault
from ernie_conformance.faults.proxy import injecting
from ernie_conformance.gather.ask import chat
from ernie_conformance.gather.asks.soak import MIX
from ernie_conformance.judge.judge import Terms
from ernie_conformance.load.verdict import broken_rows
from ernie_conformance.paths import ROOT
from ernie_conformance.targets import Timeouts, load_target
from ernie_conformance.wire.evidence import read_evidence
from ernie_conformance.wire.exchange import ANSWER, Exchange
from ernie_conformance.wire.sender import Sender

LOCUSTFILE = ROOT / "ernie_conformance" / "load" / "locustfile.py"
LIMIT = 90.0  # seconds; only a hang gets there
FAULT = "chunk-id-changes"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with server("--max-num-seqs", "8", "--speed", "full") as one:
        yield one


def sent(url: str) -> Exchange:
    sender = Sender(url, Timeouts())
    try:
        return sender.send("one", chat("one", "Say what a load test is.", max_tokens=8, stream=True).request("null"), ANSWER)
    finally:
        sender.close()


def test_an_exchange_recorded_without_asyncio_breaks_no_row(running: Running) -> None:
    exchange = sent(running.url)
    assert exchange.status == 200
    assert exchange.body.endswith(b"data: [DONE]\n\n")
    assert 0 < exchange.pieces[0][0] <= exchange.seconds
    assert broken_rows(exchange, Terms(load_target("reference"))) == {}


def test_a_closed_port_is_an_exchange_with_an_error() -> None:
    (port,) = free_ports(1)
    exchange = sent(f"http://127.0.0.1:{port}")
    assert exchange.error is not None
    assert exchange.error.startswith("connect:")
    assert "WIRE-001" in broken_rows(exchange, Terms(load_target("reference")))


async def locust(url: str, folder: Path) -> tuple[int, dict[str, int], str]:
    """Exit code of a master with two workers, how often each ask was made, and all that was said."""
    (port,) = free_ports(1)
    common = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--master-port", str(port), "--loglevel", "WARNING"]
    master = [*common[:5], "--master", "--master-bind-port", str(port), "--expect-workers", "2", "--headless"]
    load = ["--users", "6", "--spawn-rate", "6", "--run-time", "8s", "--stop-timeout", "5", "--host", url]
    files = ["--csv", str(folder / "load"), "--report-dir", str(folder), "--target", "reference"]
    pipe, out = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    commands = [[*master, *load, *files], *([[*common, "--worker"]] * 2)]
    crew = [await asyncio.create_subprocess_exec(*c, stdout=pipe, stderr=out, start_new_session=True) for c in commands]
    try:
        said = await asyncio.wait_for(asyncio.gather(*(one.communicate() for one in crew)), LIMIT)
    finally:
        for one in crew:
            if one.returncode is None:
                os.killpg(one.pid, signal.SIGKILL)
                await one.wait()
    told = b"".join(text for text, _ in said).decode()
    with (folder / "load_stats.csv").open() as table:
        counts = {line["Name"]: int(line["Request Count"]) for line in csv.DictReader(table) if line["Type"] == "ask"}
    return crew[0].returncode or 0, counts, told


@pytest.mark.slow
async def test_two_workers_load_a_sound_server_and_find_nothing(running: Running, tmp_path: Path) -> None:
    code, counts, told = await locust(running.url, tmp_path)
    assert code == 0, told
    assert set(counts) == {ask.name for ask in MIX}
    assert not list(tmp_path.glob("*.jsonl"))


@pytest.mark.slow
async def test_two_workers_name_the_row_that_a_broken_server_breaks_and_keep_the_bytes(
    running: Running, tmp_path: Path
) -> None:
    fault: Fault = catalogue()[FAULT]
    async with injecting(fault, running.url, f"{running.url}/metrics") as broken:
        code, _, told = await locust(broken.base_url, tmp_path)
    assert code == 1, told
    assert fault.row in (tmp_path / "load_failures.csv").read_text()
    kept = [exchange for file in tmp_path.glob("*.jsonl") for exchange in read_evidence(file).exchanges.values()]
    assert kept
    assert all(fault.row in broken_rows(exchange, Terms(load_target("reference"))) for exchange in kept)
