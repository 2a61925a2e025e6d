"""Event streams taken apart and put together again: the injector's own encoder, apart from the suite's decoder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ernie_conformance.faults.fault import Piece

BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")
DONE = b"data: [DONE]\n\n"


def compact(value: Any) -> bytes:
    """JSON as servers write it: no spaces, characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="surrogatepass")


@dataclass(frozen=True)
class Frame:
    """The bytes of one event, blank line included, and when the last of them came."""

    at: float
    raw: bytes

    @cached_property
    def data(self) -> str | None:
        """Its data lines joined, None for a comment or another block without data."""
        # Parted as bytes: to text, U+2028 and its kin part lines too.
        lines = [line.decode("utf-8", errors="replace") for line in self.raw.splitlines()]
        found = [line[5:].removeprefix(" ") for line in lines if line.startswith("data:")]
        return "\n".join(found) if found else None

    @property
    def is_done(self) -> bool:
        return self.data is not None and self.data.strip() == "[DONE]"

    @property
    def chunk(self) -> dict[str, Any] | None:
        """A fresh copy of its JSON object, None when it carries none."""
        try:
            value = json.loads(self.data or "")
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def holding(self, chunk: dict[str, Any]) -> Frame:
        """Another object at the same time; the very bytes that came when it is the same."""
        return self if chunk == self.chunk else replace(self, raw=b"data: " + compact(chunk) + b"\n\n")

    def saying(self, raw: bytes) -> Frame:
        """Other bytes at the same time."""
        return replace(self, raw=raw)


Frames = Callable[[Iterator[Frame]], Iterator[Frame]]
Pick = Callable[[Frame], bool]


def split(pieces: Iterable[Piece]) -> Iterator[Frame]:
    """Frames as their last byte comes; what follows the last blank line is a frame of its own."""
    pending, at = b"", 0.0
    for at, data in pieces:
        pending += data
        while found := BLANK_LINE.search(pending):
            yield Frame(at, pending[: found.end()])
            pending = pending[found.end() :]
    if pending:
        yield Frame(at, pending)


def choices(chunk: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The choices of a chunk, [] when it has none."""
    found = (chunk or {}).get("choices")
    return [choice for choice in found if isinstance(choice, dict)] if isinstance(found, list) else []


def delta_of(choice: dict[str, Any]) -> dict[str, Any]:
    """What a choice of a chunk adds: its delta, or, in text completions, itself."""
    delta = choice.get("delta")
    return delta if isinstance(delta, dict) else choice


def text_of(chunk: dict[str, Any] | None, *names: str) -> str:
    """The text that a chunk adds to its first choice, in the channels named (all when none is)."""
    for choice in choices(chunk)[:1]:
        values = [delta_of(choice).get(name) for name in names or ("reasoning_content", "content", "text")]
        return "".join(value for value in values if isinstance(value, str))
    return ""


def is_chunk(frame: Frame) -> bool:
    return bool(choices(frame.chunk))


def is_done(frame: Frame) -> bool:
    return frame.is_done


def is_usage(frame: Frame) -> bool:
    """The chunk that carries usage and no choice."""
    chunk = frame.chunk
    return chunk is not None and not choices(chunk) and bool(chunk.get("usage"))


def has_text(frame: Frame) -> bool:
    return bool(text_of(frame.chunk))


def has_answer(frame: Frame) -> bool:
    """Does it carry text of the answer, not of the reasoning?"""
    return bool(text_of(frame.chunk, "content", "text"))


def has_finish(frame: Frame) -> bool:
    return any(choice.get("finish_reason") for choice in choices(frame.chunk))


def has_calls(frame: Frame) -> bool:
    return any(delta_of(choice).get("tool_calls") for choice in choices(frame.chunk))


def nth(count: int, pick: Pick) -> Callable[[], Pick]:
    """For `once`-style edits: picks the `count`-th frame (from 1) that `pick` picks."""

    def fresh() -> Pick:
        left = count

        def test(frame: Frame) -> bool:
            nonlocal left
            left -= pick(frame)
            return left == 0 and pick(frame)

        return test

    return fresh


def first(pick: Pick) -> Callable[[], Pick]:
    """The first frame that `pick` picks."""
    return nth(1, pick)


def without(pick: Pick) -> Frames:
    """Leave out every frame that `pick` picks."""
    return lambda frames: (frame for frame in frames if not pick(frame))


def until(pick: Pick) -> Frames:
    """End before the first frame that `pick` picks."""

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if pick(frame):
                return
            yield frame

    return edit


def swap(which: Callable[[], Pick], fn: Callable[[Frame], Iterable[Frame]]) -> Frames:
    """Put fn(frame) in the place of each frame that a fresh `which()` picks."""

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        pick = which()
        for frame in frames:
            if pick(frame):
                yield from fn(frame)
            else:
                yield frame

    return edit


def every(pick: Pick) -> Callable[[], Pick]:
    """All frames that `pick` picks, for `swap`."""
    return lambda: pick


def before(which: Callable[[], Pick], raw: bytes) -> Frames:
    """Put `raw` before each frame picked."""
    return swap(which, lambda frame: [frame.saying(raw), frame])


def after(which: Callable[[], Pick], raw: bytes) -> Frames:
    """Put `raw` after each frame picked."""
    return swap(which, lambda frame: [frame, frame.saying(raw)])


def last(pick: Pick, fn: Callable[[Frame], Iterable[Frame]]) -> Frames:
    """Put fn(frame) in the place of the last frame that `pick` picks. Such a frame is held back until the next one comes."""

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        held: list[Frame] = []
        for frame in frames:
            if pick(frame):
                yield from held
                held = [frame]
            elif held:
                held.append(frame)
            else:
                yield frame
        if held:
            yield from fn(held[0])
            yield from held[1:]

    return edit


def adding(frame: Frame, said: str) -> Frame:
    """A chunk like `frame` that adds `said` to the answer and ends nothing."""
    chunk = frame.chunk or {}
    is_chat = any("delta" in choice for choice in choices(chunk))
    added: dict[str, Any] = {"delta": {"content": said}} if is_chat else {"text": said}
    return frame.holding({**chunk, "choices": [{"index": 0, **added, "finish_reason": None}]})
