"""What the tests of the reference server share: an application in the process, or a server of its own on free ports."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from ernie_conformance.reference.app import make_app, make_service
from ernie_conformance.reference.options import Options

OFF = {"chat_template_kwargs": {"enable_thinking": False}}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
PATIENCE = 20.0  # seconds; only a hang gets there


def app_client(**options: Any) -> httpx.AsyncClient:
    """A client of an application in this process, unpaced unless told otherwise."""
    defaults: dict[str, Any] = {"max_model_len": 32768, "max_num_seqs": 32, "speed": "full"}
    eyes_and_thoughts: dict[str, Any] = {"enable_mm": True, "reasoning_parser": "ernie-45-vl"}
    app = make_app(make_service(Options(**{**defaults, **eyes_and_thoughts, **options})))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://reference", timeout=PATIENCE)


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def body(messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "null", "messages": user(messages) if isinstance(messages, str) else messages, **fields}


async def ask(client: httpx.AsyncClient, messages: Any, **fields: Any) -> dict[str, Any]:
    """The object that answers a chat request without a stream."""
    response = await client.post("/v1/chat/completions", json=body(messages, **fields))
    assert response.status_code == 200, response.text
    return dict(response.json())


async def content(client: httpx.AsyncClient, messages: Any, **fields: Any) -> str:
    """The answer's text, without thinking and at temperature 0 unless told otherwise."""
    answer = await ask(client, messages, **{**OFF, "temperature": 0, **fields})
    return str(answer["choices"][0]["message"]["content"])


async def chunks(client: httpx.AsyncClient, messages: Any, **fields: Any) -> list[dict[str, Any]]:
    """The chunks of a chat stream, its framing checked on the way."""
    response = await client.post("/v1/chat/completions", json=body(messages, **{"stream": True, **fields}))
    assert response.status_code == 200, response.text
    return events(response.content)


def events(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each event. Every event is one `data:` line and an empty one; the last is [DONE]."""
    text = data.decode("utf-8")
    frames = text.split("\n\n")
    assert frames[-2:] == ["data: [DONE]", ""], frames[-2:]
    assert "\r" not in text
    found = []
    for frame in frames[:-2]:
        assert frame.startswith("data: {")
        assert "\n" not in frame
        found.append(json.loads(frame[6:]))
    return found


def joined(stream: list[dict[str, Any]], key: str = "content", index: int = 0) -> str:
    """The text of one channel of one choice."""
    choices = [choice for chunk in stream for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get(key) or "" for choice in choices)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass
class Running:
    """A server of its own, told where to listen."""

    process: subprocess.Popen[str]
    port: int
    metrics_port: int
    queue_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def metrics(self) -> dict[str, float]:
        """Samples without labels, by name."""
        text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=PATIENCE).text
        samples = [line.split() for line in text.splitlines() if not line.startswith("#") and "{" not in line]
        return {name.removeprefix("fastdeploy:"): float(value) for name, value in samples}

    def wait_for(self, name: str, value: float) -> None:
        """Until a metric has a value; bounded by the number of readings, each a round trip."""
        for _ in range(2000):
            if self.metrics()[name] == value:
                return
        raise AssertionError(f"{name} never became {value}: {self.metrics()[name]}")


def command(*extra: str, ports: list[int]) -> list[str]:
    names = ("--port", "--metrics-port", "--engine-worker-queue-port")
    where = [word for name, port in zip(names, ports, strict=True) for word in (name, str(port))]
    return [
        sys.executable, "-m", "ernie_conformance.reference", "--model", "work/models", "--host", "127.0.0.1", *where,
        "--max-model-len", "32768", "--enable-mm", "--reasoning-parser", "ernie-45-vl", *extra,
    ]  # fmt: skip


@contextlib.contextmanager
def server(*extra: str) -> Iterator[Running]:
    """The server as a process, ready, on ports of its own choice; ended with its whole group."""
    process = subprocess.Popen(
        command(*extra, ports=[0, 0, 0]),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "Launching completion service" in line:
                break
        else:
            raise AssertionError(f"the server ended before it was ready: {said}")
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        names = ("chat completion service at http", "metrics service at http", "worker queue at ")
        found = [re.search(rf"{name}\S*?:(\d+)", said) for name in names]
        yield Running(process, *(int(one[1]) for one in found if one))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
