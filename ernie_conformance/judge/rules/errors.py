"""Rules about wrong requests: refused as the client's mistake, with a reason that helps, and without harm to anyone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ernie_conformance.gather.asks.errors import WRONG
from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, expect
from ernie_conformance.judge.schemas import breach
from ernie_conformance.judge.views import TRANSPORT, Reply
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange, NotJson

ERROR_WITH_200, SERVER_ERROR, BODY, STREAM_OF_ERROR = "ERR-003", "ERR-002", "ERR-004", "ERR-011"
# A reason fits on a screen; what is longer repeats the input or the server's inner state.
LONGEST_REASON = 4096  # bytes
TRACE = re.compile(r"Traceback \(most recent call last\)|\bFile \"[^\"]+\", line \d+|\bat [\w.$]+\([\w.]+:\d+\)")
SERVER_PATH = re.compile(
    r"(?:/usr|/opt|/root|/home|/srv|/app|/workspace|/site-packages|/dist-packages)/[\w./-]+\.(?:py|so|cc|cu)\b"
)
# Statuses that tell a client to log in or to try again: no cure for a wrong request.
MISLEADING = (401, 403, 407, 408, 425, 429)


def answered(exchange: Exchange) -> int:
    """The status. Raises Blocked by the transport row when no whole answer came."""
    if exchange.error is not None or exchange.status is None:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error or 'no answer'}", exchange)
    return exchange.status


def error_document(exchange: Exchange) -> bool:
    """Is the body an error object, in the documented form or in one that engines use?"""
    try:
        data = exchange.json
    except NotJson:
        return False
    if not isinstance(data, dict):
        return False
    return data.get("error") is not None or data.get("object") == "error"


def is_refused(exchange: Exchange, control: Reply) -> None:
    """A wrong request isn't answered, though its good twin `control` is. Raises Broken."""
    status = answered(exchange)
    if status == 200 and error_document(exchange):
        raise Blocked(ERROR_WITH_200, f"{exchange.name}: an error document came with status 200", exchange)
    if status == 200 and exchange.wants_stream and error_event(exchange):
        raise Blocked(STREAM_OF_ERROR, f"{exchange.name}: the refusal came as a stream", exchange)
    detail = f"{exchange.name}: status {status}, as if it were right ({control.name}): {exchange.text[:120]!r}"
    expect(status >= 400, detail, exchange)


def error_event(exchange: Exchange) -> bool:
    """Does a stream hold an error?"""
    return b'"error"' in exchange.body


def is_clients_mistake(exchange: Exchange) -> None:
    """A wrong request that isn't answered is refused with a 4xx. Raises Broken for a 5xx."""
    status = answered(exchange)
    expect(status < 500, f"{exchange.name}: status {status} for the client's mistake: {exchange.text[:160]!r}", exchange)


def is_no_error(exchange: Exchange) -> None:
    """A body with status 200 is no error document. Raises Broken."""
    expect(not error_document(exchange), f"{exchange.name}: status 200 with an error: {exchange.text[:160]!r}", exchange)


def has_documented_body(exchange: Exchange, layer: str) -> None:
    """The error's body conforms to the layer's schema. Raises Broken."""
    try:
        data = exchange.json
    except NotJson as error:
        detail = f"{exchange.name}: status {exchange.status} without JSON ({error}): {exchange.text[:80]!r}"
        raise Broken(detail, exchange) from error
    wrong = breach(f"{layer}/error", data)
    expect(wrong is None, f"{exchange.name}: status {exchange.status}: {wrong}; body {exchange.text[:160]!r}", exchange)


def reason(exchange: Exchange) -> str:
    """What the error says to a reader. Raises NotAsked when it has no message in the documented place."""
    try:
        data = exchange.json
    except NotJson as error:
        raise NotAsked(f"{exchange.name} is no JSON") from error
    if breach("compat/error", data) is not None:
        raise NotAsked(f"{exchange.name} has no message where clients look")
    return str(data["error"]["message"])


def is_labelled_json(exchange: Exchange) -> None:
    """An error in JSON says that it is JSON. Raises Broken; NotAsked where it isn't JSON, for that is another row's."""
    try:
        exchange.json  # noqa: B018  (parsing is the question)
    except NotJson as error:
        raise NotAsked(f"{exchange.name} isn't JSON") from error
    kind = exchange.media_type
    expect(kind == "application/json", f"{exchange.name}: status {exchange.status}, JSON labelled {kind!r}", exchange)


