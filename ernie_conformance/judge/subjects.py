"""What a test may ask for, by the names of its parameters.

`stream`, `answer`, `reply`, ... stand for every one of them in the evidence: the test is called once for each, and what it
finds is put together. The plurals give the whole list. `facts` and `target` are the host's facts and the target. Any other
name is an exchange (`max_tokens_20` is the exchange `max-tokens-20`) or a scenario; the annotation says as what:
Exchange (raw), Answer, Stream, Reply (either, as the request asked) or Scene.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ernie_conformance.judge.outcome import Blocked, Inconclusive, NotAsked, NotTestable, Outcome
from ernie_conformance.judge.views import Answer, EventStream, Reply, Stream, seen_as, view
from ernie_conformance.targets import Target
from ernie_conformance.wire.evidence import CUT, Evidence
from ernie_conformance.wire.exchange import ABANDONED, ANSWER, ANY, REFUSAL, Exchange


@dataclass(frozen=True)
class Scene:
    """What a scenario noted, and the exchanges it made (by their own names)."""

    name: str
    notes: dict[str, Any]
    exchanges: dict[str, Exchange]

    def note(self, key: str) -> Any:
        """One note. Raises Blocked by the transport row when the scenario broke off before it was taken."""
        if key not in self.notes:
            raise Blocked("WIRE-001", f"{self.name}: broke off before {key!r}: {self.notes.get('error')}", self.name)
        return self.notes[key]


def _is_chat(exchange: Exchange) -> bool:
    return exchange.request.path.endswith("/chat/completions")


def _is_completion(exchange: Exchange) -> bool:
    return exchange.request.path.endswith("/completions") and not _is_chat(exchange)


def _is_legal(exchange: Exchange) -> bool:
    """Is a 200 answer owed, or, where nothing is known of the request, was one given?"""
    if exchange.request.method != "POST" or not exchange.request.path.endswith("/completions"):
        return False
    return exchange.expects == ANSWER or (exchange.expects == ANY and exchange.status == 200)


def _came_as_asked(exchange: Exchange) -> bool:
    """False for a recording whose request asked for a stream in a way that isn't legal JSON for it (`"stream": "yes"`)."""
    return exchange.expects == ANSWER or exchange.wants_stream or exchange.media_type != "text/event-stream"


def _is_whole(exchange: Exchange) -> bool:
    """Is it a complete answer that isn't a stream, nor asked to be one?"""
    if exchange.error is not None or exchange.status != 200 or exchange.wants_stream or not _is_legal(exchange):
        return False
    return _came_as_asked(exchange)


def _is_refused(exchange: Exchange) -> bool:
    """Was a completion refused for what it asked? Refusals for the key or the load have other owners."""
    asked = exchange.request.method == "POST" and exchange.request.path.endswith("/completions")
    return asked and exchange.error is None and (exchange.status or 0) >= 400 and exchange.status not in (401, 429)


@dataclass(frozen=True)
class Kind:
    """A kind of traffic: which exchanges belong to it, and as what a test sees one."""

    belongs: Callable[[Exchange], bool]
    view: Callable[[Exchange], Any]


TRAFFIC = {
    "exchange": Kind(lambda e: e.expects != ABANDONED, lambda e: e),
    "chat_exchange": Kind(lambda e: _is_chat(e) and _is_legal(e), lambda e: e),
    "legal": Kind(lambda e: e.expects == ANSWER, lambda e: e),
    "refusal": Kind(lambda e: e.expects == REFUSAL, lambda e: e),
    "error_body": Kind(_is_refused, lambda e: e),
    "whole": Kind(_is_whole, lambda e: e),
    "stream_exchange": Kind(lambda e: _is_legal(e) and e.wants_stream and e.status == 200, lambda e: e),
    "event_stream": Kind(lambda e: _is_legal(e) and e.wants_stream, EventStream),
    "stream": Kind(lambda e: _is_legal(e) and _is_chat(e) and e.wants_stream, Stream),
    "answer": Kind(lambda e: _is_legal(e) and _is_chat(e) and not e.wants_stream and _came_as_asked(e), Answer),
    "reply": Kind(lambda e: _is_legal(e) and _is_chat(e) and _came_as_asked(e), view),
    "completion": Kind(lambda e: _is_legal(e) and _is_completion(e) and not e.wants_stream, Answer),
    "completion_stream": Kind(lambda e: _is_legal(e) and _is_completion(e) and e.wants_stream, Stream),
    "any_stream": Kind(lambda e: _is_legal(e) and e.wants_stream, Stream),
    "generation": Kind(lambda e: _is_legal(e) and _came_as_asked(e), view),
}
VIEWS: dict[Any, Callable[[Exchange], Any]] = {
    Exchange: lambda e: e,
    Answer: Answer,
    Stream: Stream,
    Reply: view,
    EventStream: EventStream,
}
WHOLE = {"replies": "reply", **{f"{name}s": name for name in TRAFFIC if name != "reply"}}
OTHERS = ("facts", "target", "evidence")


