"""Rules about many at once: what they see in servers that are right but slow, small or busy, and in wrong ones."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, NotTestable, Outcome, Warned
from ernie_conformance.judge.rules import concurrency as rules
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.wire.exchange import Exchange, Request

pytestmark = pytest.mark.selftest

BODY = json.dumps({"messages": [{"role": "user", "content": "?"}], "stream": True}).encode()
HEADERS = (("content-type", "text/event-stream"),)


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"


def stream(name: str, begin: float, gaps: list[float], text: str = "word ", sent: float = 0.0) -> Exchange:
    """A whole stream whose texts come at `begin` and then after each gap (seconds)."""
    at, pieces = begin, [(begin, event({"role": "assistant", "content": text}))]
    for gap in gaps:
        at += gap
        pieces.append((at, event({"content": text})))
    pieces.append((at, event({}, "stop") + b"data: [DONE]\n\n"))
    request = Request("POST", "/v1/chat/completions", (), BODY)
    return Exchange(name, request, 200, HEADERS, tuple(pieces), sent_at=1000.0 + sent, seconds=at)


def cut(exchange: Exchange, pieces: int) -> Exchange:
    return replace(exchange, pieces=exchange.pieces[:pieces])


def scene(*exchanges: Exchange, **notes: Any) -> Scene:
    return Scene("scene", notes, {exchange.name: exchange for exchange in exchanges})


def end_of(rule: Any, *arguments: Any) -> type[Outcome] | None:
    try:
        rule(*arguments)
    except Outcome as outcome:
        return type(outcome)
    return None


STEADY = [0.5] * 8


def test_streams_that_overlap_run_side_by_side_however_slow() -> None:
    crowd = scene(*(stream(f"crowd-stream-{n}", 3.0 + n, [2.0] * 9) for n in range(4)), slots=4)
    assert end_of(rules.run_side_by_side, crowd) is None


def test_streams_one_after_the_other_are_broken() -> None:
    crowd = scene(*(stream(f"crowd-stream-{n}", 10.0 * n, STEADY) for n in range(4)), slots=4)
    assert end_of(rules.run_side_by_side, crowd) is Broken


def test_fewer_at_once_than_half_the_slots_is_a_warning() -> None:
    crowd = scene(*(stream(f"crowd-stream-{n}", 10.0 * (n // 2), STEADY) for n in range(8)), slots=8)
    assert end_of(rules.run_side_by_side, crowd) is Warned


def test_one_slot_can_not_run_two() -> None:
    crowd = scene(*(stream(f"crowd-stream-{n}", 10.0 * n, STEADY) for n in range(2)), slots=1)
    assert end_of(rules.run_side_by_side, crowd) is NotTestable


def test_buffered_streams_tell_nothing_about_slots() -> None:
    crowd = scene(*(stream(f"crowd-stream-{n}", 10.0 * n, [0.0] * 5) for n in range(4)), slots=4)
    assert end_of(rules.run_side_by_side, crowd) is NotAsked


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("here is AAAA", None),
        ("here is BBBB", Broken),
        ("here is nothing", NotAsked),
    ],
)
def test_a_code_belongs_to_one_request(said: str, end: type[Outcome] | None) -> None:
    crowd = scene(stream("c-0", 0, [0.1], said), stream("c-1", 0, [0.1], "nothing"), codes=["AAAA", "BBBB"])
    assert end_of(rules.have_no_foreign_code, crowd, "c") is end


def test_a_long_pause_that_is_no_longer_than_usual_is_no_stall() -> None:
    long = stream("long-beside-them", 6.0, STEADY, sent=2.0)
    slow = scene(stream("running-0", 1.0, [1.5] * 8), long)
    assert end_of(rules.goes_on, slow) is None
    stalled = scene(stream("running-0", 1.0, [0.02] * 60 + [4.0] + [0.02] * 9), long)
    assert end_of(rules.goes_on, stalled) is Broken


def test_a_pause_before_the_long_prompt_is_not_its_fault() -> None:
    long = stream("long-beside-them", 0.5, STEADY, sent=6.0)
    assert end_of(rules.goes_on, scene(stream("running-0", 0.0, [0.02, 0.02, 4.0] + [0.02] * 200), long)) is None


def test_a_stream_that_ended_before_tells_nothing() -> None:
    long = stream("long-beside-them", 0.5, STEADY, sent=60.0)
    assert end_of(rules.goes_on, scene(stream("running-0", 0.0, STEADY), long)) is NotAsked


def test_what_waited_must_have_what_the_others_have() -> None:
    control = stream("plain-stream", 0, STEADY)
    whole = stream("queue-stream-0", 9, STEADY)
    assert rules.what_is_wrong(whole, control) == ""
    assert rules.what_is_wrong(cut(whole, 0), control) == "no [DONE], no finish_reason, no text"
    assert rules.what_is_wrong(cut(whole, 3), control) == "no [DONE], no finish_reason"
    assert rules.what_is_wrong(cut(whole, 3), cut(control, 3)) == ""  # a server without [DONE] has a row of its own
    told = replace(whole, pieces=((1.0, b'data: {"error": {"message": "busy"}}\n\n'),))
    assert rules.what_is_wrong(told, control) == ""


def test_what_was_never_sent_is_blocked() -> None:
    lost = replace(stream("stays", 0, STEADY), status=None, pieces=(), error=rules.NOT_TRIED)
    assert end_of(rules.stays_undisturbed, scene(lost), stream("control", 0, STEADY)) is Blocked


@pytest.mark.parametrize(
    ("seconds", "end"), [([0.01] * 5, None), ([3.0] + [0.01] * 4, None), ([3.0] * 2 + [0.01] * 3, Broken)]
)
def test_one_late_health_answer_may_be_the_machines(seconds: list[float], end: type[Outcome] | None) -> None:
    polls = [
        Exchange(f"load-health-{n}", Request("GET", "/health"), 200, sent_at=1000.0, seconds=each)
        for n, each in enumerate(seconds)
    ]
    assert end_of(rules.health_answers, scene(stream("load-0", 1.0, [1.0] * 9), *polls)) is end


def vitals(status: int | None, health: int | None) -> Scene:
    error = None if status else "first-byte: nothing came for 3.0 s"
    asked = [Exchange(f"vitals-{n}", Request("POST", "/v1/chat/completions"), status, error=error) for n in range(3)]
    return scene(*asked, Exchange("vitals-health", Request("GET", "/health"), health))


@pytest.mark.parametrize(
    ("status", "health", "end"),
    [(200, 200, None), (None, 503, None), (None, 200, Broken), (500, 200, Broken), (400, 200, None)],
)
def test_health_may_not_lie(status: int | None, health: int | None, end: type[Outcome] | None) -> None:
    assert end_of(rules.health_tells_the_truth, vitals(status, health)) is end


def departure(seconds: float) -> Scene:
    pace = stream("leave-stream-pace", 0.1, [0.05] * 20)
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 20}}\n\n'
    pace = replace(pace, pieces=(*pace.pieces[:-1], (1.1, usage)))
    left = replace(stream("leave-stream-0", 0.1, [0.1], sent=5.0), expects="abandoned")
    return scene(pace, left, replace(stream("leave-stream-after", seconds, [], sent=6.0), seconds=seconds))


def test_a_slot_that_is_not_freed_is_felt() -> None:
    due = rules.MANY / 20 - 1.0  # tokens at twenty a second, less the second that has passed
    assert end_of(rules.slots_are_free, departure(2.0), "stream") is None
    assert end_of(rules.slots_are_free, departure(due), "stream") is Broken
