"""Rules about many at once. Nothing here depends on how fast a server is, or how clever: they compare its answers
with each other, and its pauses with what it does alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from ernie_conformance.gather.asks.concurrency import KEPT, MANY
from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, NotTestable, Warned, expect
from ernie_conformance.judge.rules.documents import is_verbatim
from ernie_conformance.judge.rules.text import channels
from ernie_conformance.judge.rules.tools import calls_of
from ernie_conformance.judge.schemas import breach
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import STATUS, TRANSPORT, Answer, Reply, Stream, usable, view
from ernie_conformance.wire import sse
from ernie_conformance.wire.exchange import NOT_TRIED, Exchange, NotJson, strict_json

LOAD = (429, 503)  # how a server says that it has too much to do


def numbered(scene: Scene, prefix: str) -> dict[int, Exchange]:
    """The exchanges `prefix`-N by N, in this order. Raises Blocked when the scenario didn't come to them."""
    ends = {name.removeprefix(f"{prefix}-"): exchange for name, exchange in scene.exchanges.items()}
    found = {int(end): exchange for end, exchange in ends.items() if end.isdigit()}
    if not found:
        raise Blocked(TRANSPORT, f"{scene.name}: broke off before {prefix}", scene.name)
    return dict(sorted(found.items()))


def made_by(scene: Scene, prefix: str) -> list[Exchange]:
    """The same without their numbers."""
    return list(numbered(scene, prefix).values())


def replies(scene: Scene, prefix: str) -> list[tuple[int, Reply]]:
    """Those of the exchanges that were answered, with their numbers. Raises Blocked when none was."""
    found: list[tuple[int, Reply]] = []
    blocked = []
    for number, exchange in numbered(scene, prefix).items():
        try:
            found.append((number, view(exchange)))
        except Blocked as outcome:
            blocked.append(outcome)
    if not found:
        raise blocked[0]
    return found


# Isolation


def have_no_foreign_code(scene: Scene, prefix: str) -> None:
    """No answer holds a code that only another request was given. Raises Broken with both.

    NotAsked when no answer holds even its own: a model that repeats nothing gives nothing away.
    """
    codes, own = scene.note("codes"), 0
    for number, reply in replies(scene, prefix):
        said = "".join(text for _, text in channels(reply))
        own += codes[number] in said
        for other, code in enumerate(codes):
            foreign = other != number and code in said
            detail = f"{reply.name} says {code!r}, which was given to request {other} alone: {said[:100]!r}"
            expect(not foreign, detail, reply)
    if not own:
        raise NotAsked(f"{prefix}: no answer holds the code that it was asked for")


def are_counted_apart(scene: Scene, prefix: str) -> None:
    """Each prompt is longer than the one before, and so is what is counted for it. Raises Broken with the first two.

    NotAsked where usage isn't told for two of them, or is the same for all: nothing can be told by it then.
    """
    counted = [(reply, reply.count("prompt_tokens")) for _, reply in replies(scene, prefix) if isinstance(reply.usage, dict)]
    if len(counted) < 2:
        raise NotAsked(f"{prefix}: fewer than two answers tell their usage")
    if counted[0][1] == counted[-1][1]:
        raise NotAsked(f"{prefix}: prompts of all lengths count {counted[0][1]} tokens")
    for (less, few), (more, many) in pairwise(counted):
        detail = f"{more.name} has the longer prompt, and {many} prompt_tokens; {less.name} has {few}"
        expect(many > few, detail, less, more)


# Side by side

AT_LEAST = 2  # a server with slots answers two at a time, whatever else it does
FEW_TEXTS = 3  # a stream whose text came in fewer arrivals may have been held up by anyone on its way
ENOUGH = 4  # streams that lasted, to tell whether they overlapped
SHARE = 0.5  # of the slots: some of an attached server's may be others', and streams begin and end one by one


