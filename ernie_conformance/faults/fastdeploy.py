"""What FastDeploy does otherwise than the reference, in its own bytes: the faults that only its dialects use.

Numbers in titles are those of the deviations in the wire contract, section 13.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import urlsplit
from urllib.request import urlopen

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, chunks, instead, refused, replies, streams
from ernie_conformance.faults.fault import Behaviour, Edit, Fault, Question, Response, Rewrite, Where
from ernie_conformance.faults.frames import DONE, Frame, compact, is_usage
from ernie_conformance.faults.frames import last as last_of
from ernie_conformance.faults.objects import change, drop, put
from ernie_conformance.faults.pictures import opened, url_of, with_url
from ernie_conformance.faults.questions import body, images, is_image, parts, unset
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

INTERNAL = b"Internal Server Error"
PLAIN = "text/plain; charset=utf-8"
PATIENCE = 60  # seconds of a download "without time-out": a thread of ours must end some day
SCHEMA = ("invalid_type", "missing_required_parameter")  # the reference's codes for what pydantic finds, not the handler


def generation(request: Request) -> bool:
    return where.chat(request) or where.completions(request)


def asks_for(field: str, test: Callable[[Any], bool]) -> Where:
    """The body's `field` is there and passes the test."""
    return where.both(generation, lambda request: field in request.json and test(request.json[field]))


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def at_most_zero(value: Any) -> bool:
    return is_number(value) and value <= 0


def stop_strings(value: Any) -> bool:
    """Is it what the API allows `stop` to be? What it doesn't is still refused."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))


# Bodies that FastAPI's handlers never see.
def _decoded(request: Request) -> Any:
    try:
        return json.loads(request.body or b"")
    except ValueError:
        return None
    except RecursionError:
        return {}  # nested too deeply: what becomes of it in the engine isn't known


def no_object(request: Request) -> bool:
    """JSON that isn't an object nor null, or JSON under another label."""
    value = _decoded(request)
    labels = [v for k, v in request.headers if k.lower() == "content-type"]
    mislabelled = bool(labels) and not labels[0].startswith("application/json")
    return generation(request) and value is not None and (mislabelled or not isinstance(value, dict))


def no_utf8(request: Request) -> bool:
    try:
        (request.body or b"").decode("utf-8")
    except UnicodeDecodeError:
        return generation(request)
    return False


def no_json(request: Request) -> bool:
    return generation(request) and request.body is not None and _decoded(request) is None


def _error(value: Any) -> dict[str, Any]:
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, dict) else {}


# 2.0.0: two forms of errors, neither with the key `error`.
def _old_errors(_: Request, response: Response) -> Response:
    if response.status < 400 or response.media_type != "application/json":
        return response
    at, raw = response.body()
    error = _error(json.loads(raw))
    message, param = error.get("message", ""), error.get("param") or ""
    if error.get("code") in (*SCHEMA, "invalid_json") and "[" not in param:
        detail = {"type": error["code"], "loc": ["body", *filter(None, [param])], "msg": message, "input": None}
        return replace(response.with_body(compact({"detail": [detail]}), at), status=422)
    return replace(response.with_body(compact({"object": "error", "message": message, "code": 400}), at), status=400)


def _unroute(_: Request, response: Response) -> Response:
    """Starlette's own answers for routes and methods."""
    said = {404: b'{"detail":"Not Found"}', 405: b'{"detail":"Method Not Allowed"}'}.get(response.status)
    return response if said is None else response.with_body(said, 0.0)


ONE_TOKEN = "unsupported operand type(s) for -: 'float' and 'NoneType'"


def _fails_at_one_token(request: Request, response: Response) -> Response:
    """max_tokens 1: 400, or an error where the second frame would be."""
    if not response.is_event_stream:
        return refused(400, ONE_TOKEN)(request, response)
    error = {"object": "error", "message": ONE_TOKEN, "code": 400}
    if where.completions(request):
        error = {"message": "cannot access local variable 'chunk' where it is not associated with a value", "code": 400}

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if where.chat(request):
                yield frame
            yield frame.saying(b"data: " + compact(error) + b"\n\n")
            yield frame.saying(DONE)
            return

    return streams(edit)(request, response)


