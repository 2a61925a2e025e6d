"""The toolbox that behaviours are made of: what broken servers do with connections, slots, and requests side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, chain, chunks, header, instead, refused, streams
from ernie_conformance.faults.fault import Act, Cut, Response
from ernie_conformance.faults.frames import Frame, has_answer, split
from ernie_conformance.faults.objects import change
from ernie_conformance.faults.upstream import Live, asking
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

SLOTS = 32  # of the reference and of the tutorial's command line
SOON = 6  # requests after which a server that wears out has worn out
PARTNER_WAIT = 0.5  # seconds that one answer waits for another to be confused with
LONG = 8000  # bytes of a request with a long prompt
PAUSE = 3.0  # seconds that everything stands still
A_LITTLE = 0.3  # seconds: a server under load
VERY_LATE = 20.0  # seconds: beyond the time-outs of the reference's target

health = where.path("/health")
posted = where.method("POST")


def now() -> float:
    return asyncio.get_running_loop().time()


async def relay(visit: Visit) -> None:
    """Nothing is wrong with it."""
    await visit.relay()


async def stall(visit: Visit) -> None:
    await visit.stall()


async def reset(visit: Visit) -> None:
    visit.wire.reset()


async def vanish(visit: Visit) -> None:
    """The process is gone: this connection breaks and no other is taken."""
    visit.memory.hang_up()
    visit.wire.reset()


async def overloaded(visit: Visit) -> None:
    await visit.say(refused(500, "queue is full"))


async def empty_stream(visit: Visit) -> None:
    await visit.say(instead(200, b"", "text/event-stream"))


def when_full(act: Act) -> Act:
    """Act so on what comes while every slot is taken."""

    async def behave(visit: Visit) -> None:
        await (act(visit) if visit.memory.inside > SLOTS else visit.relay())

    return behave


def after(count: int, act: Act) -> Act:
    """Act so from the `count`-th request on."""

    async def behave(visit: Visit) -> None:
        await (act(visit) if visit.memory.visits > count else visit.relay())

    return behave


def begins_with(count: int, act: Act) -> Act:
    """Act so on the first `count` requests."""

    async def behave(visit: Visit) -> None:
        kept = visit.memory.kept
        kept["first"] = kept.get("first", 0) + 1
        await (act(visit) if kept["first"] <= count else visit.relay())

    return behave


async def confused(visit: Visit) -> None:
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


async def counted(visit: Visit) -> None:
    """Relay, and let `busy` know."""
    kept = visit.memory.kept
    kept["posts"] = kept.get("posts", 0) + 1
    try:
        await visit.relay()
    finally:
        kept["posts"] -= 1


def busy(visit: Visit) -> bool:
    return bool(visit.memory.kept.get("posts"))


async def health_waits(visit: Visit) -> None:
    """Health is answered by the thread that is busy generating."""
    if not health(visit.request):
        await counted(visit)
        return
    while busy(visit):
        await asyncio.sleep(0.02)
    await visit.relay()


async def partner(visit: Visit, mine: Response) -> Response | None:
    """Another answer that is made at the same time, if one comes soon; each of the two gets the other."""
    waiting: list[asyncio.Future[Response]] = visit.memory.kept.setdefault("alone", [])
    offers: dict[Any, Response] = visit.memory.kept.setdefault("offers", {})
    if waiting:
        other = waiting.pop()
        theirs = offers.pop(other)
        other.set_result(mine)
        return theirs
    turn: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    waiting.append(turn)
    offers[turn] = mine
    await asyncio.wait([turn], timeout=PARTNER_WAIT)
    if turn.done():
        return turn.result()
    waiting.remove(turn)
    del offers[turn]
    return None


def with_text_of(mine: Response, theirs: Response) -> Response:
    """My stream, in which their text stands; ids, usage and all else stay mine."""
    texts = iter([frame.chunk for frame in split(theirs.pieces) if has_answer(frame)])

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            other = next(texts, None) if has_answer(frame) else None
            if frame.chunk is not None and other is not None:
                mixed = frame.chunk
                mixed["choices"][0]["delta"] = other["choices"][0]["delta"]
                frame = frame.holding(mixed)
            yield frame

    return streams(edit)(Request("POST", ""), mine)


async def texts_swapped(visit: Visit) -> None:
    """The texts of two streams that are made at the same time change places."""
    mine = await visit.fetch()
    theirs = await partner(visit, mine)
    swapped = theirs is not None and mine.is_event_stream and theirs.is_event_stream
    await visit.send(with_text_of(mine, theirs) if swapped and theirs is not None else mine)


async def one_by_one(visit: Visit) -> None:
    async with visit.memory.kept.setdefault("gate", asyncio.Lock()):
        await visit.relay()


async def four_at_a_time(visit: Visit) -> None:
    async with visit.memory.kept.setdefault("gate", asyncio.Semaphore(4)):
        await visit.relay()


async def long_prompt_blocks(visit: Visit) -> None:
    """While a long prompt is read, no other answer moves."""
    if len(visit.request.body or b"") > LONG:
        visit.memory.kept["free at"] = now() + PAUSE

    async def pace() -> None:
        await asyncio.sleep(max(0.0, visit.memory.kept.get("free at", 0.0) - now()))

    visit.wire.pace = pace
    await visit.relay()


async def without_abort(visit: Visit) -> None:
    """The good server isn't told that the client left: it goes on to the end."""
    came: asyncio.Queue[Live | bytes | None] = asyncio.Queue()

    async def ask() -> None:
        try:
            async with asking(visit.base_url, visit.request) as live:
                came.put_nowait(live)
                async for _, data in live.pieces:
                    came.put_nowait(data)
        finally:
            came.put_nowait(None)

    visit.memory.kept.setdefault("asking", set()).add(asyncio.ensure_future(ask()))  # kept, so that it isn't collected
    live = await came.get()
    if not isinstance(live, Live):
        visit.wire.reset()
        return
    await visit.wire.head(live.status, live.headers, visit.request.method)
    while isinstance(data := await came.get(), bytes):
        await visit.wire.piece(data)
    await visit.wire.end()


