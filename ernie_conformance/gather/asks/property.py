"""Requests that nobody thought of: generated legal ones, and their twins with one place put wrong."""

from __future__ import annotations

import asyncio
from typing import Any

from ernie_conformance.gather.ask import MODEL, Ask, Scenario, chat
from ernie_conformance.gather.generated import MOST_TOKENS, drawn
from ernie_conformance.gather.stage import EXAMPLES, Stage
from ernie_conformance.wire.exchange import ANY, REFUSAL

LEGAL, ILLEGAL = "prop-{:03d}", "prop-wrong-{:03d}"


async def _generated(stage: Stage) -> dict[str, Any]:
    """Legal requests side by side, then the illegal ones, then a good one."""
    found = await asyncio.to_thread(drawn, stage.examples, stage.target.capabilities)
    await stage.send_all(Ask(LEGAL.format(n), {"model": MODEL, **pair.legal}, expects=ANY) for n, pair in enumerate(found))
    await stage.send_all(
        Ask(ILLEGAL.format(n), {"model": MODEL, **pair.illegal}, expects=REFUSAL) for n, pair in enumerate(found)
    )
    await stage.send(chat("prop-after", "1+1=?", max_tokens=4), hang_up=lambda _: False)
    return {
        "places": [{"place": pair.place, "value": repr(pair.value), "structural": pair.structural} for pair in found],
    }


SCENARIOS = (Scenario("generated", _generated, requests=2 * EXAMPLES + 1, tokens=EXAMPLES * MOST_TOKENS * 2 + 4),)
