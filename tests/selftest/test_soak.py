"""A load that lasts: what its rules see in figures, and in servers that wear out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ernie_conformance.faults.catalogue import catalogue
from ernie_conformance.gather import Orders, gather
from ernie_conformance.gather.asks.soak import wrong_with
from ernie_conformance.gather.catalogue import select
from ernie_conformance.judge.judge import Terms, judge, suite_cases
from ernie_conformance.judge.outcome import Broken, Inconclusive, NotTestable, Outcome
from ernie_conformance.judge.rules import soak as rules
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.paths import TESTS
from ernie_conformance.suite.settings import soaks
from ernie_conformance.targets import Target, load_target
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import ABANDONED, ANSWER, REFUSAL, Exchange, Request

SHORT = 0.1  # minutes
POST = Request("POST", "/v1/chat/completions", (), b"{}")
WEARING = TESTS / "selftest" / "wearing_reference.py"


def end_of(rule: Any, *arguments: Any) -> type[Outcome] | None:
    try:
        rule(*arguments)
    except Outcome as outcome:
        return type(outcome)
    return None


def scene(**notes: Any) -> Scene:
    return Scene("soak", {"sent": 1000, "failed": 0, "failures": [], **notes}, {})


# --- the rules ---


def answers(seconds: list[float]) -> list[list[Any]]:
    return [[float(n), took * (1 + n % 2), ("short", "long")[n % 2], 9] for n, took in enumerate(seconds)]


@pytest.mark.parametrize(
    ("seconds", "ends"),
    [
        ([1.0] * 300, None),
        ([1.0 + 0.4 * (n % 3) for n in range(300)], None),  # noise, however much
        ([1.0] * 200 + [1.8] * 100, None),  # a neighbour on the host came
        ([5.0] * 20 + [1.0] * 280, None),  # the first requests warmed it up
        ([1.0 + n / 100 for n in range(300)], Broken),
        ([1.0] * 150 + [3.0] * 150, Broken),
        ([1.0] * 700 + [3.0] * 20000, Broken),  # worn out after a thousand requests, and alike ever after
        ([5.0] * 150 + [1.0] * 9000, None),
        ([0.001] * 150 + [0.004] * 150, None),  # nobody feels it
        ([1.0] * 30, Inconclusive),
    ],
    ids=["even", "noise", "neighbour", "cold", "growing", "worn", "worn-early", "cold-long", "tiny", "few"],
)
def test_a_trend_is_told_from_noise(seconds: list[float], ends: type[Outcome] | None) -> None:
    assert end_of(rules.stays_quick, scene(answers=answers(seconds))) is ends


@pytest.mark.parametrize(
    ("megabytes", "ends"),
    [
        ([100.0] * 20, None),
        ([100, 150, 180, 190, 200] + [200] * 15, None),  # caches fill, then it stays
        ([100 + 10 * n for n in range(20)], Broken),
        ([40000 + 20 * n for n in range(20)], None),  # a percent of a large server
        ([100.0] * 10 + [180.0] * 2 + [100.0] * 8, None),  # one large request
        ([], NotTestable),
    ],
    ids=["even", "warms", "leaks", "large", "peak", "untold"],
)
def test_a_leak_is_told_from_a_cache(megabytes: list[float], ends: type[Outcome] | None) -> None:
    looks = [{"sent": n, "memory": int(level * 1e6)} for n, level in enumerate(megabytes)]
    assert end_of(rules.keeps_its_memory, scene(looks=looks)) is ends


def test_one_lost_request_is_too_many_of_a_server_of_ours() -> None:
    lost = scene(failed=1, failures=[["soak-000007", "gap: nothing came"]])
    ours = load_target("reference")
    assert end_of(rules.loses_nothing, lost, ours) is Broken
    assert end_of(rules.loses_nothing, lost, replace(ours, kind="attached")) is None


def test_prompts_that_cost_more_later_are_seen() -> None:
    assert end_of(rules.counts_alike, scene(answers=[[0, 1, "a", 9], [1, 1, "b", 7], [2, 1, "a", 9]])) is None
    assert end_of(rules.counts_alike, scene(answers=[[0, 1, "a", 9], [1, 1, "a", 10]])) is Broken


@pytest.mark.parametrize(
    ("exchange", "is_wrong"),
    [
        (Exchange("refused", POST, 400, expects=REFUSAL), False),
        (Exchange("taken", POST, 200, expects=REFUSAL), True),
        (Exchange("failed", POST, 500, expects=ANSWER), True),
        (Exchange("silent", POST, None, error="gap: nothing came", expects=ANSWER), True),
        (Exchange("left", POST, 200, expects=ABANDONED), False),
        (Exchange("empty", POST, 200, pieces=((0.1, b"{}"),), expects=ANSWER), True),
    ],
    ids=lambda value: value.name if isinstance(value, Exchange) else "",
)
def test_what_is_wrong_with_one_exchange(exchange: Exchange, is_wrong: bool) -> None:
    assert bool(wrong_with(exchange)) is is_wrong


# --- when it is played ---


def test_nothing_but_its_name_brings_it() -> None:
    assert soaks("soak")
    assert soaks("soak or concurrency")
    assert not any(map(soaks, ("", "api", "env or api or acceptance", "not soak", None)))
    target = load_target("reference")
    assert "soak" in select({"soak"}, target).unasked
    assert [one.name for one in select({"soak"}, target, SHORT).scenarios if one.long] == ["soak"]


# --- real loads ---


def soaked(folder: Path, target: Target | None = None, **more: Any) -> Evidence:
    orders = Orders(folder, speed="full", minutes=SHORT, **more)
    return asyncio.run(gather(target or load_target("reference"), {"soak"}, orders))


def verdicts(evidence: Evidence) -> dict[str, str]:
    cases = [case for case in suite_cases("api") if case.row.area == "soak"]
    return {ruling.row.id: ruling.verdict for ruling in judge(evidence, Terms(load_target("reference")), cases)}


@pytest.mark.slow
def test_a_sound_server_bears_it(tmp_path: Path) -> None:
    evidence = soaked(tmp_path)
    found = verdicts(evidence)
    del found["SOAK-003"]  # in seconds, on a host with other work, a trend may be the host's
    assert set(found.values()) == {"PASS"}
    assert len(evidence.exchanges) < evidence.notes["soak"]["sent"] + 100


@pytest.mark.slow
def test_a_leak_of_the_server_itself_is_seen(tmp_path: Path) -> None:
    sound = load_target("reference")
    command = ["{suite_python}", str(WEARING), "1000000", *sound.launch["command"][3:]]
    evidence = soaked(tmp_path, replace(sound, launch={**sound.launch, "command": command}))
    assert verdicts(evidence)["SOAK-008"] == "FAIL"


@pytest.mark.slow
def test_a_server_that_grows_slower_is_seen(tmp_path: Path) -> None:
    assert verdicts(soaked(tmp_path, through=catalogue()["own-soak-slower"]))["SOAK-003"] == "FAIL"
