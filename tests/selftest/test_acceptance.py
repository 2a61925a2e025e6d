"""The acceptance part over a model that says what a table tells it to: good outputs pass, bad ones fail their row."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ernie_conformance.gather.ask import Ask
from ernie_conformance.gather.asks import acceptance
from ernie_conformance.graders.material import LABELLED, image_specs
from ernie_conformance.graders.program import read_rows
from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Terms, judge, suite_cases
from ernie_conformance.judge.verdicts import Ruling
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import ANSWER, Exchange

ROWS = read_rows(LABELLED)
Says = Callable[[Ask], str]


def outputs(case: str, label: str, image: str | None = None) -> list[str]:
    """Labelled outputs to a Chinese prompt that a server would deliver whole."""
    return [
        row["output"]
        for row in ROWS
        if (row["case"], row["label"]) == (case, label)
        and row.get("image") == image
        and row.get("finish_reason") in ("stop", None)
        and row["output"]
        and not str(row.get("prompt") or "生").isascii()
    ]


class Script:
    """A stage whose server says what `says` tells it to, always with finish_reason stop."""

    def __init__(self, says: Says, profile: str = "release") -> None:
        self.profile = profile
        self.exchanges: dict[str, Exchange] = {}
        self._says = says

    async def send_all(self, asks: list[Ask]) -> list[Exchange]:
        return [self.answer(ask, self._says(ask)) for ask in asks]

    def answer(self, ask: Ask, text: str) -> Exchange:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = json.dumps({"choices": [choice]}).encode()
        if ask.name.startswith(("text-summary", "photo-")) and json.loads(ask.request("m").body or b"").get("stream"):
            chunk = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
            body = b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
        exchange = Exchange(ask.name, ask.request("null"), 200, pieces=((0.1, body),), expects=ANSWER)
        self.exchanges[ask.name] = exchange
        return exchange


def rulings(says: Says, profile: str = "release") -> dict[str, Ruling]:
    """What the acceptance rows come to when the model says so."""
    script = Script(says, profile)
    notes: dict[str, dict[str, Any]] = {}
    for scenario in acceptance.SCENARIOS:
        before = set(script.exchanges)
        notes[scenario.name] = asyncio.run(scenario.play(script))  # type: ignore[arg-type]
        for name in set(script.exchanges) - before:
            script.exchanges[name] = replace(script.exchanges[name], notes={"scenario": scenario.name})
    for ask in acceptance.ASKS:
        script.answer(ask, says(ask))
    target = replace(load_target("attached"), kind="replay")
    cases = suite_cases("acceptance")
    mine = [case for case in cases if case.row.area in ("text", "image")]
    return {r.row.id: r for r in judge(Evidence(script.exchanges, notes), Terms(target, profile), mine)}


SUMMARIES, CAPTIONS = outputs("text_summary", "good"), {i: outputs("image_caption", "good", i) for i in image_specs()}


def model(summaries: Iterator[str] | None = None, caption: Callable[[str, int], str] | None = None) -> Says:
    """A good model, or one whose summaries or captions are given."""
    told = summaries or itertools.cycle(SUMMARIES)

    def says(ask: Ask) -> str:
        if ask.name.startswith("text-summary"):
            return next(told)
        if ask.name.startswith("photo-question"):
            image, number = ask.name.removeprefix("photo-question-").rsplit("-", 1)
            return str(image_specs()[image]["vqa"][int(number) - 1]["accept"][0]).removeprefix("re:^")
        if ask.name.startswith("photo-doubt"):
            return "能"
        if ask.name.startswith("photo-"):
            image, number = acceptance.image_of(ask.name), int(ask.name.rsplit("-", 1)[1])
            return caption(image, number) if caption else CAPTIONS[image][number % len(CAPTIONS[image])]
        return "登记编号是 YB-7Q42-K19。" if ask.name == "text-canary" else SUMMARIES[0]

    return says


def verdict_of(says: Says, row: str, profile: str = "release") -> str:
    return rulings(says, profile)[row].verdict


@pytest.mark.parametrize("profile", ["release", "smoke", "strict"])
def test_a_good_model_is_accepted(profile: str) -> None:
    found = {
        name: ruling.verdict for name, ruling in rulings(model(), profile).items() if "extractive" not in ruling.row.needs
    }
    assert set(found.values()) == {verdicts.PASS}, found


def test_one_bad_summary_of_five_is_tolerated_and_two_are_not() -> None:
    bad = next(o for o in outputs("text_summary", "bad") if "ollama" in o.lower())
    assert verdict_of(model(iter([bad, *SUMMARIES])), "TEXT-001") == verdicts.PASS
    ruling = rulings(model(iter([bad, bad, *SUMMARIES])))["TEXT-001"]
    assert ruling.verdict == verdicts.FAIL
    assert "text-summary-1" in ruling.exchanges


def test_a_single_control_token_fails_the_case() -> None:
    assert verdict_of(model(iter([SUMMARIES[0] + "<|im_end|>", *SUMMARIES])), "TEXT-001") == verdicts.FAIL


def test_captions_of_other_pictures_fail() -> None:
    images = list(image_specs())

    def other(image: str, number: int) -> str:
        return CAPTIONS[images[(images.index(image) + 1) % len(images)]][number % 2]

    assert verdict_of(model(caption=other), "IMAGE-001") == verdicts.FAIL


def test_one_caption_for_every_picture_fails() -> None:
    assert verdict_of(model(caption=lambda *_: CAPTIONS["sheep_grassland"][0]), "IMAGE-001") == verdicts.FAIL


def test_a_cut_guide_shows_in_the_canary() -> None:
    says = model()
    assert verdict_of(lambda ask: "没有找到" if ask.name == "text-canary" else says(ask), "TEXT-002") == verdicts.FAIL


def test_wrong_answers_to_the_short_questions_warn() -> None:
    says = model()
    wrong = rulings(lambda ask: "不知道" if ask.name.startswith("photo-question") else says(ask))["IMAGE-002"]
    assert wrong.verdict == verdicts.WARN


def test_an_empty_answer_to_the_literal_prompt_is_told() -> None:
    says = model()
    assert verdict_of(lambda ask: "" if ask.name == "text-literal" else says(ask), "TEXT-004") == verdicts.WARN
