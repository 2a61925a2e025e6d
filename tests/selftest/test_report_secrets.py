"""Keys never reach a report: planted in requests, answers, headers, addresses and logs, they are found in no file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import chat, run_of

from ernie_conformance.gather.asks.auxiliary import WRONG_KEY
from ernie_conformance.paths import ROOT
from ernie_conformance.report.curl import curl_line
from ernie_conformance.report.html import write_page
from ernie_conformance.suite.run import write_requests
from ernie_conformance.wire.evidence import Evidence, masked_evidence, read_evidence, write_evidence
from ernie_conformance.wire.exchange import Request
from ernie_conformance.wire.secrets import masked, masked_bytes, masked_within, without_secrets

KEY = 'planted"key/5up3r+s3cr3t'  # with characters that JSON and URLs write otherwise
TOKEN = "tok-planted-0123456789"
PASSWORD = "pw-planted-0123456789"
LIMIT = 120  # seconds for a run on a loaded machine


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {}",
        "authorization: {}",
        '{{"authorization": "Bearer {}"}}',
        r"{{\"Authorization\": \"Bearer {}\"}}",
        "{{'Authorization': 'Basic {}'}}",
        "x-api-key: {}",
        "Namespace(model='m', api_key='{}', port=1)",
        "python -m server --api-key {} --port 1",
        "Set-Cookie: {}; HttpOnly",
        "invalid token Bearer {}.",
        "GET /v1/models?api_key={}&limit=2 HTTP/1.1",
        "GET /v1/models?limit=2&access_token={}",
        "http://host/x?token={}#top",
        "https://user:{}@host:8180/v1",
        "http://{}@host/",
    ],
)
def test_what_looks_like_a_key_is_masked_without_being_known(text: str) -> None:
    found = masked(text.format(TOKEN))
    assert TOKEN not in found
    assert len(found) == len(text.format(TOKEN))
    assert masked(found) == found


@pytest.mark.parametrize(
    "text",
    [
        "Access-Control-Allow-Headers: authorization, content-type",
        'data: {"choices":[{"delta":{"content":"key = value; token = word"}}]}',
        "Missing bearer or basic authentication in header",
        '{"max_tokens": 5, "usage": {"completion_tokens": 7}}',
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==",
        "https://host:8180/v1/chat/completions?n=1",
        "someone@example.org wrote http://host/",
        f"Authorization: Bearer {WRONG_KEY}",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


@given(st.text(max_size=80), st.text(min_size=6, max_size=12))
def test_masking_keeps_every_length(text: str, secret: str) -> None:
    assert len(masked(text + secret + text, [secret])) == len(text + secret + text)
    assert len(masked_bytes(text.encode("utf-8", "surrogatepass"))) == len(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("key", ["null", "EMPTY"])
def test_a_key_that_is_an_ordinary_word_is_no_secret(key: str) -> None:
    assert masked('{"refusal": null} EMPTY', [key]) == '{"refusal": null} EMPTY'


@given(st.lists(st.integers(0, 60), max_size=4))
def test_a_key_is_masked_across_the_borders_of_pieces(cuts: list[int]) -> None:
    body = f'{{"error": {{"message": "no such key {TOKEN}"}}}}'.encode()
    borders = sorted({0, *(min(cut, len(body)) for cut in cuts), len(body)})
    pieces = tuple((float(a), body[a:b]) for a, b in pairwise(borders))
    found = without_secrets(replace(chat("a", "x"), pieces=pieces), [TOKEN])
    assert TOKEN.encode() not in found.body
    assert [(at, len(piece)) for at, piece in found.pieces] == [(at, len(piece)) for at, piece in pieces]


def planted() -> Evidence:
    """Secrets wherever a server or another tool's recording may put one."""
    plain = chat("plain", f"you sent Bearer {KEY}", status=401)
    request = Request(
        "POST",
        f"/v1/chat/completions?token={TOKEN}",
        (("Authorization", f"Bearer {TOKEN}"),),
        b'{"api_key": "' + TOKEN.encode() + b'"}',
    )
    echo = replace(
        plain, name="echo", request=request, headers=(("X-Echo", f"https://u:{PASSWORD}@h"), ("Location", f"/?key={TOKEN}"))
    )
    logged = replace(
        plain, name="logged", error=f"broken: {KEY}", log=f"INFO POST /v1?access_token={TOKEN}\nkey {json.dumps(KEY)}"
    )
    facts = {"launch": {"command": ["serve", "--api-key", KEY], "failure": {"log": [f"Authorization: Bearer {TOKEN}"]}}}
    target = {"base_url": f"http://u:{PASSWORD}@127.0.0.1:1"}
    return Evidence(
        {e.name: e for e in (plain, echo, logged)}, {"n": {"said": [KEY]}}, facts, target, unasked={"x": f"no {KEY}"}
    )


