"""The thinking switch in each place, the budget, a cut inside the reasoning, and both modes side by side."""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.ask import MODEL, Ask, Scenario, both, chat, cost_of, user
from ernie_conformance.gather.asks.core import INTRODUCE
from ernie_conformance.gather.asks.twins import one_by_one
from ernie_conformance.gather.stage import Stage

SUM = "What is 17 + 25? Answer in one short sentence."
STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
OFF, ON = {"enable_thinking": False}, {"enable_thinking": True}
BUDGET = 4  # tokens of reasoning


def _switched(name: str, **switch: Any) -> tuple[Ask, Ask]:
    """A request that has only this switch. Alone: a server that ignores it thinks among requests that don't."""
    body = {"model": MODEL, "messages": user(INTRODUCE), "max_tokens": 48, **switch}
    needs = ("reasoning", "thinking-switch")
    return (
        Ask(name, body, needs=needs, alone=True),
        Ask(f"{name}-stream", {**body, **STREAMED}, needs=needs, alone=True),
    )


# Engines read the budget in one of two places; what they don't know they ignore.
SHORT_THOUGHT: dict[str, Any] = {"reasoning_max_tokens": BUDGET, "metadata": {"reasoning_max_tokens": BUDGET}}
ALL_THOUGHT: dict[str, Any] = {"reasoning_max_tokens": 16, "metadata": {"reasoning_max_tokens": 16}}
GREEDY: dict[str, Any] = {"temperature": 0, "thinking": True}

PAIRS = (
    *both("reason-twin", SUM, max_tokens=300, **GREEDY),
    *both("reason-cut", SUM, max_tokens=16, **GREEDY),
    *both("reason-cut-inside", SUM, max_tokens=16, **ALL_THOUGHT, **GREEDY),
)

# Long enough for the first thought to end while requests without thinking have come.
MIXED_ON = [chat(f"mixed-on-{n}", INTRODUCE, thinking=True, max_tokens=100 if n else 400, **STREAMED) for n in range(3)]
MIXED_OFF = [chat(f"mixed-off-{n}", INTRODUCE, max_tokens=60, **STREAMED) for n in range(3)]


# By turns behind one long system message, whose rendering a server may keep.
RULES = "Answer in one short and friendly sentence. " * 16
LED = tuple(
    chat(
        f"mixed-{kind}-led-{n}",
        [{"role": "system", "content": RULES}, *user(INTRODUCE)],
        thinking=kind == "on",
        max_tokens=60,
    )
    for n, kind in enumerate(("on", "off", "on"))
)


async def _mixed(stage: Stage) -> dict[str, Any]:
    await stage.send_all([ask for pair in zip(MIXED_ON, MIXED_OFF, strict=True) for ask in pair])
    await one_by_one(stage, LED)
    return {}


ASKS = (
    *_switched("think-off-kwargs", chat_template_kwargs=OFF),
    *_switched("think-off-metadata", metadata=OFF),
    chat("think-on", INTRODUCE, thinking=True, max_tokens=64, chat_template_kwargs=ON, metadata=ON, needs=("reasoning",)),
    chat("reason-budget", INTRODUCE, thinking=True, max_tokens=200, needs=("reasoning",), **SHORT_THOUGHT),
)
SCENARIOS = (
    Scenario(
        "reason-twins",
        lambda stage: one_by_one(stage, PAIRS),
        needs=("reasoning",),
        thinks=True,
        wording=True,
        **cost_of(PAIRS),
    ),
    Scenario("mixed-thinking", _mixed, needs=("reasoning", "thinking-switch"), **cost_of([*MIXED_ON, *MIXED_OFF, *LED])),
)
