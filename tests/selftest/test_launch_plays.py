"""A fake engine plays every way to fail: each ends within its time-out, with the right cause and the right row red."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ernie_conformance.judge.judge import Terms, cases_of, rule
from ernie_conformance.launch.causes import in_log
from ernie_conformance.launch.plan import is_free
from ernie_conformance.launch.serve import Deployment, LaunchFailed, serve
from ernie_conformance.paths import TESTS
from ernie_conformance.targets import Target, Timeouts
from ernie_conformance.wire.evidence import Evidence

ENGINE = TESTS / "selftest" / "fake_engine.py"
# A loaded machine may need seconds to start Python: waits that aren't the point of a play are long.
WAITS = {"process": 30, "port": 30, "health": 30, "answer": 30, "stop": 30, "grace": 1}
pytestmark = pytest.mark.timeout(120)

Body = Callable[[Deployment], Awaitable[None]]


def _suite_tests() -> Any:
    spec = importlib.util.spec_from_file_location("suite_test_launch", TESTS / "api" / "test_launch.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def target_of(play: str, folder: Path, **launch: Any) -> Target:
    waits = {**WAITS, **launch.pop("waits", {})}
    command = ["{suite_python}", str(ENGINE), play, "--port", "{port}"]
    table = {"command": command, "ports": {"port": 0}, "cwd": str(folder), "logs": ["log/workerlog.*"], **launch}
    return Target(
        name="fake",
        kind="launched",
        engine="fake",
        capabilities=frozenset({"chat", "health", "process"}),
        timeouts=Timeouts(connect=5, first_byte=30, gap=30, total=30),
        launch={**table, "waits": waits},
    )


def verdicts_of(target: Target, facts: dict[str, Any]) -> dict[str, str]:
    """What every launch row says of these facts."""
    evidence = Evidence({}, facts={"launch": facts})
    checks = [check for name, check in vars(_suite_tests()).items() if name.startswith("test_")]
    rulings = [rule(case, evidence, Terms(target)) for check in checks for case in cases_of(check, check.__name__)]
    assert len(rulings) >= 10
    return {ruling.row.id: ruling.verdict for ruling in rulings}


@dataclass
class Ending:
    """What came of one play."""

    facts: dict[str, Any]
    verdicts: dict[str, str]
    told: list[str]
    error: LaunchFailed | None = None
    red: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.red = {name for name, verdict in self.verdicts.items() if verdict in ("FAIL", "WARN", "ERROR")}


async def play(
    name: str, folder: Path, body: Body | None = None, tell: Callable[[str], None] | None = None, **launch: Any
) -> Ending:
    """Launch the fake engine in a folder, run `body` with the deployment, end it, and judge what was noted."""
    told: list[str] = []
    target = target_of(name, folder, **launch)
    error = None
    facts: dict[str, Any] = {}

    def progress(line: str) -> None:
        told.append(line)
        if tell:
            tell(line)

    try:
        async with serve(
            target, server_python=None, model_dir=None, report_dir=folder / "report", progress=progress
        ) as deployment:
            facts = deployment.facts
            if body:
                await body(deployment)
    except LaunchFailed as failed:
        error, facts = failed, failed.facts
    assert all(is_free(port) for port in facts["ports"].values()) or facts["ports"] == launch.get("ports")
    return Ending(facts, verdicts_of(target, facts), told, error)


# name: (waits that end it, cause, stage)
FAILED_STARTS = {
    "dies": ({}, "died", "port"),
    "dies-and-leaks": ({}, "died", "port"),
    "dies-after-port": ({}, "died", "health"),
    "exits-zero": ({}, "load-error", "port"),
    "hangs-at-100": ({"port": 3}, "hang", "port"),
    "no-port": ({"port": 1}, "hang", "port"),
    "never-healthy": ({"health": 1}, "hang", "health"),
    "first-answer-hangs": ({"answer": 1}, "hang", "answer"),
    "wrong-flag": ({}, "wrong-flag", "port"),
    "port-taken": ({}, "port-taken", "port"),
    "out-of-memory": ({}, "out-of-memory", "port"),
    "killed": ({}, "killed", "port"),
}


@pytest.mark.parametrize("name", FAILED_STARTS)
async def test_a_failed_start_is_one_red_row_with_its_cause(name: str, tmp_path: Path) -> None:
    waits, cause, stage = FAILED_STARTS[name]
    ended = await play(name, tmp_path, waits={"stop": 2, **waits})
    assert ended.error is not None
    failure = ended.facts["failure"]
    assert (failure["cause"], failure["stage"]) == (cause, stage), failure
    assert failure["remedy"]["en"]
    assert failure["remedy"]["zh"]
    assert ended.red == {"LAUNCH-001"}
    others = {verdict for row, verdict in ended.verdicts.items() if row != "LAUNCH-001"}
    assert others == {"BLOCKED", "NOT TESTABLE"}


async def test_a_failed_start_keeps_the_logs_tail(tmp_path: Path) -> None:
    ended = await play("exits-zero", tmp_path)
    assert ended.facts["failure"]["exit"] == 0
    assert any(line.startswith("workerlog.0: ") for line in ended.facts["failure"]["log"])


async def test_lines_of_an_earlier_run_are_not_its_cause(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "workerlog.0").write_text("CUDA error(2), out of memory\n")
    ended = await play("dies", tmp_path)
    assert ended.facts["failure"]["cause"] == "died"


async def test_a_hang_says_how_far_it_came(tmp_path: Path) -> None:
    ended = await play("hangs-at-100", tmp_path, waits={"port": 30, "silence": 1})
    assert "100 %" in ended.facts["failure"]["detail"]
    assert any("weights 100 %" in line for line in ended.told)


async def test_children_of_a_failed_start_are_ended(tmp_path: Path) -> None:
    ended = await play("dies-and-leaks", tmp_path)
    (left,) = ended.facts["shutdown"]["processes"]
    assert not psutil.pid_exists(left["pid"])


async def test_a_missing_program_names_the_setup(tmp_path: Path) -> None:
    ended = await play("good", tmp_path, command=["{root}/no/such/engine", "{port}"], setup="make engine")
    assert ended.facts["failure"]["cause"] == "no-program"
    assert "make engine" in ended.facts["failure"]["remedy"]["en"]


async def test_a_key_is_given_to_the_server_and_kept_out_of_the_facts(tmp_path: Path) -> None:
    target = target_of("good", tmp_path, with_api_key=["--api-key", "{api_key}"])
    words: list[str] = []
    told: list[str] = []
    async with serve(
        target, server_python=None, model_dir=None, report_dir=tmp_path, api_key="s3cret", progress=told.append
    ) as deployment:
        words = [word for child in psutil.Process().children(recursive=True) for word in child.cmdline()]
    assert "s3cret" in words
    assert "s3cret" not in f"{deployment.facts} {told}"


async def test_a_fixed_port_that_is_held_names_the_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ended = await play("good", tmp_path, ports={"port": port})
    failure = ended.facts["failure"]
    assert failure["cause"] == "port-taken"
    assert failure["holder"]["pid"] == os.getpid()
    assert ended.facts["starts"] == []


async def test_a_free_port_that_was_snatched_is_chosen_anew_once(tmp_path: Path) -> None:
    ended = await play("port-taken", tmp_path)
    assert ended.facts["tries"] == 2


async def test_a_stranger_on_the_port_is_not_taken_for_the_server(tmp_path: Path) -> None:
    with contextlib.ExitStack() as sockets:

        def snatch(line: str) -> None:
            if line.startswith(f"launch: {sys.executable}"):
                sockets.enter_context(socket.create_server(("127.0.0.1", int(line.split()[-1]))))

        ended = await play_with_strangers("no-port", tmp_path, snatch)
    assert ended.facts["failure"]["cause"] == "port-taken"
    assert ended.facts["failure"]["holder"]["pid"] == os.getpid()
    assert ended.facts["tries"] == 2


async def play_with_strangers(name: str, folder: Path, tell: Callable[[str], None]) -> Ending:
    """As `play`, where the port stays held by the test itself."""
    target = target_of(name, folder, waits={"stop": 2, "grace": 0.2})
    with pytest.raises(LaunchFailed) as failed:
        async with serve(target, server_python=None, model_dir=None, report_dir=folder / "report", progress=tell):
            pass
    return Ending(failed.value.facts, verdicts_of(target, failed.value.facts), [])


@pytest.mark.parametrize("name", ["good", "slow", "health-late", "garbage", "floods"])
async def test_a_good_server_is_green(name: str, tmp_path: Path) -> None:
    ended = await play(name, tmp_path, second_start=True)
    assert ended.red == set()
    green = {row for row, verdict in ended.verdicts.items() if verdict == "PASS"}
    assert green >= {f"LAUNCH-00{n}" for n in range(1, 9)}
    assert [stage["stage"] for stage in ended.facts["starts"][0]["stages"]] == ["process", "port", "health", "answer"]
    assert ended.facts["second"]["signal"] == "SIGTERM"


async def test_a_late_health_is_noted(tmp_path: Path) -> None:
    ended = await play("health-late", tmp_path)
    assert [answer["status"] for answer in ended.facts["starts"][0]["health"]] == [503, 200]


# name: (waits, second start, the row that turns red)
BAD_MANNERS = {
    "health-early": ({}, False, "LAUNCH-002"),
    "first-answer-fails": ({}, False, "LAUNCH-003"),
    "ignores-int": ({"stop": 1}, False, "LAUNCH-005"),
    "ends-badly": ({}, False, "LAUNCH-005"),
    "ignores-term": ({"stop": 1}, True, "LAUNCH-006"),
    "leaks-child": ({}, False, "LAUNCH-007"),
    "holds-port": ({}, False, "LAUNCH-007"),
}


@pytest.mark.parametrize("name", BAD_MANNERS)
async def test_bad_manners_turn_one_row_red(name: str, tmp_path: Path) -> None:
    waits, second, row = BAD_MANNERS[name]
    ended = await play(name, tmp_path, waits=waits, second_start=second)
    assert ended.error is None
    assert ended.red == {row}, ended.facts


async def test_a_leaked_child_is_found_and_ended(tmp_path: Path) -> None:
    ended = await play("leaks-child", tmp_path)
    (left,) = ended.facts["shutdown"]["processes"]
    assert "sleep" in left["command"]
    assert not psutil.pid_exists(left["pid"])


async def test_a_child_that_holds_the_port_is_found_and_ended(tmp_path: Path) -> None:
    ended = await play("holds-port", tmp_path)
    shutdown = ended.facts["shutdown"]
    assert [held["port"] for held in shutdown["ports"]] == [ended.facts["ports"]["port"]]
    assert shutdown["still"] == []


async def kill_by_request(deployment: Deployment) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with contextlib.suppress(httpx.HTTPError):
            await client.post(f"{deployment.base_url}/die", content=b"{}", timeout=30)
    while deployment.alive():
        await asyncio.sleep(0.01)


async def test_a_server_that_dies_is_started_again_and_its_row_is_red(tmp_path: Path) -> None:
    lines: list[str] = []

    async def body(deployment: Deployment) -> None:
        address = deployment.base_url
        while deployment.log_since(time.time()) is not None:  # until a look has seen the lines of the start
            await asyncio.sleep(0.01)
        sent_at = time.time()
        await kill_by_request(deployment)
        lines.extend((deployment.log_since(sent_at) or "").splitlines())
        await deployment.restart(during="long-prompt")
        assert deployment.alive()
        assert deployment.base_url == address

    ended = await play("good", tmp_path, body)
    assert lines == ["CUDA error(2), out of memory."]
    assert (found := in_log(lines))
    assert found[0].name == "out-of-memory"
    assert [end["cause"] for end in ended.facts["restarts"]] == ["out-of-memory"]
    assert ended.red == {"LAUNCH-004"}


async def test_a_server_is_started_again_three_times_at_most(tmp_path: Path) -> None:
    async def body(deployment: Deployment) -> None:
        for _ in range(4):
            await kill_by_request(deployment)
            await deployment.restart()

    ended = await play("good", tmp_path, body)
    assert ended.error is not None
    assert len(ended.facts["starts"]) == 4
    assert ended.red == {"LAUNCH-004"}


async def test_a_server_that_died_unnoticed_is_red(tmp_path: Path) -> None:
    ended = await play("good", tmp_path, kill_by_request)
    assert ended.red == {"LAUNCH-004"}


async def test_a_defect_of_the_run_still_ends_the_server(tmp_path: Path) -> None:
    async def body(deployment: Deployment) -> None:
        raise ZeroDivisionError(deployment.base_url)

    with pytest.raises(ZeroDivisionError) as raised:
        await play("leaks-child", tmp_path, body)
    assert is_free(int(str(raised.value).rsplit(":", 1)[1]))


async def test_two_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    met = asyncio.Event()
    addresses: list[str] = []

    async def meet(deployment: Deployment) -> None:
        addresses.append(deployment.base_url)
        if len(addresses) == 2:
            met.set()
        await asyncio.wait_for(met.wait(), 60)

    async def outlive(deployment: Deployment) -> None:
        await meet(deployment)
        await asyncio.wait_for(other, 60)
        assert deployment.alive()

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    other = asyncio.create_task(play("leaks-child", tmp_path / "a", meet))
    mine = await play("good", tmp_path / "b", outlive)
    assert len(set(addresses)) == 2
    assert mine.red == set()
    assert (await other).red == {"LAUNCH-007"}
