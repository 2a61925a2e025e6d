"""Area 4: limits, stop strings and what ended an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import (
    answers,
    asked,
    before_finish,
    chain,
    chunks,
    errors,
    instead,
    refused,
    replies,
    streams,
)
from ernie_conformance.faults.fault import Edit, Fault, question, rewrite
from ernie_conformance.faults.frames import Frame, adding, has_finish, text_of
from ernie_conformance.faults.objects import change, text
from ernie_conformance.faults.questions import body, messages, unset
from ernie_conformance.wire.exchange import Request


def stops(request: Request) -> list[str]:
    """The stop strings of a request."""
    stop = request.json.get("stop")
    found = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    return [each for each in found if isinstance(each, str) and each]


def finish(old: str, new: str) -> Edit:
    """Call one finish reason another."""
    return replies(change("choices.*.finish_reason", lambda value: new if value == old else value))


def _prefix_leaks(request: Request) -> Edit:
    half = "".join(stop[: (len(stop) + 1) // 2] for stop in stops(request)[:1])
    return before_finish(half)


def _stop_kept(request: Request) -> Edit:
    """The stop string that matched is part of the answer."""
    found = "".join(stops(request)[:1])
    return chain(
        before_finish(found),
        answers(change("choices.*.message.content", text(lambda content: content + found))),
    )


def _said_again(frames: Iterator[Frame]) -> Iterator[Frame]:
    said = ""
    for frame in frames:
        if has_finish(frame) and said:
            yield adding(frame, said)
        said += text_of(frame.chunk, "content", "text")
        yield frame


cut_in_reasoning = chain(
    answers(change("choices.*.message.content", lambda _: "")),
    chunks(change("choices.*.delta.content", lambda _: "")),
    finish("length", "stop"),
)
stopped = where.both(where.asks("stop"), lambda request: bool(stops(request)))

ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"null","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}'
)


def long(request: Request) -> bool:
    """A prompt of thousands of words."""
    return len(where.prompt_text(request)) > 20_000


def _default_limit(data: dict[str, Any]) -> None:
    if "messages" in data and data.get("max_tokens") is None and data.get("max_completion_tokens") is None:
        data["max_tokens"] = 8


FAULTS: tuple[Fault, ...] = (
    rewrite("finish-length-as-stop", "LIMIT-001", finish("length", "stop")),
    question("finish-max-tokens-ignored", "USAGE-004", unset("max_tokens")),
    question("finish-stop-ignored", "LIMIT-006", unset("stop"), where=where.chat),
    rewrite("finish-stop-prefix-leak", "LIMIT-008", asked(_prefix_leaks), where=stopped),
    rewrite("finish-stop-reemits", "LIMIT-008", streams(_said_again), where=stopped),
    rewrite(
        "finish-toolcalls-as-stop",
        "TOOL-011",
        chunks(change("choices.*.finish_reason", lambda value: "stop" if value == "tool_calls" else value)),
    ),
    question("finish-max-completion-tokens", "USAGE-004", unset("max_completion_tokens")),
    rewrite("finish-nonstandard-value", "SCHEMA-001", finish("stop", "eos")),
    rewrite("finish-stop-inside-reasoning", "LIMIT-009", cut_in_reasoning, where=where.both(stopped, where.thinking)),
    rewrite(
        "own-stop-as-length", "LIMIT-007", finish("stop", "length"), title="a complete answer is called cut", severity="high"
    ),
    rewrite(
        "own-finish-upper-case", "SCHEMA-001", finish("stop", "STOP"), title="finish reasons in capitals", severity="medium"
    ),
    rewrite(
        "own-finish-length-renamed",
        "LIMIT-001",
        finish("length", "max_tokens"),
        title="length is called max_tokens",
        severity="high",
    ),
    rewrite(
        "own-stop-kept",
        "LIMIT-006",
        asked(_stop_kept),
        where=stopped,
        title="the stop string stays in the answer",
        severity="high",
    ),
    question(
        "own-stop-list-ignored",
        "LIMIT-006",
        unset("stop"),
        where=lambda request: isinstance(request.json.get("stop"), list),
        title="stop works as text alone, a list is ignored",
        severity="high",
    ),
    question(
        "own-stop-ignored-in-streams",
        "LIMIT-006",
        unset("stop"),
        where=where.streamed,
        title="stop works only without stream",
        severity="high",
    ),
    question(
        "own-max-tokens-off-by-one",
        "USAGE-004",
        body(change("max_tokens|max_completion_tokens", lambda n: n + 1 if isinstance(n, int) else n)),
        title="one token more than max_tokens",
        severity="medium",
    ),
    question(
        "own-max-tokens-capped",
        "LIMIT-003",
        body(change("max_tokens|max_completion_tokens", lambda n: min(n, 16) if isinstance(n, int) else n)),
        title="never more than 16 tokens",
        severity="high",
    ),
    rewrite(
        "own-max-tokens-refused",
        "WIRE-002",
        refused(400, "max_completion_tokens: extra fields not permitted"),
        where=where.asks("max_completion_tokens"),
        title="max_completion_tokens is refused",
        severity="medium",
    ),
    rewrite(
        "own-max-tokens-one-refused",
        "WIRE-002",
        refused(400, "max_tokens must be greater than 1"),
        where=lambda request: request.json.get("max_tokens") == 1,
        title="max_tokens 1 is refused",
        severity="medium",
    ),
    rewrite(
        "own-length-as-stop-in-thought",
        "LIMIT-002",
        finish("length", "stop"),
        where=where.thinking,
        title="a thought that was cut off counts as complete",
        severity="high",
    ),
    question(
        "own-default-limit",
        "LIMIT-004",
        body(_default_limit),
        title="answers are cut at a default limit",
        severity="medium",
    ),
    rewrite(
        "own-huge-limit-500",
        "LIMIT-005",
        refused(500, "out of memory"),
        where=lambda request: type(limit := request.json.get("max_tokens")) is int and limit > 100_000,
        title="a limit beyond the context is a server error",
        severity="medium",
    ),
    rewrite(
        "own-context-halved",
        "LIMIT-011",
        refused(400, "the prompt is too long"),
        where=long,
        title="the context is shorter than declared",
        severity="high",
    ),
    rewrite(
        "own-overlong-cut",
        "LIMIT-013",
        errors(instead(200, ANSWER)),
        where=where.both(long, where.unstreamed),
        title="prompts that don't fit are cut and answered",
        severity="high",
    ),
    rewrite(
        "own-overlong-in-stream",
        "LIMIT-014",
        errors(instead(200, b'data: {"error": {"message": "too long"}}\n\ndata: [DONE]\n\n', "text/event-stream")),
        where=where.both(long, where.streamed),
        title="a prompt that doesn't fit is refused within a stream",
        severity="medium",
    ),
    rewrite(
        "own-context-end-as-stop",
        "LIMIT-015",
        finish("length", "stop"),
        where=where.both(long, where.lacks(where.asks("max_tokens"))),
        title="an answer that the context cut counts as complete",
        severity="high",
    ),
    question(
        "own-turns-dropped",
        "LIMIT-018",
        messages(lambda found: found[-2:]),
        where=lambda request: len(where.messages(request)) > 2 and len(where.prompt_text(request)) > 20_000,
        title="conversations that don't fit lose their oldest turns and the system message",
        severity="critical",
    ),
)
