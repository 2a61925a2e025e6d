"""Rules about generated requests. What holds for all traffic holds for them too and isn't said again."""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.asks.property import ILLEGAL, LEGAL
from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, expect
from ernie_conformance.judge.rules import parameters
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import TRANSPORT, Answer, Reply, Stream
from ernie_conformance.wire.exchange import Exchange


def legal_ones(scene: Scene) -> list[Exchange]:
    """The generated legal requests, in order."""
    return [scene.exchanges[LEGAL.format(n)] for n in range(len(scene.note("places")))]


def are_answered(scene: Scene, control: Exchange) -> None:
    """Every legal request is answered with 200. Raises Broken with how many aren't and the first one's fields."""
    refused = []
    for exchange in legal_ones(scene):
        try:
            parameters.is_taken(exchange, control)
        except Broken:
            refused.append(exchange)
    if refused:
        first = refused[0]
        asked = sorted(set(first.request.json) - {"model", "messages"})
        what = f"{len(refused)} of {len(legal_ones(scene))} legal requests"
        raise Broken(
            f"{first.name}: {what} aren't answered; status {first.status} with {', '.join(asked)}: {first.text[:120]}",
            *refused,
        )


def _in_form(reply: Reply) -> str:
    """What is wrong with a reply's form, "" when nothing is."""
    owed = list(range(reply.asked.get("n", 1)))
    if reply.numbers != owed:
        return f"choices have the indices {reply.numbers}, {owed} are owed"
    ends = [reply.finish_of(index) for index in owed]
    return "" if all(ends) else f"finish reasons are {ends}"


def are_answered_in_form(scene: Scene) -> None:
    """A stream for who asks for one, else one document; a choice for each asked for, each with its end. Raises Broken."""
    answered = [exchange for exchange in legal_ones(scene) if exchange.status == 200]
    if not answered:
        raise Blocked("PROP-001", f"{scene.name}: no legal request was answered", *legal_ones(scene)[:1])
    for exchange in answered:
        reply = Stream(exchange) if exchange.wants_stream else Answer(exchange)
        wrong = _in_form(reply)
        expect(not wrong, f"{exchange.name}: {wrong}", exchange)


def are_refused(scene: Scene, structural: bool) -> None:
    """What is wrong in one place is refused with a 4xx, where its legal twin is answered. Raises Broken with the place.

    NotAsked when nothing of this sort was generated; Blocked when no legal twin was answered.
    """
    asked = 0
    places: list[dict[str, Any]] = scene.note("places")
    for number, (place, legal) in enumerate(zip(places, legal_ones(scene), strict=True)):
        if place["structural"] != structural or legal.status != 200:
            continue
        wrong = scene.exchanges[ILLEGAL.format(number)]
        try:
            parameters.is_refused(wrong, legal)
        except Broken as outcome:
            raise Broken(f"{outcome.detail}; {place['place']} is {place['value']}", *outcome.exchanges) from outcome
        asked += 1
    if not asked and any(place["structural"] == structural for place in places):
        raise Blocked("PROP-001", f"{scene.name}: no legal twin was answered", *legal_ones(scene)[:1])
    if not asked:
        raise NotAsked(f"{scene.name}: too few examples; more with --examples")


def leave_the_server_alive(scene: Scene) -> None:
    """After the illegal requests a good one is answered. Raises Broken."""
    after = scene.exchanges["prop-after"]
    if all(exchange.status is None for exchange in legal_ones(scene)):
        raise Blocked(TRANSPORT, f"{scene.name}: nothing was answered before either", *legal_ones(scene)[:1])
    ended = after.error or f"status {after.status}"
    alive = after.error is None and after.status == 200
    expect(alive, f"{after.name}: after {len(scene.note('places'))} illegal requests, a good one: {ended}", after)
