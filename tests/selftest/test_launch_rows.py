"""Each launch row can turn red, alone, by one change of a good launch's facts; and stays green on harmless ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

from ernie_conformance.judge.judge import Terms, cases_of, rule
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.paths import TESTS
from ernie_conformance.targets import Target
from ernie_conformance.wire.evidence import Evidence

Facts = dict[str, Any]
TARGET = Target(name="x", kind="launched", engine="x", capabilities=frozenset({"chat", "health", "gpu", "process"}))
CHILD = {"pid": 7, "name": "worker", "command": "worker --rank 0"}
NAME = {"what": "metrics directory", "id": "/tmp/prom_main", "clear": "rm -r /tmp/prom_main", "removed": False}


def end(signal: str) -> Facts:
    return {
        "signal": signal, "exit": 0, "seconds": 0.1, "limit": 20.0, "forced": False, "died": False,
        "processes": [], "ports": [], "still": [], "names": [],
    }  # fmt: skip


def stream(tail: str, error: str | None = None) -> Facts:
    """A stream that ran when SIGTERM came."""
    return {"running": True, "status": 200, "media_type": "text/event-stream", "error": error, "seconds": 1.0, "tail": tail}


def good() -> Facts:
    answers = [{"at": 0.3, "status": 200, "error": ""}]
    health = [{"at": 0.1, "status": 503, "error": ""}, {"at": 0.2, "status": 200, "error": ""}]
    return {
        "ready": True, "tries": 1, "ports": {"port": 8180}, "restarts": [], "watched": ["metrics directory"], "stale": [],
        "starts": [{"seconds": 0.4, "stages": [], "health": health, "answers": answers}],
        "shutdown": end("SIGINT"), "second": {**end("SIGTERM"), "stream": stream("data: [DONE]\n\n")},
        "gpu": {"watched": 1, "kept": []},
    }  # fmt: skip


def failed(facts: Facts) -> None:
    facts["ready"] = False
    facts["failure"] = {"stage": "port", "cause": "hang", "detail": "no progress within 900 s", "log": ["last line"]}


def before(*answers: Facts) -> Callable[[Facts], None]:
    return lambda facts: facts["starts"][0]["answers"].__setitem__(slice(0, 0), answers)


def kept(newcomers: list[int]) -> Callable[[Facts], None]:
    return lambda facts: facts["gpu"]["kept"].append({"index": 0, "before": 600, "after": 9600, "newcomers": newcomers})


def died(facts: Facts) -> None:
    facts["restarts"].append({"at": 0.0, "during": "long-prompt", "cause": "out-of-memory", "detail": "…", "log": []})


# what happened: (the row it breaks, the change)
BREACHES: dict[str, tuple[str, Callable[[Facts], Any]]] = {
    "never ready": ("LAUNCH-001", failed),
    "healthy, then 503": ("LAUNCH-002", before({"at": 0.2, "status": 503, "error": ""})),
    "healthy, then refused": ("LAUNCH-002", before({"at": 0.2, "status": None, "error": "connect: refused"})),
    "healthy, then 500": ("LAUNCH-003", before({"at": 0.2, "status": 500, "error": ""})),
    "healthy, then empty": ("LAUNCH-003", before({"at": 0.2, "status": 200, "error": "the answer has no choices"})),
    "healthy, then silent": ("LAUNCH-003", before({"at": 0.2, "status": None, "error": "total: 30 s"})),
    "restarted": ("LAUNCH-004", died),
    "dead at the end": ("LAUNCH-004", lambda facts: facts["shutdown"].update(died=True, exit=1)),
    "SIGINT, exit 1": ("LAUNCH-005", lambda facts: facts["shutdown"].update(exit=1)),
    "SIGINT, crash": ("LAUNCH-005", lambda facts: facts["shutdown"].update(exit=-11)),
    "SIGINT ignored": ("LAUNCH-005", lambda facts: facts["shutdown"].update(exit=None, forced=True)),
    "SIGTERM ignored": ("LAUNCH-006", lambda facts: facts["second"].update(exit=None, forced=True)),
    "no second start": ("LAUNCH-006", lambda facts: facts.update(second={"failure": {"detail": "no progress"}})),
    "SIGINT, orphan": ("LAUNCH-007", lambda facts: facts["shutdown"]["processes"].append(CHILD)),
    "SIGTERM, orphan": ("LAUNCH-007", lambda facts: facts["second"]["processes"].append(CHILD)),
    "port held": ("LAUNCH-008", lambda facts: facts["shutdown"]["ports"].append({"port": 8180, "holder": None})),
    "GPU memory kept": ("LAUNCH-009", kept([])),
    "stream cut": (
        "LAUNCH-011",
        lambda facts: facts["second"].update(stream=stream('"content":"7"}}]}\n\n', "broken: reset")),
    ),
    "stream ended short": ("LAUNCH-011", lambda facts: facts["second"].update(stream=stream('"content":"7"}}]}\n\n'))),
    "name left": ("LAUNCH-010", lambda facts: facts["shutdown"]["names"].append(NAME)),
}
HARMLESS: dict[str, Callable[[Facts], Any]] = {
    "nothing": lambda facts: facts,
    "ended by SIGINT": lambda facts: facts["shutdown"].update(exit=-2),
    "130": lambda facts: facts["shutdown"].update(exit=130),
    "ended by SIGTERM": lambda facts: facts["second"].update(exit=-15),
    "error told": lambda facts: facts["second"].update(
        stream=stream('data: {"error":{"message":"stopping"}}\n\n', "broken: reset")
    ),
    "whole, but for [DONE]": lambda facts: facts["second"].update(
        stream=stream('"choices":[{"delta":{},"index":0,"finish_reason":"length"}]}\n\n')
    ),
    "143": lambda facts: facts["second"].update(exit=143),
    "another port": lambda facts: facts.update(tries=2),
    "an old name": lambda facts: facts["stale"].append(NAME),
    "a new neighbour": kept([4711]),
}


def verdicts_of(facts: Facts) -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("suite_test_launch_rows", TESTS / "api" / "test_launch.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    evidence = Evidence({}, facts=facts)
    checks = [check for name, check in vars(module).items() if name.startswith("test_")]
    rulings = [rule(case, evidence, Terms(TARGET)) for check in checks for case in cases_of(check, check.__name__)]
    return {ruling.row.id: ruling.verdict for ruling in rulings}


def launch_rows() -> set[str]:
    return {name for name, row in load_rows().items() if row.area == "launch"}


def red(verdicts: dict[str, str]) -> set[str]:
    return {name for name, verdict in verdicts.items() if verdict in ("FAIL", "WARN", "ERROR")}


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_turns_its_row_red_and_no_other(name: str) -> None:
    row, breach = BREACHES[name]
    facts = good()
    breach(facts)
    assert red(verdicts_of({"launch": facts})) == {row}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_change_leaves_every_row_green(name: str) -> None:
    facts = good()
    HARMLESS[name](facts)
    assert verdicts_of({"launch": facts}) == dict.fromkeys(launch_rows(), "PASS")


def test_every_row_has_a_test_and_a_breach() -> None:
    assert set(verdicts_of({"launch": good()})) == launch_rows() == {row for row, _ in BREACHES.values()}


def test_evidence_without_a_launch_is_not_judged() -> None:
    assert set(verdicts_of({}).values()) == {"NOT ASKED"}


def test_a_second_start_that_was_not_made_is_said() -> None:
    facts = good()
    del facts["second"]
    assert verdicts_of({"launch": facts})["LAUNCH-006"] == "NOT TESTABLE"
