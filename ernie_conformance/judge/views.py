"""Exchanges as a client sees them: answers and streams. A view that can't be had names the row that owns the cause."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, TypeVar

from ernie_conformance.judge.outcome import Blocked
from ernie_conformance.wire import sse
from ernie_conformance.wire.exchange import Exchange, NotJson, strict_json

View = TypeVar("View")
# The rows that own an unusable exchange.
TRANSPORT, STATUS, JSON_BODY, EVENT_STREAM, PAYLOAD = "WIRE-001", "WIRE-002", "WIRE-003", "SSE-001", "SSE-003"
STREAM_ERROR, STREAM_INDEX, ERROR_WITH_200 = "STREAM-003", "STREAM-009", "ERR-003"
ANSWER_SHAPE, CHUNK_SHAPE, STREAM_USAGE = "SCHEMA-001", "STREAM-001", "STREAM-010"
COMPLETION_SHAPE, COMPLETION_CHUNK, COMPLETION_USAGE = "COMP-001", "COMP-002", "COMP-004"


def usable(exchange: Exchange) -> Exchange:
    """`exchange` if it ended well with 200. Raises Blocked."""
    if exchange.error is not None or exchange.status is None:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error or 'no answer'}", exchange)
    if exchange.status != 200:
        raise Blocked(STATUS, f"{exchange.name}: status {exchange.status}", exchange)
    return exchange


def reasoning_of(message: dict[str, Any]) -> Any:
    """The reasoning text under the contract's name, or under the name some engines use (a row of its own minds the name)."""
    return message["reasoning_content"] if "reasoning_content" in message else message.get("reasoning")


class Reply:
    """What answers and streams have in common: text by channel and choice, finish reasons, usage."""

    exchange: Exchange

    @property
    def name(self) -> str:
        return self.exchange.name

    @property
    def asked(self) -> dict[str, Any]:
        """The request's JSON body."""
        return self.exchange.request.json

    @property
    def is_chat(self) -> bool:
        return self.exchange.request.path.endswith("/chat/completions")

    @property
    def indices(self) -> list[int]:
        raise NotImplementedError

    @property
    def numbers(self) -> list[int]:
        """The indices that stand in it, sorted, whether right or wrong."""
        raise NotImplementedError

    def content_of(self, index: int) -> str:
        raise NotImplementedError

    def reasoning_of(self, index: int) -> str:
        raise NotImplementedError

    def finish_of(self, index: int) -> Any:
        raise NotImplementedError

    @property
    def usage(self) -> Any:
        raise NotImplementedError

    @property
    def content(self) -> str:
        return self.content_of(0)

    @property
    def reasoning(self) -> str:
        return self.reasoning_of(0)

    @property
    def finish_reason(self) -> Any:
        return self.finish_of(0)

    @property
    def text(self) -> str:
        """Both channels of the first choice, in the order in which they are written."""
        return self.reasoning + self.content

    @property
    def shape_owner(self) -> str:
        """The row about the shape of such an answer, or of such a stream's chunks."""
        if self.exchange.wants_stream:
            return CHUNK_SHAPE if self.is_chat else COMPLETION_CHUNK
        return ANSWER_SHAPE if self.is_chat else COMPLETION_SHAPE

    @property
    def usage_owner(self) -> str:
        """The row that says that usage must be there, or what it must look like."""
        if isinstance(self.usage, dict) or not self.exchange.wants_stream:
            return self.shape_owner
        return STREAM_USAGE if self.is_chat else COMPLETION_USAGE

    def count(self, name: str) -> int:
        """usage[`name`], e.g. prompt_tokens. Raises Blocked by the shape row when it isn't a whole number."""
        value = self.usage.get(name) if isinstance(self.usage, dict) else None
        if type(value) is not int:
            raise Blocked(self.usage_owner, f"{self.name}: usage.{name} is {value!r}, not a whole number", self)
        if value < 0:
            raise Blocked(self.usage_owner, f"{self.name}: usage.{name} is {value}", self)
        return value


def _text(value: Any, what: str, owner: str, reply: Reply) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Blocked(owner, f"{reply.name}: {what} is {type(value).__name__}, not text", reply)
    return value


