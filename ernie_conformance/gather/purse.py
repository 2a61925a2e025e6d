"""What a run has spent, and what it may: asks that don't fit into the operator's budget are left out, and said so."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from ernie_conformance.gather.budget import Budget
from ernie_conformance.wire.exchange import Exchange
from ernie_conformance.wire.usage import completion_tokens

TELL_EVERY = 0.5  # seconds
LEFT = 60  # tokens that an answer costs whose client leaves early: a second of the tutorial's card


@dataclass
class Purse:
    """Tokens and seconds of one run. `cut` names the asks and scenarios for which it didn't last.

    Of what is under way the most that it may cost is set aside, so that `most_tokens` is never exceeded by a server that
    keeps max_tokens. What is under way when `most_seconds` end is heard to its end.
    """

    planned: Budget
    most_tokens: int | None = None
    most_seconds: float | None = None
    tell: Callable[[str], None] = field(default=lambda _: None)
    cut: set[str] = field(default_factory=set)
    tokens: int = 0
    done: int = 0
    _aside: int = 0
    _told: float = -inf
    _began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def take(self, tokens: int) -> bool:
        """Set aside what an ask may cost; False when it doesn't fit any more."""
        late = self.most_seconds is not None and self.seconds >= self.most_seconds
        if late or (self.most_tokens is not None and self.tokens + self._aside + tokens > self.most_tokens):
            return False
        self._aside += tokens
        return True

    def settle(self, taken: int, exchange: Exchange) -> None:
        """An ask came to its end. One that was answered without usage costs what was taken for it."""
        told = completion_tokens(exchange)
        free = (exchange.status or 0) >= 400 or (exchange.error or "").startswith("connect:")
        self._aside -= taken
        self.tokens += told if told is not None else 0 if free else taken
        self.done += 1
        if self.seconds - self._told >= TELL_EVERY:
            self._told = self.seconds
            self.tell(self.progress())

    def progress(self) -> str:
        """Exchanges done of those planned, tokens a second, and the seconds that the rest takes at this rate."""
        planned = max(self.planned.requests, self.done)
        left = (planned - self.done) * self.seconds / self.done if self.done else self.planned.seconds
        return f"{self.done}/{planned} exchanges, {self.tokens / max(self.seconds, 0.001):.0f} tokens/s, {left:.0f} s left"
