"""Many at once: as many requests as slots and a few more, clients that leave, long prompts, bad neighbours, and health.

What may hang or break here is sent bounded: its own rows judge it, not the rows about all traffic.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from typing import Any

from ernie_conformance.gather.ask import JSON_HEADERS, Ask, Scenario, chat, get, refused, user
from ernie_conformance.gather.asks.errors import WRONG
from ernie_conformance.gather.asks.limits import SHORT, STREAMED, UNIT
from ernie_conformance.gather.asks.tools import DICTATE, NUMBER, QUESTION, SCHEMA, VERBATIM, WEATHER, dictating
from ernie_conformance.gather.asks.vision import VISION, picture, solid, text
from ernie_conformance.gather.stage import Stage
from ernie_conformance.wire.client import Client, HangUp
from ernie_conformance.wire.exchange import ANY, Exchange
from ernie_conformance.wire.unread import unread

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no word of any language is spelt so
STEP = 16  # units: more than two codes of one length differ by in any tokenizer
TOLD = 96  # tokens: an answer that comes to its code
TASK = 'Write the code "{code}" twenty times, separated by commas.'
PICTURES = 4  # pairs of requests with a picture
ENDLESS = "Count from 1 to 1000 in digits, separated by commas. Write nothing else."
KINDS: tuple[tuple[str, dict[str, Any]], ...] = (("stream", STREAMED), ("whole", {}))


def _lasting(stage: Stage, seconds: float) -> int:
    """Tokens that take this server so long, or longer."""
    return int(seconds * stage.target.tokens_per_second)


def _codes(salt: str) -> Iterator[str]:
    """Codes that nobody comes upon by chance, always the same."""
    source = random.Random(salt)
    while True:
        yield "".join(source.choices(LETTERS, k=8))


def _private(salt: str, count: int) -> list[tuple[str, str]]:
    """(code, prompt) of so many requests. Each prompt is longer than the one before, so that counts tell them apart."""
    codes = _codes(salt)
    return [
        (code, f"{TASK.format(code=code)} Never mind this:{UNIT * STEP * number}")
        for number, code in zip(range(count), codes, strict=False)
    ]


async def _bounded(stage: Stage, ask: Ask) -> Exchange:
    """Send what may hang: its own rows judge, not the transport's."""
    return await stage.send(ask, hang_up=lambda _: False)


async def _heard(stage: Stage, ask: Ask, begun: asyncio.Event, hang_up: HangUp | None) -> Exchange:
    """Send, and say when the answer has begun, or has come to nothing."""
    try:
        return await stage.send(ask, heard=begun, hang_up=hang_up)
    finally:
        begun.set()


async def _begin(stage: Stage, asks: Iterable[Ask], hang_up: HangUp | None = None) -> list[asyncio.Task[Exchange]]:
    """Start these side by side, and come back once each has begun to answer or has ended."""
    tasks, begun = [], []
    for ask in asks:
        event = asyncio.Event()
        tasks.append(asyncio.ensure_future(_heard(stage, ask, event, hang_up)))
        begun.append(event.wait())
    await asyncio.gather(*begun)
    return tasks


async def _crowd(stage: Stage) -> dict[str, Any]:
    """As many requests as slots with a code each, streams and whole answers by turns."""
    private = _private("crowd", max(stage.target.slots, 2 * len(KINDS)))
    asks = []
    for number, (_, said) in enumerate(private):
        kind, fields = KINDS[number % len(KINDS)]
        asks.append(chat(f"crowd-{kind}-{number}", said, max_tokens=TOLD, **fields))
    asks.sort(key=lambda ask: "whole" in ask.name)  # streams first: where there are few slots, these are theirs
    await stage.send_all(asks, at_most=len(asks))
    return {"codes": [code for code, _ in private], "slots": stage.target.slots}


HOLDING = 0.8  # seconds for which the others wait while every slot is taken
HELD = 600  # tokens at least of what holds a slot: longer than that on any server, and not for ever where nobody is let go


