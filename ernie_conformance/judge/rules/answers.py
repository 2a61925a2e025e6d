"""Rules about an answer's head and its counts, whether it came whole or as a stream."""

from __future__ import annotations

from typing import Any

from ernie_conformance.judge.outcome import Broken, NotAsked, expect
from ernie_conformance.judge.views import Answer, Reply, Stream
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import NotJson

# A server's clock may run apart from ours; milliseconds, local time or 1970 are wrong by much more than this.
CLOCKS_APART = 600  # seconds


def head(reply: Reply) -> dict[str, Any]:
    """The object that carries id, created and model: the answer, or a stream's first chunk."""
    return reply.chunks[0].data if isinstance(reply, Stream) else reply.data if isinstance(reply, Answer) else {}


def has_usage(reply: Reply) -> bool:
    """Did the reply carry usage? A stream does when it was asked for; a whole answer's absence is the shape's matter."""
    return isinstance(reply.usage, dict)


def is_dated(reply: Reply) -> None:
    """created is a whole number of seconds near the time of sending. Raises Broken; NotAsked where that time is unknown."""
    created = head(reply).get("created")
    if type(created) is not int:
        raise Broken(f"{reply.name}: created is {created!r}, not a whole number", reply)
    if not reply.exchange.sent_at:
        raise NotAsked("the recording doesn't say when it was made")
    away = created - reply.exchange.sent_at
    expect(abs(away) < CLOCKS_APART, f"{reply.name}: created {created} is {away:.0f} s away from the request", reply)


def ids_differ(replies: list[Reply]) -> None:
    """No id stands in two replies. Raises Broken with both; NotAsked when there is only one reply."""
    if len(replies) < 2:
        raise NotAsked("the evidence has only one answer")
    seen: dict[Any, Reply] = {}
    for reply in replies:
        value = head(reply).get("id")
        if isinstance(value, str) and value in seen:
            raise Broken(f"{seen[value].name} and {reply.name} have the same id {value!r}", seen[value], reply)
        if isinstance(value, str):
            seen[value] = reply


def listed_models(evidence: Evidence) -> set[str]:
    """The model names of every model list in the evidence."""
    names: set[str] = set()
    for exchange in evidence.exchanges.values():
        if exchange.request.path == "/v1/models" and exchange.status == 200:
            try:
                names |= {model["id"] for model in exchange.json["data"]}
            except (NotJson, KeyError, TypeError):
                continue  # the list's own row says what is wrong with it
    return names


def names_a_model(reply: Reply, evidence: Evidence) -> None:
    """model is the name asked for or one that the server lists. Raises Broken."""
    model, asked = head(reply).get("model"), reply.asked.get("model")
    expect(isinstance(model, str) and model != "", f"{reply.name}: model is {model!r}, not a name", reply)
    if asked not in (None, model) and (listed := listed_models(evidence)):
        expect(model in listed, f"{reply.name}: asked {asked!r}, got {model!r}, which isn't listed", reply)


def adds_up(reply: Reply) -> None:
    """total = prompt + completion. Raises Broken; NotAsked for a stream without usage."""
    if not has_usage(reply):
        raise NotAsked(f"{reply.name} carries no usage")
    prompt, completion, total = (reply.count(f"{what}_tokens") for what in ("prompt", "completion", "total"))
    expect(total == prompt + completion, f"{reply.name}: {prompt} + {completion} is not {total}", reply)


def counts_something(reply: Reply) -> None:
    """prompt_tokens is at least 1, and completion_tokens too when any text came. Raises Broken."""
    if not has_usage(reply):
        raise NotAsked(f"{reply.name} carries no usage")
    prompts = reply.asked.get("prompt")
    if reply.is_chat or (any(prompts) if isinstance(prompts, list) else prompts):
        expect(reply.count("prompt_tokens") > 0, f"{reply.name}: prompt_tokens is 0", reply)
    if any(reply.content_of(i) or reply.reasoning_of(i) for i in reply.indices):
        expect(reply.count("completion_tokens") > 0, f"{reply.name}: text came, but completion_tokens is 0", reply)


def counts_reasoning(reply: Reply) -> None:
    """reasoning_tokens agrees with the reasoning that came. Raises Broken; NotAsked where it isn't given."""
    details = reply.usage.get("completion_tokens_details") if isinstance(reply.usage, dict) else None
    count = details.get("reasoning_tokens") if isinstance(details, dict) else None
    if type(count) is not int:
        raise NotAsked(f"{reply.name} gives no reasoning_tokens")
    reasoning = any(reply.reasoning_of(i).strip() for i in reply.indices)
    expect(bool(count) or not reasoning, f"{reply.name}: reasoning came, but reasoning_tokens is {count}", reply)
    most = reply.count("completion_tokens")
    expect(0 <= count <= most, f"{reply.name}: reasoning_tokens {count} of {most} completion_tokens", reply)


def counts_the_prompt_alike(first: Reply, *others: Reply) -> None:
    """A prompt that comes again has as many prompt_tokens as before. Raises Broken."""
    due = first.count("prompt_tokens")
    for other in others:
        count = other.count("prompt_tokens")
        expect(count == due, f"{other.name}: {count} prompt_tokens, the same prompt had {due} in {first.name}", other, first)


def has_no_part_above_the_whole(reply: Reply) -> None:
    """No detail of prompt or completion is larger than its count. Raises Broken; NotAsked without details."""
    asked = False
    for what in ("prompt_tokens", "completion_tokens"):
        details = reply.usage.get(f"{what}_details") if isinstance(reply.usage, dict) else None
        for part, count in details.items() if isinstance(details, dict) else ():
            if type(count) is int and part.endswith("_tokens"):
                whole, asked = reply.count(what), True
                expect(count <= whole, f"{reply.name}: {part} is {count}, {what} {whole}", reply)
    if not asked:
        raise NotAsked(f"{reply.name} gives no details of usage")


def stays_within_its_limit(reply: Reply) -> None:
    """completion_tokens ≤ the smallest limit asked for, times the choices. Raises Broken."""
    asked = [reply.asked.get(key) for key in ("max_tokens", "max_completion_tokens")]
    known = [limit for limit in asked if limit is not None]
    if not known or not has_usage(reply) or any(type(limit) is not int or limit < 1 for limit in known):
        raise NotAsked(f"{reply.name} has no legal limit or no usage")
    prompts = reply.asked.get("prompt")
    answers = max(len(reply.indices), 1) if not isinstance(prompts, list) else max(len(reply.indices), len(prompts))
    count = reply.count("completion_tokens")
    expect(count <= max(known) * answers, f"{reply.name}: {count} completion_tokens, the limit is {max(known)}", reply)
