"""What the rules about pictures make of answers that no server of ours gives: models that are constant, weak, or wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ernie_conformance.gather.asks import conversation, vision
from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Terms, rule, suite_cases
from ernie_conformance.judge.verdicts import Ruling
from ernie_conformance.targets import Target, load_target
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import ANSWER, Exchange, Request


def answered(name: str, text: str, scenario: str = "", prompt_tokens: int = 50) -> Exchange:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 5, "total_tokens": prompt_tokens + 5}
    body = json.dumps({"id": name, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    notes: dict[str, Any] = {"scenario": scenario} if scenario else {}
    request = Request("POST", "/v1/chat/completions", body=b"{}")
    head = (("content-type", "application/json"),)
    return Exchange(name, request, 200, head, ((0.1, body),), expects=ANSWER, notes=notes)


def judged(row: str, exchanges: list[Exchange], target: Target | None = None) -> list[Ruling]:
    scenes = {e.notes["scenario"]: dict[str, Any]() for e in exchanges if "scenario" in e.notes}
    evidence = Evidence({e.name: e for e in exchanges}, scenes)
    terms = Terms(target or load_target("fastdeploy"))
    return [rule(case, evidence, terms) for case in suite_cases() if case.row.id == row]


def verdict(row: str, exchanges: list[Exchange]) -> str:
    (ruling,) = judged(row, exchanges)
    return ruling.verdict


def basics(say: dict[str, str], otherwise: str) -> list[Exchange]:
    return [answered(ask.name, say.get(ask.name, otherwise), "vision-basics") for ask in vision.BASICS]


def details(say: dict[str, str], otherwise: str) -> list[Exchange]:
    asks = (*vision.STRUCTURE, *vision.LARGE_STRUCTURE, *vision.THIRDS)
    return [answered(ask.name, say.get(ask.name, otherwise), "vision-details") for ask in asks]


OTHER = {"vis-red-other-question": "I am a model."}
APART = {**OTHER, "vis-red": "red", "vis-green": "green", "vis-blue": "blue", "vis-black": "black"}


def test_a_constant_model_is_not_called_blind() -> None:
    assert verdict("VIS-003", basics({}, "always this")) == verdicts.NOT_TESTABLE


def test_a_blind_model_is() -> None:
    assert verdict("VIS-003", basics(OTHER, "a picture")) == verdicts.FAIL


def test_a_weak_model_that_tells_one_picture_apart_is_not() -> None:
    assert verdict("VIS-003", basics({**OTHER, "vis-black": "dark"}, "a picture")) == verdicts.PASS


def test_a_model_that_sees_grey_only() -> None:
    assert verdict("VIS-004", basics({**OTHER, "vis-black": "dark", "vis-white": "light"}, "grey")) == verdicts.FAIL


@pytest.mark.parametrize("row", ["VIS-005", "VIS-006"])
def test_a_model_that_tells_no_details_apart(row: str) -> None:
    same = details({}, "something")
    told = {e.name: f"a picture with {e.name.rpartition('-')[2]}" for e in same}
    expected = {"VIS-005": verdicts.FAIL, "VIS-006": verdicts.BLOCKED}[row]
    assert verdict(row, [*basics(APART, "white"), *details(told, "")]) == expected


def test_one_lost_side_is_named() -> None:
    told = {e.name: e.name for e in details({}, "")} | dict.fromkeys(("vis-left-r", "vis-left-g", "vis-left-b"), "white")
    (ruling,) = judged("VIS-006", [*basics(APART, "white"), *details(told, "")])
    assert ruling.verdict == verdicts.FAIL
    assert "on the left" in ruling.detail


GOOD = {
    "VIS-070": {"vis-name-red": "红色", "vis-name-blue": "蓝色。", "vis-name-yellow": "Yellow"},
    "VIS-071": {"vis-where-left": "左", "vis-where-right": "右", "vis-where-top": "上", "vis-where-bottom": "下"},
    "VIS-072": {"vis-which-red-blue": "1", "vis-which-blue-red": "第二张", "vis-which-black-red": "2"},
    "VIS-073": {"vis-read-418": "418", "vis-read-295": "图中是295", "vis-read-736": "736"},
    "VIS-074": {"vis-count-1": "1", "vis-count-2": "两个", "vis-count-3": "3"},
    "CHAT-030": {name: f"密码是{code}。" for name, code in conversation.RECALLED.items()},
}


@pytest.mark.parametrize("row", GOOD)
def test_right_answers_of_a_capable_model_pass(row: str) -> None:
    assert verdict(row, [answered(name, text) for name, text in GOOD[row].items()]) == verdicts.PASS


@pytest.mark.parametrize("row", GOOD)
def test_one_slip_is_no_verdict_but_two_are(row: str) -> None:
    names = list(GOOD[row])
    slip = {**GOOD[row], names[0]: "不知道"}
    assert verdict(row, [answered(name, text) for name, text in slip.items()]) == verdicts.PASS
    wrong = {**slip, names[1]: "不知道"}
    (ruling,) = judged(row, [answered(name, text) for name, text in wrong.items()])
    assert ruling.verdict == verdicts.FAIL
    assert names[0] in ruling.detail


def test_mirrored_pictures_are_seen_by_a_capable_models_answers() -> None:
    mirrored = {**GOOD["VIS-071"], "vis-where-left": "右", "vis-where-right": "左"}
    assert verdict("VIS-071", [answered(name, text) for name, text in mirrored.items()]) == verdicts.FAIL


def test_swapped_pictures_are_seen_by_a_capable_models_answers() -> None:
    swapped = {"vis-which-red-blue": "2", "vis-which-blue-red": "1", "vis-which-black-red": "1"}
    assert verdict("VIS-072", [answered(name, text) for name, text in swapped.items()]) == verdicts.FAIL
