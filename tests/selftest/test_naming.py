"""What the rules about named colours, sides and orders make of models that describe well, badly, at random, or wrongly."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from test_sight import OTHER, answered, basics, details, verdict

from ernie_conformance.gather.asks import vision
from ernie_conformance.judge import verdicts
from ernie_conformance.judge.rules import naming
from ernie_conformance.judge.views import Answer
from ernie_conformance.wire.exchange import Exchange

Say = Callable[[str], str]
ZH = {
    "red": "红", "green": "绿", "blue": "蓝", "yellow": "黄", "cyan": "青", "black": "黑", "white": "白", "magenta": "紫",
}  # fmt: skip
TRIALS = 400  # models that guess: not one of them may be convicted


def described(colour: str) -> str:
    return f"这张图片是一片纯{ZH[colour]}色，没有其他物体。整张画面都是{ZH[colour]}色。"


def solids(say: Say) -> list[Exchange]:
    said = {ask: say(colour) for colour, ask in naming.SOLID.items()}
    forms = [answered(name, text, "vision-forms") for name, text in said.items() if "pure" in name]
    return [*basics({**said, "vis-blue": say("blue"), **OTHER}, "?"), *forms]


def sides(say: Callable[[str, str], str]) -> list[Exchange]:
    said = {f"vis-{side}-{c[0]}": say(side, c) for side in vision.SIDES for c in ("red", "green", "blue")}
    return [*basics({**{ask: colour for colour, ask in naming.SOLID.items()}, **OTHER}, "?"), *details(said, "?")]


def pairs(say: Callable[[str, str], str]) -> list[Exchange]:
    letters = {"r": "red", "g": "green", "b": "blue", "k": "black"}
    asked = [ask.name for ask in vision.PAIRS]
    said = {name: say(*(letters[c] for c in name.rpartition("-")[2])) for name in asked}
    several = [answered(name, text, "vision-several") for name, text in said.items()]
    return [*solids(described), *several]


ZH_SIDES = {"left": "左侧", "right": "右侧", "top": "上方", "bottom": "下方"}


def placed(side: str, colour: str) -> str:
    other = naming.OPPOSITE[side]
    return f"图片的{ZH_SIDES[side]}三分之一是{ZH[colour]}色，{ZH_SIDES[other]}是白色。"


def test_a_good_model_is_green() -> None:
    assert verdict("VIS-060", solids(described)) == verdicts.PASS
    assert verdict("VIS-062", sides(placed)) == verdicts.PASS
    assert verdict("VIS-061", pairs(lambda a, b: f"第一张{ZH[a]}色，第二张{ZH[b]}色。")) == verdicts.PASS


@pytest.mark.parametrize(("cyan", "blue"), [("blue", "blue"), ("green", "blue"), ("cyan", "magenta")])
def test_other_names_for_a_colour_are_no_exchange(cyan: str, blue: str) -> None:
    others = {"cyan": cyan, "blue": blue}
    assert verdict("VIS-060", solids(lambda c: described(others.get(c, c)))) == verdicts.PASS


@pytest.mark.parametrize("kind", naming._corruptions())
def test_every_exchange_of_channels_is_found(kind: str) -> None:
    corrupted = naming._corruptions()[kind]
    assert verdict("VIS-060", solids(lambda c: described(naming.NAME[corrupted(naming.PAINTED[c])]))) == verdicts.FAIL


@pytest.mark.parametrize("kind", naming.TURNS)
def test_every_turn_is_found(kind: str) -> None:
    turn = naming.TURNS[kind]
    assert verdict("VIS-062", sides(lambda side, c: placed(turn.get(side, side), c))) == verdicts.FAIL


def test_a_reversed_order_is_found() -> None:
    assert verdict("VIS-061", pairs(lambda a, b: f"第一张{ZH[b]}色，第二张{ZH[a]}色。")) == verdicts.FAIL


@pytest.mark.parametrize(
    "text", ["一张漂亮的图片。", "这是红色。", "红、绿、蓝都有。", "", "The picture shows a rendered scene."]
)
def test_a_model_that_names_nothing_useful_is_not_judged(text: str) -> None:
    said = iter(range(1000))
    assert verdict("VIS-060", solids(lambda _: f"{text} {next(said)}")) == verdicts.NOT_TESTABLE
    assert verdict("VIS-062", sides(lambda *_: f"{text} {next(said)}")) == verdicts.NOT_TESTABLE
    assert verdict("VIS-061", pairs(lambda *_: f"{text} {next(said)}")) == verdicts.NOT_TESTABLE


def test_a_model_that_guesses_is_never_convicted() -> None:
    """Colours and sides at random; both pictures of a pair named in any order, with or without a third."""
    guess = random.Random(7)
    words = [*ZH]
    for _ in range(TRIALS):
        assert verdict("VIS-060", solids(lambda _: described(guess.choice(words)))) != verdicts.FAIL
    for _ in range(TRIALS // 4):
        assert verdict("VIS-062", sides(lambda _, c: placed(guess.choice([*ZH_SIDES]), c))) != verdicts.FAIL


def test_who_names_only_the_first_is_not_called_reversed() -> None:
    assert verdict("VIS-061", pairs(lambda a, _: f"{ZH[a]}色")) == verdicts.NOT_TESTABLE


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("整幅图是品红色。", "magenta"),
        ("A solid red square, rendered and covered in red.", "red"),
        ("青绿色，也就是青色", "cyan"),
        ("red and blue", None),
        ("没有颜色", None),
    ],
)
def test_the_colour_named_most(text: str, colour: str | None) -> None:
    assert naming.colour(Answer(answered("x", text))) == colour


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("左上角红色(red)，右上角白色(white)，左下角红色(red)，右下角白色(white)；从左到右依次是红色、白色。", "left"),
        ("The red band is at the top, while the lower two thirds are white.", "top"),
        ("左边是白色，红色在右边。", "right"),
        ("红色从左侧延伸到右侧。", None),
        ("红色。", None),
    ],
)
def test_the_side_of_a_colour(text: str, side: str | None) -> None:
    assert naming.side(Answer(answered("x", text)), "red") == side
