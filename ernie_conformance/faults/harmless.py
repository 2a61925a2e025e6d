"""The edits that harmless variations are made of: other legal ways to say the same."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ernie_conformance.faults.edits import (
    bodies,
    headers,
    pieces,
    replies,
    streams,
)
from ernie_conformance.faults.fault import Edit, Headers, Piece, Response
from ernie_conformance.faults.frames import (
    Frame,
    choices,
    delta_of,
    every,
    has_calls,
    has_finish,
    has_text,
    swap,
    text_of,
)
from ernie_conformance.faults.objects import Change, change, drop, put
from ernie_conformance.wire.exchange import Request

anything = every(lambda _: True)


def said(old: bytes, new: bytes) -> Edit:
    """Other bytes in every frame."""
    return streams(swap(anything, lambda frame: [frame.saying(frame.raw.replace(old, new))]))


def before_each(raw: bytes) -> Edit:
    return streams(swap(anything, lambda frame: [frame.saying(raw + frame.raw)]))


def before_all(raw: bytes) -> Edit:
    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        for count, frame in enumerate(frames):
            yield frame if count else frame.saying(raw + frame.raw)

    return streams(edit)


def numbered(frames: Iterator[Frame]) -> Iterator[Frame]:
    for count, frame in enumerate(frames):
        yield frame.saying(b"id: %d\n" % count + frame.raw)


def written(**style: Any) -> Edit:
    """JSON in another style, in frames and bodies alike."""

    def dump(value: Any) -> bytes:
        return json.dumps(value, **style).encode("utf-8", errors="surrogatepass")

    def frame_in_style(frame: Frame) -> Iterable[Frame]:
        return [frame if frame.chunk is None else frame.saying(b"data: " + dump(frame.chunk) + b"\n\n")]

    def body_in_style(body: bytes) -> bytes:
        try:
            return dump(json.loads(body))
        except ValueError:
            return body

    def edit(request: Request, response: Response) -> Response:
        inner = (
            bodies(body_in_style) if response.media_type == "application/json" else streams(swap(anything, frame_in_style))
        )
        return inner(request, response)

    return edit


def extra(value: Any) -> Any:
    """An unknown field in every object that the server makes (not in what the model wrote)."""
    if isinstance(value, dict):
        return {**{key: extra(inner) for key, inner in value.items()}, "x_vendor": {"note": None}}
    return [extra(inner) for inner in value] if isinstance(value, list) else value


def extra_in_chunk(frame: Frame) -> Iterable[Frame]:
    return [frame if frame.chunk is None else frame.holding(extra(frame.chunk))]


def by_bytes(size: int) -> Edit:
    """The same bytes in pieces of one size, at the times they came."""

    def cut(found: Iterator[Piece]) -> Iterator[Piece]:
        for at, data in found:
            yield from ((at, data[start : start + size]) for start in range(0, len(data), size))

    return pieces(cut)


def shifted(found: Iterator[Piece]) -> Iterator[Piece]:
    """Pieces end in the middle of an event: half of each piece comes with the next one."""
    held = b""
    at = 0.0
    for at, data in found:
        middle = len(data) // 2
        yield at, held + data[:middle]
        held = data[middle:]
    yield at, held


def pairs(found: Iterator[Piece]) -> Iterator[Piece]:
    """Two pieces come at once, as when the kernel puts them together."""
    held: Piece | None = None
    for piece in found:
        if held is None:
            held = piece
        else:
            yield piece[0], held[1] + piece[1]
            held = None
    if held is not None:
        yield held


def joinable(frame: Frame) -> bool:
    """One choice, text in one channel, nothing else of note."""
    found = choices(frame.chunk)
    if len(found) != 1 or has_finish(frame) or has_calls(frame) or found[0].get("logprobs"):
        return False
    return has_text(frame) and not (text_of(frame.chunk, "content", "text") and text_of(frame.chunk, "reasoning_content"))


def merged(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Two tokens in one delta, where both go into the same channel of the same choice."""
    held: Frame | None = None
    for frame in frames:
        joined = put_together(held, frame) if held is not None else None
        if joined is not None:
            yield joined
            held = None
            continue
        if held is not None:
            yield held
        held = frame if joinable(frame) else None
        if held is None:
            yield frame
    if held is not None:
        yield held


def put_together(one: Frame, two: Frame) -> Frame | None:
    if not joinable(two) or choices(one.chunk)[0].get("index") != choices(two.chunk)[0].get("index"):
        return None
    for name in ("content", "reasoning_content", "text"):
        if text_of(one.chunk, name) and text_of(two.chunk, name):
            chunk = two.chunk or {}
            delta_of(choices(chunk)[0])[name] = text_of(one.chunk, name) + text_of(two.chunk, name)
            delta_of(choices(chunk)[0]).update({k: v for k, v in delta_of(choices(one.chunk)[0]).items() if k == "role"})
            return two.holding(chunk)
    return None


def halved(frame: Frame) -> Iterable[Frame]:
    """The answer's text in two deltas. A token's border may stand anywhere; an emoji's pieces stay together."""
    chunk, rest = frame.chunk or {}, frame.chunk or {}
    said = text_of(chunk, "content")
    put("choices.*.delta.content", said[:1])(chunk)
    put("choices.*.delta.content", said[1:])(rest)
    drop("choices.*.delta.role")(rest)
    return [frame.holding(chunk), frame.holding(rest)]


def can_be_halved(frame: Frame) -> bool:
    return joinable(frame) and len(text_of(frame.chunk, "content")) > 3 and text_of(frame.chunk).isalnum()


