"""The injector on a socket: what passes passes unchanged and at once, and faults there equal faults in-process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import psutil
import pytest
from replaying_upstream import Upstream, playing

from ernie_conformance.faults.apply import rewritten
from ernie_conformance.faults.catalogue import catalogue
from ernie_conformance.faults.fault import Behaviour, Fault, Rewrite
from ernie_conformance.faults.proxy import Injector, injecting
from ernie_conformance.faults.variations import variations
from ernie_conformance.paths import FIXTURES
from ernie_conformance.targets import Timeouts
from ernie_conformance.wire.client import Client, HangUp
from ernie_conformance.wire.evidence import read_evidence
from ernie_conformance.wire.exchange import Exchange, Request

pytestmark = pytest.mark.selftest

SOON = 20.0  # seconds: bounds every wait; nothing takes so long when it works
TIMEOUTS = Timeouts(connect=SOON, first_byte=SOON, gap=SOON, total=SOON)
IMPATIENT = replace(TIMEOUTS, first_byte=0.3, gap=0.3)

RECORDED = read_evidence(FIXTURES / "recordings" / "fastdeploy-2.0.0.jsonl").exchanges
STREAM, ANSWER, REFUSAL = RECORDED["chat-stream-usage"], RECORDED["chat"], RECORDED["messages-empty"]
HEAD = Exchange("head", Request("HEAD", "/v1/models"), 200, (("content-length", "20"),))
HEALTH = Exchange("health", Request("GET", "/health"), 200, (("content-length", "0"),))
METRICS = Exchange("metrics", Request("GET", "/metrics"), 200, (("content-length", "3"),), ((0.0, b"a 1"),))


@asynccontextmanager
async def between(fault: Fault | None, timeouts: Timeouts = TIMEOUTS) -> AsyncIterator[tuple[Upstream, Injector, Client]]:
    """A good server that plays the recordings, the injector in front of it, and our client in front of that."""
    async with (
        playing([STREAM, ANSWER, REFUSAL, HEAD, HEALTH, METRICS]) as upstream,
        injecting(fault, upstream.base_url, f"{upstream.base_url}/metrics") as injector,
        Client(injector.base_url, timeouts) as client,
    ):
        yield upstream, injector, client


async def ask(fault: Fault | None, exchange: Exchange, timeouts: Timeouts = TIMEOUTS) -> Exchange:
    async with between(fault, timeouts) as (_, _, client):
        return await client.send("seen", exchange.request)


def same_headers(exchange: Exchange) -> set[tuple[str, str]]:
    return {(key.lower(), value) for key, value in exchange.headers}


def lets_go(hold: asyncio.Event) -> HangUp:
    """Never hangs up, but lets `hold` go as soon as any byte has come."""
    return lambda _: bool(hold.set())


async def until(test: Callable[[], bool]) -> None:
    """Wait for something that happens on this loop. Raises TimeoutError."""

    async def look() -> None:
        while not test():
            await asyncio.sleep(0)

    await asyncio.wait_for(look(), SOON)


@pytest.mark.parametrize("exchange", [STREAM, ANSWER, REFUSAL, HEAD, HEALTH], ids=lambda e: e.name)
async def test_without_a_fault_everything_passes_unchanged(exchange: Exchange) -> None:
    seen = await ask(None, exchange)
    assert (seen.status, seen.body, seen.error) == (exchange.status, exchange.body, None)
    assert same_headers(seen) == same_headers(exchange)


async def test_pieces_pass_as_they_come() -> None:
    """The second piece is let go only when the first has arrived: nothing is held back on the way."""
    for fault in (None, catalogue()["chunk-id-not-unique"]):
        async with between(fault) as (upstream, _, client):
            upstream.hold = asyncio.Event()
            seen = await client.send("seen", STREAM.request, hang_up=lets_go(upstream.hold))
        assert seen.error is None
        assert seen.body.endswith(b"data: [DONE]\n\n")


async def test_a_client_that_leaves_is_told_upstream() -> None:
    for fault in (None, catalogue()["chunk-id-not-unique"]):
        async with between(fault) as (upstream, _, client):
            upstream.hold = asyncio.Event()
            await client.send("seen", STREAM.request, hang_up=lambda _: True)
            await asyncio.wait_for(upstream.left.wait(), SOON)


async def test_connections_are_kept() -> None:
    async with between(None) as (_, injector, client):
        for _ in range(3):
            assert (await client.send("seen", ANSWER.request)).status == 200
    assert injector.memory.visits == 3


async def test_metrics_have_an_address_of_their_own() -> None:
    async with between(None) as (_, injector, _):
        assert injector.metrics_url.endswith("/metrics")
        async with Client(injector.metrics_url.removesuffix("/metrics"), TIMEOUTS) as client:
            assert (await client.send("seen", METRICS.request)).body == b"a 1"


BOTH_WAYS = [
    (id, exchange)
    for id, exchange in [
        ("sse-done-missing", STREAM),
        ("sse-truncated-eof", STREAM),
        ("sse-json-cut", STREAM),
        ("sse-multiline-data", STREAM),
        ("sse-wrong-content-type", STREAM),
        ("chunk-cumulative-content", STREAM),
        ("chunk-index-increments", STREAM),
        ("chunk-role-repeated", STREAM),
        ("usage-total-not-sum", STREAM),
        ("usage-total-not-sum", ANSWER),
        ("reason-field-name", STREAM),
        ("reason-lone-end-tag", ANSWER),
        ("detok-fffd", STREAM),
        ("own-torn-character", STREAM),
        ("err-500-for-client-error", REFUSAL),
        ("err-body-not-openai", REFUSAL),
        ("err-200-with-error-body", REFUSAL),
        ("own-health-404", HEALTH),
        ("benign-crlf", STREAM),
        ("benign-one-byte-pieces", STREAM),
        ("benign-merged-deltas", STREAM),
        ("benign-close-delimited", ANSWER),
        ("benign-chunked-bodies", ANSWER),
        ("benign-lower-headers", ANSWER),
    ]
]


@pytest.mark.parametrize(("id", "exchange"), BOTH_WAYS, ids=[f"{id}-{e.name}" for id, e in BOTH_WAYS])
async def test_a_rewrite_is_the_same_in_process_and_on_the_socket(id: str, exchange: Exchange) -> None:
    fault = {**catalogue(), **variations()}[id]
    assert isinstance(fault, Rewrite)
    expected, seen = rewritten(fault, exchange), await ask(fault, exchange)
    assert (seen.status, seen.body, seen.error) == (expected.status, expected.body, expected.error)
    assert same_headers(seen) == same_headers(expected)


async def test_a_cut_resets_the_connection() -> None:
    seen = await ask(catalogue()["own-reset-midway"], STREAM)
    assert seen.status == 200
    assert seen.error is not None
    assert seen.error.startswith("broken:")


@pytest.mark.parametrize("id", ["own-stall-midway", "own-head-only", "own-open-after-done"])
async def test_stalls_end_by_the_client_s_patience(id: str) -> None:
    seen = await ask(catalogue()[id], STREAM, IMPATIENT)
    assert seen.status == 200
    assert (seen.error or "").split(":")[0] in ("first-byte", "gap")


@pytest.mark.parametrize("id", ["own-chunked-unended", "own-chunked-lies", "own-length-wrong", "own-reset-at-once"])
async def test_broken_framing_is_seen_as_broken(id: str) -> None:
    seen = await ask(catalogue()[id], STREAM)
    assert (seen.error or "").startswith("broken:")


async def test_a_dead_server_takes_no_connection() -> None:
    async with between(catalogue()["own-connect-refused"]) as (_, _, client):
        await client.send("last", ANSWER.request)
        seen = await client.send("seen", ANSWER.request)
    assert (seen.error or "").startswith("connect:")


async def test_answers_made_together_are_confused() -> None:
    """Both are kept back until both are there, so the two clients get each other's."""
    mine, other = ANSWER, replace(RECORDED["think-off-metadata"], name="other")
    async with (
        playing([mine, other]) as upstream,
        injecting(catalogue()["conc-cross-talk"], upstream.base_url) as injector,
        Client(injector.base_url, TIMEOUTS) as client,
    ):
        seen = await asyncio.gather(*(client.send(e.name, e.request) for e in (mine, other)))
    assert [e.body for e in seen] == [other.body, mine.body]


