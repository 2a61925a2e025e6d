"""The tutorial's text case: what the model says about a deployment guide that it was handed."""

from __future__ import annotations

from ernie_conformance.graders.gates import screen
from ernie_conformance.graders.text import grade_canary
from ernie_conformance.judge.outcome import expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules.acceptance import summarises
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer


@row("TEXT-001")
def test_the_guide_is_summarised_well(text_summaries: Scene) -> None:
    summarises(text_summaries)


@row("TEXT-002")
def test_the_end_of_a_long_prompt_is_known(text_canary: Answer) -> None:
    grade = grade_canary(text_canary.content, text_canary.finish_reason)
    expect(grade.passed, f"{text_canary.name}: {', '.join(grade.reasons)}", text_canary)


@row("TEXT-003")
def test_the_end_of_a_long_prompt_is_reported(text_canary: Answer) -> None:
    grade = grade_canary(text_canary.content, text_canary.finish_reason)
    expect(grade.passed, f"{text_canary.name}: {', '.join(grade.reasons)}", text_canary)


@row("TEXT-004")
def test_the_literal_prompt_gets_a_sound_answer(text_literal: Answer) -> None:
    wrong = [f for f in screen(text_literal.content, text_literal.finish_reason) if f.gate not in ("context", "refusal")]
    expect(not wrong, f"{text_literal.name}: {wrong[0] if wrong else ''}", text_literal)
