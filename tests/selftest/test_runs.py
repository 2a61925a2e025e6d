"""Whole runs of pytest, as an operator starts them: exit codes, sentences, verdict.json, workers, replay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ernie_conformance.paths import ROOT
from ernie_conformance.wire.evidence import Evidence, read_evidence, write_evidence
from ernie_conformance.wire.exchange import Exchange

pytestmark = pytest.mark.slow

LIMIT = 120  # seconds that any run here may take on a loaded machine
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "ERNIE", "COV"))}


def run(*arguments: str, limit: float = LIMIT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    return subprocess.run(command, cwd=ROOT, env=CLEAN, text=True, capture_output=True, timeout=limit, check=False)


def verdict(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    return found


def rows(folder: Path) -> dict[str, str]:
    return {row["id"]: row["verdict"] for row in verdict(folder)["rows"]}


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-m", "apii"], "'apii', which is no marker"),
        (["--target", "nope"], "there is no target 'nope'; choose one of"),
        (["--target", "reference@9"], "has no version '9'"),
        (["--base-url", "127.0.0.1:8180"], "is not a base URL; write it like http://"),
        (["--replay", "none.jsonl"], "cannot read none.jsonl"),
        (["--waivers", "none.toml"], "cannot read none.toml"),
        (["--accept-risk", "X-1"], "which is no row"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_exit_code_4(arguments: list[str], says: str, workers: str, tmp_path: Path) -> None:
    done = run(*arguments, "-n", workers, "--report-dir", str(tmp_path))
    assert done.returncode == 4, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_an_unreadable_recording_is_one_sentence_and_exit_code_4(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("hello\n")
    program = [sys.executable, "-m", "ernie_conformance", "judge", str(tmp_path / "bad.jsonl")]
    done = subprocess.run(program, cwd=ROOT, text=True, capture_output=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "line 1 is no exchange" in done.stderr


def test_a_selection_that_matches_nothing_fails(tmp_path: Path) -> None:
    done = run("-m", "api and env", "--target", "reference", "--report-dir", str(tmp_path))
    assert done.returncode == 5
    assert verdict(tmp_path)["gate"] == "closed"


def test_a_closed_port_is_one_red_row_and_the_rest_is_blocked(tmp_path: Path, closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    done = run("-m", "streaming or wire or schema", "--base-url", url, "--report-dir", str(tmp_path))
    assert done.returncode == 1
    found = rows(tmp_path)
    assert [name for name, value in found.items() if value in ("FAIL", "ERROR", "WARN")] == ["WIRE-001"]
    assert set(found.values()) <= {"FAIL", "BLOCKED", "NOT ASKED", "NOT TESTABLE"}


@pytest.fixture
def closed_port() -> int:
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
    return port


def test_workers_and_replay_give_the_same_verdicts(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("alone", "workers", "replay")]
    selection = ["-m", "streaming or schema or reasoning or wire", "--target", "reference"]
    assert run(*selection, "--report-dir", str(folders[0])).returncode == 0
    with_workers = run(*selection, "--report-dir", str(folders[1]), "-n", "8", limit=5 * LIMIT)
    assert (with_workers.returncode, with_workers.stderr.count("budget:")) == (0, 1)  # told by the one that gathers
    recorded = str(folders[1] / "evidence.jsonl")
    assert run(*selection[:2], "--replay", recorded, "--report-dir", str(folders[2])).returncode == 0
    assert rows(folders[0]) == rows(folders[1]) == rows(folders[2])
    assert "PASS" in rows(folders[0]).values()
    assert [verdict(folder)["gate"] for folder in folders] == ["self-check"] * 3
    launch = read_evidence(folders[1] / "evidence.jsonl").facts["launch"]
    assert (launch["tries"], launch["restarts"]) == (1, [])


def changed(evidence: Evidence, file: Path, change: Callable[[bytes], bytes]) -> str:
    """The evidence with every piece of every body changed, written to `file`."""

    def edit(exchange: Exchange) -> Exchange:
        pieces = tuple((at, change(piece)) for at, piece in exchange.pieces)
        return Exchange(**{**vars_of(exchange), "pieces": pieces})

    write_evidence(file, evidence.replaced(edit(e) for e in evidence.exchanges.values()))
    return str(file)


def vars_of(exchange: Exchange) -> dict[str, Any]:
    return {name: getattr(exchange, name) for name, f in Exchange.__dataclass_fields__.items() if f.init}


def test_a_broken_must_fails_and_says_how_to_repeat_it(tmp_path: Path, golden: Evidence) -> None:
    file = changed(golden, tmp_path / "e.jsonl", lambda piece: piece.replace(b'"chat.completion.chunk"', b'"chunk"'))
    done = run("-m", "streaming", "--replay", file, "--report-dir", str(tmp_path))
    assert done.returncode == 1
    assert rows(tmp_path)["STREAM-001"] == "FAIL"
    assert "object: 'chat.completion.chunk' was expected" in done.stdout
    assert "curl -sS -i -N" in done.stdout


def test_a_broken_should_warns_and_leaves_the_gate_alone(tmp_path: Path, golden: Evidence) -> None:
    file = changed(golden, tmp_path / "e.jsonl", lambda piece: piece.replace(b'"refusal":null', b'"extra":null'))
    done = run("-m", "schema", "--replay", file, "--report-dir", str(tmp_path))
    assert (done.returncode, rows(tmp_path)["SCHEMA-002"]) == (0, "WARN"), done.stdout
    strict = run("-m", "schema", "--replay", file, "--report-dir", str(tmp_path), "--profile", "strict")
    assert (strict.returncode, rows(tmp_path)["SCHEMA-002"]) == (1, "FAIL")


def test_a_waiver_covers_a_known_deviation_and_a_stale_one_closes_the_gate(tmp_path: Path, golden: Evidence) -> None:
    waivers = tmp_path / "waivers.toml"
    waivers.write_text(
        '[[waiver]]\nrow = "SCHEMA-002"\ncase = "*"\nreason = "no refusal key"\nevidence = "bytes"\nowner = "us"\n'
        f'versions = ">=0"\nadded = {date.today()}\nexpires = {date.today() + timedelta(days=30)}\n'
    )
    file = changed(golden, tmp_path / "e.jsonl", lambda piece: piece.replace(b'"refusal":null', b'"extra":null'))
    options = ["-m", "schema", "--report-dir", str(tmp_path), "--waivers", str(waivers)]
    assert run(*options, "--replay", file).returncode == 0
    assert rows(tmp_path)["SCHEMA-002"] == "WAIVED"
    write_evidence(tmp_path / "clean.jsonl", golden)
    stale = run(*options, "--replay", str(tmp_path / "clean.jsonl"))
    assert stale.returncode == 1
    assert "stale" in stale.stdout


def test_messages_come_in_chinese(tmp_path: Path, golden_file: Path) -> None:
    done = run("-m", "wire", "--replay", str(golden_file), "--report-dir", str(tmp_path), "--lang", "zh")
    assert "放行结论" in done.stdout
