"""The decision rules accept models of known quality as often as stated, stop when decided, and never forgive a hard gate."""

from __future__ import annotations

import random
from math import comb

import pytest

from ernie_conformance.graders.grade import INVENTED, Finding, Grade
from ernie_conformance.graders.rules import (
    FAIL,
    OPEN,
    PASS,
    PHOTOGRAPHS,
    TEXT,
    Rule,
    decide,
    follow_up,
    pass_hat,
    printed,
    settle,
    wilson,
)

GOOD, POOR, BROKEN = (
    Grade(),
    Grade((Finding("missing", "nothing on call"),)),
    Grade((Finding("garbled", "'\ufffd' in the text"),)),
)
RUNS = 1000


def played(rule: Rule, rate: float, dice: random.Random) -> tuple[str, int]:
    """The decision on a model whose outputs pass with `rate`, and how many outputs it took."""
    grades: list[Grade] = []
    while (decision := decide(rule, grades)).state == OPEN:
        grades.append(GOOD if dice.random() < rate else POOR)
    return decision.state, len(grades)


@pytest.mark.parametrize(
    ("rule", "rate", "stated"),
    [
        (TEXT["release"], 0.5, 0.188),
        (TEXT["release"], 0.7, 0.528),
        (TEXT["release"], 0.9, 0.919),
        (TEXT["release"], 0.95, 0.977),
        (TEXT["strict"], 0.7, 0.383),
        (TEXT["strict"], 0.95, 0.988),
        (TEXT["smoke"], 0.9, 0.900),
        (PHOTOGRAPHS, 0.95, 0.95),
        (PHOTOGRAPHS, 0.8, 0.08),
        (PHOTOGRAPHS, 0.7, 0.003),
    ],
)
def test_a_model_of_known_quality_is_accepted_as_often_as_stated(rule: Rule, rate: float, stated: float) -> None:
    exact = sum(comb(rule.of, good) * rate**good * (1 - rate) ** (rule.of - good) for good in range(rule.need, rule.of + 1))
    assert exact == pytest.approx(stated, abs=0.005)  # the stated figures are rounded to this
    dice = random.Random(f"{rule} {rate}")
    outcomes = [played(rule, rate, dice) for _ in range(RUNS)]
    accepted = sum(state == PASS for state, _ in outcomes) / RUNS
    # Four standard deviations of the mean of 1,000 runs: a wrong rule is off by far more.
    assert accepted == pytest.approx(exact, abs=4 * (exact * (1 - exact) / RUNS) ** 0.5 + 1e-9)
    assert max(asked for _, asked in outcomes) <= rule.of


@pytest.mark.parametrize(
    ("grades", "state"),
    [
        ([], OPEN),
        ([GOOD] * 3, OPEN),
        ([GOOD] * 4, PASS),
        ([GOOD, POOR, GOOD, GOOD], OPEN),
        ([POOR, GOOD, GOOD, GOOD, GOOD], PASS),
        ([POOR, POOR], FAIL),
        ([GOOD, GOOD, GOOD, BROKEN], FAIL),
        ([GOOD, GOOD, GOOD, GOOD, BROKEN], FAIL),
    ],
)
def test_asking_stops_as_soon_as_nothing_can_change(grades: list[Grade], state: str) -> None:
    assert decide(TEXT["release"], grades).state == state


def test_a_hard_gate_is_named_in_the_decision() -> None:
    decision = decide(PHOTOGRAPHS, [GOOD, BROKEN])
    assert decision.state == FAIL
    assert "garbled" in decision.why


@pytest.mark.parametrize(
    ("answer", "counts"),
    [("能", True), ("是的,能看到。", True), ("不能", False), ("没有", False), ("不确定", False), ("", False)],
)
def test_an_invented_thing_counts_only_when_confirmed(answer: str, counts: bool) -> None:
    grade = Grade((Finding(INVENTED, "'小船' isn't in the picture (boats)", "小船"),), {"lake": "湖"})
    settled = settle(grade, {"小船": answer})
    assert settled.passed is not counts
    assert grade.suspects == ("小船",)
    assert ("unconfirmed 小船" in settled.notes) is not counts
    assert settled.notes["lake"] == "湖"


def test_settling_leaves_other_breaches_alone() -> None:
    grade = Grade(
        (Finding("missing", "nothing on lake"), Finding(INVENTED, "'a boat' isn't in the picture (boats)", "a boat"))
    )
    assert settle(grade, {"a boat": "No."}).reasons == ("missing: nothing on lake",)
    assert len(settle(grade, {"a boat": "Yes, there is."}).reasons) == 2


def test_the_follow_up_asks_in_the_words_language() -> None:
    assert "小船" in follow_up("小船")
    assert follow_up("a boat").isascii()


@pytest.mark.parametrize(
    ("good", "runs", "low", "high"),
    [(5, 5, 0.566, 1.0), (9, 10, 0.596, 0.982), (10, 10, 0.722, 1.0), (17, 20, 0.640, 0.948), (0, 0, 0.0, 1.0)],
)
def test_wilson_bounds(good: int, runs: int, low: float, high: float) -> None:
    assert wilson(good, runs) == pytest.approx((low, high), abs=0.0006)  # figures to three places


def test_pass_hat_is_the_chance_that_all_k_pass() -> None:
    assert pass_hat(9, 10, 3) == pytest.approx(0.7)
    assert pass_hat(2, 10, 3) == 0
    with pytest.raises(ValueError, match="1 to 10"):
        pass_hat(9, 10, 11)


def test_the_printed_line_shows_bounds_that_do_not_decide() -> None:
    line = printed(decide(TEXT["release"], [GOOD] * 4 + [POOR]))
    assert "4 of 5 good" in line
    assert "Wilson" in line
    assert "pass^3 0.40" in line
    assert "Wilson" not in printed(decide(TEXT["release"], []))
