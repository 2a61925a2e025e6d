"""Rules about request parameters: which values are taken, which are refused, and what they must change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, expect
from ernie_conformance.judge.rules.errors import error_document
from ernie_conformance.judge.views import TRANSPORT, Reply, usable
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange

# A penalty of 2 for frequency and presence takes 2 + 2·5 from the logit of a token that came five times: hardly any
# margin between two tokens is so wide that greedy decoding goes on as before, and hardly two.
OFTEN = 5


def _answered(exchange: Exchange) -> int:
    if exchange.status is None:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error}", exchange)
    return exchange.status


def is_taken(exchange: Exchange, control: Exchange) -> None:
    """A legal value is answered with 200. Raises Broken, Blocked when a request without the value isn't either."""
    usable(control)
    status = _answered(exchange)
    expect(status == 200, f"{exchange.name}: a legal value gets status {status}: {exchange.text[:160]}", exchange)


def is_refused(exchange: Exchange, control: Exchange) -> None:
    """An illegal value is refused with a 4xx. Raises Broken; Blocked when the legal request fails too, or by a 5xx's row."""
    usable(control)
    status = _answered(exchange)
    if status >= 500:
        raise Blocked("ERR-002", f"{exchange.name}: status {status}", exchange)
    if status == 200 and error_document(exchange):
        raise Blocked("ERR-003", f"{exchange.name}: status 200 with an error", exchange)
    expect(400 <= status < 500, f"{exchange.name}: an illegal value gets status {status}, a 4xx is owed", exchange)


def is_no_server_error(exchange: Exchange) -> None:
    """What the server doesn't know isn't its mistake. Raises Broken for a 5xx."""
    status = _answered(exchange)
    expect(status < 500, f"{exchange.name}: status {status}: {exchange.text[:160]}", exchange)


def leaves_the_server_alive(exchange: Exchange, evidence: Evidence) -> None:
    """The good request after an extreme one is answered. Raises Broken; NotAsked when none was sent."""
    after = evidence.exchanges.get(f"after-{exchange.name}")
    if after is None:
        raise NotAsked(f"{exchange.name}: no good request was sent after it")
    what = after.error or f"status {after.status}"
    expect(
        after.error is None and after.status == 200, f"{after.name}: after {exchange.name}, a good request: {what}", after
    )


def says_something(reply: Reply) -> None:
    """Text came, and it ended. Raises Broken."""
    expect(bool(reply.text.strip()), f"{reply.name}: no text came", reply)
    expect(reply.finish_reason in ("stop", "length"), f"{reply.name}: finish_reason is {reply.finish_reason!r}", reply)


def _texts(replies: Sequence[Reply]) -> list[str]:
    texts = [reply.text for reply in replies]
    for reply, text in zip(replies, texts, strict=True):
        if not text.strip():
            raise NotAsked(f"{reply.name} has no text to compare")
    return texts


def some_are_equal(replies: Sequence[Reply], what: str) -> None:
    """At least two of the answers are the same. Raises Broken. Numerics of a GPU may part some, never all."""
    texts = _texts(replies)
    expect(
        len(set(texts)) < len(texts),
        f"{replies[0].name}: {len(texts)} answers {what}, all different: {texts[0][:50]!r}, {texts[1][:50]!r}",
        *replies,
    )


def all_are_equal(replies: Sequence[Reply], what: str) -> None:
    """All answers are the same. Raises Broken."""
    texts = _texts(replies)
    different = next((text for text in texts if text != texts[0]), texts[0])
    expect(
        len(set(texts)) == 1,
        f"{replies[0].name}: {len(set(texts))} different answers {what}: {texts[0][:50]!r}, {different[:50]!r}",
        *replies,
    )


def some_differ(replies: Sequence[Reply], what: str) -> None:
    """Not all answers are the same. Raises Broken with what they all say."""
    texts = _texts(replies)
    expect(len(set(texts)) > 1, f"{replies[0].name}: {len(texts)} answers {what}, all the same: {texts[0][:60]!r}", *replies)


def changes_repetition(trials: Iterable[Sequence[Reply]]) -> None:
    """With the highest penalties a repetitive greedy answer is another, in one of the trials at least. Raises Broken.

    A trial is an answer without penalties, the same again, and one with them. NotAsked when fewer than two can tell.
    """
    unmoved = []
    for plain, again, high in trials:
        pieces = Counter(re.findall(r"\w+|[^\w\s]", plain.text))
        most, times = pieces.most_common(1)[0] if pieces else ("", 0)
        if plain.text == again.text and times >= OFTEN:
            if high.text != plain.text:
                return
            unmoved.append((high, f"{high.name}: {most!r} comes {times} times, with penalties of 2 and without"))
    if len(unmoved) < 2:
        raise NotAsked(f"fewer than two answers repeat anything {OFTEN} times, twice alike")
    raise Broken("; ".join(detail for _, detail in unmoved), *(high for high, _ in unmoved))


def has_choices(reply: Reply) -> None:
    """Exactly n choices with indices 0 to n-1. Raises Broken."""
    n = reply.asked["n"]
    expect(reply.numbers == list(range(n)), f"{reply.name}: n is {n}, choices have the indices {reply.numbers}", reply)


def counts_every_choice(reply: Reply) -> None:
    """completion_tokens are those of all choices. Raises Broken; NotAsked unless each was cut by the limit."""
    n, limit = reply.asked["n"], reply.asked["max_tokens"]
    if len(reply.indices) != n:
        raise Blocked("PARAM-017", f"{reply.name}: {len(reply.indices)} choices", reply)
    if any(reply.finish_of(index) != "length" for index in reply.indices):
        raise NotAsked(f"{reply.name}: a choice ended by itself")
    count = reply.count("completion_tokens")
    expect(count == n * limit, f"{reply.name}: {count} completion_tokens for {n} choices of {limit} tokens", reply)


def choices_differ(replies: Sequence[Reply]) -> None:
    """In one reply at least the sampled choices differ. Raises Broken with what is said twice.

    Two short texts may come out alike by chance, in all of several replies they don't.
    """
    for reply in replies:
        if len(reply.indices) < 2:
            raise Blocked("PARAM-017", f"{reply.name}: {len(reply.indices)} choices", reply)
    varied = any(len({reply.content_of(index) for index in reply.indices}) > 1 for reply in replies)
    said = replies[0].content_of(0)
    expect(varied, f"{replies[0].name}: all choices of {len(replies)} replies are copies: {said[:60]!r}", *replies)


def is_long_enough(reply: Reply) -> None:
    """completion_tokens reach min_tokens. Raises Broken."""
    least, count = reply.asked["min_tokens"], reply.count("completion_tokens")
    expect(count >= least, f"{reply.name}: {count} completion_tokens, min_tokens is {least}", reply)
