"""The toolbox that rewriting faults are made of: small edits of answers, made to be combined."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ernie_conformance.faults.fault import Edit, Headers, Piece, Response
from ernie_conformance.faults.frames import Frame, Frames, adding, compact, first, has_finish, is_chunk, split, swap
from ernie_conformance.faults.objects import Change
from ernie_conformance.wire.exchange import Request


def chain(*edits: Edit) -> Edit:
    """One edit after the other."""

    def edit(request: Request, response: Response) -> Response:
        for step in edits:
            response = step(request, response)
        return response

    return edit


def pieces(fn: Callable[[Iterator[Piece]], Iterable[Piece]]) -> Edit:
    """Edit what is sent, whatever it is; fn must keep the sum of the lengths."""
    return lambda _, response: replace(response, pieces=fn(iter(response.pieces)))


def streams(*edits: Frames) -> Edit:
    """Edit the frames of event streams, one after the other as they come."""

    def edit(_: Request, response: Response) -> Response:
        if not response.is_event_stream:
            return response
        frames = split(response.pieces)
        for step in edits:
            frames = step(frames)
        return replace(response.with_header("content-length"), pieces=((frame.at, frame.raw) for frame in frames))

    return edit


def chunks(*changes: Change, only: Callable[[Frame], bool] = is_chunk) -> Edit:
    """Change the objects of the frames that `only` picks: by default every chunk with a choice."""

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            chunk = frame.chunk
            if chunk is None or not only(frame):
                yield frame
                continue
            for step in changes:
                step(chunk)
            yield frame.holding(chunk)

    return streams(edit)


def chunk_at(position: int, *changes: Change) -> Edit:
    """Change one chunk of every stream: the one at `position`, counted from 0."""

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        for number, frame in enumerate(frames):
            chunk = frame.chunk
            if number == position and chunk is not None:
                for step in changes:
                    step(chunk)
                frame = frame.holding(chunk)
            yield frame

    return streams(edit)


def counted(fn: Callable[[int, dict[str, Any]], None]) -> Edit:
    """Change every chunk by fn(its number in the stream, its object)."""

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        for number, frame in enumerate(frames):
            chunk = frame.chunk
            if chunk is not None:
                fn(number, chunk)
            yield frame if chunk is None else frame.holding(chunk)

    return streams(edit)


def before_finish(said: str) -> Edit:
    """Streams say this just before their finish."""
    return streams(swap(first(has_finish), lambda frame: [adding(frame, said), frame]))


def _json_of(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def documents(fn: Callable[[Request, Any], Any]) -> Edit:
    """Put fn(request, value) in the place of a JSON body of any status."""

    def edit(request: Request, response: Response) -> Response:
        if response.media_type != "application/json":
            return response
        at, body = response.body()
        value = _json_of(body)
        changed = value if value is None else fn(request, value)
        return response.with_body(body if changed == _json_of(body) else compact(changed), at)

    return edit


def answers(*changes: Change) -> Edit:
    """Change the objects of whole answers: JSON with status 200."""

    def apply(_: Request, value: Any) -> Any:
        if isinstance(value, dict):
            for step in changes:
                step(value)
        return value

    inner = documents(apply)
    return lambda request, response: inner(request, response) if response.status == 200 else response


def replies(*changes: Change) -> Edit:
    """Change whole answers and every object of streams alike."""
    return chain(answers(*changes), chunks(*changes, only=lambda _: True))


def asked(fn: Callable[[Request], Edit]) -> Edit:
    """An edit that is made from the request."""
    return lambda request, response: fn(request)(request, response)


def bodies(fn: Callable[[bytes], bytes]) -> Edit:
    """Change the bytes of answers that aren't event streams."""

    def edit(_: Request, response: Response) -> Response:
        if response.is_event_stream:
            return response
        at, body = response.body()
        return response.with_body(fn(body), at)

    return edit


def instead(status: int, body: bytes, media_type: str = "application/json") -> Edit:
    """Another answer altogether."""

    def edit(_: Request, response: Response) -> Response:
        at = next(iter(response.pieces), (0.0, b""))[0]
        kept = tuple((k, v) for k, v in response.headers if k.lower() in ("date", "server", "connection"))
        headers: Headers = (*kept, ("content-type", media_type), ("content-length", str(len(body))))
        return Response(status, headers, [(at, body)])

    return edit


def refused(status: int, message: str) -> Edit:
    """An error in the documented form, whatever was asked."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return instead(status, compact(error))


def errors(*edits: Edit) -> Edit:
    """Edit refusals alone: status 400 and above."""
    inner = chain(*edits)
    return lambda request, response: inner(request, response) if response.status >= 400 else response


def successes(*edits: Edit) -> Edit:
    """Edit answers with status 200 alone."""
    inner = chain(*edits)
    return lambda request, response: inner(request, response) if response.status == 200 else response


def status(new: int) -> Edit:
    """Another status before the same body."""
    return lambda _, response: replace(response, status=new)


def header(name: str, *values: str) -> Edit:
    """Exactly these values of one header: none removes it."""
    return lambda _, response: response.with_header(name, *values)


def headers(fn: Callable[[Headers], Headers]) -> Edit:
    """Change the list of headers."""
    return lambda _, response: replace(response, headers=fn(response.headers))
