"""One run of traffic: read the host, start or attach, ask in phases, stop, and hand the evidence over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from ernie_conformance.faults.fault import Fault
from ernie_conformance.faults.proxy import injecting
from ernie_conformance.gather.ask import Scenario
from ernie_conformance.gather.budget import budget_of
from ernie_conformance.gather.catalogue import Selection, select
from ernie_conformance.gather.phases import Phase, phases
from ernie_conformance.gather.purse import Purse
from ernie_conformance.gather.slots import Slots
from ernie_conformance.gather.stage import EXAMPLES, Ledger, Stage
from ernie_conformance.launch.serve import Deployment, LaunchFailed, serve
from ernie_conformance.probe import read_facts
from ernie_conformance.targets import Target
from ernie_conformance.wire.client import Client
from ernie_conformance.wire.evidence import CUT, Evidence
from ernie_conformance.wire.exchange import NOT_TRIED

T = TypeVar("T")
NEVER_READY = "blocked by LAUNCH-001: the server didn't become ready"
TOO_OFTEN = "blocked by LAUNCH-004: the server ended, and once more when it was started again"


@dataclass(frozen=True)
class Orders:
    """How a run is made. `traffic` False reads the host only. `progress` takes one line of text at a time."""

    report_dir: Path
    traffic: bool = True
    core: bool = True  # ask what is asked whenever any traffic is
    server_python: str | None = None
    model_dir: str | None = None
    api_key: str | None = None
    speed: str = "gate"
    profile: str = "release"
    concurrency: int | None = None
    examples: int = EXAMPLES
    minutes: float = 0.0  # of load that lasts; 0: none
    most_tokens: int | None = None  # completion tokens that may be spent; what doesn't fit isn't asked
    most_seconds: float | None = None  # after which nothing more is asked
    through: Fault | None = None  # stands between us and the launched server, as its dialect
    progress: Callable[[str], None] = field(default=lambda _: None)
    announce: Callable[[str], None] = field(default=lambda _: None)  # told even where nobody watches


async def gather(target: Target, names: Iterable[str], orders: Orders) -> Evidence:
    """All the evidence that `names` call for. What a server does wrong is recorded, never raised."""
    python, model, attached = orders.server_python, orders.model_dir, target.kind == "attached"
    host = await _aside(lambda: read_facts(target, server_python=python, model_dir=model, attached=attached))
    facts: dict[str, Any] = {"host": host, "started_at": time.time()}
    if not orders.traffic:
        return Evidence({}, facts=facts, target=target_record(target))
    chosen = select(names, target, orders.minutes, core=orders.core)
    budget = budget_of(chosen, target)
    orders.announce(str(budget))
    facts["budget"] = asdict(budget)
    ledger = Ledger()
    purse = Purse(budget, orders.most_tokens, orders.most_seconds, orders.progress)
    notes: dict[str, dict[str, Any]] = {}
    unasked = chosen.unasked
    try:
        if target.kind == "attached":
            await _converse(target, None, chosen, ledger, purse, orders, notes)
        else:
            async with _served(target, orders) as deployment, AsyncExitStack() as between:
                facts["launch"] = deployment.facts
                urls = deployment.base_url, deployment.metrics_url
                if orders.through is not None:
                    injector = await between.enter_async_context(injecting(orders.through, *urls))
                    urls = injector.base_url, injector.metrics_url
                target = replace(target, base_url=urls[0], metrics_url=urls[1])
                await _converse(target, deployment, chosen, ledger, purse, orders, notes)
    except LaunchFailed as failure:
        facts["launch"] = failure.facts
        lost = {one.name for one in chosen.all} - {*ledger.exchanges, *notes}
        unasked = {**unasked, **_missing(chosen, lost, TOO_OFTEN if failure.facts["ready"] else NEVER_READY)}
    unasked = {**unasked, **_missing(chosen, ledger.unplayed, f"blocked by WIRE-001: {NOT_TRIED}")}
    unasked = {**unasked, **_missing(chosen, purse.cut, CUT)}
    facts["seconds"] = time.time() - facts["started_at"]
    return Evidence(ledger.exchanges, notes, facts, target_record(target), unasked=unasked)


async def _aside(work: Callable[[], T]) -> T:
    """The result of `work`, done in a thread that a run which is broken off doesn't wait for, as it would for a pool's."""
    result: Future[T] = Future()
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    return await asyncio.wrap_future(result)


def _missing(chosen: Selection, names: Collection[str], reason: str) -> dict[str, str]:
    """What the evidence lacks where `names` weren't asked, each with the reason."""
    lost = [one for one in chosen.all if one.name in names]
    return {name: reason for one in lost for name in (one.name, *getattr(one, "makes", ()))}


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
    target: Target,
    deployment: Deployment | None,
    chosen: Selection,
    ledger: Ledger,
    purse: Purse,
    orders: Orders,
    notes: dict[str, dict[str, Any]],
) -> None:
    """Send what was chosen. What scenarios noted goes to `notes` at once, for the server may end for good."""
    headers = {"Authorization": f"Bearer {orders.api_key}"} if orders.api_key else {}
    target = replace(target, slots=orders.concurrency or target.slots)
    async with (
        Client(target.base_url, target.timeouts, headers) as client,
        Client((target.metrics_url or target.base_url).removesuffix("/metrics"), target.timeouts) as metrics,
    ):
        log_since = deployment.log_since if deployment else lambda _: None
        stage = Stage(
            target,
            client,
            metrics,
            ledger,
            purse,
            profile=orders.profile,
            log_since=log_since,
            examples=orders.examples,
            minutes=orders.minutes,
            memory=deployment.memory if deployment else lambda: None,
        )
        for phase in phases(chosen, target):
            notes.update(await _play(stage, phase))
            if deployment is not None and not await deployment.lives(in_doubt=ledger.dropped):
                await deployment.restart(during=phase.name)
                ledger.renew()


async def _play(stage: Stage, phase: Phase) -> dict[str, dict[str, Any]]:
    """Send what a phase holds; what each of its scenarios noted, unless the budget or the server's end cut it short."""
    slots = Slots(1 if phase.alone else stage.target.slots)
    crowd = stage.within(phase.name, "", slots)

    async def scene(scenario: Scenario) -> dict[str, Any]:
        if stage.ledger.given_up and not scenario.undaunted:
            stage.ledger.unplayed.add(scenario.name)
            return {}
        try:
            return await scenario.play(stage.within(phase.name, scenario.name, None if phase.is_scenario else slots))
        except Exception as defect:  # a scenario records what servers do; what it raises is our own mistake, kept as such
            return {"defect": f"{type(defect).__name__}: {defect}"}

    longest_first = sorted(phase.asks, key=lambda ask: -ask.most_tokens)  # free slots are given in this order
    sent = asyncio.gather(*(crowd.send(ask) for ask in longest_first))
    played = await asyncio.gather(*map(scene, phase.scenarios))
    await sent
    names = [scenario.name for scenario in phase.scenarios]
    gone = stage.purse.cut | stage.ledger.unplayed
    return {name: notes for name, notes in zip(names, played, strict=True) if name not in gone}
