"""Everything that can be asked, found in gather/asks/: each module there has ASKS, SCENARIOS or both."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ernie_conformance.gather import asks as package
from ernie_conformance.gather.ask import Ask, Scenario
from ernie_conformance.targets import Target


@dataclass(frozen=True)
class Catalogue:
    """Asks and scenarios by name, and the area (the module's name) of each."""

    asks: dict[str, Ask]
    scenarios: dict[str, Scenario]
    areas: dict[str, str]

    def owner(self, name: str) -> str | None:
        """What must be played so that `name` is in the evidence: itself, or the scenario that makes it. None: unknown."""
        if name in self.asks or name in self.scenarios:
            return name
        return next((scenario.name for scenario in self.scenarios.values() if name in scenario.makes), None)

    def core(self) -> set[str]:
        """What is asked whenever any traffic is."""
        everything: list[Ask | Scenario] = [*self.asks.values(), *self.scenarios.values()]
        return {one.name for one in everything if one.core}


@cache
def catalogue() -> Catalogue:
    """Read every area. Raises ValueError when two things share a name."""
    asks: dict[str, Ask] = {}
    scenarios: dict[str, Scenario] = {}
    areas: dict[str, str] = {}
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        area = importlib.import_module(module.name)
        for ask in getattr(area, "ASKS", ()):
            if ask.name in asks:
                raise ValueError(f"two asks are called {ask.name!r}")
            asks[ask.name] = ask
        for scenario in getattr(area, "SCENARIOS", ()):
            if scenario.name in asks or scenario.name in scenarios:
                raise ValueError(f"two scenarios are called {scenario.name!r}")
            scenarios[scenario.name] = scenario
        names = {one.name for one in (*getattr(area, "ASKS", ()), *getattr(area, "SCENARIOS", ()))}
        areas.update(dict.fromkeys(names, module.name.rpartition(".")[2]))
    return Catalogue(asks, scenarios, areas)


@dataclass(frozen=True)
class Selection:
    """What will be asked, and why the rest of what was wanted won't be."""

    asks: list[Ask]
    scenarios: list[Scenario]
    unasked: dict[str, str]

    @property
    def all(self) -> list[Ask | Scenario]:
        return [*self.asks, *self.scenarios]


def select(names: Iterable[str], target: Target, minutes: float = 0, *, core: bool = True) -> Selection:
    """What of `names`, and of the core unless that is False, this target is asked.

    What it doesn't declare, or what may disturb it, is left out with a reason; so is what takes minutes, unless they are
    given.
    """
    known = catalogue()
    chosen = Selection([], [], {})
    for name in sorted(set(names) | (known.core() if core else set())):
        one: Ask | Scenario = known.asks[name] if name in known.asks else known.scenarios[name]
        missing = [need for need in one.needs if need not in target.capabilities]
        if missing:
            reason = f"not declared: {', '.join(missing)}"
            chosen.unasked.update(dict.fromkeys((name, *getattr(one, "makes", ())), reason))
        elif one.disruptive and not target.disruptive:
            reason = "may disturb the server; allow it with --disruptive"
            chosen.unasked.update(dict.fromkeys((name, *getattr(one, "makes", ())), reason))
        elif isinstance(one, Scenario) and one.long and not minutes:
            chosen.unasked.update(dict.fromkeys((name, *one.makes), "takes minutes; ask for it with -m soak"))
        elif isinstance(one, Ask):
            chosen.asks.append(one)
        else:
            chosen.scenarios.append(one)
    return chosen
