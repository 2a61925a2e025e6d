"""The kill matrix itself: what counts as killed, as blame, as a false alarm, and what makes it red."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ernie_conformance.faults import matrix
from ernie_conformance.faults.apply import apply
from ernie_conformance.faults.catalogue import catalogue
from ernie_conformance.faults.edits import replies, status
from ernie_conformance.faults.fault import Rewrite
from ernie_conformance.faults.live import names_for
from ernie_conformance.faults.objects import put
from ernie_conformance.faults.score import Golden, Score, score
from ernie_conformance.faults.variations import variations
from ernie_conformance.judge.judge import Case, Terms, rule, suite_cases
from ernie_conformance.judge.outcome import Blocked, expect
from ernie_conformance.judge.rows import Row
from ernie_conformance.judge.views import Answer
from ernie_conformance.paths import FIXTURES
from ernie_conformance.targets import Target, load_target
from ernie_conformance.wire.evidence import Evidence, read_evidence
from ernie_conformance.wire.exchange import Exchange

pytestmark = pytest.mark.selftest

TERMS = Terms(Target("t", "replay", "e", capabilities=frozenset({"chat"})))
ROW = Row("ID-001", "x", "api", "MUST", "compat", "An answer has its own id.", "here", {"en": "so", "zh": "故"})
OTHER = replace(ROW, id="OBJ-001", level="SHOULD")
ANSWER = read_evidence(FIXTURES / "recordings" / "fastdeploy-2.0.0.jsonl").exchanges["chat"]
EVIDENCE = Evidence({"chat": ANSWER})


def has_an_id(answer: Answer) -> None:
    expect(answer.data["id"] != "same", f"{answer.name}: id is {answer.data['id']}", answer)


def names_its_object(answer: Answer) -> None:
    expect(answer.data["object"] == "chat.completion", f"{answer.name}: object is wrong", answer)


def is_there(chat: Exchange) -> None:
    if chat.status != 200:
        raise Blocked("NOBODY-001", "no answer", chat)


GOLDEN = Golden.judged(EVIDENCE, TERMS, [Case(ROW, has_an_id, "one"), Case(OTHER, names_its_object, "two")])


def broken(edit: Any, row: str = ROW.id, shows: str = "") -> Score:
    return GOLDEN.broken_by(Rewrite("own-test", row, shows=shows, edit=edit))


def test_a_good_server_has_no_problems() -> None:
    assert GOLDEN.problems == {}


def test_a_fault_is_killed_by_the_row_it_names() -> None:
    one = broken(replies(put("id", "same")))
    assert one.killed
    assert one.blame == []
    assert not one.silent


def test_a_fault_that_another_row_sees_survives() -> None:
    one = broken(replies(put("object", "list")))
    assert not one.killed
    assert one.blame == [OTHER.id]
    assert f"should turn {ROW.id} red (red instead: {OTHER.id})" in matrix.problems([one], GOLDEN, whole=False)[0]


def test_a_warning_counts_as_red() -> None:
    assert broken(replies(put("object", "list")), row=OTHER.id).killed


def test_a_row_that_is_red_for_another_reason_does_not_kill() -> None:
    assert broken(replies(put("id", "same")), shows="id is same").killed
    wrong = broken(replies(put("id", "same")), shows="created")
    assert not wrong.killed
    assert "red for another reason" in matrix.problems([wrong], GOLDEN, whole=False)[0]


def test_a_fault_that_changes_nothing_says_so() -> None:
    one = broken(lambda _, response: response)
    assert one.silent
    assert "changes nothing that was asked" in matrix.problems([one], GOLDEN, whole=False)[0]


def test_every_other_red_row_is_blame() -> None:
    assert broken(replies(put("id", "same"), put("object", "list"))).blame == [OTHER.id]


def test_a_fault_that_names_no_row_is_a_problem() -> None:
    (said,) = matrix.problems([broken(replies(put("id", "same")), row="")], GOLDEN, whole=False)
    assert said == f"own-test names no row (red: {ROW.id})"


def test_a_row_blocked_by_nobody_is_an_error_and_no_kill() -> None:
    golden = Golden.judged(EVIDENCE, TERMS, [Case(ROW, is_there, "three")])
    one = golden.broken_by(Rewrite("own-test", ROW.id, edit=status(500)))
    assert ROW.id in one.errors
    assert not one.killed


def test_a_variation_that_turns_red_is_a_false_alarm() -> None:
    id = next(iter(variations()))
    one = replace(broken(replies(put("id", "same")), row=""), id=id)
    assert matrix.problems([one], GOLDEN, whole=False)[0].startswith(f"false alarm: {id} turns {ROW.id} red")


def test_a_row_that_nothing_kills_is_a_problem() -> None:
    said = matrix.problems([], GOLDEN, whole=True)
    assert "row SSE-001 has no killer" in said


def test_untouched_tests_keep_their_ruling() -> None:
    """A fault that touches no answer of a test's kind isn't put to it again."""
    asked: list[str] = []

    def counted(answer: Answer) -> None:
        asked.append(answer.name)

    golden = Golden.judged(EVIDENCE, TERMS, [Case(ROW, counted, "four")])
    golden.broken_by(Rewrite("own-test", "", edit=lambda _, response: response))
    assert asked == ["chat"]
    golden.broken_by(Rewrite("own-test", "", edit=replies(put("id", "same"))))
    assert asked == ["chat", "chat"]


@pytest.mark.slow
def test_judging_only_what_changed_is_judging_all(golden: Evidence) -> None:
    terms, cases = Terms(load_target("reference")), suite_cases("api")
    judged = Golden.judged(golden, terms, cases)
    for id in ("own-usage-constant", "sse-done-missing", "own-image-jpeg-refused", "own-status-403", "own-cors-no-headers"):
        fault = catalogue()[id]
        assert isinstance(fault, Rewrite)
        broken = apply(fault, golden)
        found, whole = judged.broken_by(fault), score(fault, [rule(case, broken, terms) for case in cases])
        # Of a crowd the first few are judged one by one, so the count of what else is alike differs, and nothing more.
        assert (found.killed, set(found.red), found.blocked) == (whole.killed, set(whole.red), whole.blocked), id


def test_the_tables_tell_the_row_of_what_is_killed_and_nothing_of_the_run() -> None:
    killed = Score("sse-done-missing", "SSE-004", "", {"SSE-004": "a detail of this run"}, {})
    survivor = Score("sse-crlf", "SSE-002", "", {}, {})
    text, data = matrix.tables([killed, survivor])
    assert "| critical | rewrite | SSE-004 |" in text
    assert '"sse-done-missing": "SSE-004"' in data
    assert '"sse-crlf": ""' in data
    assert "a detail of this run" not in text + data
    assert matrix.tables([survivor, killed]) == (text, data)


def test_a_live_fault_asks_what_its_row_needs() -> None:
    cases = suite_cases("api")
    named = names_for(Rewrite("own-test", "REASON-014", area="reasoning"), cases)
    assert named
    assert names_for(Rewrite("own-test", "REASON-014", needs=("plain",), area="reasoning"), cases) == named | {"plain"}
    assert named < names_for(Rewrite("own-test", "", area="reasoning"), cases)
