"""Broken for the tutorial's client programs alone: what a server or a gateway makes of who asks."""

from __future__ import annotations

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import chunks, refused
from ernie_conformance.faults.fault import Act, Edit, Fault, Where, behaviour
from ernie_conformance.faults.harmless import said
from ernie_conformance.faults.objects import change
from ernie_conformance.faults.visit import Visit


def _agent(part: str) -> Where:
    """The client names itself so."""
    return lambda request: any(key.lower() == "user-agent" and part in value for key, value in request.headers)


def _say(edit: Edit) -> Act:
    async def say(visit: Visit) -> None:
        await visit.say(edit)

    return say


def _relay(edit: Edit) -> Act:
    async def relay(visit: Visit) -> None:
        await visit.relay(edit)

    return relay


curl, openai, requests = _agent("curl/"), _agent("OpenAI/"), _agent("python-requests/")
text, picture = where.lacks(where.images(1)), where.images(1)
emptied = chunks(change("choices.*.delta.content", lambda content: content if content == "" else None))

FAULTS: tuple[Fault, ...] = (
    behaviour(
        "own-client-curl-forbidden",
        "CLIENT-001",
        _say(refused(403, "this user agent is not welcome")),
        where=curl,
        title="a gateway turns curl away",
        severity="high",
    ),
    behaviour(
        "own-client-openai-no-text",
        "CLIENT-002",
        _relay(emptied),
        where=where.both(openai, text),
        title="the openai client gets deltas whose content is null",
        severity="critical",
        shows="no answer",
    ),
    behaviour(
        "own-client-openai-picture",
        "CLIENT-003",
        _say(refused(413, "the body is too large for this client")),
        where=where.both(openai, picture),
        title="a picture from the openai client is refused",
        severity="high",
        shows="413",
    ),
    behaviour(
        "own-client-requests-torn-json",
        "CLIENT-004",
        _relay(said(b'"choices":', b"choices:")),
        where=where.both(requests, text),
        title="the requests client gets chunks that aren't JSON",
        severity="critical",
        shows="couldn't decode",
    ),
    behaviour(
        "own-client-requests-picture",
        "CLIENT-005",
        _say(refused(413, "the body is too large for this client")),
        where=where.both(requests, picture),
        title="a picture from the requests client is refused",
        severity="high",
        shows="no answer",
    ),
)
