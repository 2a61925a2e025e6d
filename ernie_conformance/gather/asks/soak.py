"""A mixed load on every slot for as long as the operator says. Too much to keep: figures are noted, a few exchanges kept."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from ernie_conformance.gather.ask import Ask, Scenario, chat, get, refused, user
from ernie_conformance.gather.asks.limits import STREAMED, UNIT
from ernie_conformance.gather.asks.vision import picture, solid, text
from ernie_conformance.gather.purse import Purse
from ernie_conformance.gather.stage import Ledger, Stage
from ernie_conformance.judge.outcome import Blocked
from ernie_conformance.judge.views import Reply, view
from ernie_conformance.wire.exchange import ABANDONED, ANSWER, ANY, REFUSAL, Exchange

SAY = "Say in one sentence what a load test is."
GREEDY: dict[str, Any] = {"temperature": 0}
# What clients ask in turn: short and long prompts, streams and whole answers, a wrong request, a client who leaves.
MIX: tuple[Ask, ...] = (
    chat("stream", SAY, max_tokens=24, **STREAMED, **GREEDY),
    chat("whole", SAY, max_tokens=24, **GREEDY),
    chat("long", f"Repeat:{UNIT * 1500}", max_tokens=8, **STREAMED, **GREEDY),
    chat("picture", user([picture(solid("r")), text(SAY)]), max_tokens=16, needs=("vision",), **STREAMED, **GREEDY),
    chat("sampled", SAY, max_tokens=24, temperature=0.8, **STREAMED),
    refused("wrong", {"messages": "hello"}),
    chat("leaves", SAY, max_tokens=200, **STREAMED),
)
LOOKS = 20  # looks at health, memory and metrics while it lasts
KEPT = 40  # exchanges kept of what went well, and as many of what didn't
REST = 5  # looks at the metrics afterwards, until nothing runs
ALL_LOST = 3  # rounds of all slots without one answer, after which a server is given up


@dataclass
class Figures:
    """What is noted: `answers` are [sent (s), seconds, ask, prompt tokens] of good ones, `failures` [name, what]."""

    began: float = field(default_factory=time.monotonic)
    sent: int = 0
    answers: list[list[Any]] = field(default_factory=list)
    failures: list[list[str]] = field(default_factory=list)
    failed: int = 0
    ids: set[str] = field(default_factory=set)
    repeated: list[list[str]] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)
    lost_in_a_row: int = 0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def take(self, ask: Ask, exchange: Exchange, at: float) -> bool:
        """Note one exchange; was it as it should be?"""
        self.sent += 1
        wrong = wrong_with(exchange)
        self.lost_in_a_row = self.lost_in_a_row + 1 if exchange.status is None else 0
        if wrong:
            self.failed += 1
            self.failures += [[exchange.name, wrong]] if len(self.failures) < KEPT else []
        elif exchange.expects == ANSWER:
            reply = view(exchange)
            self._identify(exchange.name, reply)
            self.answers.append([round(at, 3), round(exchange.seconds, 4), ask.name, reply.count("prompt_tokens")])
        return not wrong

    def _identify(self, name: str, reply: Reply) -> None:
        data = reply.chunks[0].data if hasattr(reply, "chunks") else getattr(reply, "data", {})
        own = str(data.get("id"))
        if own in self.ids:
            self.repeated += [[name, own]] if len(self.repeated) < KEPT else []
        self.ids.add(own)


def wrong_with(exchange: Exchange) -> str:
    """Why an exchange isn't what was owed, "" when it is: an answer that can be read, or a 4xx."""
    if exchange.expects == ABANDONED:
        return "" if exchange.status == 200 and exchange.error is None else exchange.error or f"status {exchange.status}"
    if exchange.error or exchange.status is None:
        return exchange.error or "no answer"
    if exchange.expects == REFUSAL:
        return "" if 400 <= exchange.status < 500 else f"status {exchange.status} where a 4xx is owed"
    try:
        reply = view(exchange)
        reply.count("prompt_tokens")
        return "" if reply.text and reply.finish_reason else "the answer has no text, or no end"
    except Blocked as blocked:
        return blocked.detail


async def _soak(stage: Stage) -> dict[str, Any]:
    """Every slot busy until the time is over; looks at health, memory and metrics before, meanwhile and after."""
    figures, numbers = Figures(), count()
    lasting = stage.minutes * 60
    mix = [ask for ask in MIX if all(need in stage.target.capabilities for need in ask.needs)]
    first: list[Exchange] = []
    last: deque[Exchange] = deque(maxlen=KEPT // 2)
    spoilt: list[Exchange] = []

    async def client() -> None:
        while figures.elapsed < lasting and figures.lost_in_a_row < ALL_LOST * stage.target.slots:
            number = next(numbers)
            ask, at = mix[number % len(mix)], figures.elapsed
            exchange = await _sent(stage, ask, f"soak-{number:06d}")
            if exchange is None:
                return  # the budget has ended
            if not figures.take(ask, exchange, at):
                spoilt.extend([exchange] if len(spoilt) < KEPT else [])
            elif len(first) < KEPT // 2:
                first.append(exchange)
            else:
                last.append(exchange)

    await _look(stage, figures, "before")
    clients = asyncio.gather(*(client() for _ in range(stage.target.slots)))
    number = 0
    while not clients.done():
        await asyncio.wait([clients], timeout=lasting / LOOKS)
        await _look(stage, figures, f"{(number := number + 1):03d}")
    await clients
    for rest in range(REST):
        await _look(stage, figures, f"after-{rest}")
        await asyncio.sleep(0.2)
    await stage.send(chat("soak-end", SAY, max_tokens=8, expects=ANY), undaunted=True)
    for exchange in (*first, *spoilt, *last):
        stage.ledger.enter(exchange)
    told = ("sent", "answers", "failures", "failed", "repeated", "looks")
    return {"seconds": round(figures.elapsed, 1), "cut_short": figures.elapsed < lasting} | {
        name: getattr(figures, name) for name in told
    }


async def _sent(stage: Stage, ask: Ask, name: str) -> Exchange | None:
    """One exchange outside of the run's own records. None when the budget doesn't allow it."""
    purse = Purse(stage.purse.planned)  # silent: the progress of a soak is its time
    if not stage.purse.take(ask.most_tokens):
        stage.purse.cut.add("soak")
        return None
    aside = replace(stage, ledger=Ledger(), purse=purse)
    leaves = (lambda so_far: so_far.count(b"data:") > 2) if ask.name == "leaves" else None
    exchange = await aside.send(ask.renamed(name), hang_up=leaves)
    stage.purse.settle(ask.most_tokens, exchange)
    return exchange


async def _look(stage: Stage, figures: Figures, name: str) -> None:
    """Health, the server's memory, and its metrics."""
    found: dict[str, Any] = {"at": round(figures.elapsed, 2), "sent": figures.sent, "memory": stage.memory()}
    if "health" in stage.target.capabilities:
        health = await stage.send(get(f"soak-health-{name}", "/health", expects=ANY), undaunted=True)
        found["health"] = health.status
    if "metrics" in stage.target.capabilities:
        metrics = await stage.send(get(f"soak-metrics-{name}", "/metrics", expects=ANY, metrics=True), undaunted=True)
        found["metrics"] = metrics.name
    figures.looks.append(found)


SCENARIOS = (Scenario("soak", _soak, requests=2 * (LOOKS + REST), makes=("soak-end",), long=True),)
