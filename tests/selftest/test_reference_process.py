"""The reference server as a process: start and stop, slots and queue, aborts, metrics, health, pace."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import httpx
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from reference_client import OFF, PATIENCE, Running, body, command, free_ports, server, user

from ernie_conformance.reference.engine import Pace

CHAT = "/v1/chat/completions"
LONG = "Please count from 1 to 900."


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with server("--max-num-seqs", "4") as one:
        yield one


@asynccontextmanager
async def client(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=running.url, timeout=PATIENCE, limits=limits) as one:
        yield one


def long_stream(**fields: Any) -> dict[str, Any]:
    return body(LONG, stream=True, **OFF, **fields)


async def test_saturated_slots_queue_the_rest_and_all_finish(running: Running) -> None:
    async with client(running) as c:
        jobs = [c.post(CHAT, json=body(f"Keep 'nonce {n} x'", **OFF)) for n in range(11)]
        answers = await asyncio.gather(*jobs)
    for number, answer in enumerate(answers):
        text = answer.json()["choices"][0]["message"]["content"]
        assert [n for n in range(11) if f"nonce {n} x" in text] == [number]
    assert len({answer.json()["id"] for answer in answers}) == 11
    running.wait_for("num_requests_running", 0)
    running.wait_for("num_requests_waiting", 0)


async def test_no_more_than_the_slots_run_and_those_run_side_by_side(running: Running) -> None:
    async with client(running) as c:
        tasks = [asyncio.create_task(c.post(CHAT, json=body(LONG, max_tokens=200, **OFF))) for _ in range(6)]
        await asyncio.to_thread(running.wait_for, "num_requests_waiting", 2)
        seen = await asyncio.to_thread(running.metrics)
        assert seen["num_requests_running"] == 4
        answers = await asyncio.gather(*tasks)
    assert {answer.json()["usage"]["completion_tokens"] for answer in answers} == {200}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_its_slot(running: Running, stream: bool) -> None:
    before = running.metrics()
    async with client(running) as c:
        task = asyncio.create_task(c.post(CHAT, json={**long_stream(), "stream": stream}))
        await asyncio.to_thread(running.wait_for, "num_requests_running", 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    running.wait_for("num_requests_running", 0)
    after = running.metrics()
    assert after["request_success_total"] == before["request_success_total"]
    assert after["generation_tokens_total"] - before["generation_tokens_total"] < 2000


async def test_a_client_that_leaves_the_queue_is_forgotten(running: Running) -> None:
    async with client(running) as c:
        tasks = [asyncio.create_task(c.post(CHAT, json=long_stream())) for _ in range(5)]
        await asyncio.to_thread(running.wait_for, "num_requests_waiting", 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    running.wait_for("num_requests_waiting", 0)
    running.wait_for("num_requests_running", 0)


async def test_metrics_move_exactly_with_traffic(running: Running) -> None:
    before = running.metrics()
    async with client(running) as c:
        answers = [(await c.post(CHAT, json=body("hi", max_tokens=n))).json()["usage"] for n in (1, 5, 9)]
        refused = await c.post(CHAT, json=body("hi", max_tokens=0))
    assert refused.status_code == 400
    after = running.metrics()
    moved = {name: after[name] - before[name] for name in after if name.endswith("_total")}
    assert moved["request_success_total"] == 3
    assert moved["prompt_tokens_total"] == sum(usage["prompt_tokens"] for usage in answers)
    assert moved["generation_tokens_total"] == sum(usage["completion_tokens"] for usage in answers) == 15
    assert after["time_to_first_token_seconds_count"] - before["time_to_first_token_seconds_count"] == 3


def test_metrics_have_the_standard_format(running: Running) -> None:
    response = httpx.get(f"http://127.0.0.1:{running.metrics_port}/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.text.endswith("\n")
    names = {family.name for family in text_string_to_metric_families(response.text)}
    assert {"fastdeploy:num_requests_running", "fastdeploy:e2e_request_latency_seconds"} <= names
    assert httpx.get(f"{running.url}/metrics").status_code == 404
    assert httpx.get(f"http://127.0.0.1:{running.metrics_port}/health").status_code == 404


async def test_health_answers_while_images_and_long_prompts_come_in(running: Running) -> None:
    data = io.BytesIO()
    Image.effect_noise((1600, 1200), 90).save(data, "BMP")
    picture = "data:image/bmp;base64," + base64.b64encode(data.getvalue()).decode()
    heavy = [body(user([{"type": "image_url", "image_url": {"url": picture}}]), max_tokens=2)] * 3
    heavy += [body("Item X-12 is “here”. " * 2500, max_tokens=2)] * 3
    async with client(running) as c:
        tasks = [asyncio.create_task(c.post(CHAT, json=one)) for one in heavy]
        checks = 0
        while not all(task.done() for task in tasks):
            # far less than the work takes as a whole: health isn't served after it but beside it
            assert (await c.get("/health", timeout=5)).status_code == 200
            checks += 1
        assert {task.result().status_code for task in tasks} == {200}
    assert checks > 3


async def test_a_connection_is_used_again(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.url, limits=httpx.Limits(max_connections=1)) as c:
        for request in (body("hi", max_tokens=2), body("hi", stream=True, max_tokens=2), {"messages": 5}):
            response = await c.post(CHAT, json=request)
            stream = response.extensions["network_stream"]
            address = stream.get_extra_info("client_addr")
            assert address == (await c.get("/health")).extensions["network_stream"].get_extra_info("client_addr")


def test_the_bytes_of_a_stream(running: Running) -> None:
    """Chunked, clean to the last byte, and really incremental."""
    data = json.dumps(body("hi", stream=True, max_tokens=60)).encode()
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE) as raw:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
        raw.sendall(head.encode() + data)
        pieces = list(iter(lambda: raw.recv(65536), b""))
    text = b"".join(pieces)
    header, _, rest = text.partition(b"\r\n\r\n")
    assert b"content-type: text/event-stream; charset=utf-8" in header
    assert b"transfer-encoding: chunked" in header.lower()
    assert rest.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert len(pieces) > 10


async def test_a_body_that_is_too_large_is_refused_in_words(running: Running) -> None:
    async with client(running) as c:
        response = await c.post(CHAT, content=b" " * (64 * 2**20 + 1), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"


async def test_an_absent_content_type_is_taken(running: Running) -> None:
    async with client(running) as c:
        response = await c.post(CHAT, content=json.dumps(body("hi", max_tokens=1)).encode())
        assert response.status_code == 200


def test_the_queue_port_is_really_held(running: Running) -> None:
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", running.queue_port))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_port_that_is_taken_is_one_sentence(which: int) -> None:
    ports = free_ports(3)
    with socket.create_server(("127.0.0.1", ports[which])):
        ended = subprocess.run(command(ports=ports), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 1
    assert str(ports[which]) in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_flag_that_never_existed_ends_with_code_2() -> None:
    wrong = command("--enable-lora", ports=free_ports(3))
    ended = subprocess.run(wrong, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    assert "--enable-lora" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_running_requests_see_it(number: signal.Signals) -> None:
    """One request streams, one waits for its whole answer, one waits in the queue, one connection is idle."""
    with server("--max-num-seqs", "2") as one:
        seen: dict[str, Any] = {}

        def whole(name: str) -> None:
            seen[name] = httpx.post(one.url + CHAT, json=body(LONG, **OFF), timeout=PATIENCE)

        threads = [threading.Thread(target=whole, args=(name,)) for name in ("runs", "waits")]
        with httpx.Client(base_url=one.url, timeout=PATIENCE) as c, c.stream("POST", CHAT, json=long_stream()) as stream:
            lines = stream.iter_lines()
            next(lines)
            for thread in threads:
                thread.start()
            one.wait_for("num_requests_waiting", 1)
            os.kill(one.process.pid, number)
            rest = [line for line in lines if line]
        for thread in threads:
            thread.join(PATIENCE)
        assert one.process.wait(PATIENCE) == 0
        assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "server_shutting_down"
        assert {answer.status_code for answer in seen.values()} == {503}
        for port in (one.port, one.metrics_port, one.queue_port):
            with socket.socket() as again:
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("speed", "running", "rate"), [("gate", 1, 300), ("gate", 32, 300), ("a800", 1, 60), ("a800", 32, 20), ("a800", 64, 20)]
)
def test_the_pace(speed: str, running: int, rate: int) -> None:
    assert 1 / Pace(speed).between(running) == pytest.approx(rate)


def test_the_first_token_of_the_tutorials_card() -> None:
    assert (Pace("a800").first, Pace("gate").first, Pace("full").between(9)) == (0.35, 0.0, 0.0)


async def test_tokens_are_paced(running: Running) -> None:
    """Never faster than 300 tokens/s: a lower bound, so that a slow machine doesn't matter."""
    async with client(running) as c:
        began = monotonic()
        await c.post(CHAT, json=body(LONG, max_tokens=60, **OFF))
        assert monotonic() - began >= 59 / 300
