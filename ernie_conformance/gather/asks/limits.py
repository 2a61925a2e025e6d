"""Limits: of tokens, by stop strings, by the context; and prompts of several lengths, to see whether they are counted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from ernie_conformance.gather.ask import Ask, Scenario, both, chat
from ernie_conformance.gather.asks.streaming import COUNT
from ernie_conformance.gather.asks.twins import one_by_one
from ernie_conformance.gather.stage import Stage
from ernie_conformance.judge.outcome import Blocked
from ernie_conformance.judge.views import Answer, Stream
from ernie_conformance.wire.exchange import ANY, REFUSAL, Exchange

SHORT = "Say hello in one short sentence."
WHY = "Why is the sky blue? Explain it in three sentences."
GREEDY: dict[str, Any] = {"temperature": 0}
STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
LIMITS = (1, 2, 5, 20)
LONG = 64  # tokens of the answer that the limited ones are compared with

LIMITED = tuple(ask for limit in LIMITS for ask in both(f"limit-{limit}", COUNT, max_tokens=limit, **GREEDY))
MODERN = both("limit-completion-5", COUNT, max_completion_tokens=5, **GREEDY)
IN_THOUGHT: dict[str, Any] = {"thinking": True, "needs": ("reasoning",), **GREEDY}
THINKING = (
    *both("limit-thinking-8", WHY, max_tokens=8, **IN_THOUGHT),
    *both("limit-thinking-completion-8", WHY, max_completion_tokens=8, **IN_THOUGHT),
)

ASKS = (
    *both("limit-long", COUNT, max_tokens=LONG, **GREEDY),
    *LIMITED,
    *MODERN,
    chat("limit-thinking-long", WHY, max_tokens=LONG, **IN_THOUGHT),
    *THINKING,
    chat("limit-none", SHORT, **GREEDY),
    chat("limit-huge", SHORT, max_tokens=10_000_000, expects=ANY, **GREEDY),
)


# Stop strings are taken from what the model itself says, so that any model meets them.
def _text(exchange: Exchange, channel: str = "content") -> str:
    try:
        text: str = getattr(Answer(exchange), channel)
    except Blocked:
        return ""
    return text


def _deltas(exchange: Exchange) -> list[str]:
    try:
        return [piece.content for piece in Stream(exchange).pieces_of(0) if isinstance(piece.content, str) and piece.content]
    except Blocked:
        return []


def across_a_border(deltas: Sequence[str]) -> str:
    """A string that begins in one delta and ends in the next, first met late in the text; "" if there is none."""
    text, at = "".join(deltas), 0
    for before, after in itertools.pairwise(deltas):
        at += len(before)
        stop = before[-1] + after[:2]
        if len(text) // 3 <= text.find(stop) == at - 1 and stop.strip() == stop:
            return stop
    return ""


def first_met_late(text: str, length: int, others: Sequence[str] = ()) -> str:
    """A piece of `text` that is first met in its later half, and in none of `others`; "" if there is none."""
    for at in range(len(text) // 2, len(text) - length):
        stop = text[at : at + length]
        if stop.strip() == stop and text.find(stop) == at and not any(stop in other for other in others):
            return stop
    return ""


async def _stops(stage: Stage) -> dict[str, Any]:
    """Say it freely, then with stop strings out of that, in each form. One by one: a batch may change a GPU's numerics."""
    base = dict(max_tokens=LONG, **GREEDY)
    whole, streamed = [await stage.send(ask) for ask in both("stop-free", WHY, **base)]
    text, deltas = _text(whole), _deltas(streamed)
    border, late = across_a_border(deltas), first_met_late(text, 4)
    if not border or not late:
        return {"text": text, "border": border, "late": late}
    decoys = ["@@@@", "####", "$$$$"]
    asks = (
        *both("stop-text", WHY, stop=late, **base),
        *both("stop-border", WHY, stop=[border], **base),
        *both("stop-list", WHY, stop=[*decoys, late], **base),
        *both("stop-almost", WHY, stop=[text[-1] + decoys[0]], **base),
        *(both("stop-ranked", WHY, stop=late, logprobs=True, **base) if "logprobs" in stage.target.capabilities else ()),
        chat("stop-fifth", WHY, stop=[*decoys, "%%%%", late], expects=ANY, **base),
    )
    await one_by_one(stage, asks)
    return {"text": text, "streamed": "".join(deltas), "border": border, "late": late}