async def test_a_second_picture_gets_the_first_one_s_answer() -> None:
    def asking(url: str) -> Request:
        part = {"type": "image_url", "image_url": {"url": url}}
        body = {"messages": [{"role": "user", "content": [part, {"type": "text", "text": "what?"}]}]}
        return replace(ANSWER.request, body=json.dumps(body).encode())

    one = replace(ANSWER, request=asking("data:a"))
    two = replace(RECORDED["think-off-metadata"], request=asking("data:b"))
    fault = catalogue()["vis-cache-wrong-image"]
    async with playing([one, two]) as upstream, injecting(fault, upstream.base_url) as injector:
        async with Client(injector.base_url, TIMEOUTS) as client:
            seen = [await client.send(e.name, e.request) for e in (one, two)]
        assert len(upstream.seen) == 1
    assert [e.body for e in seen] == [one.body, one.body]


async def test_what_is_not_told_goes_on_upstream() -> None:
    async with between(catalogue()["own-no-abort-stream"]) as (upstream, injector, _):
        upstream.hold = asyncio.Event()
        host, port = injector.base_url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        body = STREAM.request.body or b""
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        await until(lambda: bool(upstream.seen))
        writer.close()
        await writer.wait_closed()
        await until(lambda: not injector.memory.inside)
        assert not upstream.left.is_set()


