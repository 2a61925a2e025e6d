"""The tutorial's image case: photographs described, questions on them answered, generated scenes reported."""

from __future__ import annotations

from ernie_conformance.gather.asks.acceptance import SCENES
from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules.acceptance import answers_questions, describes, reports_colours
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer


@row("IMAGE-001")
def test_photographs_are_described_well(photo_descriptions: Scene) -> None:
    describes(photo_descriptions)


@row("IMAGE-002")
def test_questions_on_photographs_are_answered(photo_questions: Scene) -> None:
    answers_questions(photo_questions)


@row("IMAGE-003")
@for_each(scene=SCENES)
def test_the_colours_of_a_scene_are_reported(scene: Answer) -> None:
    reports_colours(scene)
