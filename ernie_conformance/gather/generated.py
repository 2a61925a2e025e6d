"""Requests made by hypothesis: legal ones, and the same with one place put wrong. Always the same ones.

Hypothesis only draws values here; no live call is ever inside of it, so that nothing is retried or shrunk over a wire.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from statistics import fmean
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from ernie_conformance.gather.ask import NO_THINKING
from ernie_conformance.gather.pictures import grid, jpeg, png

# Scripts, emoji, accents, code and white space: what people write. No control characters, no halves of pairs.
WORDS = (
    "你好", "，请介绍", "世界", "数据模型？", "hello ", "What is this?\n", "naïve café ", "Straße", "😊", "🧑‍🚀 ", "🚀",
    "3.14", " 1+1=", "if x:\n    return ", "```py\nx\t= 1\n```\n", '{"a": [1, null]}', "<b>&amp;</b>", "\\n\\u4e2d",
    "'quoted' ", "— … “”", "Ж ", "한국어",
)  # fmt: skip
STOPS = ("@@@@", "####", "$$$$", "%%%%", "~~~~", "^^^^")  # nobody answers with these
LEAST_TOKENS, MOST_TOKENS = 2, 12  # a single token has rows of its own
HOT = 1.0  # a hotter sampler is held on the model's own text by a small top_p
SIZES = ((28, 28), (56, 28), (84, 112))  # pixels
ABSENT = "absent"


@dataclass(frozen=True)
class Pair:
    """A legal request body and its illegal twin, without the model. `place` is where they differ, `value` what stands there.

    `structural`: the messages themselves are wrong, not the value of a parameter.
    """

    legal: dict[str, Any]
    illegal: dict[str, Any]
    place: str
    value: Any
    structural: bool


# What is wrong in each place: no lenient reader makes something right of it.
WRONG_MESSAGES: Sequence[Any] = ("1+1=?", [], None, {"role": "user", "content": "1+1=?"}, 7)
WRONG_MESSAGE: Sequence[Any] = (None, "1+1=?", 5, [])
WRONG_ROLE: Sequence[Any] = (5, None, [])
WRONG_CONTENT: Sequence[Any] = (5, {"type": "text", "text": "1+1=?"}, [None], [{"text": "1+1=?"}], [{"type": "text"}])
WRONG_VALUES: dict[str, Sequence[Any]] = {
    "temperature": (-0.5, "hot", [0.5], {}),
    "top_p": (-0.5, 1.5, "most", []),
    "frequency_penalty": (-2.5, 2.5, "often", []),
    "presence_penalty": (-2.5, 2.5, "never", {}),
    "max_tokens": (0, -1, "many", 1.5, []),
    "seed": ("seed", []),
    "stop": (5, [5], {}),
    "stream": ("perhaps", []),
    "n": ("two", []),
}


def _text(most: int) -> SearchStrategy[str]:
    """Up to so many words; one is never white space alone."""
    return st.lists(st.sampled_from(WORDS), min_size=1, max_size=most).map("".join)


def _steps(low: int, high: int) -> SearchStrategy[float]:
    """Tenths, as people write them."""
    return st.integers(low, high).map(lambda tenths: tenths / 10)


@cache
def _url(colour: str, size: tuple[int, int], as_jpeg: bool) -> str:
    return (jpeg if as_jpeg else png)(grid(colour, size))


def _picture() -> SearchStrategy[dict[str, Any]]:
    url = st.builds(_url, st.sampled_from("rgb"), st.sampled_from(SIZES), st.booleans())
    return url.map(lambda url: {"type": "image_url", "image_url": {"url": url}})


def _content(capabilities: Collection[str]) -> SearchStrategy[Any]:
    """Text, or parts: texts, and a picture among them where pictures are taken."""
    text_part = st.builds(lambda text: {"type": "text", "text": text}, _text(6))
    shapes: list[SearchStrategy[Any]] = [_text(8), st.lists(text_part, min_size=1, max_size=3)]
    if "vision" in capabilities:
        shapes.append(st.tuples(_picture(), text_part).map(list))
    return st.one_of(shapes)


@st.composite
def _messages(draw: DrawFn, capabilities: Collection[str]) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    if draw(st.booleans()):
        said.append({"role": "system", "content": draw(_text(6))})
    for question, answer in draw(st.lists(st.tuples(_text(4), _text(4)), max_size=2)):
        said += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return [*said, {"role": "user", "content": draw(_content(capabilities))}]


def _fields(capabilities: Collection[str]) -> SearchStrategy[dict[str, Any]]:
    optional: dict[str, SearchStrategy[Any]] = {
        "temperature": _steps(0, 20),
        "top_p": _steps(1, 10),
        "frequency_penalty": _steps(-20, 20),
        "presence_penalty": _steps(-20, 20),
        "seed": st.integers(0, 2**31 - 1),
        "stop": st.one_of(st.sampled_from(STOPS), st.lists(st.sampled_from(STOPS), max_size=4, unique=True)),
        "n": st.integers(1, 2 if "several-choices" in capabilities else 1),
        "user": _text(2),
    }
    if "logprobs" in capabilities:
        optional["logprobs"] = st.booleans()
    return st.fixed_dictionaries({"max_tokens": st.integers(LEAST_TOKENS, MOST_TOKENS)}, optional=optional)


@st.composite
def legal_bodies(draw: DrawFn, capabilities: Collection[str]) -> dict[str, Any]:
    """The body of a legal chat request, without its model."""
    body = {"messages": draw(_messages(capabilities)), **NO_THINKING, **draw(_fields(capabilities))}
    if draw(st.booleans()):
        body["stream"] = True
        if draw(st.booleans()):
            body["stream_options"] = {"include_usage": draw(st.booleans())}
    if body.get("temperature", 0) > HOT:
        body["top_p"] = 0.1
    if body.get("logprobs") and draw(st.booleans()):
        body["top_logprobs"] = draw(st.integers(0, 5))
    return body


@st.composite
def pairs(draw: DrawFn, capabilities: Collection[str]) -> Pair:
    """A legal request and the same with one place put wrong."""
    legal = draw(legal_bodies(capabilities))
    illegal = copy.deepcopy(legal)
    structural = draw(st.booleans())
    place, value = _spoil_messages(draw, illegal) if structural else _spoil_field(draw, illegal)
    return Pair(legal, illegal, place, value, structural)


def _spoil_messages(draw: DrawFn, body: dict[str, Any]) -> tuple[str, Any]:
    messages = body["messages"]
    at = draw(st.integers(0, len(messages) - 1))
    kind = draw(st.sampled_from(("messages", "message", "role", "content", "no messages", "no role")))
    if kind == "messages":
        body["messages"] = draw(st.sampled_from(WRONG_MESSAGES))
        return "messages", body["messages"]
    if kind == "message":
        messages[at] = draw(st.sampled_from(WRONG_MESSAGE))
        return f"messages[{at}]", messages[at]
    if kind in ("role", "content"):
        messages[at][kind] = draw(st.sampled_from(WRONG_ROLE if kind == "role" else WRONG_CONTENT))
        return f"messages[{at}].{kind}", messages[at][kind]
    if kind == "no role":
        del messages[at]["role"]
        return f"messages[{at}].role", ABSENT
    del body["messages"]
    return "messages", ABSENT


def _spoil_field(draw: DrawFn, body: dict[str, Any]) -> tuple[str, Any]:
    field = draw(st.sampled_from(sorted(WRONG_VALUES)))
    body[field] = draw(st.sampled_from(WRONG_VALUES[field]))
    return field, body[field]


POOL = 6  # times as many are drawn as are taken: neighbours in hypothesis' draws are much alike


def drawn(count: int, capabilities: Collection[str]) -> list[Pair]:
    """So many different pairs for a target with these capabilities: the same ones in every run with one hypothesis."""
    pool: dict[str, Pair] = {}

    @settings(
        max_examples=POOL * count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(pairs(frozenset(capabilities)))
    def draw(pair: Pair) -> None:
        pool.setdefault(repr(pair.legal), pair)

    draw()
    return _most_varied(list(pool.values()), count)


def _most_varied(pool: list[Pair], count: int) -> list[Pair]:
    """Take one after the other the pair whose traits, on the average, those before it have most seldom."""
    seen: Counter[str] = Counter()
    left = [(pair, _traits(pair)) for pair in pool]
    taken: list[Pair] = []
    while left and len(taken) < count:
        best = max(left, key=lambda one: fmean(1 / (1 + seen[trait]) for trait in one[1]))
        left.remove(best)
        taken.append(best[0])
        seen.update(best[1])
    return taken


def _traits(pair: Pair) -> set[str]:
    """What makes a pair different from others: its fields two by two, the shape of its messages, and what is wrong."""
    fields = sorted(pair.legal)
    last = pair.legal["messages"][-1]["content"]
    shape = "text" if isinstance(last, str) else "+".join(part["type"] for part in last)
    wrong = f"{re.sub('[0-9]+', '', pair.place)} {type(pair.value).__name__}"
    return {*map("+".join, combinations(fields, 2)), f"{len(pair.legal['messages'])} turns", shape, wrong, wrong.split()[0]}
