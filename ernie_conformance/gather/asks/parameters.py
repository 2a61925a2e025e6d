"""Parameters: the tutorial's nine, each one's legal range, what lies outside, and what sampling parameters must change."""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.ask import Ask, Scenario, both, chat, cost_of, user
from ernie_conformance.gather.asks.core import INTRODUCE
from ernie_conformance.gather.asks.limits import SHORT, WHY
from ernie_conformance.gather.asks.streaming import COUNT
from ernie_conformance.gather.asks.twins import one_by_one
from ernie_conformance.gather.stage import Stage
from ernie_conformance.wire.exchange import ANY, REFUSAL

# The tutorial's complete call, word for word but for the messages.
TUTORIAL: dict[str, Any] = {
    "stream": True,
    "max_tokens": 2048,
    "temperature": 0.7,
    "top_p": 0.9,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "stop": ["<|endoftext|>"],
}
# A stop string of more tokens than engines have kept room for.
SENTENCE = "This very sentence ends the answer wherever it is met, whoever wrote it down and for whatever reason."
# What each parameter may be, by the tutorial's table and the API reference.
LEGAL: dict[str, dict[str, Any]] = {
    "temperature": {"zero": 0, "half": 0.5, "one": 1, "most": 2},
    "top_p": {"least": 0.01, "one": 1, "one-float": 1.0},
    "frequency_penalty": {"least": -2, "least-float": -2.0, "most": 2, "half": 0.5},
    "presence_penalty": {"least": -2, "least-float": -2.0, "most": 2, "half": 0.5},
    "n": {"one": 1},
    "stop": {"text": "@@@@", "empty-list": [], "list": ["@@@@"], "four": ["@@@@", "####", "$$$$", "%%%%"], "long": SENTENCE},
    "seed": {"zero": 0, "one": 1, "most": 2**31 - 1},
    "stream": {"false": False},
    "user": {"text": "somebody"},
    "logprobs": {"false": False},
}
NULLABLE = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "n",
    "stop",
    "seed",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "logprobs",
    "top_logprobs",
)
# Fields of the API reference in values that ask for nothing special: clients send them whoever answers.
NOT_SPECIAL: dict[str, dict[str, Any]] = {
    "logit_bias": {"empty": {}},
    "metadata": {"label": {"enable_thinking": False, "ticket": "4711"}},
    "modalities": {"text": ["text"]},
    "prompt_cache_key": {"text": "conformance"},
    "reasoning_effort": {"low": "low"},
    "safety_identifier": {"text": "conformance"},
    "service_tier": {"auto": "auto"},
    "store": {"false": False},
    "verbosity": {"medium": "medium"},
}
# Just outside.
OUTSIDE: dict[str, dict[str, Any]] = {
    "temperature": {"below": -0.1, "above": 2.1},
    "top_p": {"below": -0.1, "above": 1.1},
    "frequency_penalty": {"below": -2.1, "above": 2.1},
    "presence_penalty": {"below": -2.1, "above": 2.1},
    "max_tokens": {"zero": 0, "negative": -1},
    "max_completion_tokens": {"zero": 0, "negative": -1},
}
# No lenient reader can make the right type of these.
WRONG: dict[str, dict[str, Any]] = {
    "temperature": {"word": "hot", "list": [], "object": {}},
    "top_p": {"word": "most", "list": []},
    "frequency_penalty": {"word": "often", "list": []},
    "presence_penalty": {"word": "never", "object": {}},
    "max_tokens": {"word": "many", "fraction": 1.5, "list": []},
    "n": {"word": "two", "list": []},
    "stop": {"number": 5, "numbers": [5], "object": {}},
    "seed": {"word": "seed", "list": []},
    "stream": {"word": "perhaps", "list": []},
}
# What has killed servers or hung them, and what lies so far out that no check made in passing will do.
EXTREME: dict[str, dict[str, Any]] = {
    "temperature": {"high": 999999, "low": -1e9},
    "top_p": {"negative": -1},
    "frequency_penalty": {"high": 1e9},
    "repetition_penalty": {"zero": 0, "negative": -1},
    "n": {"zero": 0, "negative": -1, "million": 1_000_000},
    "max_tokens": {"least-integer": -(2**63)},
    "seed": {"beyond-integers": 2**70},
    "top_k": {"negative": -5},
    "min_p": {"five": 5},
    "min_tokens": {"above-max": 64},
}
_NULL: Any = None
TIMID: dict[str, Any] = {"temperature": 2, "top_p": 0.01}  # the hottest legal value, held on the model's own text


