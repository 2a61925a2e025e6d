"""What FastDeploy from 2.3 on does otherwise than the reference: errors of its handlers are 500s with a traceback.

Numbers in titles are those of the deviations in the wire contract, section 13.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, chain, chunks, instead, refused, replies, streams
from ernie_conformance.faults.fastdeploy import asks_for, generation, is_number, no_json, no_object, stop_strings
from ernie_conformance.faults.fault import Behaviour, Edit, Fault, Question, Response, Rewrite
from ernie_conformance.faults.frames import Frame, adding, choices, compact, has_finish
from ernie_conformance.faults.objects import change, drop, put
from ernie_conformance.faults.questions import body, unset
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/usr/local/lib/python3.10/dist-packages/fastdeploy/entrypoints/openai/serving_chat.py", line 181'
)
# Ranges that the schema knows; what else is out of range is found by a handler.
IN_SCHEMA = (
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "n", "stream", "stream_options", "stop",
    "model",
)  # fmt: skip
MISSING_ITEM = "Missing items cannot be retrieved without processor cache."


def _error(message: str, kind: str, param: Any = None, code: Any = None) -> bytes:
    return compact({"error": {"message": message, "type": kind, "param": param, "code": code}})


def found_by_schema(error: dict[str, Any]) -> bool:
    """Does pydantic find it, before any handler?"""
    param = error.get("param") or ""
    return param in IN_SCHEMA or (error.get("code") in ("invalid_type", "missing_required_parameter") and "[" not in param)


def _handlers_fail(request: Request, response: Response) -> Response:
    """What a handler finds is a 500: with a traceback in chat, without in completions."""
    if response.status < 400 or response.media_type != "application/json":
        return response
    at, raw = response.body()
    error = json.loads(raw).get("error")
    if not isinstance(error, dict) or found_by_schema(error) or empty_parts(request):
        return response.with_body(raw, at)
    message = error["message"]
    if where.chat(request):
        message = f"request[chatcmpl-0] generator error: {message}, {TRACE}"
    return replace(response.with_body(_error(message, "invalid_request_error"), at), status=500)


def empty_parts(request: Request) -> bool:
    """An empty list of parts: what becomes of it in the engine isn't known."""
    return any(message.get("content") == [] for message in where.messages(request))


def _no_choices(request: Request) -> Edit:
    name = request.json.get("model", "default")
    answer = {"id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": name, "choices": []}
    usage = {"prompt_tokens": 0, "total_tokens": 0, "completion_tokens": 0}
    return instead(200, compact({**answer, "usage": usage}))


def _last_stop(request: Request) -> str:
    stop = request.json.get("stop")
    return stop if isinstance(stop, str) else str((stop or [""])[-1])


def _stop_stays(request: Request, response: Response) -> Response:
    """The stop string that ended an answer stands in it."""
    said = _last_stop(request)

    def whole(data: dict[str, Any]) -> None:
        for choice in choices(data):
            if choice.get("finish_reason") == "stop":
                holder = choice.get("message", choice)
                key = "content" if "message" in choice else "text"
                holder[key] = (holder.get(key) or "") + said

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if has_finish(frame) and choices(frame.chunk)[0].get("finish_reason") == "stop":
                yield adding(frame, said)
            yield frame

    return chain(answers(whole), streams(edit))(request, response)


def _four_at_most(value: Any) -> Any:
    return value[-4:] if isinstance(value, list) and len(value) == 5 else value


def whole_thought(request: Request) -> bool:
    """Is the budget of reasoning so large that no </think> is forced before the limit?"""
    metadata = request.json.get("metadata")
    budgets = [
        request.json.get("reasoning_max_tokens"),
        metadata.get("reasoning_max_tokens") if isinstance(metadata, dict) else None,
    ]
    limit = request.json.get("max_tokens")
    return where.chat(request) and is_number(limit) and any(is_number(b) and b >= limit - 1 for b in budgets)


def _thought_as_answer(data: dict[str, Any]) -> None:
    """Without </think> in the output, everything is content."""
    for choice in choices(data):
        message = choice.get("message") or {}
        if choice.get("finish_reason") == "length" and not message.get("content"):
            message["content"], message["reasoning_content"] = message.get("reasoning_content"), ""