def leaks(folder: Path, *printed: str) -> list[str]:
    """The files under `folder`, and the texts, that hold a planted secret in any of its spellings."""
    spellings = [s.encode() for s in (KEY, json.dumps(KEY)[1:-1], KEY.replace('"', "&#34;"), TOKEN, PASSWORD)]
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    texts = {**files, **{f"printed {n}": text.encode() for n, text in enumerate(printed)}}
    assert files
    return [name for name, data in texts.items() if any(spelling in data for spelling in spellings)]


def test_no_report_file_holds_a_planted_key(tmp_path: Path) -> None:
    write_evidence(tmp_path / "evidence.jsonl", planted(), [KEY])
    evidence = read_evidence(tmp_path / "evidence.jsonl")
    write_requests(tmp_path / "requests", evidence.exchanges.values())
    write_page(tmp_path, run_of(evidence, tmp_path), evidence, "en")
    curls = [curl_line(exchange, evidence.target["base_url"]) for exchange in evidence.exchanges.values()]
    assert leaks(tmp_path, *curls) == []
    assert masked_evidence(evidence, [KEY]) == evidence


def test_a_recording_of_another_tool_is_masked_when_it_is_read(tmp_path: Path) -> None:
    request = {"method": "GET", "path": "/health", "headers": {"Authorization": f"Bearer {TOKEN}"}}
    record = {
        "name": "a",
        "request": request,
        "response": {"status": 200, "headers": {}, "pieces": [[0.1, f"Bearer {TOKEN}"]]},
    }
    (tmp_path / "e.jsonl").write_text(json.dumps(record) + "\n")
    assert TOKEN not in repr(read_evidence(tmp_path / "e.jsonl"))


def test_values_inside_facts_are_masked_and_keep_their_shape() -> None:
    assert masked_within({"a": [KEY, 1, None, {"b": True}]}, [KEY]) == {"a": ["*" * len(KEY), 1, None, {"b": True}]}


class Echo(BaseHTTPRequestHandler):
    """Refuses everything, and repeats the caller's key in body and header, in two pieces cut through the key."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        given = str(self.headers.get("Authorization"))
        body = json.dumps({"error": {"message": f"wrong: {given}", "see": f"http://h/?token={TOKEN}"}}).encode()
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("WWW-Authenticate", given)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for part in (body[:40], body[40:]):
            self.wfile.write(part)
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is its own."""


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "schema or wire", *arguments]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "ERNIE", "COV"))}
    return subprocess.run(command, cwd=ROOT, env=clean, text=True, capture_output=True, timeout=LIMIT, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_against_a_server_that_repeats_the_key(workers: str, echo: str, tmp_path: Path) -> None:
    files = ["--report-dir", str(tmp_path), "--junitxml", str(tmp_path / "junit.xml"), "-n", workers]
    done = run("--base-url", f"http://{echo}", "--api-key", KEY, *files)
    assert done.returncode == 1, done.stdout
    assert "wrong: " in (tmp_path / "evidence.jsonl").read_text()  # the server was asked, and did repeat it
    assert {"verdict.json", "evidence.jsonl", "index.html", "junit.xml", "requests"} <= {p.name for p in tmp_path.iterdir()}
    assert leaks(tmp_path, done.stdout, done.stderr) == []


@pytest.mark.slow
def test_a_password_in_the_address_is_used_and_not_told(echo: str, tmp_path: Path) -> None:
    done = run("--base-url", f"http://user:{PASSWORD}@{echo}", "--report-dir", str(tmp_path))
    assert done.returncode == 1, done.stdout
    assert "wrong: Basic" in (tmp_path / "evidence.jsonl").read_text()
    assert leaks(tmp_path, done.stdout, done.stderr) == []


def test_a_wrong_address_is_refused_without_its_token(tmp_path: Path) -> None:
    done = run("--base-url", f"http://127.0.0.1:1/v1?token={TOKEN}", "--report-dir", str(tmp_path))
    assert done.returncode == 4
    assert "is not a base URL" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
