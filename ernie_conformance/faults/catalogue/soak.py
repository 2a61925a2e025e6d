"""Area 18: servers that wear out under a load that lasts."""

from __future__ import annotations

import asyncio
from typing import Any

from ernie_conformance.faults import acts, where
from ernie_conformance.faults.acts import health, posted
from ernie_conformance.faults.catalogue.usage import recount
from ernie_conformance.faults.edits import answers, bodies, chain, chunks, refused
from ernie_conformance.faults.fault import Act, Fault, behaviour
from ernie_conformance.faults.frames import is_usage
from ernie_conformance.faults.objects import change
from ernie_conformance.faults.visit import Visit

WORN = 120  # requests: more than any short test sends of one kind, fewer than a short soak
EACH, MOST = 0.03, 4.0  # seconds that each request adds to all that follow, and the most that they come to
metrics = where.path("/metrics")


def slower_from(count: int) -> Act:
    """Each request after so many makes all later ones wait a little longer."""

    async def behave(visit: Visit) -> None:
        await asyncio.sleep(min(MOST, EACH * max(0, visit.memory.visits - count)))
        await visit.relay()

    return behave


async def _ids_come_round(visit: Visit) -> None:
    """Ids are numbers, which start again."""
    kept = visit.memory.kept
    number = kept["id"] = (kept.get("id", 0) + 1) % WORN
    same = change("id", lambda _: f"chatcmpl-{number}")
    await visit.relay(edit=chain(answers(same), chunks(same, only=lambda _: True)))


async def _prompts_grow(visit: Visit) -> None:
    """Something of earlier prompts is left in later ones."""
    left = visit.memory.visits // WORN
    grown = recount(prompt=lambda n: n + left)
    await visit.relay(edit=chain(answers(grown), chunks(grown, only=is_usage)))


def _page(line: str, value: Any) -> Act:
    """A metrics page in which a gauge says what `value` makes of the number of requests so far."""

    async def behave(visit: Visit) -> None:
        said = f"{line} {value(visit.memory.visits)}\n".encode()

        def edit(body: bytes) -> bytes:
            kept = [one for one in body.splitlines(keepends=True) if not one.startswith(line.encode() + b" ")]
            return b"".join(kept) + said

        await visit.relay(edit=bodies(edit))

    return behave


async def _sick(visit: Visit) -> None:
    await visit.say(refused(503, "overloaded"))


FAULTS: tuple[Fault, ...] = (
    behaviour(
        "own-soak-errors",
        "SOAK-001",
        acts.after(WORN, acts.overloaded),
        where=posted,
        title="after some hundred requests all fail",
        severity="critical",
    ),
    behaviour(
        "own-soak-dies",
        "SOAK-002",
        acts.after(WORN, acts.vanish),
        where=posted,
        title="after some hundred requests the server is gone",
        severity="critical",
    ),
    behaviour(
        "own-soak-slower",
        "SOAK-003",
        slower_from(WORN),
        where=posted,
        title="each request makes later ones slower",
        severity="high",
    ),
    behaviour(
        "own-soak-ids", "SOAK-004", _ids_come_round, where=posted, title="ids start again after a while", severity="medium"
    ),
    behaviour(
        "own-soak-prompts", "SOAK-005", _prompts_grow, where=posted, title="prompts grow with the uptime", severity="high"
    ),
    behaviour(
        "own-soak-health",
        "SOAK-006",
        acts.after(WORN, _sick),
        where=health,
        title="health fails after some hundred requests",
        severity="high",
    ),
    behaviour(
        "own-soak-slots",
        "SOAK-007",
        _page("fastdeploy:num_requests_running", lambda visits: visits // WORN),
        where=metrics,
        title="requests run on for ever",
        severity="high",
    ),
    behaviour(
        "own-soak-leak",
        "SOAK-008",
        _page("process_resident_memory_bytes", lambda visits: 10**8 + visits * 10**6),
        where=metrics,
        title="memory grows with the requests answered",
        severity="high",
    ),
)
