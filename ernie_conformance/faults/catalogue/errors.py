"""Area 8: how wrong requests are refused, and what a failure looks like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import (
    before_finish,
    bodies,
    documents,
    errors,
    header,
    instead,
    refused,
    status,
    streams,
)
from ernie_conformance.faults.fault import Edit, Fault, Response, behaviour, question, rewrite
from ernie_conformance.faults.frames import DONE, Frame, compact, has_text, nth
from ernie_conformance.faults.objects import change, drop, find
from ernie_conformance.faults.pictures import opened
from ernie_conformance.faults.questions import body, messages
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

LONG = 30000  # bytes of a request that no context holds
TRACE = (
    'Traceback (most recent call last):\n  File "/usr/lib/python3.10/site-packages/fastdeploy/engine/engine.py", line 417'
)


def message_of(value: Any) -> str:
    """What an error body says."""
    error = value.get("error", value) if isinstance(value, dict) else {}
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def error_bodies(fn: Callable[[Any], Any]) -> Edit:
    """Another body for every refusal, made from the documented one."""
    return errors(documents(lambda _, value: fn(value)))


def _untyped(value: Any) -> Any:
    drop("error.type")(value)
    return value


def reworded(fn: Callable[[str], str]) -> Edit:
    """Other words in every error message."""
    return errors(documents(lambda _, value: _with_message(value, fn)))


def _with_message(value: Any, fn: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        change("error.message", lambda said: fn(str(said)))(value)
        change("message", lambda said: fn(str(said)))(value)
    return value


def _fails_midway(event: bytes) -> Edit:
    """After the third delta comes an error in some form, and nothing more."""

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        pick = nth(3, has_text)()
        for frame in frames:
            if pick(frame):
                yield frame.saying(event)
                return
            yield frame

    return streams(edit)


def _as_stream(_: Request, response: Response) -> Response:
    """An early refusal becomes a stream that starts well."""
    if response.status < 400:
        return response
    at, body = response.body()
    frames = b"data: " + body.strip() + b"\n\n" + DONE
    return replace(response.with_header("content-type", "text/event-stream").with_body(frames, at), status=200)


async def _model_ignored(visit: Visit) -> None:
    """Whatever model is asked for, the first one listed answers."""
    answer = await visit.fetch()
    _, listed = (await visit.fetch(Request("GET", "/v1/models"))).body()
    names = find(json.loads(listed), "data.0.id") if answer.status in (400, 404, 422) else []
    if names:
        answer = await visit.fetch(replace(visit.request, body=compact({**visit.request.json, "model": names[0]})))
    await visit.send(answer)


def bad_image(request: Request) -> bool:
    """Is there a data URI that can't be decoded?"""
    return any(url.startswith("data:") and opened(url) is None for url in where.image_urls(request))


async def _hangs_after_bad_image(visit: Visit) -> None:
    if bad_image(visit.request):
        visit.memory.dead = True
        await visit.relay()
    elif visit.memory.dead and visit.request.method == "POST":
        await visit.stall()
    else:
        await visit.relay()


async def _slow_to_refuse(visit: Visit) -> None:
    answer = await visit.fetch()
    if answer.status >= 400:
        await visit.stall()
    await visit.send(answer)


async def _late_to_refuse(visit: Visit) -> None:
    answer = await visit.fetch()
    if answer.status >= 400:
        await asyncio.sleep(2.8)  # within every time-out, yet far beyond what a look at the fields takes
    await visit.send(answer)


def _accepted(data: dict[str, Any]) -> None:
    """A temperature beyond the published range is taken for a legal one."""
    if isinstance(data.get("temperature"), (int, float)):
        data["temperature"] = min(data["temperature"], 2)


def _empty_prompt(request: Request) -> bool:
    prompt = request.json.get("prompt")
    return prompt == "" or (isinstance(prompt, list) and "" in prompt)


