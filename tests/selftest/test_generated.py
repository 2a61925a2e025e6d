"""The generator of requests: legal ones are legal, illegal ones differ from them in exactly one place, always the same."""

from __future__ import annotations

from typing import Any

import pytest

from ernie_conformance.gather.generated import LEAST_TOKENS, MOST_TOKENS, STOPS, Pair, drawn
from ernie_conformance.reference import chat
from ernie_conformance.reference.errors import Refused
from ernie_conformance.reference.options import Options
from ernie_conformance.targets import load_target

pytestmark = pytest.mark.selftest

EVERYTHING = load_target("reference").capabilities
LITTLE = frozenset({"chat"})
COUNT = 40
OPTIONS = Options(enable_mm=True, reasoning_parser="ernie-45-vl", max_model_len=32768)
# The tutorial's tables and the API reference: field to least and most.
RANGES = {
    "max_tokens": (LEAST_TOKENS, MOST_TOKENS),
    "temperature": (0, 2),
    "top_p": (0.1, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "seed": (0, 2**31 - 1),
    "n": (1, 2),
    "top_logprobs": (0, 5),
}


@pytest.fixture(scope="module")
def found() -> list[Pair]:
    return drawn(COUNT, EVERYTHING)


def places(one: Any, other: Any, at: str = "") -> list[str]:
    """Where two JSON values differ: the smallest parts that hold all differences of their kind."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [p for key in keys for p in places(one.get(key, ...), other.get(key, ...), f"{at}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [p for number, pair in enumerate(zip(one, other, strict=True)) for p in places(*pair, f"{at}[{number}]")]
    same = type(one) is type(other) and one == other
    return [] if same else [at.removeprefix(".")]


def test_as_many_come_as_are_asked_for_and_no_two_are_alike(found: list[Pair]) -> None:
    assert len(found) == COUNT
    assert len({repr(pair.legal) for pair in found}) == COUNT


def test_every_run_makes_the_same(found: list[Pair]) -> None:
    assert drawn(COUNT, EVERYTHING) == found


async def test_every_legal_request_follows_the_references_rules(found: list[Pair]) -> None:
    for pair in found:
        await chat.prepare(pair.legal, OPTIONS)


def test_every_legal_request_keeps_to_the_documented_limits(found: list[Pair]) -> None:
    for pair in found:
        for field, (least, most) in RANGES.items():
            assert least <= pair.legal.get(field, least) <= most, (field, pair.legal)
        stop = pair.legal.get("stop", [])
        strings = [stop] if isinstance(stop, str) else stop
        assert len(strings) <= 4
        assert set(strings) <= set(STOPS)
        assert pair.legal["messages"][-1]["role"] == "user"
        assert pair.legal["chat_template_kwargs"] == {"enable_thinking": False}


async def test_every_illegal_request_is_refused_by_the_reference(found: list[Pair]) -> None:
    for pair in found:
        with pytest.raises(Refused):
            await chat.prepare(pair.illegal, OPTIONS)


def test_every_illegal_request_differs_in_exactly_one_place(found: list[Pair]) -> None:
    for pair in found:
        differing = places(pair.legal, pair.illegal)
        assert len(differing) == 1, (pair.place, differing)
        assert differing[0].startswith(pair.place)


def test_both_sorts_of_mistakes_come_even_in_a_small_run() -> None:
    assert {pair.structural for pair in drawn(12, EVERYTHING)} == {True, False}


def test_what_a_target_does_not_declare_is_not_asked_of_it() -> None:
    for pair in drawn(COUNT, LITTLE):
        assert "image_url" not in repr(pair.legal)
        assert "logprobs" not in pair.legal
        assert pair.legal.get("n", 1) == 1


def test_what_it_declares_is_asked(found: list[Pair]) -> None:
    everything = repr([pair.legal for pair in found])
    assert all(word in everything for word in ("image_url", "'logprobs': True", "'n': 2", "'stream': True", "'system'"))
