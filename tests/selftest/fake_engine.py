"""A stand-in for an engine that plays one way to fail. Run as a program: `fake_engine.py PLAY --port N`.

It answers /health and chat completions, nothing else; all that it says is a fixed answer.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

ANSWER = json.dumps(
    {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}}]}
).encode()
FOREVER = 600.0  # longer than any time-out of a test; the suite ends us before


class Behaviour:
    """What the HTTP side does; plays change it."""

    health: Callable[[], int] = staticmethod(lambda: 200)
    answer: Callable[[], int] = staticmethod(lambda: 200)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(Behaviour.health() if self.path == "/health" else 404, b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if b"die" in self.path.encode():
            say("CUDA error(2), out of memory.")
            os._exit(1)
        status = Behaviour.answer()
        self._send(status, ANSWER if status == 200 else b"{}")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


def load(until: int = 100) -> None:
    for percent in range(0, until + 1, 20):
        bar = "#" * (percent // 10)
        print(f"\rLoading Weights: {percent:3d}%|{bar:10}| {percent}/100 [00:00<00:00]", end="", flush=True)
    print(flush=True)


def listen(port: int) -> Server:
    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def serve(port: int) -> None:
    """Serve until SIGINT or SIGTERM, then leave with 0."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    listen(port)
    say("Uvicorn running")
    done.wait(FOREVER)


def child(*, hold: socket.socket | None = None, session: bool = True) -> None:
    """Leave a sleeping child behind, in a session of its own; it may hold a listening socket."""
    if hold is not None:
        hold.set_inheritable(True)
    subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep({FOREVER})"], start_new_session=session, close_fds=hold is None
    )


def times_out_of(n: int, first: int, then: int) -> Callable[[], int]:
    """`first` for the first n calls, `then` afterwards."""
    calls = iter([first] * n)
    return lambda: next(calls, then)


def dies(_port: int) -> None:
    say("Traceback (most recent call last):", "RuntimeError: something odd")
    sys.exit(3)


def dies_after_port(port: int) -> None:
    Behaviour.health = staticmethod(lambda: os._exit(1))  # type: ignore[assignment]
    serve(port)


def exits_zero(_port: int) -> None:
    say("Waitting worker processes ready...")
    os.makedirs("log", exist_ok=True)
    with open("log/workerlog.0", "a") as log:
        log.write("safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer\n")
    say("Failed to launch worker processes, check log/workerlog.* for more details.")


def hangs_at_100(_port: int) -> None:
    load()
    time.sleep(FOREVER)


def no_port(_port: int) -> None:
    say("starting")
    time.sleep(FOREVER)


def health_early(port: int) -> None:
    Behaviour.answer = staticmethod(times_out_of(3, 503, 200))
    serve(port)


def health_late(port: int) -> None:
    Behaviour.health = staticmethod(times_out_of(3, 503, 200))
    serve(port)


def never_healthy(port: int) -> None:
    Behaviour.health = staticmethod(lambda: 503)
    serve(port)


def first_answer_hangs(port: int) -> None:
    Behaviour.answer = staticmethod(lambda: time.sleep(FOREVER))  # type: ignore[assignment, return-value]
    serve(port)


def first_answer_fails(port: int) -> None:
    Behaviour.answer = staticmethod(times_out_of(1, 500, 200))
    serve(port)


def wrong_flag(_port: int) -> None:
    argparse.ArgumentParser(prog="api_server").parse_args(["--trust-remote-code"])


def port_taken(_port: int) -> None:
    """Another bound it between the suite's look and ours."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        first.listen()
        second.bind(first.getsockname())


def out_of_memory(_port: int) -> None:
    load(40)
    say("MemoryError: ResourceExhaustedError: Out of memory error on GPU 0. Cannot allocate 2.5GB memory", "bye")
    os.kill(os.getpid(), signal.SIGABRT)


def killed(_port: int) -> None:
    load(60)
    os.kill(os.getpid(), signal.SIGKILL)


def leaks_child(port: int) -> None:
    child()
    serve(port)


def dies_and_leaks(port: int) -> None:
    child()
    dies(port)


def ignores_term(port: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    done = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: done.set())
    listen(port)
    done.wait(FOREVER)


def ignores_int(port: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listen(port)
    time.sleep(FOREVER)


def ends_badly(port: int) -> None:
    serve(port)
    sys.exit(7)


def slow(port: int) -> None:
    for percent in range(0, 101, 10):
        print(f"\rLoading Weights: {percent:3d}%|", end="", flush=True)
        time.sleep(0.05)  # this is the play: a start that takes a while
    serve(port)


def holds_port(port: int) -> None:
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    server = listen(port)
    child(hold=server.socket)
    done.wait(FOREVER)


def garbage(port: int) -> None:
    sys.stdout.buffer.write(b"\xff\xfe\x00\x1b[31mred\x1b[0m \xe4\xbd\n\x80\x80" + "加载".encode()[:-1] + b"\n")
    serve(port)


def floods(port: int) -> None:
    line = b"x" * 1000 + b"\n"
    for _ in range(20_000):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.write(b"y" * 3_000_000)
    serve(port)


def good(port: int) -> None:
    load()
    serve(port)


PLAYS = {
    play.__name__.replace("_", "-"): play
    for play in (
        good, dies, dies_after_port, exits_zero, hangs_at_100, no_port, health_early, health_late, never_healthy,
        first_answer_hangs, first_answer_fails, wrong_flag, port_taken, out_of_memory, killed, leaks_child, dies_and_leaks,
        ignores_term, ignores_int, ends_badly, slow, holds_port, garbage, floods,
    )
}  # fmt: skip

if __name__ == "__main__":
    PLAYS[sys.argv[1]](int(sys.argv[3]))
