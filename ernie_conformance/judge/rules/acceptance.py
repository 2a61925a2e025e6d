"""Acceptance rules: grades of runs put together by the decision rules, with the reasons shown."""

from __future__ import annotations

from collections.abc import Sequence

from ernie_conformance.gather.asks.acceptance import IN_CHINESE, SCENES, grade_description, grade_summary, reply_of
from ernie_conformance.graders.grade import Grade
from ernie_conformance.graders.material import image_specs
from ernie_conformance.graders.rules import FAIL, OPEN, PHOTOGRAPHS, TEXT, Rule, decide, printed, settle
from ernie_conformance.graders.vqa import grade_vqa
from ernie_conformance.judge.outcome import Blocked, Broken, Inconclusive, expect
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, view
from ernie_conformance.wire.exchange import Exchange

PHOTOGRAPHS_IN_SMOKE = Rule(9, 10)  # one run a photograph: a model with p = .95 is accepted in 91 % of the runs
QUESTIONS = Rule(27, 30)  # a model with p = .95 is accepted in 94 % of the runs, p = .8 in 12 %


def decides(rule: Rule, runs: Sequence[tuple[Exchange, Grade]]) -> None:
    """`rule` over graded runs. Raises Broken with the tally and each bad run's reasons, Inconclusive when undecided."""
    decision = decide(rule, [grade for _, grade in runs])
    if decision.state == FAIL:
        bad = [(exchange, grade) for exchange, grade in runs if not grade.passed]
        shown = "; ".join(f"{exchange.name}: {', '.join(grade.reasons)}" for exchange, grade in bad[:5])
        raise Broken(f"{printed(decision)} | {shown}", *(exchange for exchange, _ in bad))
    if decision.state == OPEN:
        raise Inconclusive(f"{printed(decision)}: the runs ended before it was decided")


def usable_runs(scene: Scene) -> list[Exchange]:
    """The runs of a scenario. Raises Blocked by whoever owns an unusable one when none is usable."""
    runs = [scene.exchanges[name] for name in scene.note("runs")]
    if not any(reply_of(run) for run in runs):
        view(runs[0])  # raises Blocked with the cause
        raise Blocked("WIRE-001", f"{scene.name}: no run is usable", *runs)
    return runs


def summarises(scene: Scene) -> None:
    """The text case, by the profile that it was asked under. Raises Broken, Blocked or Inconclusive."""
    decides(TEXT[scene.note("profile")], [(run, grade_summary(reply_of(run))) for run in usable_runs(scene)])


def describes(scene: Scene) -> None:
    """The pooled photograph case, invented things counted only when confirmed. Raises Broken, Blocked or Inconclusive."""
    runs = usable_runs(scene)
    answers: dict[str, dict[str, str]] = {run.name: {} for run in runs}
    for doubt in scene.note("doubts"):
        reply = reply_of(scene.exchanges[doubt["asked"]])
        answers[doubt["run"]][doubt["term"]] = reply.content if reply else ""
    rule = PHOTOGRAPHS if len(runs) == PHOTOGRAPHS.of else PHOTOGRAPHS_IN_SMOKE
    decides(rule, [(run, settle(grade_description(run), answers[run.name])) for run in runs])


def answers_questions(scene: Scene) -> None:
    """The short questions on all photographs, pooled. Raises Broken or Blocked."""
    runs = []
    exchanges = scene.exchanges
    for image, spec in image_specs().items():
        for number, question in enumerate(spec["vqa"], 1):
            answer = Answer(exchanges[f"photo-question-{image}-{number}"])
            runs.append((answer.exchange, grade_vqa(answer.content, question, answer.finish_reason)))
    decides(QUESTIONS, runs)


def reports_colours(answer: Answer) -> None:
    """The colours of a generated scene stand in the answer, in reading order. Raises Broken."""
    colours = [colour for line in SCENES[answer.name] for colour in line]
    told = any(_in_order(words, answer.content.lower()) for words in (colours, [IN_CHINESE[c] for c in colours]))
    expect(told, f"{answer.name}: {' '.join(colours)} don't stand in this order in {answer.content[:200]!r}", answer)


def _in_order(words: Sequence[str], text: str) -> bool:
    position = 0
    for word in words:
        position = text.find(word, position) + 1
        if not position:
            return False
    return True
