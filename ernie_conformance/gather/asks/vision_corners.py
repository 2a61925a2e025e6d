"""Pictures where servers go wrong in one corner only: large and turned, long, transparent, of several sizes, beside other
things, after broken ones, behind a prefix that is kept."""

from __future__ import annotations

import asyncio
from typing import Any

from PIL import Image

from ernie_conformance.gather.ask import Ask, Scenario, chat, cost_of, refused, user
from ernie_conformance.gather.asks.conversation import CALL, CLOCK
from ernie_conformance.gather.asks.limits import UNIT
from ernie_conformance.gather.asks.vision import (
    BROKEN,
    CLEAR,
    EACH,
    LONG,
    QUESTION,
    RED,
    ROOM,
    SHAPES,
    SIZES,
    THIRD,
    VISION,
    look,
    picture,
    solid,
    text,
)
from ernie_conformance.gather.asks.vision_scenarios import BRIEF
from ernie_conformance.gather.pictures import grid, jpeg, png, stored, turned
from ernie_conformance.gather.stage import Stage
from ernie_conformance.judge.outcome import Blocked
from ernie_conformance.judge.views import Answer
from ernie_conformance.wire.exchange import ANY

# Beyond 1600 pixels, where pictures are made smaller on the way.
TALL = grid("r/w/w/b", (640, 450))
TURNED = (6, 8)
LARGE_TURNED = (
    look("vis-large-upright", jpeg(TALL), expects=ANY),
    *(look(f"vis-large-exif-{turn}", turned(TALL, turn), expects=ANY) for turn in TURNED),
    *(look(f"vis-large-stored-{turn}", jpeg(stored(TALL, turn)), expects=ANY) for turn in TURNED),
)


def _see_through(cells: str, mode: str) -> str:
    """Black shapes on a transparent ground whose hidden colour is black too: only its transparency tells them apart."""
    clear = grid(cells, THIRD)
    if mode == "grey":
        ground = Image.new("L", clear.size, 0)
        return png(Image.merge("LA", (ground, clear.getchannel("A"))))
    indices = clear.getchannel("A").point([0] * 128 + [1] * 128)
    indexed = Image.frombytes("P", clear.size, indices.tobytes())
    indexed.putpalette([0, 0, 0, 0, 0, 0])
    return png(indexed, transparency=0)


SEE_THROUGH = tuple(
    look(f"vis-clear-{mode}-{side}", _see_through(cells, mode), expects=ANY)
    for mode in ("grey", "palette")
    for side, cells in CLEAR.items()
)

# Six to one, all white but one end.
ENDS = {"left": "xwwwww", "right": "wwwwwx", "top": "x/w/w/w/w/w", "bottom": "w/w/w/w/w/x"}
LONG_SIDED = tuple(
    look(f"vis-end-{end}-{letter}", png(grid(cells.replace("x", letter), (56, 56))), expects=ANY, max_tokens=120)
    for end, cells in ENDS.items()
    for letter in "rBk"
)

# The first is a megapixel, the second small: whoever takes them as they are decoded takes the second first.
SIZED = tuple(
    look(
        f"vis-sized-{one}{other}", png(grid(one, (1008, 1008)), compress_level=1), solid(other),
        question=EACH, expects=ANY, max_tokens=160,
    )
    for one, other in ("rk", "kr", "bk", "kb")
)  # fmt: skip

FAR = f"Repeat:{UNIT * 6000}"  # beyond 4,096 tokens in any tokenizer
_RESULT: list[dict[str, Any]] = [
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": CALL["id"], "content": "It is noon."},
]


def _after_a_tool(name: str, *shown: dict[str, Any]) -> Ask:
    talk = [*user([*shown, text(QUESTION)]), *_RESULT]
    return chat(name, talk, tools=[CLOCK], max_tokens=2, expects=ANY, needs=("vision", "tools"))


