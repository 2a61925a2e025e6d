"""Rules about what ends an answer: its limit, a stop string, the context. And whether prompts are counted as they are."""

from __future__ import annotations

from ernie_conformance.gather.asks.limits import LENGTHS, UNIT
from ernie_conformance.judge.outcome import Blocked, NotAsked, expect
from ernie_conformance.judge.rules.errors import error_document
from ernie_conformance.judge.rules.text import REPLACEMENT
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import STATUS, Answer, Reply, usable, view
from ernie_conformance.targets import Target
from ernie_conformance.wire.exchange import Exchange

FIELDS = ("max_tokens", "max_completion_tokens")
# A server may keep a token or two of the context for itself (FastDeploy refuses a prompt of the whole length but one).
KEPT_BACK = 2
MOST_STOPS = 4  # the API's; what a server makes of more has a row of its own
# Counting may differ by the tokens at the seam between filler and template, never by a share of the prompt.
SEAM, SHARE = 4, 0.01


def limit_of(reply: Reply) -> int | None:
    """The one limit that a request set for one answer; None when it set none, two different ones or an illegal one."""
    known = {reply.asked.get(field) for field in FIELDS} - {None}
    limit = known.pop() if len(known) == 1 else None
    return limit if type(limit) is int and limit > 0 else None


def asks_one_answer(reply: Reply) -> bool:
    prompt = reply.asked.get("prompt")
    several = isinstance(prompt, list) and bool(prompt) and not isinstance(prompt[0], int)
    return not several and reply.asked.get("n") in (None, 1) and reply.asked.get("best_of") in (None, 1)


def ends_with_length(reply: Reply, longer: Reply) -> None:
    """An answer that its limit cut off says so. Raises Broken; NotAsked when it, or the longer one, ended by itself."""
    limit = limit_of(reply)
    assert limit is not None, reply.name
    if longer.count("completion_tokens") <= limit:
        raise NotAsked(f"{longer.name}, asked for more, ended by itself within {limit} tokens")
    said = reply.text.rstrip(REPLACEMENT)
    count = reply.count("completion_tokens")
    if count < limit and not (len(said) < len(longer.text) and longer.text.startswith(said)):
        raise NotAsked(f"{reply.name} ended by itself after {count} of {limit} tokens")
    expect(
        reply.finish_reason == "length",
        f"{reply.name}: finish_reason is {reply.finish_reason!r} after {count} of {limit} tokens; {longer.name} goes on",
        reply,
    )


def used_up_its_limit(reply: Reply, target: Target) -> None:
    """finish_reason length comes with exactly the limit's number of tokens. Raises Broken."""
    limit = limit_of(reply)
    if limit is None or not asks_one_answer(reply) or not isinstance(reply.usage, dict):
        raise NotAsked(f"{reply.name} has no single answer with one limit and usage")
    if reply.finish_reason != "length":
        raise NotAsked(f"{reply.name} wasn't cut by its limit")
    count = reply.count("completion_tokens")
    if count < limit and fills_the_context(reply, target):
        raise NotAsked(f"{reply.name} was cut by the context")
    expect(count == limit, f"{reply.name}: finish_reason is 'length', but {count} of {limit} tokens were counted", reply)


def fills_the_context(reply: Reply, target: Target) -> bool:
    return reply.count("prompt_tokens") + reply.count("completion_tokens") >= target.max_model_len - KEPT_BACK


def is_not_cut_unasked(reply: Reply, target: Target) -> None:
    """Without a limit, an answer ends by itself or where the context does. Raises Broken."""
    cut = reply.finish_reason == "length" and not fills_the_context(reply, target)
    expect(
        not cut, f"{reply.name}: cut after {reply.count('completion_tokens')} tokens, though no limit was asked for", reply
    )


def stops_of(reply: Reply) -> list[str]:
    """The stop strings that a request asked for."""
    stop = reply.asked.get("stop")
    return [stop] if isinstance(stop, str) and stop else [s for s in stop or () if s] if isinstance(stop, list) else []


