"""One run of traffic: read the host, start or attach, ask in phases, stop, and hand the evidence over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ernie_conformance.faults.fault import Fault
from ernie_conformance.faults.proxy import injecting
from ernie_conformance.gather.ask import Ask, Scenario, chat
from ernie_conformance.gather.budget import budget_of
from ernie_conformance.gather.catalogue import Selection, select
from ernie_conformance.gather.stage import EXAMPLES, Ledger, Stage
from ernie_conformance.launch.serve import Deployment, LaunchFailed, serve
from ernie_conformance.probe import read_facts
from ernie_conformance.targets import Target
from ernie_conformance.wire.client import Client
from ernie_conformance.wire.evidence import Evidence


@dataclass(frozen=True)
class Orders:
    """How a run is made. `traffic` False reads the host only. `progress` takes one line of text at a time."""

    report_dir: Path
    traffic: bool = True
    server_python: str | None = None
    model_dir: str | None = None
    api_key: str | None = None
    speed: str = "gate"
    profile: str = "release"
    concurrency: int | None = None
    examples: int = EXAMPLES
    through: Fault | None = None  # stands between us and the launched server, as its dialect
    progress: Callable[[str], None] = field(default=lambda _: None)
    announce: Callable[[str], None] = field(default=lambda _: None)  # told even where nobody watches


async def gather(target: Target, names: Iterable[str], orders: Orders) -> Evidence:
    """All the evidence that `names` call for. What a server does wrong is recorded, never raised."""
    host = await asyncio.to_thread(
        read_facts,
        target,
        server_python=orders.server_python,
        model_dir=orders.model_dir,
        attached=target.kind == "attached",
    )
    facts: dict[str, Any] = {"host": host, "started_at": time.time()}
    if not orders.traffic:
        return Evidence({}, facts=facts, target=target_record(target))
    chosen = select(names, target)
    budget = budget_of(chosen, target)
    orders.announce(str(budget))
    facts["budget"] = asdict(budget)
    ledger = Ledger()
    notes: dict[str, dict[str, Any]] = {}
    unasked = chosen.unasked
    try:
        if target.kind == "attached":
            notes = await _converse(target, None, chosen, ledger, orders)
        else:
            async with _served(target, orders) as deployment, AsyncExitStack() as between:
                facts["launch"] = deployment.facts
                urls = deployment.base_url, deployment.metrics_url
                if orders.through is not None:
                    injector = await between.enter_async_context(injecting(orders.through, *urls))
                    urls = injector.base_url, injector.metrics_url
                target = replace(target, base_url=urls[0], metrics_url=urls[1])
                notes = await _converse(target, deployment, chosen, ledger, orders)
    except LaunchFailed as failure:
        facts["launch"] = failure.facts
        wanted: list[Ask | Scenario] = [*chosen.asks, *chosen.scenarios]
        names = [name for one in wanted for name in (one.name, *getattr(one, "makes", ()))]
        unasked = {**unasked, **dict.fromkeys(names, "blocked by LAUNCH-001: the server didn't become ready")}
    facts["seconds"] = time.time() - facts["started_at"]
    return Evidence(ledger.exchanges, notes, facts, target_record(target), unasked=unasked)


def _served(target: Target, orders: Orders) -> AbstractAsyncContextManager[Deployment]:
    return serve(
        target,
        server_python=orders.server_python,
        model_dir=orders.model_dir,
        report_dir=orders.report_dir,
        speed=orders.speed,
        api_key=orders.api_key,
        progress=orders.progress,
    )


def target_record(target: Target) -> dict[str, Any]:
    """The target as the evidence's head keeps it; replay builds the target again from it."""
    record = asdict(target)
    record["capabilities"] = sorted(target.capabilities)
    record["waivers"] = []
    record["launch"] = {}
    return record


async def _converse(
    target: Target, deployment: Deployment | None, chosen: Selection, ledger: Ledger, orders: Orders
) -> dict[str, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {orders.api_key}"} if orders.api_key else {}
    notes: dict[str, dict[str, Any]] = {}
    target = replace(target, slots=orders.concurrency or target.slots)
    async with (
        Client(target.base_url, target.timeouts, headers) as client,
        Client((target.metrics_url or target.base_url).removesuffix("/metrics"), target.timeouts) as metrics,
    ):
        log_since = deployment.log_since if deployment else lambda _: None
        stage = Stage(target, client, metrics, ledger, profile=orders.profile, log_since=log_since, examples=orders.examples)
        for phase, asks, scenarios, at_most in _phases(chosen, target.slots, target.batch_invariant):
            if not asks and not scenarios:
                continue
            orders.progress(f"{phase}: {len(asks) + len(scenarios)} to ask")
            played = await _play(stage.within(phase), phase, asks, scenarios, at_most)
            notes.update(played)
            if deployment is not None and not deployment.alive():
                await deployment.restart(during=phase)
                ledger.renew()
    return notes


ALIVE = chat("alive", "1+1=?", max_tokens=4)  # a good request: is the server still there?

Phase = tuple[str, list[Ask], list[Scenario], int]


def _phases(chosen: Selection, slots: int, batch_invariant: bool) -> Iterable[Phase]:
    """Thinking on and off are never mixed; what must be alone comes before the crowd, what may spoil or disturb comes last.

    What is alone only for its wording joins the crowd of a target whose answers don't depend on the batch.
    """

    def asks(thinks: bool, alone: bool) -> list[Ask]:
        return [a for a in chosen.asks if not (a.disruptive or a.last) and a.alone == alone and a.thinks == thinks]

    def scenes(thinks: bool, alone: bool) -> list[Scenario]:
        calm = [s for s in chosen.scenarios if not (s.disruptive or s.last) and s.thinks == thinks]
        return [s for s in calm if (s.alone and not (s.wording and batch_invariant)) == alone]

    for thinks, label in ((False, "thinking off"), (True, "thinking on")):
        yield f"{label}, alone", asks(thinks, True), [], 1
        yield f"{label}, side by side", asks(thinks, False), scenes(thinks, False), slots
        for scenario in scenes(thinks, True):
            yield f"scenario {scenario.name}", [], [scenario], 1
    for scenario in (s for s in chosen.scenarios if s.last and not s.disruptive):
        yield f"last: {scenario.name}", [], [scenario], 1
    for ask in sorted((a for a in chosen.asks if a.disruptive or a.last), key=lambda a: a.disruptive):
        yield f"last: {ask.name}", [ask], [], 1
        yield f"after {ask.name}", [ALIVE.renamed(f"after-{ask.name}")], [], 1
    for scenario in (s for s in chosen.scenarios if s.disruptive):
        yield f"disruptive: {scenario.name}", [], [scenario], 1


async def _play(
    stage: Stage, phase: str, asks: list[Ask], scenarios: list[Scenario], at_most: int
) -> dict[str, dict[str, Any]]:
    slots = asyncio.Semaphore(at_most) if asks or len(scenarios) > 1 else None

    async def scene(scenario: Scenario) -> tuple[str, dict[str, Any]]:
        try:
            return scenario.name, await scenario.play(stage.within(phase, scenario.name, slots))
        except Exception as defect:  # a scenario records what servers do; what it raises is our own mistake, kept as such
            return scenario.name, {"defect": f"{type(defect).__name__}: {defect}"}

    crowd = stage.within(phase, "", slots).send_all(asks, at_most)
    _, *played = await asyncio.gather(crowd, *(scene(s) for s in scenarios))
    return dict(played)