MEASURED = (
    chat("vis-red-far", user([picture(RED), text(FAR)]), max_tokens=2, expects=ANY, needs=VISION),
    chat("vis-none-far", FAR, max_tokens=2, needs=VISION),
    chat(
        "vis-in-system",
        [{"role": "system", "content": [picture(RED), text(LONG)]}, *user(QUESTION)],
        max_tokens=2,
        expects=ANY,
        needs=VISION,
    ),
    _after_a_tool("vis-tool-red", picture(RED)),
    _after_a_tool("vis-tool-none"),
)
CHOSEN = tuple(
    look(f"vis-choices-{c}", solid(c), n=2, max_tokens=BRIEF, expects=ANY, needs=("vision", "several-choices"))
    for c in "rBk"
)


async def _in_peace(stage: Stage) -> dict[str, Any]:
    await stage.send_all((*LARGE_TURNED, *SEE_THROUGH, *LONG_SIDED, *SIZED), at_most=max(1, stage.target.slots // 8))
    return {}


# Behind a first picture that comes again, before a text that is long enough to fill the blocks that a prefix cache keeps.
BEHIND = "\n".join((LONG,) * 4)
PREFIXES = (("kr", "kg"), ("wB", "wr"))  # the second picture differs; turned round, the first does


async def _kept_prefixes(stage: Stage) -> dict[str, Any]:
    """Pairs of pictures that begin alike, one after the other; and the same turned round."""
    for pair in PREFIXES:
        for way, letters in (("", pair), ("-turned", [one[::-1] for one in pair])):
            for each in letters:
                asked = [picture(solid(each[0])), picture(solid(each[1])), text(BEHIND), text(EACH)]
                await stage.send(
                    chat(f"prefix{way}-{each}", user(asked), temperature=0, max_tokens=160, expects=ANY, needs=VISION)
                )
    return {}


COPIES = 3  # of a request with two pictures beside one with one


async def _unlike_numbers(stage: Stage) -> dict[str, Any]:
    """Requests with two pictures and with one, at once."""
    pairs = [look(f"unlike-pair-{n}", RED, solid("k"), question=EACH, max_tokens=8, expects=ANY) for n in range(COPIES)]
    ones = [look(f"unlike-one-{n}", solid("b"), max_tokens=BRIEF, expects=ANY) for n in range(COPIES)]
    both = [ask for pair in zip(pairs, ones, strict=True) for ask in pair]
    await stage.send_all(both, at_most=len(both))
    return {}


# How a picture's place is written in some prompt or other. Typed by a user it is text.
MARKERS = {
    "tag": "<image>", "pad": "<|image_pad|>", "placeholder": "<|IMAGE_PLACEHOLDER|>", "start": "<|IMAGE_START|>",
}  # fmt: skip
TYPED = tuple(
    look(f"vis-typed-{name}", RED, question=f"{marker}{QUESTION}", expects=ANY, max_tokens=2)
    for name, marker in MARKERS.items()
)

LARGE = f"vis-size-{SIZES[-1][0]}x{SIZES[-1][1]}"
OVER = 6  # large pictures: more than most contexts hold
OVERFLOW = look("vis-overflow", *(SHAPES[LARGE],) * OVER, expects=ANY, max_tokens=2)

# Across a border at which engines cut long prompts into parts: of 2,048 tokens, 4,096 or 8,192.
BORDERS = (8192, 4096, 2048)
BANDS = {c: png(grid(f"w/w/{c}", (504, 168))) for c in "rgb"}  # 324 tokens of ERNIE's
FIRST, SPAN = 500, 1000  # units by which a unit's price is measured


def _idle(units: int) -> str:
    """So many units of text that asks for nothing."""
    return f"请忽略这一行字母：{UNIT * units}\n"


async def _across_a_border(stage: Stage) -> dict[str, Any]:
    """Pictures that differ at the bottom, behind so much text that the border runs through the middle of them."""

    async def price(name: str, units: int, *shown: str) -> int | None:
        asked = [text(_idle(units)), *map(picture, shown), text(QUESTION)]
        sent = await stage.send(chat(name, user(asked), max_tokens=1, expects=ANY, needs=VISION))
        try:
            return Answer(sent).count("prompt_tokens")
        except Blocked:
            return None

    short, long = await price("vis-cut-short", FIRST), await price("vis-cut-long", FIRST + SPAN)
    with_picture = await price("vis-cut-picture", FIRST, BANDS["r"])
    if short is None or long is None or with_picture is None or long <= short or with_picture <= short:
        return {"units": 0, "why": "no prices of texts and pictures are told"}
    border = next((one for one in BORDERS if one + with_picture - short < stage.target.max_model_len - ROOM), 0)
    if not border:
        return {"units": 0, "why": "the context is too short"}
    each = (long - short) / SPAN
    units = FIRST + round((border - (short + with_picture) / 2) / each)
    before = units - round(2 * (with_picture - short) / each)  # all of the picture comes before the border
    asks = [
        chat(
            f"vis-{place}-{letter}", user([text(_idle(count)), picture(url), text(QUESTION)]),
            temperature=0, max_tokens=ROOM, expects=ANY, needs=VISION,
        )
        for place, count in (("cut", units), ("uncut", before))
        for letter, url in BANDS.items()
    ]  # fmt: skip
    await stage.send_all(asks)
    return {"units": units, "border": border}


async def _after_what_was_left(stage: Stage) -> dict[str, Any]:
    """A red picture after requests with a black one that were refused, for a field and for another picture.

    Then one whose stream was left, and the same again.
    """
    streamed: dict[str, Any] = {"max_tokens": BRIEF, "expects": ANY}
    shown = picture(solid("k"))
    wrong = {
        "field": chat("", user([shown, text(QUESTION)]), max_tokens=4, temperature="hot"),
        "other": chat("", user([shown, picture(BROKEN["vis-truncated-png"]), text(QUESTION)]), max_tokens=4),
    }
    for name, ask in wrong.items():
        await stage.send(refused(f"left-{name}", ask.body, needs=VISION))
        await stage.send(look(f"left-{name}-after", RED, **streamed))
    seen = png(grid("r", (140, 140)))  # that no other request shows
    await stage.send(look("left-stream", seen, stream=True, **streamed), hang_up=lambda so_far: b"data:" in so_far)
    await stage.send(look("left-stream-after", seen, **streamed), hang_up=lambda _: False)
    return {}


BURST = 12  # broken pictures: more than the workers that such a server has for pictures


async def _after_broken_ones(stage: Stage) -> dict[str, Any]:
    """Many broken pictures at once, and then a good one."""
    body = chat("", user([picture(BROKEN["vis-truncated-png"]), text(QUESTION)]), max_tokens=4).body
    asks = [refused(f"burst-{n}", body, needs=VISION) for n in range(BURST)]
    await asyncio.gather(*(stage.send(ask, hang_up=lambda _: False) for ask in asks))  # its own row judges it
    await stage.send(look("burst-after", RED, max_tokens=2, expects=ANY), hang_up=lambda _: False)
    return {}


ASKS = (*MEASURED, *CHOSEN, *TYPED, OVERFLOW)
_PEACE = cost_of((*LARGE_TURNED, *SEE_THROUGH, *LONG_SIDED, *SIZED))
SCENARIOS = (
    Scenario("vision-corners", _in_peace, VISION, alone=False, **_PEACE),
    Scenario("vision-prefixes", _kept_prefixes, VISION, alone=False, requests=8, tokens=8 * 160),
    Scenario("vision-unlike", _unlike_numbers, VISION, requests=2 * COPIES, tokens=COPIES * (8 + BRIEF)),
    Scenario("vision-cut", _across_a_border, VISION, alone=False, requests=9, tokens=3 + 6 * ROOM),
    Scenario("vision-left", _after_what_was_left, VISION, last=1, requests=6, tokens=4 * BRIEF),
    Scenario("vision-burst", _after_broken_ones, VISION, last=1, requests=BURST + 1, tokens=2),
)