CHOICES = 3


async def _choices_stop(stage: Stage) -> dict[str, Any]:
    """Several choices freely, then with a stop string that only one of them meets."""
    base: dict[str, Any] = {"n": CHOICES, "seed": 11, "temperature": 1, "max_tokens": LONG, "expects": ANY}
    free = await stage.send(chat("choices-free", WHY, **base))
    try:
        answer = Answer(free)
        texts = [answer.content_of(index) for index in answer.numbers]
    except Blocked:
        texts = []
    lonely = (first_met_late(text, 4, texts[:at] + texts[at + 1 :]) for at, text in enumerate(texts))
    stop = next(filter(None, lonely), "")
    if stop:
        await stage.send(chat("choices-stop", WHY, stop=stop, **base))
    return {"texts": texts, "stop": stop}


async def _stop_in_thought(stage: Stage) -> dict[str, Any]:
    """A stop string that the model writes while it thinks."""
    base: dict[str, Any] = {"max_tokens": 400, "thinking": True, **GREEDY}
    free = await stage.send(chat("thought-free", SHORT, **base))
    stop = first_met_late(_text(free, "reasoning"), 4)
    if stop:
        await one_by_one(stage, both("thought-stop", SHORT, stop=[stop], **base))
    return {"stop": stop, "answer": _text(free)}


# The unit costs the same number of tokens however often it stands in a row, with any tokenizer that splits at spaces.
UNIT = " a"
LENGTHS = (100, 300, 1100)  # units; above 256 tokens, engines cut a prompt into parts when they read it
ROOM = 16  # tokens that a prompt at the limit leaves for the answer


def _filled(name: str, units: int, **rest: Any) -> Ask:
    return chat(name, f"Repeat:{UNIT * units}", **GREEDY, **rest)


def _prompt_tokens(exchange: Exchange) -> int | None:
    try:
        return Answer(exchange).count("prompt_tokens")
    except Blocked:
        return None


async def _context(stage: Stage) -> dict[str, Any]:
    """Prompts of growing length, one that leaves ROOM tokens of the context, and two that don't fit."""
    sizes = [_prompt_tokens(await stage.send(_filled(f"prompt-{units}", units, max_tokens=2))) for units in LENGTHS]
    await stage.send(_filled(f"prompt-{LENGTHS[-1]}-again", LENGTHS[-1], max_tokens=2))
    await stage.send(_filled(f"prompt-{LENGTHS[-1]}-stream", LENGTHS[-1], max_tokens=2, **STREAMED))
    short, _, long = sizes
    if short is None or long is None or long <= short:
        return {}
    each = (long - short) / (LENGTHS[-1] - LENGTHS[0])
    units = int((stage.target.max_model_len - ROOM - short) / each) + LENGTHS[0]
    await stage.send(_filled("context-edge", units, expects=ANY))
    await stage.send(_filled("context-over", units + units // 8, max_tokens=2, expects=REFUSAL))
    await stage.send(_filled("context-over-stream", units + units // 8, max_tokens=2, expects=REFUSAL, **STREAMED))
    turns = [{"role": role, "content": f"Repeat:{UNIT * (units // 8)}"} for role in ("user", "assistant") * 4]
    talk = [{"role": "system", "content": SHORT}, *turns, *turns[:1]]
    await stage.send(chat("context-over-turns", talk, max_tokens=2, expects=REFUSAL, **GREEDY))
    return {}


SCENARIOS = (
    Scenario("stops", _stops, makes=("stop-fifth",), wording=True, requests=13, tokens=13 * LONG),
    Scenario(
        "choices-stop",
        _choices_stop,
        needs=("several-choices", "seed"),
        wording=True,
        requests=2,
        tokens=2 * CHOICES * LONG,
    ),
    Scenario(
        "stop-in-thought", _stop_in_thought, needs=("reasoning",), thinks=True, wording=True, requests=3, tokens=3 * 400
    ),
    Scenario(
        "context",
        _context,
        makes=(
            *(f"prompt-{n}" for n in LENGTHS),
            "prompt-1100-again",
            "prompt-1100-stream",
            "context-edge",
            "context-over",
            "context-over-stream",
            "context-over-turns",
        ),
        tokens=5 * 2 + ROOM + 1,
    ),
)