def holds_no_stop(reply: Reply) -> None:
    """No answer holds a stop string of its request. Raises Broken. Reasoning isn't the answer; an echo isn't either."""
    stops = stops_of(reply)
    if not 0 < len(stops) <= MOST_STOPS or reply.asked.get("echo") or reply.asked.get("include_stop_str_in_output"):
        raise NotAsked(f"{reply.name} has no stop string")
    for index in reply.indices:
        text = reply.content_of(index)
        for stop in stops:
            at = text.find(stop)
            expect(
                at < 0,
                f"{reply.name}: the answer holds its stop string {stop!r}: {text[max(0, at - 20) : at + 20]!r}",
                reply,
            )


def obeys_or_refuses_a_fifth(exchange: Exchange, stops: Scene) -> None:
    """Five stop strings are refused with a 4xx, or the fifth works too. Raises Broken."""
    if exchange.status is None:
        raise Blocked("WIRE-001", f"{exchange.name}: {exchange.error}", exchange)
    if exchange.status != 200:
        expect(400 <= exchange.status < 500, f"{exchange.name}: status {exchange.status}: {exchange.text[:120]}", exchange)
        return
    text, fifth = Answer(exchange).content, stops.note("late")
    expect(
        fifth not in text, f"{exchange.name}: the fifth stop string {fifth!r} stands in the answer: {text[:80]!r}", exchange
    )


class Stopped:
    """An answer with a stop string beside the same answer without. At temperature 0 they go the same way, mostly."""

    def __init__(self, reply: Reply, free: str) -> None:
        self.reply, self.text = reply, reply.content
        ends = [at for at in (free.find(stop) for stop in stops_of(reply)) if at >= 0]
        self.due = free[: min(ends)] if ends else ""

    @property
    def comparable(self) -> bool:
        """Do both begin alike, so that the stop string was met?"""
        return bool(self.due) and (self.text.startswith(self.due) or self.due.startswith(self.text))

    def keeps_what_came_before(self) -> None:
        """All text before the stop string is there, and the answer ends with finish_reason stop. Raises Broken."""
        lost = self.due[len(self.text) :].strip()
        expect(not lost, f"{self.reply.name}: {lost!r:.60}, which stands before the stop string, is missing", self.reply)
        if self.text.rstrip() == self.due.rstrip():
            finish = self.reply.finish_reason
            expect(finish == "stop", f"{self.reply.name}: ended by a stop string, finish_reason is {finish!r}", self.reply)

    def sends_no_more(self) -> None:
        """Nothing follows the text before the stop string. Raises Broken with what does."""
        more = self.text[len(self.due) :] if self.text.startswith(self.due) else ""
        expect(
            not more.strip(), f"{self.reply.name}: before the stop string {self.due[-20:]!r}, then {more!r:.60}", self.reply
        )


def stopped(stops: Scene) -> list[Stopped]:
    """The stopped answers of the scenario that can be compared. Raises NotAsked when none can, Blocked when none came."""
    if not stops.note("border") or not stops.note("late"):
        if not stops.note("text"):
            for exchange in stops.exchanges.values():
                usable(exchange)
            raise Blocked(STATUS, f"{stops.name}: no text came without stop strings", *stops.exchanges)
        raise NotAsked(f"{stops.name}: the model said too little: {stops.note('text')!r:.60}")
    found, blocked = [], []
    for name, exchange in stops.exchanges.items():
        if name.startswith(("stop-free", "stop-almost")) or name == "stop-fifth":
            continue
        try:
            found.append(Stopped(view(exchange), stops.note("streamed" if name.endswith("-stream") else "text")))
        except Blocked as outcome:
            blocked.append(outcome)
    if not found and blocked:
        raise blocked[0]
    if not any(one.comparable for one in found):
        raise NotAsked(f"{stops.name}: with stop strings the model said something else each time")
    return [one for one in found if one.comparable]


