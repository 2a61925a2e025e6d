"""What a run may cost, told before it starts: requests, tokens at most, and the server's seconds for them."""

from __future__ import annotations

from dataclasses import dataclass

from ernie_conformance.gather.ask import Ask, Scenario
from ernie_conformance.gather.catalogue import Selection
from ernie_conformance.gather.phases import Phase, phases
from ernie_conformance.targets import Target

# A stream among as many as there are slots gets a third of the speed that it has alone (A800: 20 of 60 tokens/s).
CROWDED = 1 / 3
FIRST = 0.35  # seconds to the first token of a short prompt, as on the tutorial's card
USUAL = 32  # slots for which scenarios tell their cost


@dataclass(frozen=True)
class Budget:
    """`tokens` is an upper bound of completion tokens, `seconds` the time in which the target generates them."""

    requests: int
    tokens: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, at most {self.tokens} completion tokens, at most {self.seconds:.0f} s of generating"
        )


def budget_of(chosen: Selection, target: Target) -> Budget:
    """The budget of a selection."""
    followed = sum(ask.disruptive or ask.last for ask in chosen.asks)  # each by a good request
    costs = [cost(one, target.slots) for one in chosen.all]
    seconds = sum(_seconds(phase, target) for phase in phases(chosen, target))
    return Budget(sum(n for n, _ in costs) + followed, sum(tokens for _, tokens in costs) + 4 * followed, round(seconds, 1))


def cost(one: Ask | Scenario, slots: int) -> tuple[int, int]:
    """Requests and completion tokens at most."""
    if isinstance(one, Ask):
        return 1, one.most_tokens
    share = slots / USUAL if one.by_slots else 1
    return round((one.requests or max(len(one.makes), 1)) * share), round(one.tokens * share)


def _seconds(phase: Phase, target: Target) -> float:
    """What is alone at the speed that one stream has, what goes side by side at that of a crowd on all slots."""
    costs = [cost(one, target.slots) for one in phase.all]
    requests, tokens = sum(n for n, _ in costs), sum(tokens for _, tokens in costs)
    if phase.alone:
        return requests * FIRST + tokens / target.tokens_per_second
    together = min(target.slots, requests)
    speed = target.tokens_per_second * max(CROWDED * together, 1)
    longest = max(tokens for _, tokens in costs) / (target.tokens_per_second * (CROWDED if len(costs) > 1 else together))
    return max(requests * FIRST / together + tokens / speed, FIRST + longest)