async def slot_leaks(visit: Visit) -> None:
    """A client that leaves takes all slots with it."""
    if visit.memory.dead:
        await visit.stall()
    try:
        await visit.relay()
    except asyncio.CancelledError:
        visit.memory.dead = True
        raise


async def shared_id(visit: Visit) -> None:
    """Answers made at the same time share one id."""
    same = change("id", lambda _: "chatcmpl-shared")
    await visit.relay(edit=chain(answers(same), chunks(same, only=lambda _: True)) if visit.memory.inside > 1 else None)


async def doomed(visit: Visit) -> None:
    """Relay a stream, which breaks off once `doom` is called."""
    kept = visit.memory.kept
    kept.setdefault("running", set()).add(visit.wire)

    async def pace() -> None:
        if visit.wire in kept.get("doomed", ()):
            raise Cut

    visit.wire.pace = pace
    try:
        await visit.relay()
    finally:
        kept["running"].discard(visit.wire)


def doom(visit: Visit) -> None:
    kept = visit.memory.kept
    kept["doomed"] = kept.get("doomed", set()) | kept.get("running", set())


async def bad_neighbour(visit: Visit) -> None:
    """A request that is refused takes all running streams with it."""
    if where.streamed(visit.request):
        await doomed(visit)
        return
    answer = await visit.fetch()
    if answer.status >= 400:
        doom(visit)
    await visit.send(answer)


async def leaver_harms(visit: Visit) -> None:
    """A client that leaves takes all running streams with it."""
    try:
        await doomed(visit)
    except asyncio.CancelledError:
        doom(visit)
        raise


async def too_many(visit: Visit) -> None:
    await visit.say(instead(429, b"<h1>Too many</h1>", "text/html"))


def turned_away(code: int) -> Act:
    """Refuse for the load, in the documented form."""

    async def behave(visit: Visit) -> None:
        await visit.say(refused(code, "too many requests are running; try again later"))

    return behave


async def a_little_late(visit: Visit) -> None:
    await asyncio.sleep(A_LITTLE)
    await visit.relay()


async def closing(visit: Visit) -> None:
    await visit.relay(edit=header("connection", "close"))


async def late_text(visit: Visit) -> None:
    await asyncio.sleep(VERY_LATE)
    await visit.relay()


async def late(visit: Visit) -> None:
    await asyncio.sleep(PAUSE)
    await visit.relay()


async def once_a_connection(visit: Visit) -> None:
    """The second request on a connection breaks it, though keep-alive was promised."""
    await (reset(visit) if visit.wire.answered else visit.relay())


async def health_lies(visit: Visit) -> None:
    """Generation is dead, health says all is well."""
    if posted(visit.request) and visit.memory.visits > SOON:
        visit.wire.reset()
    else:
        await visit.relay()


async def health_counts_load(visit: Visit) -> None:
    """Health says no while requests are answered."""
    if not health(visit.request):
        await counted(visit)
    elif busy(visit):
        await visit.say(instead(503, b""))
    else:
        await visit.relay()


async def every_fifth_fails(visit: Visit) -> None:
    failing = posted(visit.request) and visit.memory.visits % 5 == 0
    await (overloaded(visit) if failing else visit.relay())


def is_long(request: Request) -> bool:
    return len(request.body or b"") > LONG
