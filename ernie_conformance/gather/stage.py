"""Where requests are sent from: fills in the model, keeps the records, and stops knocking on a dead server's door."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import inf

from ernie_conformance.gather.ask import Ask
from ernie_conformance.gather.budget import CROWDED
from ernie_conformance.gather.purse import LEFT, Purse
from ernie_conformance.gather.slots import Slots
from ernie_conformance.targets import Target, Timeouts
from ernie_conformance.wire.client import Client, HangUp
from ernie_conformance.wire.evidence import CUT
from ernie_conformance.wire.exchange import ABANDONED, NOT_TRIED, Exchange, Request

# After so many failures in a row without one answer, a server is given up. More than the number that a server may
# close on purpose (each disruptive request is followed by a good one), few enough that a hung server costs seconds.
PATIENCE = 4
EXAMPLES = 12  # generated requests of each sort, unless --examples says otherwise
FATAL = ("connect:", "first-byte:", "gap:", "total:", "broken:")
DROPPED = ("connect:", "broken:")  # what a server that ends does to its clients


class Ledger:
    """Every exchange of a run by name, and whether the server is worth asking on."""

    def __init__(self) -> None:
        self.exchanges: dict[str, Exchange] = {}
        self.unplayed: set[str] = set()  # scenarios whose server was given up before
        self._failures = 0
        self.dropped = False  # did the latest exchange end as if the server had?

    @property
    def given_up(self) -> bool:
        return self._failures >= PATIENCE

    def renew(self) -> None:
        """The server was started again."""
        self._failures = 0
        self.dropped = False

    def enter(self, exchange: Exchange) -> Exchange:
        """Keep `exchange` under its name, which must be new."""
        if exchange.name in self.exchanges:
            raise ValueError(f"two exchanges are called {exchange.name!r}")
        self.exchanges[exchange.name] = exchange
        self.dropped = (exchange.error or "").startswith(DROPPED) and exchange.expects != ABANDONED
        if exchange.error is None:
            self._failures = 0
        elif exchange.expects != ABANDONED and exchange.error.startswith(FATAL):
            self._failures += 1
        return exchange


@dataclass(frozen=True)
class Stage:
    """Sends asks to one server. Scenarios get one of their own, whose exchanges carry the scenario's name.

    `slots` bounds what a phase sends side by side; None where a scenario has the server to itself and says so itself.
    """

    target: Target
    client: Client
    metrics: Client
    ledger: Ledger
    purse: Purse
    profile: str = "release"
    phase: str = ""
    scenario: str = ""
    log_since: Callable[[float], str | None] = lambda _: None
    slots: Slots | None = None
    examples: int = EXAMPLES
    minutes: float = 0.0  # that a long scenario may take
    memory: Callable[[], int | None] = lambda: None  # bytes that the server holds, None where nobody can tell

    def within(self, phase: str, scenario: str = "", slots: Slots | None = None) -> Stage:
        """The same stage for another phase or a scenario."""
        return replace(self, phase=phase, scenario=scenario, slots=slots)

    def through(self, client: Client) -> Stage:
        """The same stage with another client, e.g. one that has no key."""
        return replace(self, client=client)

    async def send(
        self,
        ask: Ask,
        *,
        hang_up: HangUp | None = None,
        leave_after: float | None = None,
        heard: asyncio.Event | None = None,
        undaunted: bool = False,
    ) -> Exchange:
        """Send one ask and enter what comes back.

        `hang_up` closes the connection early, on purpose; so does `leave_after` when as many seconds pass without a byte.
        `heard` is set when the first bytes of the body come. `undaunted`: knock even where the server was given up.
        What doesn't fit into the budget comes back with an error and isn't entered.
        """
        watch = hang_up if heard is None else _telling(heard, hang_up)
        abandoned = hang_up is not None or leave_after is not None
        tokens = min(ask.most_tokens, LEFT) if abandoned else ask.most_tokens
        async with self.slots.one(self._length(ask)) if self.slots else nullcontext():
            if not self.purse.take(tokens):
                self.purse.cut.add(self.scenario or ask.name)
                return Exchange(ask.name, ask.request(self.target.model), None, error=CUT)
            exchange = await self._sent(ask, watch, leave_after, undaunted)
        self.purse.settle(tokens, exchange)
        return self.ledger.enter(replace(exchange, expects=ABANDONED if abandoned else ask.expects))

    def _length(self, ask: Ask) -> float:
        """How long it may take, to compare with others. A scenario's requests wait for each other, so they go first."""
        return inf if self.scenario else ask.most_tokens

    async def _sent(self, ask: Ask, watch: HangUp | None, leave_after: float | None, undaunted: bool) -> Exchange:
        request = ask.request(self.target.model)
        if self.ledger.given_up and not undaunted:
            exchange = Exchange(ask.name, request, None, error=NOT_TRIED, sent_at=time.time())
        else:
            bounds = self._bounds(request)
            patience = bounds.disruptive if ask.disruptive else leave_after
            if patience is not None:
                bounds = replace(bounds, first_byte=patience, gap=patience, total=patience)
            client = self.metrics if ask.metrics else self.client
            exchange = await client.send(ask.name, request, timeouts=bounds, hang_up=watch)
        notes = {"scenario": self.scenario} if self.scenario else {}
        log = self.log_since(exchange.sent_at) if exchange.error or (exchange.status or 0) >= 500 else None
        return replace(exchange, phase=self.phase, notes=notes, log=log)

    def _bounds(self, request: Request) -> Timeouts:
        """The target's time-outs; a whole answer's first byte comes when all of it is generated."""
        bounds = self.target.timeouts
        if request.json.get("stream") is True or request.method != "POST":
            return bounds
        limits = [request.json.get(key) for key in ("max_tokens", "max_completion_tokens")]
        tokens = max((limit for limit in limits if type(limit) is int), default=None)
        if tokens is None:
            return replace(bounds, first_byte=bounds.total)
        generating = tokens / (self.target.tokens_per_second * CROWDED)
        return replace(bounds, first_byte=min(bounds.total, bounds.first_byte + generating))

    async def send_all(self, asks: Iterable[Ask], at_most: int | None = None) -> list[Exchange]:
        """Send asks side by side, `at_most` at a time (the target's slots when not given)."""
        turn = asyncio.Semaphore(at_most or self.target.slots)

        async def one(ask: Ask) -> Exchange:
            async with turn:
                return await self.send(ask)

        return list(await asyncio.gather(*(one(ask) for ask in asks)))


def _telling(heard: asyncio.Event, hang_up: HangUp | None) -> HangUp:
    """Says when the first bytes have come, and else does as `hang_up`, if there is one."""

    def listen(so_far: bytes) -> bool:
        heard.set()
        return hang_up is not None and hang_up(so_far)

    return listen
