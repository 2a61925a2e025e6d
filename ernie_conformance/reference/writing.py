"""Writes one answer token by token: thought, answer or tool calls, within their limits. Pure: no clock, no network."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ernie_conformance.reference import tokenizer
from ernie_conformance.reference.sampling import Fork, Node, Ranked, Sampler, rank

REASONING, CONTENT, TOOL = "reasoning", "content", "tool"


@dataclass(frozen=True)
class Call:
    """A tool call about to be written. `arguments` is the complete JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Script:
    """What the model has in mind to say. `more` is said when a request demands more tokens than that takes."""

    thought: Sequence[Node]
    answer: Sequence[Node]
    more: Sequence[Node]
    calls: Sequence[Call] = ()


@dataclass(frozen=True)
class Limits:
    """`total`: most tokens of thought and answer together. `thought`: most tokens of the thought (None: no own limit).

    `stop` applies to the answer alone, never to the thought or to tool calls, and is never emitted.
    """

    total: int
    thought: int | None = None
    least: int = 0
    stop: tuple[str, ...] = ()
    stop_ids: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Piece:
    """Text that may be sent. `start` is set on the piece that opens tool call number `call`."""

    channel: str
    text: str
    ranked: tuple[tuple[str, Ranked], ...] = ()
    call: int = 0
    start: Call | None = None


class Outlet:
    """Turns tokens into pieces of whole characters, and holds back what may become a stop string."""

    def __init__(self, channel: str, stop: Sequence[str] = (), call: int = 0) -> None:
        self._channel, self._stop, self._call = channel, stop, call
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._ranked: list[tuple[str, Ranked]] = []
        self.stopped = False

    def put(self, ranked: Ranked) -> Iterator[Piece]:
        """The pieces that this token sets free; sets `stopped` when it completes a stop string."""
        new = self._decoder.decode(ranked.token)
        self._text += new
        self._ranked.append((new, ranked))
        found = [at for at in (self._text.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.stopped = True
            yield from self._release(min(found), cut=True)
        elif new:
            yield from self._release(len(self._text) - self._held())

    def close(self) -> Iterator[Piece]:
        """What was held back in vain. Bytes of an unfinished character are lost, as they must be."""
        if not self.stopped and self._ranked:
            yield Piece(self._channel, self._text, tuple(self._ranked), self._call)

    def _held(self) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        longest = max((len(stop) - 1 for stop in self._stop), default=0)
        tails = range(min(longest, len(self._text)), 0, -1)
        return next((n for n in tails if any(stop.startswith(self._text[-n:]) for stop in self._stop)), 0)

    def _release(self, room: int, cut: bool = False) -> Iterator[Piece]:
        """Whole tokens from the first `room` characters; with `cut` also the part of a token that fits."""
        free: list[tuple[str, Ranked]] = []
        while self._ranked and room:
            new, ranked = self._ranked[0]
            if len(new) > room and not cut:
                break
            free.append((new[:room], ranked))
            room -= min(room, len(new))
            del self._ranked[0]
        text = "".join(new for new, _ in free)
        self._text = self._text[len(text) :]
        if text:
            yield Piece(self._channel, text, tuple(free), self._call)


class Writing:
    """One choice being written. Counts move with every token; `finish` is set at the end."""

    def __init__(self, script: Script, limits: Limits, sampler: Sampler) -> None:
        self._script, self._limits, self._sampler = script, limits, sampler
        self.tokens = 0
        self.thought_tokens = 0
        self.finish: str | None = None

    def steps(self) -> Iterator[list[Piece]]:
        """A list of pieces, mostly one, for each token; empty for a token that is held back."""
        yield from self._think()
        if self.finish is None and self._script.calls:
            yield from self._call()
        elif self.finish is None:
            yield from self._answer()

    def _think(self) -> Iterator[list[Piece]]:
        outlet = Outlet(REASONING)
        budget = self._limits.total if self._limits.thought is None else self._limits.thought
        for ranked in itertools.islice(self._tokens(self._script.thought), budget):
            if self._spent():
                break
            self.thought_tokens += 1
            yield self._emit(ranked, outlet)
        if self._spent():
            self.finish = "length"

    def _answer(self) -> Iterator[list[Piece]]:
        outlet = Outlet(CONTENT, self._limits.stop)
        for ranked in self._enough():
            if self._spent():
                self.finish = "length"
                break
            if tokenizer.to_id(ranked.token) in self._limits.stop_ids:
                break
            yield self._emit(ranked, outlet)
            if outlet.stopped:
                break
        self.finish = self.finish or "stop"
        yield list(outlet.close())

    def _call(self) -> Iterator[list[Piece]]:
        for index, call in enumerate(self._script.calls):
            outlet = Outlet(TOOL, call=index)
            for number, token in enumerate([*tokenizer.encode(call.name)[:1], *tokenizer.encode(call.arguments)]):
                if self._spent():
                    self.finish = "length"
                    return
                if number:
                    yield self._emit(rank(token), outlet)
                else:
                    self.tokens += 1
                    yield [Piece(TOOL, "", call=index, start=call)]
        self.finish = "tool_calls"

    def _enough(self) -> Iterator[Ranked]:
        """The answer, and then more of the same as long as the request demands it."""
        yield from self._tokens(self._script.answer)
        while self.tokens < self._limits.least and self._script.more:
            for ranked in self._tokens(self._script.more):
                if self.tokens >= self._limits.least:
                    return
                yield ranked

    def _tokens(self, nodes: Sequence[Node]) -> Iterator[Ranked]:
        for node in nodes:
            rivals: tuple[bytes, ...] = ()
            text = node
            if isinstance(node, Fork):
                rivals = tuple(tokenizer.encode(wording)[0] for wording in node.wordings)
                text = node.wordings[self._sampler.pick(node)]
            assert isinstance(text, str)
            for number, token in enumerate(tokenizer.encode(text)):
                yield rank(token, () if number else rivals)

    def _emit(self, ranked: Ranked, outlet: Outlet) -> list[Piece]:
        self.tokens += 1
        self._sampler.said(ranked.token)
        return list(outlet.put(ranked))

    def _spent(self) -> bool:
        return self.tokens >= self._limits.total
