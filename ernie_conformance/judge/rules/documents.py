"""Rules about answers that must be JSON documents, and about what is read of them."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, expect
from ernie_conformance.judge.views import Reply

FINISH = {True: "STREAM-005", False: "SCHEMA-001"}  # owners of a missing finish_reason: of a stream, of a whole answer


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def parsed(text: str) -> Any:
    """`text` as one JSON document. A key may stand twice: so a weak model writes under a grammar. Raises ValueError."""
    return json.loads(text, parse_constant=_refuse)


def breach_of(schema: dict[str, Any], value: Any) -> str:
    """The first thing about `value` that breaks `schema`; "" when it is valid."""
    error = best_match(Draft202012Validator(schema).iter_errors(value))
    return "" if error is None else error.message[:160]


def _document(reply: Reply) -> Any:
    """The content as JSON. Raises Broken when it isn't JSON or doesn't begin so; NotAsked when it was cut on the way."""
    if reply.finish_reason is None:
        raise Blocked(FINISH[reply.exchange.wants_stream], f"{reply.name}: no finish_reason came", reply)
    text, cut = reply.content.strip(), reply.finish_reason == "length"
    if cut and not text:
        raise NotAsked(f"{reply.name} was cut before its answer")
    expect(text.startswith("{"), f"{reply.name}: the content is no JSON object: {text[:80]!r}", reply)
    if cut:
        raise NotAsked(f"{reply.name} was cut within its document")
    try:
        return parsed(text)
    except ValueError as error:
        expect(False, f"{reply.name}: the content is no JSON ({error}): {text[:60]!r}...{text[-30:]!r}", reply)


def is_an_object(reply: Reply) -> None:
    """The content is one JSON object. Raises Broken."""
    _document(reply)


def is_shaped(reply: Reply) -> None:
    """The content is one JSON document that is valid for the schema asked for. Raises Broken."""
    wrong = breach_of(reply.asked["response_format"]["json_schema"]["schema"], _document(reply))
    expect(not wrong, f"{reply.name}: the document breaks its schema: {wrong}; {reply.content[:100]!r}", reply)


def is_verbatim(reply: Reply, shaped: Reply, owner: str = "JSON-001") -> None:
    """The one document that the schema allows came, letter by letter. Raises Broken with the first difference.

    Blocked by `owner` when no schema is followed at all, which `shaped` shows; NotAsked when the answer was cut and says so.
    """
    try:
        is_shaped(shaped)
    except Broken as breach:
        raise Blocked(owner, breach.detail, *breach.exchanges) from breach
    expect_dictated(reply, _document(reply), reply.asked["response_format"]["json_schema"]["schema"])


def expect_dictated(reply: Reply, came: Any, schema: dict[str, Any]) -> None:
    """Each property has the one value that `schema` allows. Raises Broken with the place of the first difference."""
    for name, allowed in schema["properties"].items():
        (owed,) = allowed["enum"]
        value = came.get(name) if isinstance(came, dict) else None
        if isinstance(value, str) and isinstance(owed, str):
            _expect_text(reply, value, owed)
        same = type(value) is type(owed) and value == owed  # 3.0 is no integer to typed clients
        expect(same, f"{reply.name}: {name} is {value!r:.80}, not {owed!r:.80}", reply)


def _expect_text(reply: Reply, came: str, owed: str) -> None:
    at = next((n for n, (a, b) in enumerate(zip(came, owed, strict=False)) if a != b), min(len(came), len(owed)))
    before, then = slice(max(0, at - 12), at), slice(at, at + 12)
    expect(came == owed, f"{reply.name}: after {owed[before]!r} comes {came[then]!r}, not {owed[then]!r}", reply)


def keeps_the_order(reply: Reply) -> None:
    """Keys come in the order in which the schema names them. Raises Broken; Blocked where they aren't the schema's."""
    named = list(reply.asked["response_format"]["json_schema"]["schema"]["properties"])
    came = _document(reply)
    if sorted(came) != sorted(named):
        raise Blocked("JSON-007", f"{reply.name}: its keys are {sorted(came)}", reply)
    expect(list(came) == named, f"{reply.name}: the keys come as {', '.join(came)}, not {', '.join(named)}", reply)


def still_thinks(reply: Reply) -> None:
    """The thought comes although a format is asked for. Raises Broken."""
    expect(bool(reply.reasoning.strip()), f"{reply.name}: no reasoning came, the content is {reply.content[:60]!r}", reply)