async def _queue(stage: Stage) -> dict[str, Any]:
    """A stream for each slot, and while all of them run, a few requests more; some of these clients leave while they wait.

    Then the streams' clients leave, and a short request comes.
    """
    slots, enough = stage.target.slots, asyncio.Event()
    await stage.send(chat("leave-queued-pace", ENDLESS, max_tokens=PACED, **STREAMED))
    tokens = max(HELD, _lasting(stage, 4 * HOLDING))
    holders = (chat(f"holds-{n}", ENDLESS, max_tokens=tokens, **STREAMED) for n in range(slots))
    holding = await _begin(stage, holders, hang_up=lambda _: enough.is_set())
    more = [
        chat(f"queue-{kind}-{n}", SHORT, max_tokens=8, **fields) for n in range(max(1, slots // 8)) for kind, fields in KINDS
    ]
    waiting = [asyncio.ensure_future(_bounded(stage, ask)) for ask in more]
    impatient = (chat(f"leave-queued-{n}", ENDLESS, max_tokens=MANY) for n in range(slots))
    leaving = [asyncio.ensure_future(stage.send(ask, leave_after=HOLDING / 2)) for ask in impatient]
    await asyncio.wait([*waiting, *leaving], timeout=HOLDING)
    enough.set()
    await asyncio.gather(*waiting, *leaving, *holding)
    await _bounded(stage, chat("leave-queued-after", SHORT, max_tokens=4))
    return {}


LOADED = 2.0  # seconds of load: longer than a health check may wait
POLLS, BETWEEN = 5, 0.1  # health checks under load, seconds between two; none waits for the one before


async def _health_beside(stage: Stage) -> dict[str, Any]:
    """Two streams, and meanwhile health checks."""

    async def poll(number: int) -> None:
        await asyncio.sleep(BETWEEN * number)
        await stage.send(get(f"load-health-{number}", "/health", expects=ANY))

    tokens = _lasting(stage, LOADED)
    load = await _begin(stage, (chat(f"load-{n}", ENDLESS, max_tokens=tokens, **STREAMED) for n in range(2)))
    await asyncio.gather(*map(poll, range(POLLS)), *load)
    return {}


async def _crowd_with_pictures(stage: Stage) -> dict[str, Any]:
    """Requests with a picture and a code each, streams and whole answers at once."""
    private = _private("pictures", min(PICTURES, max(1, stage.target.slots // 2)) + 1)
    asks = [
        chat(f"pictured-{kind}-{n}", user([picture(solid("rgbB"[n % 4])), text(said)]), max_tokens=TOLD, **fields)
        for n, (_, said) in enumerate(private)
        for kind, fields in KINDS
    ]
    await stage.send_all(asks, at_most=len(asks))
    return {"codes": [code for code, _ in private]}


MANY = 1500  # tokens: seconds of any server's time, so that a slot that isn't freed is felt
PACED = 48  # tokens by which its pace is measured
LEAVE = 0.5  # seconds after which a client that waits for a whole answer leaves


def _has_text(so_far: bytes) -> bool:
    """Have a few events come?"""
    return so_far.count(b"data:") > 3


async def _departure(stage: Stage, streaming: bool) -> dict[str, Any]:
    """How fast it is alone; then a client on each slot, who all leave; then a short request."""
    kind, fields = ("stream", STREAMED) if streaming else ("whole", {})
    await stage.send(chat(f"leave-{kind}-pace", ENDLESS, max_tokens=PACED, **STREAMED))
    leaving = [chat(f"leave-{kind}-{n}", ENDLESS, max_tokens=MANY, **fields) for n in range(stage.target.slots)]
    if streaming:
        await asyncio.gather(*(stage.send(ask, hang_up=_has_text) for ask in leaving))
    else:
        await asyncio.gather(*(stage.send(ask, leave_after=LEAVE) for ask in leaving))
    await _bounded(stage, chat(f"leave-{kind}-after", SHORT, max_tokens=4))
    return {}


LEAVERS, LEAVE_EVERY = 3, 8  # clients that leave, and events of the one that stays between two of them


async def _neighbour(stage: Stage) -> dict[str, Any]:
    """Some streams and a last one; while that is read, the clients of the others leave, one after the other.

    The last is dictated where the target can be held to a schema: then it is known which text is owed.
    """
    dictated: dict[str, Any] = (
        {"response_format": dictating(VERBATIM, NUMBER)} if "json" in stage.target.capabilities else {}
    )
    events = 0  # of the last stream, so far

    def listen(so_far: bytes) -> bool:
        nonlocal events
        events = so_far.count(b"data:")
        return False

    def leave_at(number: int) -> HangUp:
        return lambda _: events >= number

    leaving = []
    for n in range(LEAVERS):
        ask = chat(f"leaves-{n}", ENDLESS, max_tokens=TOLD, **STREAMED)
        leaving += await _begin(stage, [ask], hang_up=leave_at(LEAVE_EVERY * (n + 1)))
    staying = chat("stays", DICTATE if dictated else ENDLESS, max_tokens=240, **STREAMED, **dictated)
    await asyncio.gather(stage.send(staying, hang_up=listen), *leaving)
    return {}


async def _format_left(stage: Stage) -> dict[str, Any]:
    """A plain question; then again, each time right after a document or a call that was cut, or whose client left."""
    plain: dict[str, Any] = {"temperature": 0, "max_tokens": 12}
    formed: dict[str, dict[str, Any]] = {"json": {"response_format": SCHEMA}}
    if "tools" in stage.target.capabilities:
        formed["call"] = {"tools": [WEATHER], "tool_choice": "required"}
    await stage.send(chat("format-before", SHORT, **plain))
    for kind, fields in formed.items():
        await stage.send(chat(f"format-{kind}-cut", QUESTION, max_tokens=3, expects=ANY, **fields))
        await stage.send(chat(f"format-after-{kind}-cut", SHORT, **plain))
        await stage.send(chat(f"format-{kind}-left", QUESTION, max_tokens=TOLD, **STREAMED, **fields), hang_up=_has_text)
        await _bounded(stage, chat(f"format-after-{kind}-left", SHORT, **plain))
    return {}


async def _one_id(stage: Stage) -> dict[str, Any]:
    """Two streams at once whose requests bear one id, as retries and proxies make them."""
    headers = (*JSON_HEADERS, ("X-Request-Id", "conformance-twice"))
    asks = [chat(f"one-id-{n}", ENDLESS, max_tokens=48, headers=headers, **STREAMED) for n in range(2)]
    await asyncio.gather(*(_bounded(stage, ask) for ask in asks))
    return {}


BESIDE = 3  # streams one after the other, while somebody doesn't read


async def _unread(stage: Stage) -> dict[str, Any]:
    """Somebody asks for a stream of large chunks and doesn't read it; meanwhile others ask."""
    large = chat("unread", ENDLESS, max_tokens=400, logprobs=True, top_logprobs=20, **STREAMED)
    async with unread(stage.client, large.request(stage.target.model)) as status:
        for number in range(BESIDE):
            await _bounded(stage, chat(f"beside-unread-{number}", ENDLESS, max_tokens=80, **STREAMED))
        return {"status": status()}


ROUNDS = 3


async def _begun_anew(stage: Stage) -> dict[str, Any]:
    """A short answer after a stream that ended, twice; then, each time right after a client left a stream, the same again.

    What came before is the same prompt each time, for a cache of prefixes may change a word.
    """
    same: dict[str, Any] = {"temperature": 0, "max_tokens": 12, **STREAMED}
    for number in range(2):
        await stage.send(chat(f"anew-ended-{number}", ENDLESS, max_tokens=4, **STREAMED))
        await stage.send(chat(f"anew-before-{number}", SHORT, **same))
    for number in range(ROUNDS):
        await stage.send(chat(f"anew-left-{number}", ENDLESS, max_tokens=TOLD, **STREAMED), hang_up=_has_text)
        await _bounded(stage, chat(f"anew-after-{number}", SHORT, **same))
    return {}


async def _same_at_once(stage: Stage) -> dict[str, Any]:
    """The very same request several times at once, at a temperature at which each has a draw of its own."""
    await stage.send_all([chat(f"same-{n}", SHORT, temperature=1, max_tokens=24) for n in range(ROUNDS)], at_most=ROUNDS)
    return {}


LONG_SHARE, LONG_MOST = 4, 8192  # of the context, at most so many units
RUNNING = 2  # streams beside the long prompt


async def _long_beside(stage: Stage) -> dict[str, Any]:
    """Streams run; then a long prompt comes."""
    running = (chat(f"running-{n}", ENDLESS, max_tokens=200, **STREAMED) for n in range(min(RUNNING, stage.target.slots)))
    streams = await _begin(stage, running)
    units = min(LONG_MOST, stage.target.max_model_len // LONG_SHARE)
    await stage.send(chat("long-beside-them", f"Repeat:{UNIT * units}", max_tokens=2, **STREAMED))
    await asyncio.gather(*streams)
    return {}


BAD = ("err-no-messages", "err-temperature-text", "err-message-is-null", "err-part-unknown")


async def _beside_bad(stage: Stage) -> dict[str, Any]:
    """Good streams, and wrong requests among them."""
    good = [chat(f"beside-good-{n}", ENDLESS, max_tokens=24, **STREAMED) for n in range(len(BAD))]
    wrong = [refused(f"beside-bad-{n}", WRONG[name].body) for n, name in enumerate(BAD)]
    await asyncio.gather(*(_bounded(stage, ask) for ask in good), *(stage.send(ask) for ask in wrong))
    return {}


KEPT = 4  # requests over one connection


async def _kept(stage: Stage) -> dict[str, Any]:
    """Requests one after the other by a client of its own, over one connection where the server keeps it."""
    async with Client(stage.client.base_url, stage.target.timeouts, stage.client.headers) as client:
        lonely = stage.through(client)
        for number in range(KEPT):
            await lonely.send(chat(f"kept-{number}", SHORT, max_tokens=2))
        return {"broken": client.broken_reuses}


TRIES = 3  # good requests, each of which a server may fail once by chance


async def _vitals(stage: Stage) -> dict[str, Any]:
    """Is it alive, and what does its health say? Asked even of a server that was given up."""
    for number in range(TRIES):
        ask = chat(f"vitals-{number}", SHORT, max_tokens=2, disruptive=True)
        exchange = await stage.send(ask, hang_up=lambda _: False, undaunted=True)
        if exchange.error is None and exchange.status == 200:
            break
    await stage.send(get("vitals-health", "/health", expects=ANY, disruptive=True), hang_up=lambda _: False, undaunted=True)
    return {}


_LEAVING: dict[str, Any] = {"requests": 34, "tokens": PACED + 4 + 32 * 40, "by_slots": True}
SCENARIOS = (
    Scenario("crowd", _crowd, requests=32, tokens=32 * TOLD, by_slots=True),
    Scenario("queue", _queue, last=1, requests=74, tokens=PACED + 32 * 60 + 4, by_slots=True),
    Scenario("health-beside", _health_beside, needs=("health",), alone=False, requests=7, tokens=2 * 600),
    Scenario("crowd-with-pictures", _crowd_with_pictures, needs=VISION, requests=10, tokens=2 * (PICTURES + 1) * TOLD),
    Scenario("long-beside", _long_beside, requests=3, tokens=RUNNING * 200 + 2),
    Scenario("beside-bad", _beside_bad, requests=2 * len(BAD), tokens=len(BAD) * 24),
    Scenario("begun-anew", _begun_anew, wording=True, requests=4 + 2 * ROUNDS, tokens=2 * 16 + ROUNDS * 52),
    Scenario("same-at-once", _same_at_once, alone=False, requests=ROUNDS, tokens=ROUNDS * 24),
    Scenario("kept", _kept, alone=False, requests=KEPT, tokens=KEPT * 2),
    Scenario("departing-streams", lambda stage: _departure(stage, True), last=2, **_LEAVING),
    Scenario("departing-clients", lambda stage: _departure(stage, False), last=2, **_LEAVING),
    Scenario("neighbour", _neighbour, last=1, requests=LEAVERS + 1, tokens=LEAVERS * TOLD + 240),
    Scenario("format-left", _format_left, needs=("json",), last=1, requests=9, tokens=5 * 12 + 2 * (3 + TOLD)),
    Scenario("one-id", _one_id, alone=False, requests=2, tokens=2 * 48),
    Scenario("unread", _unread, needs=("logprobs",), last=1, requests=BESIDE, tokens=BESIDE * 80 + 400),
    Scenario("vitals", _vitals, needs=("health",), last=3, undaunted=True, requests=TRIES + 1, tokens=TRIES * 2),
)
