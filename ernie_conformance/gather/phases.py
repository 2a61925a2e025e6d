"""In which order a run asks: what must be alone, what goes side by side, what may spoil or disturb."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from ernie_conformance.gather.ask import Ask, Scenario, chat
from ernie_conformance.gather.catalogue import Selection
from ernie_conformance.targets import Target

ALIVE = chat("alive", "1+1=?", max_tokens=4)  # a good request: is the server still there?


@dataclass(frozen=True)
class Phase:
    """What is asked at the same time. `alone`: its asks go one after the other."""

    name: str
    asks: list[Ask] = field(default_factory=list)
    scenarios: list[Scenario] = field(default_factory=list)
    alone: bool = False

    @property
    def all(self) -> list[Ask | Scenario]:
        return [*self.asks, *self.scenarios]

    @property
    def is_scenario(self) -> bool:
        """Does one scenario have the server to itself, so that it says itself what goes side by side?"""
        return not self.asks and len(self.scenarios) == 1


def phases(chosen: Selection, target: Target) -> Iterator[Phase]:
    """Thinking on and off are never mixed; what must be alone comes before the crowd, what may spoil or disturb comes last.

    Where there is no thinking it is all one. What is alone only for its wording joins the crowd of a target whose answers
    don't depend on the batch.
    """
    return (phase for phase in _phases(chosen, target) if phase.asks or phase.scenarios)


def _phases(chosen: Selection, target: Target) -> Iterator[Phase]:
    def asks(modes: Collection[bool], alone: bool) -> list[Ask]:
        return [a for a in chosen.asks if not (a.disruptive or a.last) and a.alone == alone and a.thinks in modes]

    def scenes(modes: Collection[bool], alone: bool) -> list[Scenario]:
        calm = [s for s in chosen.scenarios if not (s.disruptive or s.last) and s.thinks in modes]
        return [s for s in calm if (s.alone and not (s.wording and target.batch_invariant)) == alone]

    apart = {"thinking off, ": (False,), "thinking on, ": (True,)}
    for label, modes in (apart if "reasoning" in target.capabilities else {"": (False, True)}).items():
        yield Phase(f"{label}alone", asks(modes, True), alone=True)
        yield Phase(f"{label}side by side", asks(modes, False), scenes(modes, False))
        for scenario in scenes(modes, True):
            yield Phase(f"scenario {scenario.name}", scenarios=[scenario])
    for scenario in sorted((s for s in chosen.scenarios if s.last and not s.disruptive), key=lambda s: s.last):
        yield Phase(f"last: {scenario.name}", scenarios=[scenario])
    for ask in sorted((a for a in chosen.asks if a.disruptive or a.last), key=lambda a: a.disruptive):
        yield Phase(f"last: {ask.name}", [ask], alone=True)
        yield Phase(f"after {ask.name}", [ALIVE.renamed(f"after-{ask.name}")], alone=True)
    for scenario in (s for s in chosen.scenarios if s.disruptive):
        yield Phase(f"disruptive: {scenario.name}", scenarios=[scenario])