def _absent(what: str, reason: str) -> Outcome:
    """How a check ends for something that wasn't gathered, by the gatherer's reason."""
    if reason.startswith("not declared"):
        return NotTestable(reason)
    if reason.startswith("blocked by "):
        return Blocked(reason.removeprefix("blocked by ").split(":")[0], reason)
    if reason == CUT:
        return Inconclusive(f"{what}: {reason}")
    return NotAsked(reason or what)


@dataclass(frozen=True)
class Subjects:
    """Gives tests what they ask for, out of one run's evidence.

    `among`: the exchanges for which a test that is put to every one of a kind is put; None for all.
    """

    evidence: Evidence
    target: Target
    among: Collection[str] | None = None

    def each(self, kind: str) -> list[Any]:
        """The usable views of a kind among those that count. Raises as `all_of` does."""
        if self.among is None:
            return self.all_of(kind)
        exchanges = self.evidence.exchanges
        return replace(self, evidence=self.evidence.replaced(exchanges[name] for name in self.among)).all_of(kind)

    def all_of(self, kind: str) -> list[Any]:
        """Every usable view of a kind. Raises Blocked when none is usable, NotAsked when none was made."""
        found, blocked = [], []
        for exchange in self.evidence.exchanges.values():
            if TRAFFIC[kind].belongs(exchange):
                try:
                    found.append(seen_as(exchange, TRAFFIC[kind].view))
                except Blocked as outcome:
                    blocked.append(outcome)
        if not found:
            reasons = self.evidence.unasked.values()
            reason = next((r for r in reasons if r == CUT or r.startswith("blocked by")), "")
            raise blocked[0] if blocked else _absent(f"the evidence has no {kind.replace('_', ' ')}", reason)
        return found

    def one(self, name: str, wanted: Any) -> Any:
        """The exchange or scenario `name` as `wanted`. Raises NotTestable, NotAsked or Blocked when it can't be had."""
        name = name.replace("_", "-")
        if wanted is Scene:
            if name in self.evidence.notes:
                if defect := self.evidence.notes[name].get("defect"):
                    raise RuntimeError(f"scenario {name}: {defect}")
                return Scene(name, self.evidence.notes[name], self.evidence.made_by.get(name, {}))
        elif name in self.evidence.exchanges:
            exchange = self.evidence.exchanges[name]
            return seen_as(exchange, VIEWS[wanted])
        raise _absent(f"the evidence has no exchange {name}", self.evidence.unasked.get(name, ""))


@dataclass(frozen=True)
class Signature:
    """What one test asks for: traffic it quantifies over, and named things with the view wanted."""

    every: str | None
    names: dict[str, Any]

    @property
    def named(self) -> list[str]:
        """The exchanges and scenarios it needs by name."""
        known = {*TRAFFIC, *WHOLE, *OTHERS}
        return [name.replace("_", "-") for name in self.names if name not in known]


@cache
def signature_of(check: Callable[..., None]) -> Signature:
    """Read a test's parameters. Raises TypeError for a test that quantifies twice or lacks a usable annotation."""
    hints = typing.get_type_hints(check)
    names = {name: hints.get(name) for name in inspect.signature(check).parameters}
    every = [name for name in names if name in TRAFFIC]
    if len(every) > 1:
        raise TypeError(f"{check.__name__} quantifies over {every}: one at most")
    known = {*TRAFFIC, *WHOLE, *OTHERS}
    for name, wanted in names.items():
        if name not in known and wanted not in (*VIEWS, Scene):
            raise TypeError(f"{check.__name__}: {name} needs an annotation: Exchange, Answer, Stream, Reply or Scene")
    return Signature(every[0] if every else None, names)


def calls(check: Callable[..., None], subjects: Subjects, bound: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The keyword arguments of every call that `check` needs; `bound` maps a parameter to the exchange it stands for.

    Raises an Outcome when something asked for can't be had.
    """
    signature = signature_of(check)
    fixed: dict[str, Any] = {}
    for name, wanted in signature.names.items():
        if name in WHOLE:
            fixed[name] = subjects.all_of(WHOLE[name])
        elif name in OTHERS:
            fixed[name] = {"facts": subjects.evidence.facts, "target": subjects.target, "evidence": subjects.evidence}[name]
        elif name not in TRAFFIC:
            fixed[name] = subjects.one(bound.get(name, name), wanted)
    if signature.every is None:
        yield fixed
        return
    for item in subjects.each(signature.every):
        yield fixed | {signature.every: item}


__all__ = ["Answer", "EventStream", "Exchange", "Outcome", "Reply", "Scene", "Stream", "Subjects", "calls", "signature_of"]