async def _dies_of_bad_json(visit: Visit) -> None:
    is_bad = visit.request.method == "POST" and not visit.request.json
    visit.memory.dead = visit.memory.dead or is_bad
    if visit.memory.dead:
        visit.wire.reset()
    else:
        await visit.relay()


def _is_client_error(edit: Edit) -> Edit:
    return lambda request, response: edit(request, response) if 400 <= response.status < 500 else response


def _shortened(found: list[Any]) -> list[Any]:
    """Only the end of each long text is kept."""
    return [{**m, "content": m["content"][-2000:]} if isinstance(m.get("content"), str) else m for m in found]


def _bare_body(request: Request) -> bool:
    return request.method == "POST" and not request.json


GREETING = compact(
    {
        "id": "chatcmpl-greeting",
        "object": "chat.completion",
        "created": 0,
        "model": "null",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
)

FAULTS: tuple[Fault, ...] = (
    rewrite("err-200-with-error-body", "ERR-003", errors(status(200))),
    behaviour("err-hang-after-bad-image", "ERR-010", _hangs_after_bad_image, needs=("vis-truncated-jpeg",)),
    rewrite("err-500-for-client-error", "ERR-002", _is_client_error(status(500))),
    rewrite(
        "err-midstream-unparseable",
        "STREAM-003",
        _fails_midway(b'data: {"object":"error","message":"engine died","code":500}\n\n'),
        where=where.one_in(4),
    ),
    rewrite("err-stream-200-too-long", "LIMIT-014", _as_stream, where=where.streamed),
    behaviour("err-unknown-model-200", "ERR-012", _model_ignored, where=where.both(where.chat, where.asks("model"))),
    rewrite(
        "err-body-not-openai",
        "ERR-004",
        error_bodies(lambda v: {"detail": [{"loc": ["body"], "msg": message_of(v), "type": "value_error"}]}),
    ),
    rewrite("err-generic-message", "ERR-008", reworded(lambda _: "Internal error during processing")),
    rewrite("err-plain-text", "ERR-004", errors(instead(500, b"Internal Server Error", "text/plain; charset=utf-8"))),
    rewrite("own-error-empty-body", "ERR-004", errors(instead(400, b"")), title="refusals have no body", severity="medium"),
    rewrite(
        "own-error-html",
        "ERR-004",
        errors(instead(400, b"<html><h1>Bad Request</h1></html>", "text/html")),
        title="refusals are HTML pages",
        severity="medium",
    ),
    rewrite(
        "own-error-as-text",
        "ERR-004",
        error_bodies(lambda v: {"error": message_of(v)}),
        title="error is bare text",
        severity="medium",
    ),
    rewrite("own-error-message-empty", "ERR-004", reworded(lambda _: ""), title="errors say nothing", severity="medium"),
    rewrite(
        "own-error-trace",
        "ERR-007",
        reworded(lambda said: f"{said}\n{TRACE}"),
        title="errors show a stack and paths",
        severity="high",
    ),
    rewrite("own-error-type-missing", "ERR-005", error_bodies(_untyped), title="errors have no type", severity="low"),
    rewrite(
        "own-error-echoes-body",
        "ERR-009",
        reworded(lambda said: said + " input: " + "x" * 20000),
        title="errors repeat the whole input",
        severity="medium",
    ),
    rewrite(
        "own-midstream-plain-text",
        "SSE-002",
        _fails_midway(b"Internal Server Error"),
        where=where.one_in(4),
        title="a failure in mid-stream is loose text",
        severity="high",
    ),
    rewrite(
        "own-midstream-silent",
        "STREAM-005",
        _fails_midway(DONE),
        where=where.one_in(4),
        title="a failure in mid-stream looks like an end",
        severity="critical",
    ),
    rewrite(
        "own-midstream-message-as-text",
        "TWIN-005",
        before_finish(" Error: the engine died."),
        title="a failure in mid-stream is said as content",
        severity="high",
    ),
    rewrite("own-status-403", "ERR-021", _is_client_error(status(403)), title="every refusal is 403", severity="low"),
    rewrite(
        "own-refused-with-retry",
        "ERR-002",
        _is_client_error(status(503)),
        title="client errors look temporary",
        severity="medium",
    ),
    rewrite(
        "own-method-500",
        "ERR-015",
        refused(500, "method"),
        where=lambda r: (
            r.method not in ("GET", "POST", "HEAD", "OPTIONS") or (r.method == "GET" and r.path.endswith("/completions"))
        ),
        title="a wrong method is a server error",
        severity="low",
    ),
    rewrite(
        "own-route-200",
        "ERR-013",
        instead(200, b"<html>welcome</html>", "text/html"),
        where=lambda r: not any(known in r.path for known in ("completions", "models", "health", "metrics")),
        title="unknown routes answer 200",
        severity="medium",
    ),
    rewrite(
        "own-bad-json-500",
        "ERR-002",
        refused(500, "JSONDecodeError"),
        where=_bare_body,
        title="malformed JSON is a server error",
        severity="high",
    ),
    behaviour(
        "own-bad-json-kills", "WIRE-001", _dies_of_bad_json, title="malformed JSON kills the server", severity="critical"
    ),
    behaviour(
        "own-refusal-hangs",
        "WIRE-001",
        _slow_to_refuse,
        where=where.method("POST"),
        title="wrong requests are never answered",
        severity="critical",
    ),
    rewrite(
        "own-empty-messages-200",
        "ERR-001",
        instead(
            200, compact({"id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": "null", "choices": []})
        ),
        where=lambda r: where.chat(r) and r.json.get("messages") == [],
        title="no messages is answered with no choices",
        severity="medium",
    ),
    rewrite(
        "own-long-prompt-500",
        "LIMIT-013",
        _is_client_error(status(500)),
        where=lambda r: len(r.body or b"") > LONG,
        title="an over-long prompt is a server error",
        severity="high",
    ),
    question(
        "own-long-prompt-cut",
        "LIMIT-013",
        messages(_shortened),
        where=lambda r: len(r.body or b"") > LONG,
        title="an over-long prompt is silently cut",
        severity="critical",
    ),
    rewrite(
        "own-error-stack-on-5xx",
        "ERR-004",
        errors(bodies(lambda body: body + TRACE.encode())),
        title="loose bytes after the error's JSON",
        severity="medium",
    ),
    rewrite(
        "own-error-content-type",
        "ERR-006",
        errors(header("content-type", "text/plain")),
        title="error JSON is declared as text",
        severity="medium",
    ),
    rewrite(
        "own-refusal-in-stream",
        "ERR-011",
        _as_stream,
        where=where.both(where.streamed, lambda r: len(r.body or b"") < 60000),
        title="refusals of streams come as streams",
        severity="high",
    ),
    behaviour(
        "own-refusal-late",
        "ERR-020",
        _late_to_refuse,
        where=where.method("POST"),
        title="wrong requests wait before they are refused",
        severity="low",
    ),
    rewrite(
        "own-route-html",
        "ERR-014",
        instead(404, b"<html><h1>Not Found</h1></html>", "text/html"),
        where=lambda r: not any(known in r.path for known in ("completions", "models", "health", "metrics")),
        title="unknown routes answer with a page",
        severity="low",
    ),
    rewrite(
        "own-body-guessed",
        "ERR-016",
        instead(200, GREETING),
        where=_bare_body,
        title="a garbled body is answered",
        severity="high",
    ),
    rewrite(
        "own-empty-prompt-500",
        "ERR-017",
        refused(500, "string index out of range"),
        where=_empty_prompt,
        title="an empty prompt is a server error",
        severity="medium",
    ),
    question(
        "own-temperature-clipped",
        "ERR-018",
        body(_accepted),
        title="values beyond their range are clipped",
        severity="low",
    ),
)