def stopped_with_logprobs(stops: Scene) -> list[Reply]:
    """Those of the stopped answers that tell log probabilities. Raises NotAsked when none does, and as `stopped`."""
    found = [one.reply for one in stopped(stops) if one.reply.asked.get("logprobs") and one.reply.finish_reason == "stop"]
    if not found:
        raise NotAsked(f"{stops.name}: no answer with log probabilities was stopped")
    return found


def sends_what_it_held_back(stops: Scene) -> None:
    """An answer that ends as a stop string begins has that beginning too. Raises Broken with what is missing.

    NotAsked where the model said something else this time.
    """
    if "stop-almost" not in stops.exchanges:
        raise NotAsked(f"{stops.name}: the model said too little: {stops.note('text')!r:.60}")
    told = 0
    for name, due in (("stop-almost", stops.note("text")), ("stop-almost-stream", stops.note("streamed"))):
        reply = view(stops.exchanges[name])
        if not due.startswith(reply.content):
            continue
        told += 1
        lost = due[len(reply.content) :]
        stop = stops_of(reply)[0]
        detail = f"{reply.name}: the end {lost!r} never came: it was held back, as the stop string {stop!r} begins so"
        expect(not lost.strip(), detail, reply)
    if not told:
        raise NotAsked(f"{stops.name}: the model said something else")


def ends_no_other_choice(scene: Scene) -> None:
    """A stop string ends the choice that meets it alone. Raises Broken; NotAsked where choices don't come again by seed."""
    if "choices-stop" not in scene.exchanges:
        raise NotAsked(f"{scene.name}: no stop string is met by one choice alone")
    reply, texts = Answer(scene.exchanges["choices-stop"]), scene.note("texts")
    told = 0
    for index in reply.numbers[: len(texts)]:
        said, free = reply.content_of(index), texts[index]
        if scene.note("stop") in free or not free.startswith(said):
            continue
        told += 1
        lost = free[len(said) :].strip()
        expect(not lost, f"{reply.name}: choice {index} doesn't meet the stop string, but lacks {lost!r:.60}", reply)
    if not told:
        raise NotAsked(f"{scene.name}: the same seed gives other choices")


def answers_after_a_stop_in_thought(reply: Reply, scene: Scene) -> None:
    """A stop string met while thinking doesn't leave an empty answer that looks complete. Raises Broken."""
    if not scene.note("stop") or not scene.note("answer").strip():
        raise NotAsked(f"{scene.name}: the model thought too little or gave no answer")
    empty = not reply.content.strip() and reply.finish_reason == "stop"
    expect(
        not empty, f"{reply.name}: {scene.note('stop')!r} in the reasoning ended it; finish_reason stop, no answer", reply
    )


def sizes_of(context: Scene) -> list[int]:
    """prompt_tokens of the growing prompts. Raises Blocked by what owns a missing one."""
    return [Answer(context.exchanges[f"prompt-{length}"]).count("prompt_tokens") for length in LENGTHS]


def units_of(exchange: Exchange) -> int:
    """How often the filler stands in a prompt."""
    return int(exchange.request.json["messages"][0]["content"].count(UNIT))


def due_at(context: Scene, units: int) -> float:
    """The prompt_tokens that a prompt of so many units should have, by the short ones. Raises Blocked."""
    short, _, long = sizes = sizes_of(context)
    if long <= short:
        raise Blocked("LIMIT-010", f"{context.name}: prompts are counted as {sizes}", "prompt-1100")
    return short + (long - short) * (units - LENGTHS[0]) / (LENGTHS[-1] - LENGTHS[0])