def _usage_by_prompt(frame: Frame) -> list[Frame]:
    """One usage chunk a prompt, each with its own counts."""
    chunk = frame.chunk or {}
    whole = chunk.get("usage") or {}
    halves = []
    for odd in (0, 1):
        usage = {key: count // 2 + odd * (count % 2) for key, count in whole.items() if key.endswith("_tokens")}
        halves.append(frame.holding({**chunk, "usage": usage}))
    return halves


def list_of_prompts(request: Request) -> bool:
    prompt = request.json.get("prompt")
    several = isinstance(prompt, list) and len(prompt) > 1 and isinstance(prompt[0], str)
    return where.completions(request) and several


def empty_prompt_in_list(request: Request) -> bool:
    prompt = request.json.get("prompt")
    return where.completions(request) and isinstance(prompt, list) and "" in prompt


# Pictures.
def _dropped(url: str) -> bool:
    return not url.lower().startswith(("data:", "http://", "https://", "file://"))


def has_url(test: Callable[[str], bool]) -> Where:
    return where.both(where.chat, lambda request: any(map(test, where.image_urls(request))))


def _had(found: list[Any]) -> list[Any]:
    """The pictures before the first whose address says nothing: the rest is dropped with it."""
    for number, part in enumerate(found):
        if isinstance(url_of(part), str) and _dropped(url_of(part)):
            return found[:number]
    return found


def elsewhere(url: str) -> bool:
    return url.startswith(("http://", "https://", "file://"))


def _read(url: str) -> bytes:
    """What is at an address. Raises OSError; ValueError where it is no picture."""
    if url.startswith("file://"):
        data = Path(urlsplit(url).path).read_bytes()
    else:
        with urlopen(url, timeout=PATIENCE) as answer:
            data = answer.read()
    text = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    if opened(text) is None:
        raise ValueError(f"cannot identify image file {urlsplit(url).path!r}")
    return text.encode("ascii")


async def _downloads(visit: Visit) -> None:
    """Fetch pictures from wherever they are, while everybody else waits."""
    gate = visit.memory.kept.setdefault("downloads", asyncio.Lock())
    async with gate:
        found: dict[str, str] = {}
        try:
            for url in filter(elsewhere, where.image_urls(visit.request)):
                found[url] = (await asyncio.to_thread(_read, url)).decode("ascii")
        except (OSError, ValueError) as error:
            await visit.say(refused(400, str(error)))
            return
    put_in = parts(lambda had: [with_url(p, found[url_of(p)]) if is_image(p) and url_of(p) in found else p for p in had])
    await visit.relay(request=put_in(visit.request))


async def _hangs(visit: Visit) -> None:
    await visit.stall()


def _at_most(field: str, most: float) -> Any:
    return body(change(field, lambda value: most if is_number(value) and value > most else value))


def _digits(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _echo_model(request: Request) -> Edit:
    name = request.json.get("model", "default")
    return replies(change("model", lambda _: name))


def _named_null(data: dict[str, Any]) -> None:
    if isinstance(data.get("model"), str):
        data["model"] = "null"


def _context_ran_out(data: dict[str, Any]) -> None:
    change("choices.*.finish_reason", lambda reason: "stop" if reason == "length" else reason)(data)


FAULTS: tuple[Fault, ...] = (
    Rewrite(
        "fd-errors-2.0",
        "ERR-004",
        "errors are {object, message, code} or FastAPI's detail (4, 5)",
        edit=_old_errors,
        where=generation,
    ),
    Rewrite("fd-routes", "", "routes and methods that aren't there, in Starlette's words", edit=_unroute),
    Rewrite(
        "fd-body-500",
        "ERR-002",
        "JSON that is no object, or has another label, is a server error (7)",
        edit=instead(500, INTERNAL, PLAIN),
        where=no_object,
    ),
    Rewrite(
        "fd-body-not-utf8",
        "ERR-004",
        "a body that isn't UTF-8 gets FastAPI's detail",
        edit=instead(400, b'{"detail":"There was an error parsing the body"}'),
        where=no_utf8,
    ),
    Rewrite(
        "fd-one-token",
        "WIRE-002",
        "max_tokens 1 fails (22)",
        edit=_fails_at_one_token,
        where=asks_for("max_tokens", lambda limit: limit == 1 and limit is not True),
    ),
    Question(
        "fd-stop-ignored", "LIMIT-006", "stop is ignored (27)", ask=unset("stop"), where=asks_for("stop", stop_strings)
    ),
    Question("fd-kwargs-ignored", "REASON-007", "chat_template_kwargs is ignored (34)", ask=unset("chat_template_kwargs")),
    Question(
        "fd-unknown-ignored",
        "PARAM-006",
        "what the schema doesn't know is ignored",
        ask=unset("max_completion_tokens", "top_k", "min_p", "min_tokens"),
    ),
    Question(
        "fd-usage-by-default",
        "STREAM-016",
        "empty stream_options ask for usage (14)",
        ask=body(put("stream_options.include_usage", True)),
        where=asks_for("stream_options", lambda options: options == {}),
    ),
    Question("fd-any-model", "ERR-012", "any model name is taken (9)", ask=body(_named_null), where=generation),
    Rewrite(
        "fd-model-echoed", "", "model is what was asked for (10)", edit=lambda r, a: _echo_model(r)(r, a), where=generation
    ),
    Question(
        "fd-temperature-high",
        "ERR-018",
        "temperature has no upper bound (32)",
        ask=_at_most("temperature", 2),
        where=generation,
    ),
    Question(
        "fd-digits",
        "ERR-018",
        "numbers may be text",
        ask=body(change("max_tokens", _digits)),
        where=asks_for("max_tokens", lambda v: isinstance(v, str)),
    ),
    Rewrite(
        "fd-several-refused",
        "",
        "n above 1 or below 0 is refused (24)",
        edit=refused(400, "n only support 1."),
        where=asks_for("n", lambda n: is_number(n) and n not in (0, 1)),
    ),
    Rewrite(
        "fd-roles",
        "",
        "roles beyond system, user and assistant are refused (31)",
        edit=refused(400, "Unsupported role"),
        where=where.both(where.chat, lambda r: bool(set(map(str, where.roles(r))) & {"tool", "developer", "function"})),
    ),
    Behaviour(
        "fd-hangs-2.0",
        "WIRE-001",
        "n 0 and a repetition penalty of 0 or less are never answered (25, 43)",
        act=_hangs,
        where=where.either(asks_for("n", lambda n: n == 0), asks_for("repetition_penalty", at_most_zero)),
    ),
    Behaviour(
        "fd-empty-prompt-hangs",
        "WIRE-001",
        "an empty prompt in a list is never answered; in the engine, nothing is after it",
        act=_hangs,
        where=empty_prompt_in_list,
    ),
    Behaviour(
        "fd-downloads",
        "VIS-053",
        "file:// and internal addresses are fetched, and everybody waits (40, 41)",
        act=_downloads,
    ),
    Question(
        "fd-pictures-dropped",
        "VIS-040",
        "pictures of unknown schemes are dropped (39)",
        ask=images(_had),
        where=has_url(_dropped),
    ),
    Rewrite(
        "fd-answer-keys",
        "SCHEMA-002",
        "neither logprobs nor refusal, and tool_calls null (26)",
        edit=answers(
            drop("choices.*.logprobs"), drop("choices.*.message.refusal"), put("choices.*.message.tool_calls", None)
        ),
        where=where.chat,
    ),
    Rewrite(
        "fd-completion-finish-null",
        "COMP-001",
        "completions have no finish_reason (38)",
        edit=answers(put("choices.*.finish_reason", None)),
        where=where.completions,
    ),
    Rewrite(
        "fd-completion-chunks-2.0",
        "COMP-002",
        "chunks of completions have neither object nor finish_reason, their usage no total (38)",
        edit=chunks(drop("object"), drop("choices.*.finish_reason"), drop("usage.total_tokens"), only=lambda _: True),
        where=where.completions,
    ),
    Rewrite(
        "fd-usage-by-prompt",
        "COMP-004",
        "streams of several prompts have a usage chunk for each (38)",
        edit=streams(last_of(is_usage, _usage_by_prompt)),
        where=list_of_prompts,
    ),
    Rewrite(
        "fd-context-end-is-stop",
        "LIMIT-015",
        "what the context cut ends with stop (21)",
        edit=replies(_context_ran_out),
        where=where.both(generation, where.lacks(where.asks("max_tokens"))),
    ),
    Rewrite(
        "fd-ids-refused",
        "COMP-010",
        "token ids are no prompt on this model",
        edit=refused(400, "Request must contain 'prompt', or 'messages'"),
        where=asks_for("prompt", lambda p: isinstance(p, list) and bool(p) and isinstance(p[0], int)),
    ),
)