class Answer(Reply):
    """A whole JSON answer, of chat or of text completions. Raises Blocked when there is none."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = usable(exchange)
        try:
            data = exchange.json
        except NotJson as error:
            raise Blocked(JSON_BODY, f"{exchange.name}: the body is not JSON: {error}", exchange) from error
        if not isinstance(data, dict):
            raise Blocked(self.shape_owner, f"{exchange.name}: the body is {type(data).__name__}, not an object", exchange)
        if data.get("error") is not None and "choices" not in data:
            raise Blocked(ERROR_WITH_200, f"{exchange.name}: status 200 with an error", exchange)
        self.data: dict[str, Any] = data

    def _shape(self, held: bool, detail: str) -> None:
        if not held:
            raise Blocked(self.shape_owner, f"{self.name}: {detail}", self)

    @cached_property
    def choices(self) -> dict[int, dict[str, Any]]:
        """Choices by index."""
        choices = self.data.get("choices")
        self._shape(isinstance(choices, list) and bool(choices), f"choices is {choices!r:.60}")
        assert isinstance(choices, list)
        self._shape(all(isinstance(c, dict) and type(c.get("index")) is int for c in choices), "a choice has no index")
        return {choice["index"]: choice for choice in choices}

    @property
    def indices(self) -> list[int]:
        return list(self.choices)

    @property
    def numbers(self) -> list[int]:
        """An index that two choices have stands twice."""
        return sorted(choice["index"] for choice in self.data["choices"]) if self.choices else []

    def choice(self, index: int) -> dict[str, Any]:
        self._shape(index in self.choices, f"there is no choice {index}")
        return self.choices[index]

    def message(self, index: int = 0) -> dict[str, Any]:
        message = self.choice(index).get("message")
        self._shape(isinstance(message, dict), f"message is {message!r:.60}")
        assert isinstance(message, dict)
        return message

    def content_of(self, index: int) -> str:
        if not self.is_chat:
            return _text(self.choice(index).get("text"), "text", self.shape_owner, self)
        self._shape("content" in self.message(index), f"the message of choice {index} has no content")
        return _text(self.message(index)["content"], "content", self.shape_owner, self)

    def reasoning_of(self, index: int) -> str:
        holder = self.message(index) if self.is_chat else self.choice(index)
        return _text(reasoning_of(holder), "reasoning_content", self.shape_owner, self)

    def finish_of(self, index: int) -> Any:
        return self.choice(index).get("finish_reason")

    @property
    def usage(self) -> Any:
        return self.data.get("usage")

    def tool_calls_of(self, index: int = 0) -> list[dict[str, Any]]:
        """The tool calls of one choice, [] when there are none."""
        calls = self.message(index).get("tool_calls") or []
        self._shape(isinstance(calls, list) and all(isinstance(c, dict) for c in calls), "tool_calls is no list of objects")
        return calls


@dataclass(frozen=True, slots=True)
class Chunk:
    """One data event of a stream: its JSON object, when its last byte came (seconds since sending), and its bytes' span."""

    data: dict[str, Any]
    at: float
    span: tuple[int, int]

    @property
    def choices(self) -> list[dict[str, Any]]:
        choices = self.data.get("choices")
        return [c for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []

    @property
    def is_error(self) -> bool:
        """Does this event report an error instead of carrying text?"""
        bare = "message" in self.data and "choices" not in self.data
        return self.data.get("error") is not None or self.data.get("object") == "error" or bare


@dataclass(frozen=True, slots=True)
class Piece:
    """One delta of one choice, with the chunk it came in. Text completions have no delta: their text is its content."""

    chunk: Chunk
    choice: dict[str, Any]

    @property
    def delta(self) -> dict[str, Any]:
        delta = self.choice.get("delta")
        return delta if isinstance(delta, dict) else {"content": self.choice.get("text")}

    @property
    def content(self) -> Any:
        return self.delta.get("content")

    @property
    def reasoning(self) -> Any:
        return reasoning_of(self.delta)

    @property
    def finish_reason(self) -> Any:
        return self.choice.get("finish_reason")


class EventStream:
    """The events of one answer to `stream: true`, whatever is in them. Raises Blocked when the answer is no event stream."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = usable(exchange)
        self.decoded = sse.decode(exchange.body)
        if not self.decoded.events and exchange.media_type != "text/event-stream":
            raise Blocked(EVENT_STREAM, f"{exchange.name}: no event stream came ({exchange.media_type})", exchange)

    @property
    def name(self) -> str:
        return self.exchange.name

    @property
    def asked(self) -> dict[str, Any]:
        return self.exchange.request.json

    @cached_property
    def payloads(self) -> list[sse.Event]:
        """Events that should be JSON: all but [DONE]."""
        return [event for event in self.decoded.events if event.data.strip() != sse.DONE]

    @property
    def done_marks(self) -> int:
        return len(self.decoded.events) - len(self.payloads)

    @cached_property
    def _piece_ends(self) -> list[int]:
        return list(accumulate(len(piece) for _, piece in self.exchange.pieces))

    def arrival(self, end: int) -> float:
        """Seconds after sending at which byte `end`-1 of the body had arrived."""
        place = bisect_left(self._piece_ends, end)
        return self.exchange.pieces[place][0] if place < len(self._piece_ends) else self.exchange.seconds


class Stream(Reply):
    """A stream of chunks, text put together by channel and choice. Raises Blocked for an event that isn't a chunk."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.events = seen_as(exchange, EventStream)
        self._texts: dict[tuple[int, str], str] = {}
        self.chunks = list(self._chunks())
        if not self.chunks:
            raise Blocked(PAYLOAD, f"{exchange.name}: the stream has no chunk", exchange)

    def _chunks(self) -> Iterator[Chunk]:
        for event in self.events.payloads:
            try:
                data = strict_json(event.data)
            except NotJson as error:
                raise Blocked(PAYLOAD, f"{self.name}: an event is not JSON: {error}", self.exchange) from error
            if not isinstance(data, dict):
                raise Blocked(PAYLOAD, f"{self.name}: an event is no JSON object", self.exchange)
            chunk = Chunk(data, self.events.arrival(event.span[1]), event.span)
            if chunk.is_error:
                raise Blocked(STREAM_ERROR, f"{self.name}: an error stands in the stream: {data!r:.120}", self.exchange)
            yield chunk

    @cached_property
    def pieces(self) -> list[Piece]:
        """Every delta of every choice, in order."""
        return [Piece(chunk, choice) for chunk in self.chunks for choice in chunk.choices]

    @cached_property
    def _by_index(self) -> dict[Any, list[Piece]]:
        found: dict[Any, list[Piece]] = {}
        for piece in self.pieces:
            index = piece.choice.get("index")
            found.setdefault(index if type(index) is int else None, []).append(piece)
        return found

    def pieces_of(self, index: int) -> list[Piece]:
        return self._by_index.get(index, []) if self.indices else []

    def _joined(self, index: int, channel: str, what: str) -> str:
        """One channel of one choice put together, once."""
        if (index, channel) not in self._texts:
            owner = self.shape_owner
            pieces = self.pieces_of(index)
            self._texts[index, channel] = "".join(_text(getattr(p, channel), what, owner, self) for p in pieces)
        return self._texts[index, channel]

    @cached_property
    def numbers(self) -> list[int]:
        return sorted(index for index in self._by_index if index is not None)

    @cached_property
    def indices(self) -> list[int]:
        """The choices. Raises Blocked when a chat stream has others than those asked for: whose is their text?"""
        most = self.asked.get("n") or 1
        wrong = [index for index in self.numbers if self.is_chat and type(most) is int and not 0 <= index < most]
        if wrong:
            raise Blocked(STREAM_INDEX, f"{self.name}: indices {wrong[:5]} where n is {most}", self)
        return self.numbers

    def content_of(self, index: int) -> str:
        return self._joined(index, "content", "delta.content")

    def reasoning_of(self, index: int) -> str:
        return self._joined(index, "reasoning", "delta.reasoning_content")

    def finish_of(self, index: int) -> Any:
        """The last finish_reason sent for a choice, None when none came."""
        return next((p.finish_reason for p in reversed(self.pieces_of(index)) if p.finish_reason is not None), None)

    @property
    def usage(self) -> Any:
        """The last usage that came, None when none did."""
        return next((c.data["usage"] for c in reversed(self.chunks) if c.data.get("usage") is not None), None)

    @cached_property
    def tool_calls(self) -> list[Any]:
        """What stands as tool_calls in the deltas of the first choice that have any."""
        return [calls for piece in self.pieces_of(0) if (calls := piece.delta.get("tool_calls"))]

    @property
    def text_pieces(self) -> list[Piece]:
        """The deltas that carry text in either channel."""
        return [p for p in self.pieces if p.content or p.reasoning]


def view(exchange: Exchange) -> Answer | Stream:
    """The exchange as what its request asked for. Raises Blocked."""
    return seen_as(exchange, Stream) if exchange.wants_stream else seen_as(exchange, Answer)


def seen_as(exchange: Exchange, look: Callable[[Exchange], View]) -> View:
    """`exchange` under a view, made once for all that ask for it. Raises the same Blocked again."""
    if look not in exchange.memo:
        try:
            exchange.memo[look] = look(exchange)
        except Blocked as outcome:
            exchange.memo[look] = outcome
    seen = exchange.memo[look]
    if isinstance(seen, Blocked):
        raise seen.with_traceback(None)
    return seen  # type: ignore[no-any-return]  # the memo holds what each look made