def grow_in_step(context: Scene) -> None:
    """prompt_tokens grow in step with the prompts' lengths. Raises Broken."""
    lengths, names = LENGTHS, [f"prompt-{length}" for length in LENGTHS]
    short, middle, long = sizes = sizes_of(context)
    expect(short < middle < long, f"{names[-1]}: prompt_tokens of growing prompts are {sizes}", *names)
    due = short + (long - short) * (lengths[1] - lengths[0]) / (lengths[2] - lengths[0])
    near = abs(middle - due) <= SEAM + SHARE * due
    detail = f"{names[-1]}: prompts of {lengths} like words have {sizes} prompt_tokens"
    expect(near, f"{detail}; in step, the second would have {due:.0f}", *names)


def edge(context: Scene) -> Exchange:
    """The prompt at the limit. Raises Blocked by the row about counting when it couldn't be measured out."""
    if "context-edge" not in context.exchanges:
        due_at(context, 0)
        raise Blocked("WIRE-001", f"{context.name}: broke off before the prompt at the limit", "prompt-1100")
    return context.exchanges["context-edge"]


def is_refused(exchange: Exchange) -> None:
    """A 4xx came as one JSON document, no stream. Raises Broken, Blocked when nothing came."""
    if exchange.status is None:
        raise Blocked("WIRE-001", f"{exchange.name}: {exchange.error}", exchange)
    if exchange.status == 200 and error_document(exchange):
        raise Blocked("ERR-003", f"{exchange.name}: status 200 with an error", exchange)
    expect(
        400 <= exchange.status < 500, f"{exchange.name}: status {exchange.status}, not 4xx: {exchange.text[:120]}", exchange
    )
    streams = exchange.media_type == "text/event-stream"
    expect(not streams, f"{exchange.name}: status {exchange.status}, but in an event stream", exchange)


def is_answered_at_the_edge(exchange: Exchange) -> None:
    """A prompt that leaves room for an answer is taken. Raises Broken with the refusal."""
    if exchange.status is None:
        raise Blocked("WIRE-001", f"{exchange.name}: {exchange.error}", exchange)
    expect(exchange.status == 200, f"{exchange.name}: status {exchange.status}: {exchange.text[:160]}", exchange)


def is_counted_whole(context: Scene, exchange: Exchange) -> None:
    """The prompt at the limit has the tokens that its length calls for: nothing was cut off. Raises Broken."""
    count, due = Answer(usable_edge(exchange)).count("prompt_tokens"), due_at(context, units_of(exchange))
    near = abs(count - due) <= SEAM + SHARE * due
    expect(near, f"{exchange.name}: {count} prompt_tokens, by its length {due:.0f}: the prompt was cut", exchange)


def says_that_the_context_cut_it(reply: Reply, target: Target) -> None:
    """An answer that fills the context ends with length. Raises Broken; NotAsked when it ended before."""
    if not fills_the_context(reply, target):
        raise NotAsked(f"{reply.name} ended before the context was full")
    expect(
        reply.finish_reason == "length",
        f"{reply.name}: the context was full, finish_reason is {reply.finish_reason!r}",
        reply,
    )


def usable_edge(exchange: Exchange) -> Exchange:
    """`exchange`, or Blocked by the row that a prompt at the limit is taken."""
    try:
        return usable(exchange)
    except Blocked as outcome:
        raise Blocked("LIMIT-011" if outcome.by == STATUS else outcome.by, outcome.detail, exchange) from outcome


def was_cached(again: Reply) -> None:
    """cached_tokens of a long prompt that came before are more than 0, and no more than the prompt has. Raises Broken."""
    details = again.usage.get("prompt_tokens_details") if isinstance(again.usage, dict) else None
    if not isinstance(details, dict):
        raise NotAsked(f"{again.name}: usage gives no details of the prompt")
    cached = details.get("cached_tokens")
    most = again.count("prompt_tokens")
    right = isinstance(cached, int) and 0 < cached <= most
    expect(right, f"{again.name}: the prompt came just before, cached_tokens is {cached!r} of {most}", again)