def started(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    program = [sys.executable, "-m", "ernie_conformance.faults", *arguments]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def ended(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(SOON)
    if process.stdout is not None:
        process.stdout.close()


async def test_the_program_serves_and_ends_when_told() -> None:
    async with playing([HEALTH]) as upstream:
        process, addresses = await asyncio.to_thread(
            started, "--upstream", upstream.base_url, "--port", "0", "--fault", "own-health-404"
        )
        try:
            async with Client(addresses["base_url"], TIMEOUTS) as client:
                assert (await client.send("seen", HEALTH.request)).status == 404
            process.terminate()
            assert await asyncio.to_thread(process.wait, SOON) == 0
        finally:
            await asyncio.to_thread(ended, process)


async def test_the_program_can_leave_a_child_behind() -> None:
    process, _ = await asyncio.to_thread(started, "--upstream", "http://127.0.0.1:9", "--fault", "conc-orphan-workers")
    try:
        children = psutil.Process(process.pid).children()
        process.terminate()
        await asyncio.to_thread(process.wait, SOON)
        assert [child.is_running() for child in children] == [True]
    finally:
        await asyncio.to_thread(ended, process)
        for child in children:
            child.kill()


def test_the_program_lists_every_fault_as_json() -> None:
    program = [sys.executable, "-m", "ernie_conformance.faults", "--list", "--json"]
    listed = json.loads(subprocess.run(program, capture_output=True, check=True, timeout=SOON).stdout)
    assert {one["id"] for one in listed} == {*catalogue(), *variations()}
    assert {one["id"] for one in listed if one["harmless"]} == set(variations())


def test_an_unknown_fault_is_a_usage_error() -> None:
    program = [sys.executable, "-m", "ernie_conformance.faults", "--upstream", "http://127.0.0.1:9", "--fault", "none-such"]
    run = subprocess.run(program, capture_output=True, text=True, timeout=SOON)
    assert run.returncode == 2
    assert "there is no fault 'none-such'" in run.stderr


def test_every_behaviour_is_told_apart_from_a_rewrite() -> None:
    assert {f.kind for f in catalogue().values() if isinstance(f, Behaviour)} == {"behaviour"}


def test_loopback_alone_is_listened_on_by_default() -> None:
    async def where() -> str:
        async with injecting(None, "http://127.0.0.1:9") as injector:
            return injector.base_url

    address = asyncio.run(where())
    host, port = address.removeprefix("http://").split(":")
    assert host == "127.0.0.1"
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0  # and no longer when it is over