def arrivals(stream: Stream) -> list[float]:
    """When text came (epoch seconds), each moment once."""
    return sorted({stream.exchange.sent_at + piece.chunk.at for piece in stream.text_pieces})


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """How many of these (begin, end) hold one moment in common, at most. Touching isn't overlapping."""
    edges = sorted((at, change) for begin, end in spans for at, change in ((begin, 1), (end, -1)))
    running = most = 0
    for _, change in edges:
        running += change
        most = max(most, running)
    return most


def run_side_by_side(crowd: Scene) -> None:
    """Streams that were asked at once are made at once. Raises Broken for one after the other, Warned for too few."""
    slots = crowd.note("slots")
    if slots < AT_LEAST:
        raise NotTestable("the target has one slot")
    streams = [reply for _, reply in replies(crowd, "crowd-stream") if isinstance(reply, Stream)]
    spans = [(times[0], times[-1]) for times in map(arrivals, streams) if len(times) >= FEW_TEXTS]
    could = min(slots, len(streams))
    if len(spans) < min(could, ENOUGH):
        raise NotAsked(f"crowd: {len(spans)} of {len(streams)} streams came in {FEW_TEXTS} arrivals or more")
    most, names = most_at_once(spans), [stream.name for stream in streams]
    expect(most >= AT_LEAST, f"{names[0]} and the rest: {len(spans)} streams were made one after the other", *names)
    if most < SHARE * could <= len(spans):
        raise Warned(f"{names[0]} and the rest: at most {most} of {could} streams ran at once, in {slots} slots", *names)


# Waiting in line


def _events(exchange: Exchange) -> list[Any]:
    """The JSON values of a body, as far as there are any: what is wrong with the rest is other rows' matter."""
    wants = exchange.wants_stream
    texts = [event.data for event in sse.decode(exchange.body).events] if wants else [exchange.text]
    values = []
    for text in texts:
        try:
            values.append(strict_json(text))
        except NotJson:
            values.append(text.strip())
    return values


def parts_of(exchange: Exchange) -> set[str]:
    """What there is of an answer: text, its end, the mark that ends a stream; or an error that a client can see."""
    found = set()
    for value in _events(exchange):
        if value == sse.DONE:
            found.add("[DONE]")
        if not isinstance(value, dict):
            continue
        if value.get("error") is not None:
            found.add("error")
        choices = value.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if not isinstance(choice, dict):
                continue
            said = choice.get("delta") or choice.get("message") or {}
            if isinstance(said, dict) and (said.get("content") or said.get("reasoning_content") or said.get("reasoning")):
                found.add("text")
            if choice.get("finish_reason"):
                found.add("finish_reason")
    return found


def asked(exchange: Exchange) -> Exchange:
    """`exchange`, if it was sent. Raises Blocked by what made the gatherer give the server up."""
    if exchange.error == NOT_TRIED:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error}", exchange)
    return exchange


def what_is_wrong(exchange: Exchange, control: Exchange) -> str:
    """How an answer ended badly, or what it lacks of what `control` has. "" when nothing, or when it tells an error."""
    if asked(exchange).error is not None or exchange.status is None:
        return exchange.error or "no answer"
    if exchange.status != 200:
        return f"status {exchange.status}"
    found = parts_of(exchange)
    lacks = [] if "error" in found else sorted(parts_of(usable(control)) - found)
    return f"no {', no '.join(lacks)}" if lacks else ""


def queued(queue: Scene) -> list[Exchange]:
    """What came when every slot was taken. Raises Blocked when even who had a slot wasn't answered."""
    usable(made_by(queue, "holds")[0])
    return [asked(exchange) for prefix in ("queue-stream", "queue-whole") for exchange in made_by(queue, prefix)]


def are_answered_or_turned_away(queue: Scene) -> None:
    """What is more than fits gets 200, or 429 or 503. Raises Broken for anything else, silence included."""
    left = [exchange for exchange in made_by(queue, "leave-queued") if exchange.status is not None]
    for exchange in (*queued(queue), *left):
        said = exchange.error if exchange.status is None else f"status {exchange.status}: {exchange.text[:80]!r}"
        detail = f"{exchange.name}: every slot was taken: {said}; an answer, 429 or 503 is owed"
        expect(exchange.status in (200, *LOAD), detail, exchange)


