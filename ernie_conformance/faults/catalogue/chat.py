"""Area 10: what becomes of the messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, chain, errors, refused, status, streams
from ernie_conformance.faults.fault import Fault, question, rewrite
from ernie_conformance.faults.frames import until
from ernie_conformance.faults.objects import change, text
from ernie_conformance.faults.questions import messages, parts
from ernie_conformance.wire.exchange import Request

CONTROL = re.compile(r"<\|[^|>]*\|>|</?think>|</?s>")


def _each(fn: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[list[Any]], list[Any]]:
    return lambda found: [fn(message) if isinstance(message, dict) else message for message in found]


def _said(fn: Callable[[str], str]) -> Callable[[list[Any]], list[Any]]:
    """Change text content, plain or in parts."""

    def edit(message: dict[str, Any]) -> dict[str, Any]:
        content = message.get("content")
        if isinstance(content, str):
            return {**message, "content": fn(content)}
        if isinstance(content, list):
            return {**message, "content": [{**p, "text": fn(p["text"])} if _is_text(p) else p for p in content]}
        return message

    return _each(edit)


def _first_system(found: list[Any]) -> list[Any]:
    systems = [message for message in found if message.get("role") == "system"]
    return [message for message in found if message not in systems[1:]]


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def _without(role: str) -> Callable[[list[Any]], list[Any]]:
    return lambda found: [message for message in found if not (isinstance(message, dict) and message.get("role") == role)]


def _repeats(request: Request) -> bool:
    roles = where.roles(request)
    return any(one == two == "user" for one, two in pairwise(roles))


def _null_with_calls(request: Request) -> bool:
    return any(message.get("content") is None and message.get("tool_calls") for message in where.messages(request))


def _empty_lists(request: Request) -> bool:
    return any(message.get("content") == [] or message.get("tool_calls") == [] for message in where.messages(request))


def _empty_content(request: Request) -> bool:
    return where.chat(request) and any(
        m.get("content") in ("", None) and not m.get("tool_calls") for m in where.messages(request)
    )


def _quotes_think(request: Request) -> bool:
    return "</think>" in where.prompt_text(request)


def _text_parts(request: Request) -> int:
    return sum(map(_is_text, where.parts(request)))


def _assistant_last(request: Request) -> bool:
    return where.roles(request)[-1:] == ["assistant"]


def _first_text_alone(found: list[Any]) -> list[Any]:
    texts = [part for part in found if _is_text(part)]
    return [part for part in found if part not in texts[1:]]


def _no_text_parts(found: list[Any]) -> list[Any]:
    return [part for part in found if not _is_text(part)]


FAULTS: tuple[Fault, ...] = (
    question("chat-history-dropped", "CHAT-002", messages(lambda found: found[-1:]), where=where.chat),
    question(
        "own-second-system-dropped",
        "CHAT-018",
        messages(_first_system),
        where=where.chat,
        title="only the first system message counts",
        severity="high",
    ),
    question(
        "own-developer-dropped",
        "CHAT-023",
        messages(_without("developer")),
        where=where.chat,
        title="developer messages are dropped",
        severity="medium",
    ),
    question(
        "own-text-parts-turned",
        "CHAT-019",
        parts(lambda found: found[::-1] if all(map(_is_text, found)) else found),
        where=where.chat,
        title="text parts are joined in reverse order",
        severity="high",
    ),
    question("chat-system-ignored", "CHAT-001", messages(_without("system")), where=where.chat),
    rewrite(
        "chat-consecutive-user-500",
        "CHAT-014",
        refused(500, "Conversation roles must alternate user/assistant"),
        where=_repeats,
    ),
    rewrite(
        "chat-null-content-rejected", "CHAT-015", refused(400, "invalid message content type: <nil>"), where=_null_with_calls
    ),
    question(
        "chat-special-token-injection", "CHAT-012", messages(_said(lambda said: CONTROL.sub("", said))), where=where.chat
    ),
    rewrite("chat-empty-list-rejected", "CHAT-016", refused(400, "content: list is empty"), where=_empty_lists),
    rewrite(
        "chat-literal-think-in-user-text",
        "CHAT-022",
        chain(
            answers(change("choices.*.message.content", text(lambda said: said.partition("</think>")[2]))),
            streams(until(lambda frame: b"</think>" in frame.raw)),
        ),
        where=_quotes_think,
    ),
    question("chat-tool-role-unsupported", "CHAT-017", messages(_without("tool")), where=where.chat),
    rewrite("chat-empty-prompt-error", "CHAT-014", refused(500, "Prompt cannot be empty"), where=_empty_content),
    question(
        "own-history-cut",
        "CHAT-004",
        messages(lambda found: found[:1] + found[-1:] if len(found) > 4 else found),
        where=where.chat,
        title="long histories lose their middle",
        severity="critical",
    ),
    question(
        "own-history-reversed",
        "CHAT-021",
        messages(lambda found: [*found[:-1][::-1], *found[-1:]]),
        where=where.chat,
        title="the history is read backwards",
        severity="critical",
    ),
    question(
        "own-assistant-turns-lost",
        "CHAT-003",
        messages(_without("assistant")),
        where=where.chat,
        title="what the assistant said is dropped",
        severity="critical",
    ),
    question(
        "own-system-last",
        "CHAT-020",
        messages(lambda found: sorted(found, key=lambda m: m.get("role") == "system")),
        where=where.chat,
        title="the system message is moved to the end",
        severity="medium",
    ),
    question(
        "own-roles-flattened",
        "CHAT-020",
        messages(_each(lambda m: {**m, "role": "user"} if m.get("role") in ("system", "assistant") else m)),
        where=where.chat,
        title="every message becomes the user's",
        severity="high",
    ),
    question(
        "own-text-parts-first-only",
        "CHAT-006",
        parts(_first_text_alone),
        where=where.chat,
        title="only the first text part is read",
        severity="critical",
    ),
    question(
        "own-text-parts-dropped",
        "CHAT-006",
        parts(_no_text_parts),
        where=lambda r: _text_parts(r) > 1,
        title="content parts with text are dropped",
        severity="critical",
    ),
    rewrite(
        "own-list-content-refused",
        "CHAT-005",
        refused(422, "content: str type expected"),
        where=lambda r: _text_parts(r) > 0 and not where.image_urls(r),
        title="content as a list is refused",
        severity="high",
    ),
    question(
        "own-prompt-truncated",
        "CHAT-008",
        messages(_said(lambda said: said[:200])),
        where=where.chat,
        title="each message is cut at 200 characters",
        severity="critical",
    ),
    question(
        "own-prompt-lower",
        "CHAT-010",
        messages(_said(str.lower)),
        where=where.chat,
        title="prompts are lower-cased",
        severity="high",
    ),
    question(
        "own-prompt-ascii",
        "CHAT-009",
        messages(_said(lambda said: said.encode("ascii", "ignore").decode())),
        where=where.chat,
        title="characters beyond ASCII are dropped from prompts",
        severity="critical",
    ),
    question(
        "own-prompt-emoji-lost",
        "CHAT-009",
        messages(_said(lambda said: re.sub("[\U00010000-\U0010ffff]", "", said))),
        where=where.chat,
        title="emoji are dropped from prompts",
        severity="high",
    ),
    question(
        "own-prompt-stripped",
        "CHAT-011",
        messages(_said(lambda said: " ".join(said.split()))),
        where=where.chat,
        title="white space in prompts is folded",
        severity="high",
    ),
    rewrite(
        "own-system-refused",
        "CHAT-001",
        refused(400, "system role not supported"),
        where=where.has_role("system"),
        title="system messages are refused",
        severity="high",
    ),
    rewrite(
        "own-assistant-last-500",
        "CHAT-014",
        refused(500, "last message must be from user"),
        where=_assistant_last,
        title="an assistant prefix is a server error",
        severity="medium",
    ),
    rewrite(
        "own-roles-unchecked",
        "ERR-019",
        errors(status(500)),
        where=lambda r: bool(set(map(str, where.roles(r))) - {"system", "user", "assistant", "tool", "developer"}),
        title="an unknown role is a server error",
        severity="medium",
    ),
    question(
        "own-name-in-text",
        "CHAT-007",
        messages(_said(lambda said: f"Human: {said}")),
        where=where.chat,
        title="the template adds words of its own",
        severity="medium",
    ),
    question(
        "own-empty-system-added",
        "CHAT-020",
        messages(lambda found: [{"role": "system", "content": "You are a helpful assistant."}, *found]),
        where=lambda r: where.chat(r) and bool(where.messages(r)) and "system" not in where.roles(r),
        title="a system message nobody sent",
        severity="medium",
    ),
    question(
        "own-markup-parsed",
        "CHAT-013",
        messages(_said(lambda said: CONTROL.sub("\u53e3", said))),
        where=where.chat,
        title="markup in a text becomes one control token",
        severity="high",
    ),
)