def _ask(kind: str, field: str, value: Any, word: str = "", **rest: Any) -> Ask:
    """A cheap request in which one field is unusual."""
    name = "-".join(filter(None, ("param", kind, field.replace("_", "-"), word)))
    timid = TIMID if field == "temperature" and value == TIMID["temperature"] else {}
    body: dict[str, Any] = {"max_tokens": 4, field: value, **timid}
    return chat(name, SHORT, **body, **rest)


def _each(kind: str, table: dict[str, dict[str, Any]], **rest: Any) -> tuple[Ask, ...]:
    return tuple(_ask(kind, field, value, word, **rest) for field, values in table.items() for word, value in values.items())


TUTORIAL_CALL = chat("tutorial-call", INTRODUCE, thinking=True, **TUTORIAL)
ALONE = tuple(chat(f"param-alone-{field.replace('_', '-')}", SHORT, **{field: value}) for field, value in TUTORIAL.items())
USELESS = _each("useless", NOT_SPECIAL, expects=ANY)
NO_STREAM = chat("param-options-alone", SHORT, max_tokens=4, stream_options={"include_usage": True}, expects=REFUSAL)
NO_MODEL = Ask("param-no-model", {"messages": user(SHORT), "max_tokens": 4}, expects=ANY)
NO_TOP_P = chat("param-top-p-zero", SHORT, max_tokens=4, top_p=0, expects=ANY)
IN_RANGE = _each("legal", LEGAL, expects=ANY)
NULLS = tuple(_ask("null", field, None, expects=ANY) for field in NULLABLE)
ALL_NULL = chat("param-null-all", SHORT, expects=ANY, **dict.fromkeys(NULLABLE, _NULL))
OUT_OF_RANGE = _each("outside", OUTSIDE, expects=REFUSAL)
MISTYPED = _each("wrong", WRONG, expects=REFUSAL)
NO_CHOICES = ("param-extreme-n-zero", "param-extreme-n-negative")  # just outside too, but some servers hang
EXTREMES = _each("extreme", EXTREME, expects=REFUSAL, disruptive=True)
UNKNOWN = chat("param-unknown", SHORT, max_tokens=4, no_such_parameter={"deep": [1, None]}, expects=ANY)

FREELY = "Invent a short and very strange fairy tale."
FREE: dict[str, Any] = {"temperature": 1, "top_p": 1, "max_tokens": 40}
FREE_ASKS = tuple(chat(f"free-{number}", FREELY, **FREE) for number in range(1, 5))
CHOICES = tuple(
    ask for number in range(1, 4) for ask in both(f"choices-{number}", FREELY, n=2, needs=("several-choices",), **FREE)
)
CHOICES_CUT = both("choices-cut", COUNT, n=2, max_tokens=5, temperature=0, needs=("several-choices",))