def are_answered_whole(queue: Scene, whole: Exchange, stream: Exchange) -> None:
    """An answer with 200 that had to wait has what the others have. Raises Broken; NotAsked when all were turned away."""
    taken = [exchange for exchange in queued(queue) if exchange.status == 200]
    if not taken:
        raise NotAsked("queue: what didn't fit was turned away")
    for exchange in taken:
        wrong = what_is_wrong(exchange, stream if exchange.wants_stream else whole)
        detail = f"{exchange.name}: waited for a slot, and came with status 200: {wrong}: {exchange.text[-80:]!r}"
        expect(not wrong, detail, exchange)


def are_turned_away_clearly(queue: Scene) -> None:
    """A refusal for the load has the documented body. Raises Broken; NotAsked when nothing was turned away."""
    refusals = [exchange for exchange in queued(queue) if exchange.status in LOAD]
    if not refusals:
        raise NotAsked("queue: nothing was turned away")
    for exchange in refusals:
        try:
            wrong = breach("compat/error", exchange.json)
        except NotJson as error:
            wrong = f"no JSON ({error})"
        detail = f"{exchange.name}: status {exchange.status} for the load: {wrong}: {exchange.text[:80]!r}"
        expect(wrong is None, detail, exchange)


# Clients that leave

QUEUE = "CONC-005"  # the row that says what is owed to a request that has to wait
TELLING = 2.0  # seconds that the ones who left would still need: below, no wait can be told from chance
PATIENCE = 0.5  # of that time: a slot that is free serves a few tokens at once, one that isn't, after all of it


def pace_of(stream: Stream) -> float:
    """Tokens a second of a stream alone. Raises NotAsked when it is too short to tell."""
    times, tokens = arrivals(stream), stream.count("completion_tokens")
    if not tokens:
        raise Blocked("USAGE-002", f"{stream.name}: completion_tokens is 0", stream)
    if len(times) < FEW_TEXTS or times[-1] <= times[0]:
        raise NotAsked(f"{stream.name}: {tokens} tokens in {len(times)} arrivals are too few to tell its pace")
    return tokens / (times[-1] - times[0])


def slots_are_free(scene: Scene, kind: str) -> None:
    """After all clients have left, a short request needn't wait for what they had asked for. Raises Broken."""
    pace = Stream(scene.exchanges[f"leave-{kind}-pace"])
    left, after = made_by(scene, f"leave-{kind}"), asked(scene.exchanges[f"leave-{kind}-after"])
    if all(exchange.status in LOAD for exchange in left):
        raise NotAsked(f"{left[0].name}: turned away before it could leave")
    if not any(exchange.status == 200 or exchange.status is None for exchange in left):
        raise Blocked(QUEUE if kind == "queued" else STATUS, f"{left[0].name}: status {left[0].status}", left[0])
    due = MANY / pace_of(pace) - (after.sent_at - max(exchange.sent_at for exchange in left))
    what = f"{len(left)} clients had left; {after.name} after them"
    gone = after.error is not None or after.status != 200
    expect(not gone, f"{what}: {after.error or f'status {after.status}'}", after, left[0])
    if due < TELLING:
        raise NotAsked(f"{pace.name}: so fast that they would have been done in {due:.1f} s")
    detail = (
        f"{what} took {after.seconds:.1f} s; a free slot answers a few tokens at once, what they had asked for takes "
        f"{due:.1f} s more: their slots weren't freed"
    )
    expect(after.seconds < PATIENCE * due, detail, after, left[0])


