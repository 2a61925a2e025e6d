"""Whatever happens to the suite itself, the end is clear: nothing lives on, no verdict is open, and what to do is told."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reference_client import free_ports
from whole_runs import CLEAN, LIMIT, PLACES, running, until, without_override

from ernie_conformance.gather import Orders, gather
from ernie_conformance.judge.judge import Terms, judge, suite_cases
from ernie_conformance.launch.plan import is_free
from ernie_conformance.launch.serve import RESTARTS
from ernie_conformance.paths import FIXTURES, ROOT, TESTS
from ernie_conformance.programs.gate import read_verdict
from ernie_conformance.report.verdict import Run, finish
from ernie_conformance.suite.items import needs_of
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import Evidence

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * LIMIT)]

REPLAYED = ("tests/api/test_streaming.py", "--replay", str(FIXTURES / "recordings" / "llama.cpp.jsonl"))
HOST = ("tests/env/test_packages.py", "--target", "reference", "--server-python", sys.executable)
LAUNCHED = ("tests/api/test_wire.py", "--target", "reference", "--reference-speed", "full")
TEXT_CLIENT = "tests/api/test_clients.py::test_the_openai_loop_prints_the_answer"
SELECTED = {"launching": LAUNCHED, "gathering": LAUNCHED, "probing": HOST, "keeping the evidence": HOST}
PROCESSES = {"launching": 2, "gathering": 2, "probing": 1}  # that a run has started at least where it halts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A report folder with an earlier run's open verdict and page."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "verdict.json").write_text('{"format": 1, "state": "done", "gate": "open"}')
    (folder / "index.html").write_text("GATE: open")
    return folder


# --- ended ---


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
@pytest.mark.parametrize("place", [place for place in PLACES if place != "committing the verdict"])
def test_an_ended_run_is_closed_and_leaves_nothing(place: str, how: signal.Signals, folder: Path) -> None:
    with running(folder, *SELECTED.get(place, REPLAYED), halt=place) as run:
        run.halted(PROCESSES.get(place, 0))
        run.goes_on(how)
        killed = how == signal.SIGKILL
        assert run.ended() == (-how if killed else pytest.ExitCode.INTERRUPTED), run.output()
        run.leaves_nothing()
        assert (run.verdict()["gate"], run.verdict()["state"]) == ("closed", "running" if killed else "interrupted")
        assert not (folder / "index.html").exists() or "GATE: open" not in (folder / "index.html").read_text()
        if not killed:
            assert "the run was interrupted; start it again for a verdict" in run.output()
            assert not list(folder.glob(".*.partial"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_verdict_is_committed_or_not_and_the_exit_code_agrees(how: signal.Signals, folder: Path) -> None:
    with running(folder, *REPLAYED, "-k", "carries_the_same_id", halt="committing the verdict") as run:
        run.halted()
        run.goes_on(how)
        assert (run.ended(), run.verdict()["gate"]) in [(-signal.SIGKILL, "closed"), (0, "partial")]


def test_who_interrupts_twice_waits_no_longer_and_leaves_nothing(folder: Path) -> None:
    with running(folder, *LAUNCHED, halt="gathering") as run:
        run.halted()
        os.kill(run.process.pid, signal.SIGINT)
        run.goes_on(signal.SIGINT)
        assert run.ended() != 0
        run.leaves_nothing()
        assert run.verdict()["gate"] == "closed"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_workers_and_their_server_end_with_the_controller(how: signal.Signals, folder: Path) -> None:
    with running(folder, *LAUNCHED, "-n", "1") as run:
        run.here.touch()  # its workers are other programs, which halt nowhere
        until(lambda: (folder / "server.log").exists() and len(run.family()) >= 3, run.output)
        run.halted()
        run.goes_on(how)
        assert run.ended() in (-how, pytest.ExitCode.INTERRUPTED)
        run.leaves_nothing()
        assert run.verdict()["gate"] == "closed"


# --- a report that can't be written ---


def fill(folder: Path, name: str) -> None:
    """Let the disk be full for one file of the report."""
    (folder / f".{name}.partial").symlink_to("/dev/full")


def test_a_disk_too_full_for_the_evidence_is_one_error_that_says_so(folder: Path) -> None:
    fill(folder, "evidence.jsonl")
    with running(folder, *HOST) as run:
        assert run.ended() == 1
        said = run.output()
    assert "No space left on device" in said
    assert "name another with --report-dir" in said
    assert list(run.rows().values()) == ["ERROR"]
    assert run.verdict()["gate"] == "closed"


@pytest.mark.parametrize("full", ["verdict.json", "index.html"])
def test_a_disk_too_full_for_the_report_is_told(full: str, folder: Path) -> None:
    with running(folder, *REPLAYED, "-k", "carries_the_same_id", halt="making the page") as run:
        run.halted()
        fill(folder, full)
        run.goes_on()
        code, said, verdict = run.ended(), run.output(), run.verdict()
    assert "No space left on device" in said
    assert "Traceback" not in said
    assert not (folder / "index.html").exists()
    if full == "verdict.json":
        assert (code, verdict["gate"], verdict["state"]) == (1, "closed", "running")
        assert "free space there" in said
        assert "GATE: closed" in said
    else:  # the page is for people: what it lacks doesn't change the verdict
        assert (code, verdict["gate"]) == (0, "partial")


@pytest.mark.parametrize("why", ["Permission denied", "Not a directory", "No space left on device"])
def test_a_folder_that_cannot_be_written_is_one_sentence_and_exit_code_4(why: str, folder: Path) -> None:
    where = folder
    if why == "Permission denied":
        folder.chmod(0o500)
    elif why == "Not a directory":
        where = folder / "index.html" / "report"
    else:
        fill(folder, "verdict.json")
    with running(where, *REPLAYED, before=without_override) as run:
        assert run.ended() == 4
        said = run.output()
    folder.chmod(0o700)
    assert f"cannot write the report to {where}: {why}; " in said
    assert "--report-dir" in said
    assert "Traceback" not in said


def fresh(*arguments: str, cwd: Path = ROOT, **more: Any) -> subprocess.CompletedProcess[str]:
    """A run in an interpreter of its own; `more` goes to its environment, without what is None."""
    before = more.pop("preexec_fn", None)
    environment = {name: value for name, value in {**CLEAN, **more}.items() if value is not None}
    command = [sys.executable, "-m", "pytest", *arguments]
    given = {"env": environment, "encoding": "utf-8", "capture_output": True, "timeout": LIMIT, "preexec_fn": before}
    return subprocess.run(command, cwd=cwd, check=False, **given)


def test_a_read_only_checkout_judges_as_any_other(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("ernie_conformance", "rows", "schemas", "targets", "waivers", "fixtures", "tests/env", "tests/api"):
        shutil.copytree(ROOT / name, checkout / name)
    for name in ("conftest.py", "pytest.ini", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout / name)
    places = [checkout, *checkout.rglob("*")]
    for place in places:
        place.chmod(place.stat().st_mode & ~0o222)
    try:
        folder = tmp_path / "elsewhere"
        done = fresh(
            *("-m", "api and wire", "--target", "reference", "--reference-speed", "full", "--report-dir", str(folder)),
            cwd=checkout,
            preexec_fn=without_override,
            PYTHONSAFEPATH=None,
        )
        with pytest.raises(subprocess.CalledProcessError):  # or else this shows nothing
            subprocess.run(["touch", "new"], cwd=checkout, preexec_fn=without_override, check=True, capture_output=True)
    finally:
        for place in places:
            place.chmod(place.stat().st_mode | 0o200)
    assert (done.returncode, read_verdict(folder / "verdict.json")["gate"]) == (0, "self-check"), done.stdout + done.stderr
    assert f"rootdir: {checkout}" in done.stdout
    assert "warning" not in done.stdout


# --- surroundings ---


def test_a_dead_proxy_is_not_used(folder: Path) -> None:
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), "")
    dead = f"http://127.0.0.1:{free_ports(1)[0]}"
    selected = ("tests/api/test_wire.py", TEXT_CLIENT, *LAUNCHED[1:])
    with running(folder, *selected, **dict.fromkeys(proxies, dead), NO_PROXY="", no_proxy="") as run:
        assert run.ended() == 0, run.output()
        assert set(run.rows().values()) == {"PASS"}


def test_a_locale_without_utf8_changes_no_verdict(folder: Path) -> None:
    poor = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii", "LANG": None}
    selected = ("tests/api/test_wire.py", TEXT_CLIENT, *LAUNCHED[1:], "-p", "no:cacheprovider")
    done = fresh(*selected, "--lang", "zh", "--report-dir", str(folder / "报告"), **poor)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "放行结论" in done.stdout
    verdict = read_verdict(folder / "报告" / "verdict.json")
    assert set(verdict["counts"]) == {"PASS"}
    assert "参考服务器" in done.stdout


# --- two at once ---


def test_two_runs_in_one_checkout_do_not_disturb_each_other(tmp_path: Path) -> None:
    with running(tmp_path / "one", *LAUNCHED) as one, running(tmp_path / "other", *LAUNCHED) as other:
        assert (one.ended(), other.ended()) == (0, 0), one.output() + other.output()
    assert one.rows() == other.rows()
    assert one.verdict()["target"] != other.verdict()["target"]  # each had a server of its own


def test_a_second_run_in_the_same_folder_is_refused_and_changes_nothing(folder: Path) -> None:
    with running(folder, *REPLAYED, halt="judging") as first:
        first.halted()
        before = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != ".run.lock"}
        with running(folder, *REPLAYED) as second:
            assert second.ended() == 4
            assert f"another run writes its report to {folder}; wait for its end, or" in second.output()
        assert {path: path.stat().st_mtime_ns for path in before} == before
        first.goes_on(signal.SIGKILL)
        first.ended()
    with running(folder, *REPLAYED, "-k", "carries_the_same_id") as third:  # whoever died holds nothing
        assert (third.ended(), third.verdict()["gate"]) == (0, "partial")


# --- the server ends in mid-run ---

DYING = TESTS / "selftest" / "dying_reference.py"
CASES = [case for case in suite_cases("api") if case.row.area in ("launch", "wire", "streaming", "limits")]
NAMES = {name for case in CASES for name in needs_of(case)}


def judged(folder: Path, evidence: Evidence, target: Any) -> dict[str, Any]:
    return finish(folder, Run(Terms(target), judge(evidence, Terms(target), CASES), evidence))


def red(verdict: dict[str, Any]) -> set[str]:
    return {row["id"] for row in verdict["rows"] if row["verdict"] in ("FAIL", "WARN", "ERROR")}


# A request that was under way when its server died may have killed it.
SUSPECT = {"LIMIT-005", "STREAM-018"}


@pytest.mark.parametrize("deaths", [1, RESTARTS + 1])
def test_a_launched_server_that_dies_is_started_again_three_times_at_most(deaths: int, tmp_path: Path) -> None:
    sound = load_target("reference")
    words = [str(DYING), str(deaths), "2", "ends", str(tmp_path / "deaths"), *sound.launch["command"][3:]]
    launch = {**sound.launch, "command": ["{suite_python}", *words], "second_start": False}
    target = replace(sound, launch=launch, disruptive=True)
    evidence = asyncio.run(gather(target, NAMES, Orders(tmp_path, speed="full")))
    verdict = judged(tmp_path, evidence, target)
    assert verdict["gate"] == "closed"
    assert {"LAUNCH-004", "WIRE-001"} <= red(verdict) <= {"LAUNCH-004", "WIRE-001", *SUSPECT}
    facts = evidence.facts["launch"]
    assert len(facts["restarts"]) == deaths
    assert len(facts["starts"]) == 1 + min(deaths, RESTARTS)
    assert ("failure" in facts) == (deaths > RESTARTS)
    assert all(is_free(port) for port in facts["ports"].values())


@contextmanager
def attached(folder: Path, way: str) -> Iterator[list[str]]:
    """A server that isn't ours and dies once; the options that attach to it."""
    port, metrics, queue = free_ports(3)
    words = [sys.executable, str(DYING), "1", "12", way, str(folder / "deaths"), "--model", "any", "--port", str(port)]
    words += ["--metrics-port", str(metrics), "--engine-worker-queue-port", str(queue), "--enable-mm", "--speed", "full"]
    words += ["--reasoning-parser", "ernie-45-vl", "--max-model-len", "32768", "--max-num-seqs", "32"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until(lambda: server.poll() is not None or not is_free(port), lambda: "no server")
            yield ["--base-url", f"http://127.0.0.1:{port}", "--metrics-url", f"http://127.0.0.1:{metrics}"]
        finally:
            server.kill()


@pytest.mark.parametrize("way", ["ends", "restarts"])
def test_an_attached_server_that_dies_is_one_red_and_the_rest_is_blocked(way: str, tmp_path: Path) -> None:
    areas = "wire or streaming or limits or clients or vision or auxiliary"
    with attached(tmp_path, way) as options, running(tmp_path / "report", "-m", areas, *options) as run:
        assert run.ended() == 1, run.output()
    assert (tmp_path / "deaths").stat().st_size == 1
    assert run.verdict()["gate"] == "closed"
    assert red(run.verdict()) - SUSPECT == {"WIRE-001"}
    assert run.verdict()["counts"]["BLOCKED"] > 20
