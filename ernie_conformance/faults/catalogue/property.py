"""Broken for some combinations of fields alone, or by many wrong requests: what only generated requests come upon."""

from __future__ import annotations

from typing import Any

from ernie_conformance.faults.acts import stall
from ernie_conformance.faults.edits import refused, replies
from ernie_conformance.faults.fault import Fault, behaviour, question, rewrite
from ernie_conformance.faults.questions import body
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

SAMPLING = {"temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop", "n", "logprobs", "user"}
RARE = SAMPLING - {"temperature", "n"}
SHORT = 12  # tokens at most: what other asks combine so is longer
WORN_OUT = 8  # refused requests


def _combines(request: Request) -> bool:
    """Many fields at once."""
    return _is_short(request) and len(SAMPLING & set(request.json)) >= 4


def _several_with_more(request: Request) -> bool:
    """Several choices, with fields that are rare beside them."""
    return _is_short(request) and request.json.get("n") == 2 and bool(RARE & set(request.json))


def _is_short(request: Request) -> bool:
    limit = request.json.get("max_tokens")
    return isinstance(limit, int) and limit <= SHORT


def _first_choice_only(value: dict[str, Any]) -> None:
    value["choices"] = [choice for choice in value.get("choices", []) if choice.get("index") == 0]


def _mended_messages(value: dict[str, Any]) -> None:
    """What is no message, role or content is made one."""
    messages = value.get("messages")
    found = messages if isinstance(messages, list) else [messages]
    mended = []
    for message in found or ["?"]:
        message = message if isinstance(message, dict) else {"content": str(message)}
        role, content = message.get("role"), message.get("content")
        right = isinstance(content, str) or (isinstance(content, list) and all(_is_part(part) for part in content))
        mended.append({"role": role if isinstance(role, str) else "user", "content": content if right else "?"})
    value["messages"] = mended


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and ("text" in part or "image_url" in part) and "type" in part


def _mended_values(value: dict[str, Any]) -> None:
    """Parameters out of range or of a wrong type are left out."""
    ranges = {"temperature": (0, 2), "top_p": (0, 1), "frequency_penalty": (-2, 2), "presence_penalty": (-2, 2)}
    for name, (low, high) in ranges.items():
        if not (isinstance(value.get(name), (int, float)) and low <= value[name] <= high):
            value.pop(name, None)


async def _wears_out(visit: Visit) -> None:
    """Nothing is answered any more after so many refused requests."""
    kept = visit.memory.kept
    if kept.get("refused", 0) >= WORN_OUT:
        await stall(visit)
    answer = await visit.fetch()
    kept["refused"] = kept.get("refused", 0) + (answer.status >= 400)
    await visit.send(answer)


FAULTS: tuple[Fault, ...] = (
    rewrite(
        "own-prop-combination",
        "PROP-001",
        refused(400, "these fields can't be combined"),
        where=_combines,
        title="four sampling parameters at once are refused",
        severity="high",
        shows="can't be combined",
    ),
    rewrite(
        "own-prop-choices",
        "PROP-002",
        replies(_first_choice_only),
        where=_several_with_more,
        title="n is forgotten when other parameters are there",
        severity="medium",
    ),
    question(
        "own-prop-any-message",
        "PROP-003",
        body(_mended_messages),
        title="what is no message is made one",
        severity="medium",
    ),
    question(
        "own-prop-any-value",
        "PROP-004",
        body(_mended_values),
        title="wrong values are left out without a word",
        severity="medium",
    ),
    behaviour(
        "own-prop-worn-out",
        "PROP-005",
        _wears_out,
        title="after eight refused requests nothing is answered",
        severity="critical",
    ),
)