def begins_anew(scene: Scene) -> None:
    """After a client left, the next answer begins as it always does. Raises Broken when it never does.

    NotAsked when not even two answers in peace agree.
    """
    first, *again = (reply.content for _, reply in replies(scene, "anew-before"))
    if again != [first]:
        raise NotAsked(f"{scene.name}: the model says something else each time")
    after = [reply for _, reply in replies(scene, "anew-after")]
    other = [reply for reply in after if reply.content != first]
    said = other[0].content if other else ""
    detail = (
        f"right after a client left, {len(other)} of {len(after)} answers begin otherwise: {said!r:.60}, not {first!r:.60}"
    )
    expect(len(other) < len(after), f"{other[0].name if other else ''}: {detail}", *other)


def stays_undisturbed(neighbour: Scene, control: Exchange) -> None:
    """A stream goes on to its end though clients beside it leave. Raises Broken with what is missing."""
    staying = neighbour.exchanges["stays"]
    wrong = what_is_wrong(staying, control)
    expect(not wrong, f"stays: two clients beside it left: {wrong}: {staying.text[-80:]!r}", staying)


def stays_word_for_word(neighbour: Scene, control: Exchange, shaped: Reply) -> None:
    """A dictated stream has every character though clients beside it left. Raises Broken; Blocked when it didn't end."""
    staying = neighbour.exchanges["stays"]
    if wrong := what_is_wrong(staying, control):
        raise Blocked("CONC-016", f"stays: {wrong}", staying)
    reply = Stream(staying)
    if not reply.asked.get("response_format"):
        raise NotTestable("not declared: json")
    is_verbatim(reply, shaped)


def keeps_no_format(scene: Scene) -> None:
    """What follows a document or a call that was cut or left is plain text, as before. Raises Broken.

    NotAsked when no document and no call was begun.
    """
    if all(scene.exchanges[name].status != 200 for name in scene.exchanges if name.endswith("-cut") and "after" not in name):
        raise NotAsked(f"{scene.name}: no format is taken")
    before = Answer(asked(scene.exchanges["format-before"]))
    if _is_formed(before):
        raise NotTestable(f"{before.name}: the model answers a greeting so: {before.content[:40]!r}")
    for name in [name for name in scene.exchanges if name.startswith("format-after-")]:
        after = Answer(asked(scene.exchanges[name]))
        seen = f"{after.content[:60]!r}{' and a call' if calls_of(after) else ''}"
        expect(not _is_formed(after), f"{name}: the format of the request before it goes on: {seen}", after)


def _is_formed(answer: Answer) -> bool:
    return answer.content.lstrip().startswith("{") or bool(calls_of(answer))


def are_both_answered(scene: Scene, control: Exchange) -> None:
    """Each of two requests with one id is answered to its end, or turned away with a 4xx. Raises Broken."""
    for exchange in scene.exchanges.values():
        if exchange.error is None and 400 <= (exchange.status or 0) < 500:
            continue
        wrong = what_is_wrong(exchange, control)
        expect(not wrong, f"{exchange.name}: two requests had one X-Request-Id: {wrong}: {exchange.text[-60:]!r}", exchange)


def go_on_beside(scene: Scene, control: Exchange) -> None:
    """Streams go on while somebody doesn't read another. Raises Broken with what is missing; NotAsked when none was made."""
    for exchange in scene.exchanges.values():
        wrong = what_is_wrong(exchange, control)
        expect(not wrong, f"{exchange.name}: while a client didn't read its own stream: {wrong}", exchange)
    if scene.note("status") != 200:
        raise NotAsked(f"{scene.name}: there was nothing to leave unread: status {scene.note('status')}")


# Long prompts

STALL = 2.0  # seconds: twice what a reader takes for a stop (Nielsen, response times), for a busy machine stops too
USUAL = 10  # times its own usual pause: a server that is slow altogether pauses longer


def longest_pause(times: Sequence[float], begin: float, end: float) -> float:
    """The longest time between two arrivals that overlaps with [begin, end]."""
    return max((after - before for before, after in pairwise(times) if after > begin and before < end), default=0.0)