def idle(frame: Frame) -> Iterable[Frame]:
    """An empty delta before this one."""
    chunk = frame.chunk or {}
    empty = {"index": 0, "delta": {"content": ""}, "finish_reason": None}
    return [frame.holding({**chunk, "choices": [empty]}), frame]


def role_alone(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The first chunk has a role and nothing else."""
    for count, frame in enumerate(frames):
        chunk = frame.chunk
        if count == 0 and chunk and not has_text(frame):
            put("choices.*.delta", {"role": "assistant"})(chunk)
        yield frame.holding(chunk) if chunk else frame


def role_with_text(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Each choice's role comes together with its first text."""
    roles: dict[Any, Any] = {}
    for frame in frames:
        chunk = frame.chunk
        found = choices(chunk)
        deltas = [choice for choice in found if "delta" in choice]
        bare = len(found) == 1 and not has_text(frame) and not has_finish(frame) and not has_calls(frame)
        if bare and deltas and delta_of(deltas[0]).get("role"):
            roles[deltas[0].get("index")] = delta_of(deltas[0])["role"]
            continue
        for choice in deltas:
            if role := roles.pop(choice.get("index"), None):
                delta_of(choice)["role"] = role
        yield frame.holding(chunk) if chunk else frame


def _ends_only(frame: Frame, index: Any) -> bool:
    """Does it end the choice `index` and say nothing else?"""
    found = choices(frame.chunk)
    return len(found) == 1 and found[0].get("index") == index and not has_text(frame) and not has_calls(frame)


def finish_with_text(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The last text chunk carries the finish reason, where that chunk would have nothing else."""
    held: Frame | None = None
    for frame in frames:
        ending = choices(frame.chunk)
        if held and has_finish(frame) and _ends_only(frame, choices(held.chunk)[0].get("index")):
            chunk = held.chunk or {}
            choices(chunk)[0]["finish_reason"] = ending[0]["finish_reason"]
            usage = {"usage": frame.chunk["usage"]} if frame.chunk and frame.chunk.get("usage") else {}
            yield replace(held.holding({**chunk, **usage}), at=frame.at)
            held = None
            continue
        if held:
            yield held
        held = frame if joinable(frame) else None
        if held is None:
            yield frame
    if held:
        yield held


def new_id(found: Any) -> Any:
    return str(found).rpartition("-")[2] if isinstance(found, str) else found


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(inner) for inner in value] if isinstance(value, list) else value


def with_key(path: str, value: Any) -> Edit:
    """A key that may be there, where it isn't."""
    *steps, last = path.split(".")

    def add(found: Any) -> Any:
        return {last: value, **found} if isinstance(found, dict) else found

    return replies(change(".".join(steps), add))


def slower(factor: float) -> Edit:
    return pieces(lambda found: ((at * factor, data) for at, data in found))


def close_delimited(found: Headers) -> Headers:
    kept = [pair for pair in found if pair[0].lower() not in ("transfer-encoding", "content-length", "connection")]
    return (*kept, ("connection", "close"))


def chunked(_: Request, response: Response) -> Response:
    if not response.header("content-length"):
        return response
    return response.with_header("content-length").with_header("transfer-encoding", "chunked")


def error_fields(_: Request, value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        value["error"].update({"request_id": "req-1", "doc_url": "https://example.org/errors"})
    return value


def error_code(_: Request, value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        value["error"]["code"] = "invalid_value" if value["error"].get("code") is None else None
    return value


def other_words(_: Request, value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        value["error"]["message"] = f"The request was refused. Reason: {value['error'].get('message')}"
        value["error"]["type"] = "BadRequestError"
    return value


def as_unprocessable(_: Request, response: Response) -> Response:
    return replace(response, status=422) if response.status == 400 else response


def as_uuid(found: Any) -> Any:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, found)) if isinstance(found, str) else found


def more_of_models(_: Request, value: Any) -> Any:
    """As vLLM lists them."""
    if isinstance(value, dict):
        put("data.*.permission", [])(value)
        put("data.*.root", "/models/any")(value)
        put("data.*.max_model_len", 32768)(value)
    return value


def more_models(_: Request, value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("data"), list) and value["data"]:
        value["data"].append({**value["data"][0], "id": "another-model"})
    return value


def unevenly(found: Iterator[Piece]) -> Iterator[Piece]:
    """Every third piece comes a little late, together with what follows it at once."""
    last = 0.0
    for count, (at, data) in enumerate(found):
        last = max(last, at + 0.04 * (count % 3 == 2))
        yield last, data


def by_eights(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Up to eight tokens in one delta, as engines send that schedule several steps at once."""
    for _ in range(3):
        frames = merged(frames)
    return frames


def also_called(old: str, new: str) -> Change:
    """The same value under a second name, in deltas and messages."""

    def add(found: Any) -> Any:
        return {**found, new: found[old]} if isinstance(found, dict) and old in found else found

    return change("choices.*.delta|message", add)


def with_nulls(*names: str) -> Change:
    """Keys that aren't there are there as null, as where a whole object is dumped."""

    def add(found: Any) -> Any:
        return {**dict.fromkeys(names), **found} if isinstance(found, dict) else found

    return change("choices.*.delta|message", add)


def pretty(text: bytes) -> bytes:
    """The same JSON over several lines; what isn't JSON, as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2).encode("utf-8", "surrogatepass") + b"\n"
    except ValueError:
        return text


def spaced_arguments(_: Request, value: Any) -> Any:
    """A whole call's arguments, written in another JSON style. Those that max_tokens cut stay as they are."""
    if isinstance(value, dict):
        change("choices.*.message.tool_calls.*.function.arguments", lambda text: pretty(text.encode()).decode())(value)
    return value


def named(case: str) -> Edit:
    return headers(lambda found: tuple((getattr(key, case)(), value) for key, value in found))
