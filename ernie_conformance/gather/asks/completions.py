"""Text completions in all their forms: one prompt, several, token ids, echo, choices, log probabilities, stop strings."""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.ask import Ask, Scenario, completion
from ernie_conformance.gather.asks.limits import STREAMED, first_met_late
from ernie_conformance.gather.stage import Stage
from ernie_conformance.judge.outcome import Blocked
from ernie_conformance.judge.views import Answer
from ernie_conformance.wire.exchange import ANY

RIVER = "The river that flows through the old town has three bridges. The first bridge"
DAYS = "星期一、星期二、星期三、"
IDS = [101, 102, 103, 104, 105]
GREEDY: dict[str, Any] = {"temperature": 0}


def _both(name: str, prompt: Any, **rest: Any) -> tuple[Ask, Ask]:
    return completion(name, prompt, **rest), completion(f"{name}-stream", prompt, **STREAMED, **rest)


PAIRS = (
    *_both("completion", RIVER, max_tokens=16, **GREEDY),
    *_both("completion-list", [RIVER, DAYS], max_tokens=8, **GREEDY),
)
SEVERAL: dict[str, Any] = {"temperature": 1, "max_tokens": 8, "expects": ANY}
ASKS = (
    *PAIRS,
    completion("completion-stream-plain", RIVER, max_tokens=8, stream=True),
    completion("completion-many", [f"{DAYS}{n}、" for n in range(12)], max_tokens=2, **GREEDY),
    completion("completion-days", DAYS, max_tokens=8, **GREEDY),
    completion("completion-river", RIVER, max_tokens=8, **GREEDY),
    completion("completion-2", RIVER, max_tokens=2, **GREEDY),
    completion("completion-ids", IDS, max_tokens=4, expects=ANY),
    completion("completion-n", RIVER, n=2, **SEVERAL),
    completion("completion-list-n", [RIVER, DAYS], n=2, echo=True, needs=("echo",), **SEVERAL),
    completion("completion-best-of", RIVER, n=2, best_of=2, **SEVERAL),
    completion("completion-nulls", RIVER, max_tokens=4, stop=None, temperature=None, logprobs=None, echo=None, expects=ANY),
    completion("completion-echo", RIVER, echo=True, max_tokens=4, needs=("echo",)),
    completion("completion-logprobs", RIVER, logprobs=2, max_tokens=8, needs=("logprobs",), **GREEDY),
    completion("completion-echo-logprobs", RIVER, echo=True, logprobs=2, max_tokens=4, needs=("echo", "logprobs"), **GREEDY),
)


async def _stops(stage: Stage) -> dict[str, Any]:
    """A prompt continued freely, then with a stop string out of that."""
    free = await stage.send(completion("completion-free", DAYS, max_tokens=48, **GREEDY))
    try:
        text = Answer(free).content
    except Blocked:
        text = ""
    stop = first_met_late(text, 4)
    if stop:
        for ask in _both("completion-stop", DAYS, max_tokens=48, stop=[stop], **GREEDY):
            await stage.send(ask)
    return {"text": text, "stop": stop}


SCENARIOS = (Scenario("completion-stops", _stops, needs=("completions",), wording=True, requests=3, tokens=3 * 48),)
