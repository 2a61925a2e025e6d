"""Pictures: what is shown, in which form, and beside what. The pictures of one group differ in one thing only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ernie_conformance.gather.ask import Ask, Scenario, chat, cost_of, refused, user
from ernie_conformance.gather.pictures import (
    claiming,
    data_uri,
    digits,
    encoded,
    grid,
    jpeg,
    noise,
    png,
    stored,
    turned,
)
from ernie_conformance.gather.stage import Stage
from ernie_conformance.wire.exchange import ANSWER, ANY

# Asks for a description, so that two answers coincide only when the model was shown the same.
QUESTION = "请描述图中各处的颜色和位置。"
EACH = "请描述每张图片中的颜色位置。"  # of the same price, so that prices compare
ROOM = 200  # tokens: enough for a description's first sentences in any tokenizer, where pictures are told apart
VISION = ("vision",)
SIDE = 6  # cells of a square picture's side: 168 pixels, 36 tokens of ERNIE's
SQUARE = (168, 168)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def picture(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def look(name: str, *urls: str, question: str = QUESTION, **rest: Any) -> Ask:
    """Ask about these pictures. Keywords as for `chat`."""
    said = [*map(picture, urls), text(question)]
    return chat(name, user(said), **{"temperature": 0, "max_tokens": ROOM, "needs": VISION, **rest})


def solid(letter: str) -> str:
    return png(grid(letter, SQUARE))


RED = solid("r")
LONG = "The picture belongs to a record which the watch writes every morning before the office opens its doors."
SOLIDS = {"red": "r", "green": "g", "blue": "b", "black": "k", "white": "w"}

# In one pair the cells are in the corners or on the edges; the mean colour of each quarter is the same.
CORNERS, EDGES = "xxwwxx/xxwwxx/wwwwww/wwwwww/xxwwxx/xxwwxx", "wwxxww/wwxxww/xxwwxx/xxwwxx/wwxxww/wwxxww"
# In one set all is white but one third, whose colour differs.
SIDES = {"left": "xww", "right": "wwx", "top": "x/w/w", "bottom": "w/w/x"}
THIRD = (112, 112)
LARGE = (196, 56)  # a cell: 6 x 6 of them are 1176 x 336 pixels


def _group(name: str, asks: Iterable[Ask], **rest: Any) -> Scenario:
    """Asks that one test looks at together, sent a few at a time: others are being answered too."""
    asked = tuple(asks)

    async def play(stage: Stage) -> dict[str, Any]:
        await stage.send_all(asked, at_most=max(1, stage.target.slots // 8))
        return {}

    return Scenario(
        name, play, **{"needs": VISION, "alone": False, "makes": tuple(a.name for a in asked), **cost_of(asked), **rest}
    )


BASICS = (
    *(look(f"vis-{name}", solid(letter)) for name, letter in SOLIDS.items()),
    look("vis-red-other-question", RED, question="用一句话介绍你自己。"),
    chat("vis-none", QUESTION, temperature=0, max_tokens=2, needs=VISION),
)
STRUCTURE = tuple(
    look(f"vis-{shape}-{letter}", png(grid(cells.replace("x", letter))))
    for shape, cells in (("corners", CORNERS), ("edges", EDGES))
    for letter in "rBk"
)
LARGE_STRUCTURE = tuple(
    look(f"vis-large-{shape}-{letter}", png(grid(cells.replace("x", letter), LARGE)), expects=ANY)
    for shape, cells in (("corners", CORNERS), ("edges", EDGES))
    for letter in "rBk"
)
THIRDS = tuple(
    look(f"vis-{side}-{letter}", png(grid(cells.replace("x", letter), THIRD)))
    for side, cells in SIDES.items()
    for letter in "rgb"
)

BIG = png(grid("wg/gw", (252, 252)))  # 504 x 504 pixels
# Of two pictures one is black; the other differs.
PAIRS = tuple(
    look(f"vis-pair-{letters}", *map(solid, letters), question=EACH, expects=ANY, max_tokens=160)
    for letters in ("rk", "gk", "bk", "kr", "kg", "kb", "rr")
)


def _in_turns(letters: str) -> Ask:
    """Two pictures, each in a turn of its own."""
    first, second = map(picture, map(solid, letters))
    talk = [*user([first, text("请记住。")]), {"role": "assistant", "content": "好的。"}, *user([second, text(EACH)])]
    return chat(f"vis-turns-{letters}", talk, temperature=0, expects=ANY, max_tokens=160, needs=VISION)


TURNS = tuple(_in_turns(letters) for letters in ("rk", "kr", "bk", "kb"))
# Of four pictures the third is the first again, the fourth, or another. A server that keeps each picture once, and fills it
# in wrongly, gives its model one prompt for the first two.
REPEATED = (("rBrg", "rBgg", "rBkg"), ("gkgb", "gkbb", "gkrb"))
FOURS = tuple(
    look(f"vis-four-{letters}", *map(solid, letters), question=EACH, expects=ANY, max_tokens=160)
    for trial in REPEATED
    for letters in trial
)
MULTIPLE = (
    *PAIRS,
    *TURNS,
    *FOURS,
    look("vis-big", BIG),
    look("vis-big-and-red", BIG, RED, question=EACH, expects=ANY),
    look("vis-three", RED, BIG, solid("k"), question=EACH, expects=ANY),
)


def _history(letter: str) -> list[dict[str, Any]]:
    shown = [picture(solid(letter))] if letter else []
    return [
        *user([*shown, text("请记住。")]),
        {"role": "assistant", "content": "好的。"},
        *user(QUESTION),
    ]


BESIDE = (
    *(chat(f"vis-history-{c or 'none'}", _history(c), temperature=0, max_tokens=ROOM, needs=VISION) for c in ("", *"rgb")),
    chat("vis-none-long", "\n".join((LONG, LONG, QUESTION)), max_tokens=2, needs=VISION),
    chat("vis-red-long", user([text(LONG), picture(RED), text(LONG), text(QUESTION)]), max_tokens=2, needs=VISION),
    chat("vis-none-system", [{"role": "system", "content": LONG}, *user(QUESTION)], max_tokens=2, needs=VISION),
    chat(
        "vis-red-system",
        [{"role": "system", "content": LONG}, *user([picture(RED), text(QUESTION)])],
        max_tokens=2,
        expects=ANY,
        needs=VISION,
    ),
)

_RED, _BLUE = grid("r", SQUARE), grid("B", SQUARE)
COMMON = {"jpeg": jpeg(_RED), "jpeg-blue": jpeg(_BLUE)}
COMMON |= {"progressive": jpeg(_RED, progressive=True), "progressive-blue": jpeg(_BLUE, progressive=True)}
OTHERS = {
    "webp": data_uri(encoded(_RED, "WEBP", lossless=True), "image/webp"),
    "webp-blue": data_uri(encoded(_BLUE, "WEBP", lossless=True), "image/webp"),
    "gif": data_uri(encoded(_RED, "GIF"), "image/gif"),
}
MODES = {
    "grey": png(grid("wn/kw", (84, 84)).convert("L")),
    "rgba": png(_RED.convert("RGBA")),
    "palette": png(_RED.quantize(4)),
    "palette-blue": png(_BLUE.quantize(4)),
}
RARE = {
    "cmyk": data_uri(encoded(_RED.convert("CMYK"), "JPEG", quality=95), "image/jpeg"),
    "cmyk-blue": data_uri(encoded(_BLUE.convert("CMYK"), "JPEG", quality=95), "image/jpeg"),
    "bilevel": png(grid("wk/kw", (84, 84)).convert("1")),
    "grey-alpha": png(grid("wn/kw", (84, 84)).convert("LA")),
    "deep": png(grid("wk/kw", (84, 84)).convert("I;16")),
}
FORMATS = {**COMMON, **OTHERS, **MODES, **RARE}
UPRIGHT = grid("r/w/w/b", (168, 56))
MIRRORED = (4, 5)  # as some cameras store what a mirror shows: upside down, and rows for columns
TURNED = (3, 6, 8, *MIRRORED)
CLEAR = {"left": "k..", "middle": ".k.", "right": "..k"}
FORMS = (
    *(look(f"vis-{name}", url, expects=ANY) for name, url in FORMATS.items()),
    *(look(f"vis-pure-{c}", solid(c)) for c in "BCMY"),
    look("vis-upright", jpeg(UPRIGHT), expects=ANY),
    *(look(f"vis-exif-{turn}", turned(UPRIGHT, turn), expects=ANY) for turn in TURNED),
    *(look(f"vis-stored-{turn}", jpeg(stored(UPRIGHT, turn)), expects=ANY) for turn in TURNED),
    *(look(f"vis-clear-{side}", png(grid(cells, THIRD)), expects=ANY) for side, cells in CLEAR.items()),
    *(look(f"vis-opaque-{side}", png(grid(cells.replace(".", "w"), THIRD))) for side, cells in CLEAR.items()),
)

# Pixels, width by height, and whether the picture is so large that it must be stored cheaply.
SIZES = ((100, 60), (57, 57), (336, 112), (1176, 336), (3024, 2016))
SHAPES = {f"vis-size-{w}x{h}": png(grid("g", (w, h)), compress_level=1) for w, h in SIZES}
WIDE = {"vis-wide": png(grid("rgb", (373, 56))), "vis-tall": png(grid("r/g/b", (56, 373)))}
HEAVY = png(noise(840, 840), compress_level=0)  # 2 MB, 2.8 MB as text: beyond what proxies take by default

_PIXELS = encoded(_RED)
_TEXT = RED.partition(",")[2]
SLOPPY = {
    "vis-wrong-type": data_uri(_PIXELS, "image/jpeg"),
    "vis-no-type": f"data:;base64,{_TEXT}",
    "vis-upper-case": f"DATA:IMAGE/PNG;BASE64,{_TEXT}",
    "vis-unpadded": data_uri(_PIXELS + bytes(-(len(_PIXELS) + 2) % 3)).rstrip("="),  # bytes after a PNG's end mean nothing
    "vis-with-newlines": "data:image/png;base64," + "\n".join(_TEXT[n : n + 76] for n in range(0, len(_TEXT), 76)),
}


def _owed(width: int, height: int) -> str:
    """Large pictures have a row of their own for being taken."""
    return ANY if max(width, height) > 1024 else ANSWER


SINGLE = (
    *(look(f"vis-size-{w}x{h}", SHAPES[f"vis-size-{w}x{h}"], max_tokens=2, expects=_owed(w, h)) for w, h in SIZES),
    *(look(name, url, expects=ANY, max_tokens=2) for name, url in (WIDE | SLOPPY).items()),
    look("vis-heavy", HEAVY, expects=ANY, max_tokens=2),
    look("vis-red-stream", RED, stream=True, stream_options={"include_usage": True}),
    *(
        chat(f"vis-detail-{d}", user([picture(RED, detail=d), text(QUESTION)]), max_tokens=2, expects=ANY, needs=VISION)
        for d in ("auto", "low", "high")
    ),
    chat("vis-only", user([picture(RED)]), max_tokens=8, expects=ANY, needs=VISION),
    *(
        look(f"vis-many{'-stream' * streamed}", *[png(grid("r"))] * 101, expects=ANY, max_tokens=8, stream=bool(streamed))
        for streamed in (0, 1)
    ),
)

# Refused or enlarged: both are right. Some runners panic, so these come last.
TINY = {f"vis-tiny-{w}x{h}": png(grid("r", (w, h))) for w, h in ((1, 1), (27, 257), (6, 511), (8000, 20))}


def _bad(name: str, part: Mapping[str, Any], **rest: Any) -> Ask:
    return refused(name, chat(name, user([dict(part), text(QUESTION)]), max_tokens=4).body, needs=VISION, **rest)


_JPEG = encoded(grid(CORNERS.replace("x", "r")), "JPEG")
# What no server can show to its model, though decoders see these bytes.
BROKEN = {
    "vis-truncated-jpeg": data_uri(_JPEG[:-128], "image/jpeg"),
    "vis-truncated-png": data_uri(_PIXELS[: len(_PIXELS) // 2]),
    "vis-random-bytes": data_uri(noise(32, 32).tobytes(), "image/jpeg"),
    "vis-text-as-png": data_uri("这不是图片".encode()),
    "vis-svg": data_uri(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
}
BOMB = data_uri(claiming(30000, 30000))
UNREADABLE = {
    "vis-bad-base64": "data:image/png;base64,@@@@",
    "vis-empty-data": "data:image/png;base64,",
    "vis-unmarked": "data:image/png,iVBORw0KGgo",
}
# A server that drops what it can't have answers blindly.
UNHAD = {
    "vis-bare-base64": _TEXT,
    "vis-plain-path": "/no/such/picture.png",
    "vis-ftp": "ftp://127.0.0.1/picture.png",
    "vis-no-url": "",
}
PARTS: dict[str, dict[str, Any]] = {
    "vis-url-missing": {"type": "image_url", "image_url": {}},
    "vis-url-number": {"type": "image_url", "image_url": {"url": 5}},
    "vis-part-unknown": {"type": "hologram", "hologram": {"url": RED}},
    "vis-part-untyped": {"image_url": {"url": RED}},
}
REFUSALS = (
    *(_bad(name, picture(url)) for name, url in (UNREADABLE | UNHAD).items()),
    *(_bad(name, part) for name, part in PARTS.items()),
    *(_bad(name, picture(url)) for name, url in BROKEN.items()),
    _bad("vis-bomb", picture(BOMB), disruptive=True),
)

# A label before the second of three pictures, or before the third, or another label. A server that moves pictures to the
# front of a message gives its model the same prompt for the first two, though what is owed differs.
MIXED = ("rBY", "BYr", "YrB")
AFTER = "请描述每张图片，并说明标签后面的那张图是什么颜色。"


def _labelled(name: str, letters: str, place: int, label: str) -> Ask:
    parts = [picture(solid(letter)) for letter in letters]
    return chat(
        name,
        user([*parts[:place], text(f"“{label}”："), *parts[place:], text(AFTER)]),
        temperature=0,
        max_tokens=ROOM,
        expects=ANY,
        needs=VISION,
    )


# The same behind a message that is a plain string: some templates go by the first message for the form of all.
SPOKEN = {"role": "system", "content": "你是一个乐于助人的助手。"}


def _led(ask: Ask) -> Ask:
    assert isinstance(ask.body, Mapping)
    return replace(
        ask, name=ask.name.replace("mixed", "led"), body={**ask.body, "messages": [SPOKEN, *ask.body["messages"]]}
    )


def _orders(number: int, letters: str) -> tuple[Ask, ...]:
    name = f"vis-mixed-{number}"
    forms = (("second", 1, "甲"), ("third", 2, "甲"), ("other", 1, "乙"))
    return tuple(_labelled(f"{name}-{form}", letters, place, label) for form, place, label in forms)


# Asked of models that are capable enough, each kind of question three or four times.
WHERE = "红色在图的哪一边？只回答一个字：左、右、上或下。"


def quiz(name: str, *urls: str, question: str) -> Ask:
    """A question with a short answer for a capable model."""
    return look(name, *urls, question=question, max_tokens=16, needs=("vision", "behaviour"), expects=ANY)


QUIZZES = (
    *(
        quiz(f"vis-name-{name}", solid(c), question="图是什么颜色？只回答颜色。")
        for name, c in (("red", "r"), ("blue", "B"), ("yellow", "Y"))
    ),
    *(quiz(f"vis-where-{side}", png(grid(cells.replace("x", "r"), THIRD)), question=WHERE) for side, cells in SIDES.items()),
    *(
        quiz(f"vis-which-{name}", *map(solid, letters), question="第几张图是红色？只回答一个阿拉伯数字。")
        for name, letters in (("red-blue", "rB"), ("blue-red", "Br"), ("black-red", "kr"))
    ),
    *(quiz(f"vis-read-{n}", png(digits(n)), question="图中的数字是多少？只回答数字。") for n in (418, 295, 736)),
    *(
        quiz(f"vis-count-{n}", png(grid("w" + "kw" * n, (56, 56))), question="图中有几个黑色方块？只回答一个阿拉伯数字。")
        for n in (1, 2, 3)
    ),
)

ASKS = (
    *BESIDE,
    *SINGLE,
    *(look(name, url, expects=ANY, max_tokens=2, last=True) for name, url in TINY.items()),
    *REFUSALS,
    *QUIZZES,
)
SCENARIOS = (
    _group("vision-basics", BASICS),
    _group("vision-details", (*STRUCTURE, *LARGE_STRUCTURE, *THIRDS)),
    _group("vision-several", MULTIPLE),
    _group("vision-forms", FORMS),
    _group("vision-mixed", (ask for number, letters in enumerate(MIXED) for ask in _orders(number, letters))),
    _group("vision-led", (_led(ask) for number, letters in enumerate(MIXED) for ask in _orders(number, letters))),
)
