"""The same request asked whole and as a stream: alone, short, at temperature 0, with an answer hardly in doubt."""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.ask import Ask, Scenario, both, completion, cost_of
from ernie_conformance.gather.asks.tools import WEATHER
from ernie_conformance.gather.stage import Stage

COUNT = "请从一数到三十，数字之间用逗号隔开，不要说别的话。"
RARE = "请原样重复这一行，不要说别的话：“龘靐齉𠮷 😊🚀👨‍👩‍👧 naïve café Ωβ”"
CODE = "Repeat this code exactly and say nothing else:\n```python\ndef f(x):\n    if x:\n        return [x,  x]\n```"
# What a detokeniser or a proxy likes to lose: runs of spaces, tabs, joiners, variation selectors, rare characters.
KEEP = "Keep:  two   three    four\n\tdef f():\n        return '👩‍🚀 ❤️ 𠮷 龘 é'\n"
SENTENCE = "请用一句话说明月亮是什么。"

GREEDY: dict[str, Any] = {"temperature": 0}
PAIRS = (
    *both("twin-count", COUNT, max_tokens=64, **GREEDY),
    *both("twin-rare", RARE, max_tokens=96, **GREEDY),
    *both("twin-code", CODE, max_tokens=96, **GREEDY),
    *both("twin-sentence", SENTENCE, max_tokens=200, **GREEDY),  # ends as prose does, with a full stop or more
)
WITH_TOOLS = both("twin-tools", CODE, max_tokens=96, tools=[WEATHER], **GREEDY)
WITH_LOGPROBS = (
    *both("twin-logprobs", COUNT, max_tokens=64, logprobs=True, **GREEDY),
    *both("twin-logprobs-sentence", SENTENCE, max_tokens=200, logprobs=True, **GREEDY),
)


async def one_by_one(stage: Stage, asks: tuple[Ask, ...]) -> dict[str, Any]:
    """Send each ask alone: what shares a batch may change the numerics of a GPU. Where it doesn't, send them together."""
    await stage.send_all(asks, at_most=None if stage.target.batch_invariant else 1)
    return {}


SCENARIOS = (
    Scenario("twins", lambda stage: one_by_one(stage, PAIRS), wording=True, **cost_of(PAIRS)),
    Scenario(
        "twins-with-tools",
        lambda stage: one_by_one(stage, WITH_TOOLS),
        needs=("tools",),
        wording=True,
        **cost_of(WITH_TOOLS),
    ),
    Scenario(
        "twins-with-logprobs",
        lambda stage: one_by_one(stage, WITH_LOGPROBS),
        needs=("logprobs",),
        wording=True,
        **cost_of(WITH_LOGPROBS),
    ),
)
ASKS = (completion("echo-fidelity", KEEP, echo=True, max_tokens=4, needs=("echo",)),)
