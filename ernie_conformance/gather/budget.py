"""What a run may cost, told before it starts: requests, tokens at most, and the server's seconds for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ernie_conformance.gather.ask import Ask
from ernie_conformance.gather.catalogue import Selection
from ernie_conformance.targets import Target

UNLIMITED = 512  # tokens that we reckon with for a request that sets no limit, or one beyond any answer
MOST = 4096


@dataclass(frozen=True)
class Budget:
    """`tokens` is an upper bound of completion tokens; `seconds` assumes that every slot generates at the crowded speed."""

    requests: int
    tokens: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.requests} requests or more, at most {self.tokens} completion tokens, {self.seconds:.0f} s of generating"
        )


def budget_of(chosen: Selection, target: Target) -> Budget:
    """The budget of a selection. Scenarios say themselves what they may cost."""
    tokens = sum(_tokens(ask) for ask in chosen.asks) + sum(scenario.tokens for scenario in chosen.scenarios)
    requests = len(chosen.asks) + sum(max(len(scenario.makes), 1) for scenario in chosen.scenarios)
    together = target.tokens_per_second * target.slots / 3  # a third of the speed each, see stage.CROWDED
    return Budget(requests, tokens, tokens / together)


def _tokens(ask: Ask) -> int:
    if not isinstance(ask.body, Mapping) or ask.expects == "refusal":
        return 0
    limits = [ask.body.get(key) for key in ("max_tokens", "max_completion_tokens")]
    known = [limit for limit in limits if type(limit) is int and limit > 0]
    choices = ask.body.get("n")
    limit = min(known, default=UNLIMITED)
    return (limit if limit <= MOST else UNLIMITED) * (choices if type(choices) is int and choices > 0 else 1)
