"""Area 11: many requests side by side, and the server's life."""

from __future__ import annotations

import asyncio
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, chain, chunks, instead, pieces, refused, status
from ernie_conformance.faults.fault import Act, Cut, Fault, Piece, Response, behaviour, rewrite
from ernie_conformance.faults.objects import change
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

SLOTS = 32  # of the reference and of the tutorial's command line
SOON = 6  # requests after which a server that wears out has worn out
PARTNER_WAIT = 0.5  # seconds that one answer waits for another to be confused with
LONG = 8000  # bytes of a request with a long prompt
PAUSE = 1.5  # seconds that everything stands still

health = where.path("/health")
posted = where.method("POST")


def now() -> float:
    return asyncio.get_running_loop().time()


async def stall(visit: Visit) -> None:
    await visit.stall()


async def reset(visit: Visit) -> None:
    visit.wire.reset()


async def vanish(visit: Visit) -> None:
    """The process is gone: this connection breaks and no other is taken."""
    visit.memory.hang_up()
    visit.wire.reset()


async def _overloaded(visit: Visit) -> None:
    await visit.say(refused(500, "queue is full"))


async def _empty_stream(visit: Visit) -> None:
    await visit.say(instead(200, b"", "text/event-stream"))


def _when_full(act: Act) -> Act:
    """Act so on what comes while every slot is taken."""

    async def behave(visit: Visit) -> None:
        await (act(visit) if visit.memory.inside > SLOTS else visit.relay())

    return behave


def _after(count: int, act: Act) -> Act:
    """Act so from the `count`-th request on."""

    async def behave(visit: Visit) -> None:
        await (act(visit) if visit.memory.visits > count else visit.relay())

    return behave


async def _confused(visit: Visit) -> None:
    """Two answers of one kind that are made at the same time go to each other's client."""
    mine = await visit.fetch()
    kind = (mine.media_type, mine.status)
    waiting = visit.memory.kept.setdefault("waiting", {})
    partner = waiting.pop(kind, None)
    if partner is not None:
        theirs, theirs_wait = partner
        theirs_wait.set_result(mine)
        await visit.send(theirs)
        return
    answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    waiting[kind] = (mine, answer)
    await asyncio.wait([answer], timeout=PARTNER_WAIT)
    if not answer.done():
        del waiting[kind]
    await visit.send(answer.result() if answer.done() else mine)


async def _health_waits(visit: Visit) -> None:
    """Health is answered by the thread that is busy generating."""
    while health(visit.request) and visit.memory.inside > 1:
        await asyncio.sleep(0.02)
    await visit.relay()


async def _one_by_one(visit: Visit) -> None:
    async with visit.memory.kept.setdefault("gate", asyncio.Lock()):
        await visit.relay()


async def _long_prompt_blocks(visit: Visit) -> None:
    """While a long prompt is read, no other answer moves."""
    if len(visit.request.body or b"") > LONG:
        visit.memory.kept["free at"] = now() + PAUSE

    async def pace() -> None:
        await asyncio.sleep(max(0.0, visit.memory.kept.get("free at", 0.0) - now()))

    visit.wire.pace = pace
    await visit.relay()


async def _without_abort(visit: Visit) -> None:
    """The good server isn't told that the client left: it goes on to the end."""
    asking = asyncio.ensure_future(visit.fetch())
    visit.memory.kept.setdefault("running", set()).add(asking)  # kept, so that it isn't collected
    try:
        await visit.send(await asyncio.shield(asking))
    except Cut:
        visit.wire.reset()


async def _slot_leaks(visit: Visit) -> None:
    """A client that leaves takes all slots with it."""
    if visit.memory.dead:
        await visit.stall()
    try:
        await visit.relay()
    except asyncio.CancelledError:
        visit.memory.dead = True
        raise


async def _shared_id(visit: Visit) -> None:
    """Answers made at the same time share one id."""
    same = change("id", lambda _: "chatcmpl-shared")
    await visit.relay(edit=chain(answers(same), chunks(same, only=lambda _: True)) if visit.memory.inside > 1 else None)


async def _late(visit: Visit) -> None:
    await asyncio.sleep(PAUSE)
    await visit.relay()


async def _once_a_connection(visit: Visit) -> None:
    """The second request on a connection breaks it, though keep-alive was promised."""
    await (reset(visit) if visit.wire.answered else visit.relay())


async def _health_lies(visit: Visit) -> None:
    """Generation is dead, health says all is well."""
    if posted(visit.request) and visit.memory.visits > SOON:
        visit.wire.reset()
    else:
        await visit.relay()


async def _health_counts_load(visit: Visit) -> None:
    """Health says no while requests are answered."""
    busy = health(visit.request) and visit.memory.inside > 1
    await (visit.say(instead(503, b"")) if busy else visit.relay())


