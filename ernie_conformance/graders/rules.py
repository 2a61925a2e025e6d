"""From grades to a decision: how many of how many must pass, when to stop asking, and what is only printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb, sqrt

from ernie_conformance.graders.grade import INVENTED, Grade
from ernie_conformance.graders.vqa import says_yes

PASS, FAIL, OPEN = "pass", "fail", "open"


@dataclass(frozen=True)
class Rule:
    """At least `need` of `of` outputs must pass."""

    need: int
    of: int


#: The text case by profile. A screening rule, not a proof: 4 of 5 accepts a model with p = .9 in 92 % of the runs.
TEXT: Mapping[str, Rule] = {"smoke": Rule(1, 1), "release": Rule(4, 5), "strict": Rule(8, 10)}
#: All pictures pooled in one row. Accepted: p = .95 in 95 % of the runs, p = .8 in 8 %, p = .7 in 0.3 %.
PHOTOGRAPHS = Rule(36, 40)


@dataclass(frozen=True)
class Decision:
    """`state` is pass, fail or open (ask again); `why` is one line for the report."""

    state: str
    good: int
    runs: int
    why: str


def decide(rule: Rule, grades: Sequence[Grade]) -> Decision:
    """The decision after `grades`, as early as nothing can change it. One output that trips a hard gate fails the case."""
    good, runs = sum(grade.passed for grade in grades), len(grades)
    hard = next((grade for grade in grades if grade.hard), None)
    if hard:
        return Decision(FAIL, good, runs, f"a hard gate closed: {'; '.join(hard.reasons)}")
    tally = f"{good} of {runs} good, {rule.need} of {rule.of} needed"
    if good >= rule.need:
        return Decision(PASS, good, runs, tally)
    if runs - good > rule.of - rule.need:
        return Decision(FAIL, good, runs, tally)
    return Decision(OPEN, good, runs, tally)


def follow_up(term: str) -> str:
    """The yes/no question that confirms whether a picture shows what the caption's words `term` claim."""
    if term.isascii():
        return f'Does the picture show "{term}"? Answer only yes or no.'
    return f"图中能看到“{term}”吗？只回答能或不能。"


def settle(grade: Grade, answers: Mapping[str, str]) -> Grade:
    """`grade` with only those invented things that the answer to their follow_up (term -> answer) confirms.

    A thing counts when the answer says yes; denied, unclear and unanswered ones move to the notes.
    """
    doubtful = [
        finding
        for finding in grade.findings
        if finding.gate == INVENTED and says_yes(answers.get(finding.term, "")) is not True
    ]
    kept = tuple(finding for finding in grade.findings if finding not in doubtful)
    unconfirmed = {f"unconfirmed {finding.term}": finding.why for finding in doubtful}
    return replace(grade, findings=kept, notes={**grade.notes, **unconfirmed})


def wilson(good: int, runs: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's bounds of the true rate, 95 % by default; (0, 1) without runs. For printing: no decision rests on it."""
    if runs == 0:
        return 0.0, 1.0
    rate, scale = good / runs, 1 + z * z / runs
    middle = (rate + z * z / (2 * runs)) / scale
    reach = z * sqrt(rate * (1 - rate) / runs + z * z / (4 * runs * runs)) / scale
    return max(0.0, middle - reach), min(1.0, middle + reach)


def pass_hat(good: int, runs: int, k: int) -> float:
    """pass^k: the chance that k outputs drawn from these all pass. Raises ValueError for k beyond the runs. For printing."""
    if not 0 < k <= runs:
        raise ValueError(f"k must be 1 to {runs}, not {k}")
    return comb(good, k) / comb(runs, k)


def printed(decision: Decision) -> str:
    """The line for the report: the tally with what doesn't decide."""
    if not decision.runs:
        return decision.why
    low, high = wilson(decision.good, decision.runs)
    k = min(3, decision.runs)
    reliable = pass_hat(decision.good, decision.runs, k)
    return f"{decision.why}; true rate {low:.2f} to {high:.2f} (Wilson 95 %), pass^{k} {reliable:.2f}"
