"""Exchanges as data: what to send, what is owed for it, and under which circumstances."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ernie_conformance.wire.exchange import ANSWER, REFUSAL, Request

if TYPE_CHECKING:
    from ernie_conformance.gather.stage import Stage

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
MODEL = object()  # stands in a body where the target's model name belongs
JSON_HEADERS = (("Content-Type", "application/json"),)

UNLIMITED = 512  # tokens that we reckon with for a usual request that sets no limit, or one beyond any answer
MOST = 4096

# Both switches that engines read: chat_template_kwargs, and the metadata of FastDeploy 2.0.
NO_THINKING: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": False}, "metadata": {"enable_thinking": False}}


@dataclass(frozen=True)
class Ask:
    """One request. `body` is a JSON object (MODEL is filled in) or raw bytes.

    `needs`: capabilities without which it isn't sent. `alone`: nothing else may run beside it.
    `disruptive`: it may hang or kill a server. `last`: no sound server minds it, but some have died of it, so it is asked
    after everything else. `core`: asked whenever any traffic is.
    `metrics`: it goes to the metrics address. `tokens`: what the answer may come to where the request sets no limit.
    """

    name: str
    body: Mapping[str, Any] | bytes | None = None
    path: str = CHAT
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = JSON_HEADERS
    expects: str = ANSWER
    needs: tuple[str, ...] = ()
    alone: bool = False
    disruptive: bool = False
    last: bool = False
    core: bool = False
    metrics: bool = False
    tokens: int = UNLIMITED

    @property
    def thinks(self) -> bool:
        """Is the thinking switch on while this is answered? Phases keep on and off apart."""
        if not isinstance(self.body, Mapping):
            return False
        switch = self.body.get("chat_template_kwargs") or self.body.get("metadata") or {}
        return not (isinstance(switch, Mapping) and switch.get("enable_thinking") is False)

    @property
    def most_tokens(self) -> int:
        """Completion tokens that it may cost: its limit for each choice, a guess where it sets none."""
        if not isinstance(self.body, Mapping) or self.expects == REFUSAL or self.method != "POST":
            return 0
        limits = [self.body.get(key) for key in ("max_tokens", "max_completion_tokens")]
        limit = min((one for one in limits if type(one) is int and one > 0), default=self.tokens)
        choices = self.body.get("n")
        return (limit if limit <= MOST else self.tokens) * (choices if type(choices) is int and 0 < choices <= MOST else 1)

    def renamed(self, name: str) -> Ask:
        return replace(self, name=name)

    def request(self, model: str) -> Request:
        """The request for a target whose model is called `model`."""
        body: bytes | None
        if isinstance(self.body, Mapping):
            filled = {key: model if value is MODEL else value for key, value in self.body.items()}
            body = json.dumps(filled, ensure_ascii=False).encode("utf-8", errors="surrogatepass")
        else:
            body = self.body
        return Request(self.method, self.path, self.headers if body is not None else (), body)


def cost_of(asks: Sequence[Ask]) -> dict[str, Any]:
    """Requests and completion tokens that these cost at most, as a scenario tells them."""
    return {"requests": len(asks), "tokens": sum(ask.most_tokens for ask in asks)}


def user(content: Any) -> list[dict[str, Any]]:
    """The messages of a single user turn."""
    return [{"role": "user", "content": content}]


def chat(name: str, messages: str | list[dict[str, Any]], *, thinking: bool = False, **rest: Any) -> Ask:
    """A chat request. Keywords of Ask (needs, alone, core, ...) are taken as such, all others are request fields."""
    ask = {key: rest.pop(key) for key in list(rest) if key in Ask.__dataclass_fields__}
    body = {"model": MODEL, "messages": user(messages) if isinstance(messages, str) else messages}
    return Ask(name, {**body, **({} if thinking else NO_THINKING), **rest}, **ask)


def both(name: str, messages: str | list[dict[str, Any]], **rest: Any) -> tuple[Ask, Ask]:
    """The same chat request twice: `NAME` without and `NAME-stream` with streaming (and usage)."""
    streamed: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    return chat(name, messages, **rest), chat(f"{name}-stream", messages, **streamed, **rest)


def completion(name: str, prompt: Any, **rest: Any) -> Ask:
    """A text-completions request; keywords as for `chat`."""
    ask = {key: rest.pop(key) for key in list(rest) if key in Ask.__dataclass_fields__}
    ask["needs"] = ("completions", *ask.get("needs", ()))
    return Ask(name, {"model": MODEL, "prompt": prompt, **rest}, COMPLETIONS, **ask)


def get(name: str, path: str, **ask: Any) -> Ask:
    """A GET request."""
    return Ask(name, None, path, "GET", (), **ask)


def refused(name: str, body: Mapping[str, Any] | bytes | None, **ask: Any) -> Ask:
    """A request that a server must refuse with a 4xx."""
    return Ask(name, body, expects=REFUSAL, **ask)


@dataclass(frozen=True)
class Scenario:
    """Several dependent requests. `play` sends them through the stage and returns what it noted."""

    name: str
    play: Callable[[Stage], Awaitable[dict[str, Any]]]
    needs: tuple[str, ...] = ()
    alone: bool = True
    wording: bool = False  # alone only lest a batch change its words: beside others where the target's batches don't
    thinks: bool = False
    disruptive: bool = False
    last: int = 0  # 0: among all others; 1: on a server that isn't sound it may spoil what comes after it; 2, 3: even later
    core: bool = False
    makes: tuple[str, ...] = ()  # the exchanges that tests may ask for by name
    requests: int = 0  # that it sends; 0: as many as it makes
    tokens: int = 0  # completion tokens that it may cost; of clients who leave, those of a server that notices
    long: bool = False  # takes the minutes that the operator gives it, so it is played only when they were given
    undaunted: bool = False  # played even where the server was given up, to see whether it lives
    by_slots: bool = False  # requests and tokens are told for 32 slots, and grow with them