async def _every_fifth_fails(visit: Visit) -> None:
    failing = posted(visit.request) and visit.memory.visits % 5 == 0
    await (_overloaded(visit) if failing else visit.relay())


async def _drifts_slower(visit: Visit) -> None:
    await asyncio.sleep(0.02 * visit.memory.visits)
    await visit.relay()


def _slow(found: Any) -> Any:
    """A fifth of a second between any two pieces."""
    for count, (at, data) in enumerate(found):
        yield at + 0.2 * count, data


def _late_pieces(seconds: float) -> Any:
    def edit(found: Any) -> Any:
        for at, data in found:
            later: Piece = (at + seconds, data)
            yield later

    return edit


def _is_long(request: Request) -> bool:
    return len(request.body or b"") > LONG


FAULTS: tuple[Fault, ...] = (
    behaviour("conc-cross-talk", "", _confused, where=posted),
    behaviour("conc-queue-drop-silent", "", _when_full(_empty_stream), where=posted),
    behaviour("conc-hang-after-n", "", _after(SOON, stall), where=posted),
    behaviour("conc-health-blocked", "", _health_waits),
    behaviour("conc-no-abort-nonstream", "", _without_abort, where=where.unstreamed),
    behaviour("conc-orphan-workers", "", lambda visit: visit.relay(), leaves_child=True),
    behaviour("conc-overload-500", "", _when_full(_overloaded), where=posted),
    behaviour("conc-shutdown-cuts-streams", "", lambda visit: visit.relay(), cuts_on_term=True),
    rewrite("conc-health-wrong-code", "WIRE-006", status(500), where=health),
    behaviour(
        "own-no-abort-stream",
        "",
        _without_abort,
        where=where.streamed,
        title="a client that leaves a stream isn't noticed",
        severity="high",
    ),
    behaviour(
        "own-slot-leak",
        "",
        _slot_leaks,
        where=posted,
        title="a client that leaves takes the slots with it",
        severity="critical",
    ),
    behaviour(
        "own-one-by-one", "", _one_by_one, where=posted, title="requests are answered one after the other", severity="high"
    ),
    behaviour(
        "own-head-of-line",
        "",
        _long_prompt_blocks,
        where=posted,
        title="a long prompt stalls running streams",
        severity="high",
    ),
    behaviour(
        "own-shared-id",
        "SCHEMA-004",
        _shared_id,
        where=posted,
        title="answers made side by side share an id",
        severity="high",
    ),
    behaviour(
        "own-queue-hangs", "", _when_full(stall), where=posted, title="what is queued is never answered", severity="critical"
    ),
    behaviour(
        "own-queue-reset", "", _when_full(reset), where=posted, title="what doesn't fit is reset", severity="critical"
    ),
    behaviour(
        "own-dead-after-n",
        "",
        _after(SOON, vanish),
        where=posted,
        title="the server dies after some requests",
        severity="critical",
    ),
    behaviour("own-connect-refused", "WIRE-001", vanish, title="the server is gone", severity="critical"),
    behaviour("own-reset-at-once", "WIRE-001", reset, where=posted, title="every request is reset", severity="critical"),
    behaviour(
        "own-keep-alive-broken",
        "WIRE-001",
        _once_a_connection,
        title="a kept connection breaks at its second request",
        severity="high",
    ),
    behaviour("own-health-lies", "", _health_lies, title="health says 200 while nothing is generated", severity="critical"),
    behaviour("own-health-under-load", "", _health_counts_load, title="health says 503 while busy", severity="high"),
    behaviour(
        "own-health-hangs",
        "WIRE-001",
        stall,
        where=health,
        needs=("health",),
        title="health never answers",
        severity="critical",
    ),
    rewrite(
        "own-health-500",
        "AUX-006",
        status(500),
        where=health,
        title="health says 500 though all is well",
        severity="critical",
    ),
    rewrite(
        "own-health-404",
        "AUX-006",
        instead(404, b'{"detail":"Not Found"}'),
        where=health,
        title="there is no health route",
        severity="high",
    ),
    behaviour("own-every-fifth-500", "WIRE-002", _every_fifth_fails, title="one request in five fails", severity="critical"),
    behaviour(
        "own-drifts-slower",
        "",
        _drifts_slower,
        where=posted,
        title="each request is slower than the one before",
        severity="medium",
    ),
    behaviour(
        "own-late-first-byte",
        "",
        stall,
        where=where.both(posted, _is_long),
        title="long prompts are never answered",
        severity="critical",
    ),
    rewrite("own-slow-tokens", "", pieces(_slow), where=where.streamed, title="five tokens a second", severity="medium"),
    rewrite(
        "own-late-answers",
        "",
        pieces(_late_pieces(20.0)),
        where=where.streamed,
        title="the first token comes after twenty seconds",
        severity="high",
    ),
    behaviour("own-late-health", "", _late, where=health, title="health takes more than a second", severity="medium"),
)