LOGPROBS: dict[str, Any] = {"logprobs": True, "temperature": 0, "max_tokens": 24, "needs": ("logprobs",)}
LOGPROB_ASKS = (
    *both("logprobs-5", INTRODUCE, top_logprobs=5, **LOGPROBS),
    *both("logprobs-1", COUNT, top_logprobs=1, **LOGPROBS),
)
BARE_LOGPROBS = (
    *both("logprobs-alone", INTRODUCE, expects=ANY, **LOGPROBS),
    *both("logprobs-0", COUNT, top_logprobs=0, expects=ANY, **LOGPROBS),
)
BAD: dict[str, dict[str, Any]] = {
    "too-many": {"logprobs": True, "top_logprobs": 21},
    "negative": {"logprobs": True, "top_logprobs": -1},
    "unasked": {"top_logprobs": 2},
    "word": {"logprobs": "perhaps"},
}
BAD_LOGPROBS = tuple(
    chat(f"logprobs-bad-{name}", COUNT, max_tokens=4, needs=("logprobs",), expects=REFUSAL, **fields)
    for name, fields in BAD.items()
)

AGAIN = [chat(f"greedy-{number}", WHY, temperature=0, max_tokens=80) for number in range(1, 4)]
SEEDED = [
    chat(f"seed-{name}", FREELY, seed=seed, **{**FREE, "max_tokens": 100})
    for name, seed in (("7-a", 7), ("7-b", 7), ("7-c", 7), ("8", 8), ("9", 9), ("10", 10))
]
# A generator that a seed has set for everybody gives what comes next the same draws.
LOOSE = [
    chat(f"{kind}-{turn}", FREELY, **{**FREE, "max_tokens": 48, **({"seed": 7} if kind == "sown" else {})})
    for turn in "abc"
    for kind in ("sown", "loose")
]
SEEDED_CHOICES = chat("choices-seeded", FREELY, n=3, seed=7, needs=("several-choices", "seed"), **FREE)
NARROW = [chat(f"narrow-{number}", FREELY, **{**FREE, "top_p": 0.01}) for number in range(1, 4)]
# Answers that repeat a comma, a word, and, of prose, its commonest words.
REPEATING = {
    "": "Count from 1 to 14 in figures, separated by commas.",
    "-word": 'Write the word "lamp" 40 times, separated by spaces.',
    "-prose": WHY,
}
PENALISED = [
    chat(f"penalty-{name}{kind}", said, temperature=0, max_tokens=160, frequency_penalty=amount, presence_penalty=amount)
    for kind, said in REPEATING.items()
    for name, amount in (("none", 0), ("none-again", 0), ("high", 2))
]


async def _alone(stage: Stage, asks: list[Ask]) -> dict[str, Any]:
    return await one_by_one(stage, tuple(asks))


async def _in_turn(stage: Stage, asks: list[Ask]) -> dict[str, Any]:
    for ask in asks:
        await stage.send(ask)
    return {}


SCENARIOS = (
    Scenario("greedy", lambda stage: _alone(stage, AGAIN), wording=True, **cost_of(AGAIN)),
    Scenario("narrow", lambda stage: _alone(stage, NARROW), wording=True, **cost_of(NARROW)),
    Scenario("seeds", lambda stage: _alone(stage, SEEDED), needs=("seed",), wording=True, **cost_of(SEEDED)),
    Scenario("seed-left", lambda stage: _in_turn(stage, LOOSE), needs=("seed",), **cost_of(LOOSE)),
    Scenario("penalties", lambda stage: _alone(stage, PENALISED), wording=True, **cost_of(PENALISED)),
)
ASKS = (
    TUTORIAL_CALL,
    *ALONE,
    NO_MODEL,
    NO_TOP_P,
    NO_STREAM,
    *USELESS,
    *IN_RANGE,
    *NULLS,
    ALL_NULL,
    *OUT_OF_RANGE,
    *MISTYPED,
    *EXTREMES,
    UNKNOWN,
    *FREE_ASKS,
    *CHOICES,
    *CHOICES_CUT,
    SEEDED_CHOICES,
    *LOGPROB_ASKS,
    *BARE_LOGPROBS,
    *BAD_LOGPROBS,
    chat(
        "min-tokens",
        SHORT,
        min_tokens=200,  # more than anyone needs to say hello
        max_tokens=210,
        metadata={"enable_thinking": False, "min_tokens": 200},
        needs=("min-tokens",),
    ),
)