async def _hangs(visit: Visit) -> None:
    await visit.stall()


def unverified(request: Request) -> bool:
    """What the engine's own check refuses and its front end doesn't: no reply is ever sent."""
    said = request.json
    limit, least = said.get("max_tokens"), said.get("min_tokens")
    return generation(request) and (
        (is_number(said.get("repetition_penalty")) and said["repetition_penalty"] <= 0)
        or (is_number(said.get("top_k")) and said["top_k"] < -1)
        or (is_number(said.get("min_p")) and not 0 <= said["min_p"] <= 1)
        or (is_number(least) and is_number(limit) and least > limit)
    )


def _one_listed(data: dict[str, Any]) -> None:
    if data.get("object") == "list":
        data["data"] = data["data"][:1]


FAULTS: tuple[Fault, ...] = (
    Rewrite(
        "fd-unfinished-thought",
        "REASON-011",
        "an unfinished thought is content in whole answers, reasoning in streams (36)",
        edit=answers(_thought_as_answer),
        where=whole_thought,
    ),
    Rewrite(
        "fd-handler-500",
        "ERR-002",
        "what handlers find is a 500 with a traceback (3)",
        edit=_handlers_fail,
        where=generation,
    ),
    Rewrite(
        "fd-json-500",
        "ERR-002",
        "malformed JSON is a server error (6)",
        edit=instead(
            500, _error("1 validation error for ErrorInfo\nparam\n  Input should be a valid string", "internal_error")
        ),
        where=where.both(no_json, lambda request: bool(request.body) and request.body != b"null"),
    ),
    Rewrite(
        "fd-object-500",
        "ERR-002",
        "JSON that is no object, or has another label, is a server error (7)",
        edit=instead(500, _error("'list' object has no attribute 'get'", "internal_error")),
        where=no_object,
    ),
    Rewrite(
        "fd-no-choices",
        "PARAM-006",
        "n of 0 or less is answered without choices (25)",
        edit=lambda request, response: _no_choices(request)(request, response),
        where=asks_for("n", lambda n: is_number(n) and n <= 0),
    ),
    Behaviour(
        "fd-hangs-2.6",
        "WIRE-001",
        "illegal repetition_penalty, top_k, min_p and min_tokens are never answered (43)",
        act=_hangs,
        where=unverified,
    ),
    Question(
        "fd-five-stops",
        "",
        "five stop strings are taken",
        ask=body(change("stop", _four_at_most)),
        where=asks_for("stop", stop_strings),
    ),
    Rewrite(
        "fd-long-stop-refused",
        "PARAM-004",
        "a stop string has room for eight tokens (27)",
        edit=refused(400, "Length of stop_seqs(20) exceeds the limit stop_seqs_max_len(8)."),
        where=asks_for("stop", lambda stop: isinstance(stop, str) and len(stop) > 60),
    ),
    Rewrite(
        "fd-stop-stays",
        "LIMIT-006",
        "the stop string stays in the answer (27)",
        edit=_stop_stays,
        where=where.both(
            asks_for("stop", lambda stop: stop_strings(stop) and bool(stop)),
            lambda request: (
                request.json.get("temperature") == 0 and (where.completions(request) or not where.thinking(request))
            ),
        ),
    ),
    Question(
        "fd-max-tokens-wins",
        "PARAM-006",
        "max_completion_tokens isn't looked at beside max_tokens",
        ask=unset("max_completion_tokens"),
        where=where.asks("max_tokens"),
    ),
    Rewrite(
        "fd-model-served",
        "",
        "model is the served name (10)",
        edit=replies(change("model", lambda _: "work/models")),
        where=generation,
    ),
    Rewrite("fd-one-model", "", "one model is listed", edit=answers(_one_listed), where=where.path("/v1/models")),
    Rewrite(
        "fd-answer-keys-2.6",
        "SCHEMA-002",
        "no refusal, and tool_calls null",
        edit=answers(drop("choices.*.message.refusal"), put("choices.*.message.tool_calls", None)),
        where=where.chat,
    ),
    Rewrite(
        "fd-completion-chunks-2.6",
        "COMP-002",
        "chunks of completions have no object (38)",
        edit=chunks(drop("object"), only=lambda _: True),
        where=where.completions,
    ),
)