def goes_on(scene: Scene) -> None:
    """While a long prompt is read, what runs goes on running. Raises Broken with the longest pause."""
    long = Stream(scene.exchanges["long-beside-them"])
    begin, end = long.exchange.sent_at, next(iter(arrivals(long)), _end(long.exchange))
    running = [reply for _, reply in replies(scene, "running") if isinstance(reply, Stream)]
    told = [(stream, arrivals(stream)) for stream in running]
    told = [(stream, times) for stream, times in told if len(times) > FEW_TEXTS and times[-1] > begin]
    if not told:
        raise NotAsked(f"{running[0].name}: ended before the long prompt came")
    for stream, times in told:
        pause, usual = longest_pause(times, begin, end), median(after - before for before, after in pairwise(times))
        detail = f"{stream.name}: paused for {pause:.1f} s (usually {usual:.2f} s) while {long.name} was read"
        expect(pause <= max(STALL, USUAL * usual), detail, stream, long)


# Neighbours, connections, health


def bear_bad_neighbours(scene: Scene, control: Exchange) -> None:
    """Good requests among wrong ones are answered whole. Raises Broken with what is missing."""
    for exchange in made_by(scene, "beside-good"):
        wrong = what_is_wrong(exchange, control)
        expect(not wrong, f"{exchange.name}: wrong requests beside it: {wrong}: {exchange.text[-80:]!r}", exchange)


def connections_last(kept: Scene) -> None:
    """A connection that the server doesn't close takes another request. Raises Broken when none ever did."""
    broken = kept.note("broken")
    detail = f"kept-1 and the rest: {broken} of {KEPT - 1} times the kept connection broke when it was used again"
    expect(broken < KEPT - 1, detail, *(exchange.name for exchange in made_by(kept, "kept")))


def _end(exchange: Exchange) -> float:
    return exchange.sent_at + exchange.seconds


PROBE = 1.0  # seconds that probes of Kubernetes wait


def health_answers(load: Scene) -> None:
    """Health is answered within a second while requests run. Raises Broken. One late answer may be the machine's doing.

    Time for which the streams beside it stood still too is the machine's, not the health check's.
    """
    polls = [poll for poll in made_by(load, "load-health") if poll.error is None]
    if not polls:
        raise Blocked(TRANSPORT, "load-health-0: no health check was answered", "load-health-0")
    running = [arrivals(reply) for _, reply in replies(load, "load") if isinstance(reply, Stream)]

    def waited(poll: Exchange) -> float:
        still = min((longest_pause(times, poll.sent_at, _end(poll)) for times in running), default=0.0)
        return poll.seconds - still

    late = [poll for poll in polls if waited(poll) > PROBE]
    detail = f"{late[0].name if late else ''}: /health was answered after {max(poll.seconds for poll in polls):.1f} s"
    expect(len(late) < 2, f"{detail}, {len(late)} of {len(polls)} times later than a second", *late)


def health_holds(load: Scene) -> None:
    """Health says that all is well while requests are answered. Raises Broken with the status."""
    usable(made_by(load, "load")[0])
    for poll in made_by(load, "load-health"):
        if poll.status is not None:
            detail = f"{poll.name}: status {poll.status} while requests are answered, 200 is owed"
            expect(poll.status == 200, detail, poll)


def health_tells_the_truth(vitals: Scene) -> None:
    """Where health says 200, a good request is answered. Raises Broken with how several ended."""
    tries, health = made_by(vitals, "vitals"), vitals.exchanges["vitals-health"]
    if any(exchange.error is None and (exchange.status or 0) < 500 for exchange in tries):
        return
    if health.status is None:
        raise Blocked(TRANSPORT, f"{health.name}: {health.error}", health)
    ends = ", ".join(dict.fromkeys(exchange.error or f"status {exchange.status}" for exchange in tries))
    if health.status == 200:
        raise Broken(f"{health.name}: status 200, and {len(tries)} good requests got: {ends}", health, tries[0])