def leaks_nothing(exchange: Exchange) -> None:
    """No stack and no source path of the server stands in an error. Raises Broken."""
    sent = (exchange.request.body or b"").decode("utf-8", errors="replace")
    for pattern, what in ((TRACE, "a stack trace"), (SERVER_PATH, "a path of the server")):
        found = pattern.search(exchange.text)
        leaked = found is not None and found[0] not in sent
        expect(not leaked, f"{exchange.name}: the error shows {what}: {found[0] if found else ''!r}", exchange)


def names_what_is_wrong(exchange: Exchange) -> None:
    """The error names the field. Raises Broken; NotAsked when the request wasn't refused."""
    if answered(exchange) < 400:
        raise NotAsked(f"{exchange.name} wasn't refused")
    words, said = WRONG[exchange.name].blames, reason(exchange)
    expect(
        any(word in said for word in words), f"{exchange.name}: the error doesn't name {words[0]}: {said[:200]!r}", exchange
    )


def is_short(exchange: Exchange) -> None:
    """An error's body isn't longer than a reason needs. Raises Broken."""
    size = len(exchange.body)
    expect(size <= LONGEST_REASON, f"{exchange.name}: the error is {size} bytes long: {exchange.text[:80]!r}...", exchange)


def says_whose_fault(exchange: Exchange) -> None:
    """The status doesn't send the client to log in or to try again. Raises Broken; NotAsked where the key was at fault."""
    if exchange.notes.get("scenario") == "keys":
        raise NotAsked(f"{exchange.name} is refused for its key")
    status = answered(exchange)
    expect(status not in MISLEADING, f"{exchange.name}: status {status} for a request that is itself wrong", exchange)


def server_lives_on(evidence: Evidence) -> None:
    """After each request that may disturb, a good one is answered. Raises Broken with the request that did it."""
    after = {name.removeprefix("after-"): e for name, e in evidence.exchanges.items() if name.startswith("after-")}
    if not after:
        raise NotAsked("no disruptive request was sent")
    for cause, exchange in after.items():
        lives = exchange.error is None and exchange.status == 200
        detail = f"{cause} leaves a server that doesn't answer: {exchange.error or exchange.status}"
        expect(lives, detail, *[name for name in (cause, exchange.name) if name in evidence.exchanges])


def is_plain(exchange: Exchange, control: Reply) -> None:
    """A refusal of a stream is a plain 4xx, no stream. Raises Broken."""
    status = answered(exchange)
    if exchange.media_type == "text/event-stream" or (status == 200 and not error_document(exchange)):
        raise Broken(f"{exchange.name}: status {status}, {exchange.media_type}: {exchange.text[:120]!r}", exchange, control)
    if status == 200:
        raise Blocked(ERROR_WITH_200, f"{exchange.name}: an error document came with status 200", exchange)


def is_unknown(exchange: Exchange) -> None:
    """A route that isn't there answers 404, or 405 where only its method is wrong. Raises Broken."""
    status = answered(exchange)
    expect(status in (404, 405), f"{exchange.name}: status {status}: {exchange.text[:80]!r}", exchange)


def has_json(exchange: Exchange) -> None:
    """The body is JSON. Raises Broken."""
    try:
        exchange.json  # noqa: B018  (parsing is the question)
    except NotJson as error:
        raise Broken(f"{exchange.name}: status {exchange.status}, no JSON: {exchange.text[:80]!r}", exchange) from error


def is_taken_or_refused(exchange: Exchange) -> None:
    """Answered with 200 or refused with a 4xx: no server error. Raises Broken."""
    status = answered(exchange)
    detail = f"{exchange.name}: status {status}: {exchange.text[:120]!r}"
    expect(status == 200 or 400 <= status < 500, detail, exchange)


def are_strict(exchanges: Iterable[Exchange]) -> None:
    """None of these requests is taken. Raises Broken once, with all that are."""
    taken = [e for e in exchanges if answered(e) == 200]
    expect(not taken, f"taken as if right: {', '.join(e.name for e in taken)}", *taken)


# A refusal needs no model. Beyond the time of a good answer, this much is a hiccup of the machine.
HICCUP = 2.0  # seconds


def is_prompt(exchange: Exchange, control: Exchange) -> None:
    """Asked alone, a refusal takes no longer than the good request took. Raises Broken."""
    answered(exchange)
    detail = (
        f"{exchange.name}: refused after {exchange.seconds:.1f} s; {control.name} was answered in {control.seconds:.1f} s"
    )
    expect(exchange.seconds <= control.seconds + HICCUP, detail, exchange)
