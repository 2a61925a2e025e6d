"""Rules about routes beside chat: the model list, health, keys, methods and browsers."""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.asks.auxiliary import ORIGIN, WRONG_KEY
from ernie_conformance.judge.outcome import Blocked, NotAsked, expect
from ernie_conformance.judge.schemas import breach
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import TRANSPORT
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange, NotJson

LIST = "AUX-001"


def status_of(exchange: Exchange) -> int:
    """The status. Raises Blocked by the transport row when no answer came."""
    if exchange.status is None:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error}", exchange)
    return exchange.status


def answers(exchange: Exchange) -> None:
    """Status 200 came. Raises Broken."""
    status = status_of(exchange)
    expect(status == 200, f"{exchange.name}: status {status}: {exchange.text[:120]}", exchange)


def is_a_list(exchange: Exchange) -> None:
    """The model list is there and has the fields that clients read. Raises Broken."""
    answers(exchange)
    try:
        data = exchange.json
    except NotJson as error:
        expect(False, f"{exchange.name}: the body is not JSON: {error}", exchange)
    wrong = breach("compat/model.list", data)
    expect(wrong is None, f"{exchange.name}: {wrong}", exchange)
    expect(bool(data["data"]), f"{exchange.name}: no model is listed", exchange)


def _listed(exchange: Exchange) -> list[dict[str, Any]]:
    try:
        found = exchange.json["data"]
    except (NotJson, KeyError, TypeError) as error:
        raise Blocked(LIST, f"{exchange.name}: no model list came: {exchange.text[:60]!r}", exchange) from error
    if not isinstance(found, list) or not found or not all(isinstance(model, dict) for model in found):
        raise Blocked(LIST, f"{exchange.name}: data is {found!r:.60}", exchange)
    return found


def says_when_and_whose(exchange: Exchange) -> None:
    """Each model has the time of its making and its owner. Raises Broken."""
    for model in _listed(exchange):
        created, owner = model.get("created"), model.get("owned_by")
        sound = type(created) is int and isinstance(owner, str)
        name = model.get("id")
        expect(sound, f"{exchange.name}: model {name!r} has created {created!r}, owned_by {owner!r}", exchange)


def can_be_asked(models: Scene, name: str) -> Exchange:
    """The exchange that used the first listed model. Raises Blocked by the list's row when nothing was listed."""
    if not models.note("first"):
        raise Blocked(LIST, f"{models.name}: no model with an id is listed", "models")
    return models.exchanges[name]


def names_what_is_asked(models: Scene, evidence: Evidence) -> None:
    """A listed model is answered, and the list has a name that requests or answers use. Raises Broken."""
    answers(can_be_asked(models, "model-asked"))
    listed = {model.get("id") for model in _listed(models.exchanges["models"])}
    used = {used for exchange in evidence.exchanges.values() if exchange.status == 200 for used in _names_in(exchange)}
    shown = ", ".join(map(repr, sorted(map(str, listed))[:3]))
    expect(bool(listed & used), f"models: {shown} listed; no request that was answered names it, no answer either", "models")


def _names_in(exchange: Exchange) -> set[Any]:
    """The model that an answered request asked for, and the one its answer names."""
    if exchange.request.method != "POST":
        return set()
    try:
        told = exchange.json
    except NotJson:
        told = None
    names = {exchange.request.json.get("model"), told.get("model") if isinstance(told, dict) else None}
    return {name for name in names if isinstance(name, str)}


def is_found(models: Scene) -> None:
    """A listed model is found by its address. Raises Broken."""
    exchange = can_be_asked(models, "model-listed")
    answers(exchange)
    try:
        found = exchange.json
    except NotJson as error:
        expect(False, f"{exchange.name}: the body is not JSON: {error}", exchange)
    name = found.get("id") if isinstance(found, dict) else None
    expect(name == models.note("first"), f"{exchange.name}: id is {name!r}, asked for {models.note('first')!r}", exchange)


def is_not_found(exchange: Exchange) -> None:
    """What isn't there is a 404. Raises Broken."""
    status = status_of(exchange)
    expect(status == 404, f"{exchange.name}: status {status}, a 404 is owed", exchange)


def opens_to_browsers(exchange: Exchange) -> None:
    """A page of another origin may read the answer. Raises Broken."""
    origin = exchange.header("access-control-allow-origin")
    expect(origin in ("*", ORIGIN), f"{exchange.name}: Access-Control-Allow-Origin is {origin!r}, from {ORIGIN}", exchange)


def allows_the_request(exchange: Exchange) -> None:
    """The preflight is answered, with the origin, method and headers that were asked for. Raises Broken."""
    status = status_of(exchange)
    expect(status in (200, 204), f"{exchange.name}: status {status}: {exchange.text[:80]}", exchange)
    opens_to_browsers(exchange)
    methods = (exchange.header("access-control-allow-methods") or "").upper()
    expect("POST" in methods or "*" in methods, f"{exchange.name}: Access-Control-Allow-Methods is {methods!r}", exchange)
    headers = (exchange.header("access-control-allow-headers") or "").lower()
    fits = "*" in headers or ("content-type" in headers and "authorization" in headers)
    expect(fits, f"{exchange.name}: Access-Control-Allow-Headers is {headers!r}", exchange)


def is_locked(exchange: Exchange, control: Exchange) -> None:
    """Without a right key the answer is 401 or 403. Raises Broken; Blocked when the right key isn't taken either."""
    if control.status != 200:
        raise Blocked("AUX-020", f"{control.name}: status {control.status}", control)
    status = status_of(exchange)
    expect(status in (401, 403), f"{exchange.name}: status {status}, 401 is owed: {exchange.text[:80]}", exchange)


def has_no_back_door(keys: Scene) -> None:
    """No other route that answers prompts or tells models is served without a key. Raises Broken with all that are."""
    doors = {name: exchange for name, exchange in keys.exchanges.items() if name.startswith("key-missing-")}
    if not doors:
        raise NotAsked(f"{keys.name}: no other route was asked")
    there = [exchange for exchange in doors.values() if 200 <= status_of(exchange) < 300]
    what = ", ".join(f"{exchange.name}: {exchange.request.method} {exchange.request.path}" for exchange in there)
    expect(not there, f"served without a key: {what}", *there)


def keeps_the_key(exchange: Exchange) -> None:
    """A refusal doesn't repeat the key that was sent. Raises Broken."""
    status_of(exchange)
    expect(WRONG_KEY not in exchange.text, f"{exchange.name}: the answer repeats the key: {exchange.text[:120]}", exchange)
