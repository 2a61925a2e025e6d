"""POST /v1/chat/completions: from a checked body to a script, and from the writing to chunks or one object."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from ernie_conformance.reference import compose, conversation, delivery, fields, formats, tools
from ernie_conformance.reference.conversation import Conversation
from ernie_conformance.reference.engine import Engine
from ernie_conformance.reference.errors import Refused
from ernie_conformance.reference.options import Options
from ernie_conformance.reference.sampling import Ranked, Sampler
from ernie_conformance.reference.writing import CONTENT, REASONING, TOOL, Limits, Piece, Script, Writing

_LONG = 2000  # tokens of a prompt that is read beside the event loop; shorter ones keep their place in the queue
_THINKING = {"enable_thinking": fields.boolean, "reasoning_max_tokens": fields.integer(0)}


def _extras(value: Any, name: str) -> dict[str, Any]:
    """FastDeploy's control fields inside `metadata` and `chat_template_kwargs`; other keys are the client's own."""
    found = fields.mapping(value, name)
    return {key: check(found[key], f"{name}.{key}") for key, check in _THINKING.items() if found.get(key) is not None}


FIELDS: Mapping[str, fields.Check] = {
    **fields.SHARED,
    **_THINKING,
    "max_completion_tokens": fields.integer(1),
    "response_max_tokens": fields.integer(1),
    "logprobs": fields.boolean,
    "top_logprobs": fields.integer(0, 20),
    "metadata": _extras,
    "chat_template_kwargs": _extras,
}


@dataclass
class Chat:
    """One checked request, and what is needed to answer it."""

    model: str
    values: Mapping[str, Any]
    prompt_tokens: int
    writings: list[Writing]
    limit: int
    cached_tokens: int = 0
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4()}")
    created: int = field(default_factory=lambda: int(time.time()))

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def usage(self) -> dict[str, Any]:
        """Tokens so far; those of all choices together."""
        answer = sum(writing.tokens for writing in self.writings)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": answer,
            "total_tokens": self.prompt_tokens + answer,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": sum(writing.thought_tokens for writing in self.writings)},
        }

    def logprobs(self, pieces: list[Piece]) -> dict[str, Any] | None:
        if not self.values.get("logprobs"):
            return None
        most = self.values.get("top_logprobs", 0)
        return {"content": [_entry(text, one, most) for piece in pieces for text, one in piece.ranked], "refusal": None}


async def prepare(body: Mapping[str, Any], options: Options) -> Chat:
    """Check a request completely, decode its images, and decide what will be said. Raises Refused."""
    model = fields.check_model(body, options.names)
    values = fields.read(body, FIELDS)
    fields.check_stream(values)
    if "top_logprobs" in values and not values.get("logprobs"):
        raise Refused("'top_logprobs' is only allowed when 'logprobs' is true.", "top_logprobs")
    talk = conversation.read(body, options.enable_mm)
    _fits(talk.at_least, options.max_model_len, "at least ")
    talk = await conversation.with_pictures(talk)
    prompt_tokens = talk.tokens
    _fits(prompt_tokens, options.max_model_len)
    thinks = _switch(values, "enable_thinking", True) and options.reasoning_parser is not None
    limits = _limits(values, options.max_model_len - prompt_tokens, thinks)
    if prompt_tokens > _LONG:  # takes a while; streams go on meanwhile
        script = await asyncio.to_thread(_script, body, talk, thinks)
    else:
        script = _script(body, talk, thinks)
    writings = [Writing(script, limits, Sampler(fields.settings(values), choice)) for choice in range(values.get("n", 1))]
    return Chat(model, values, prompt_tokens, writings, limits.total)


def _script(body: Mapping[str, Any], talk: Conversation, thinks: bool) -> Script:
    """Calls where tools are asked for, else a JSON document where one is demanded, else a report; a thought before."""
    box, schema = tools.read(body), formats.read(body)
    script = compose.script(talk)
    calls = tools.calls(box, talk)
    if calls:
        script = replace(script, calls=calls)
    elif schema is not None:
        script = replace(script, answer=[formats.answer(schema, talk)], more=())
    return script if thinks else replace(script, thought=())


def _switch(values: Mapping[str, Any], name: str, default: Any) -> Any:
    """A control field, wherever it was sent; the template's own place wins."""
    places = (values.get("chat_template_kwargs", {}), values, values.get("metadata", {}))
    return next((place[name] for place in places if name in place), default)


def _limits(values: Mapping[str, Any], room: int, thinks: bool) -> Limits:
    """What the request allows, within the `room` that the context leaves; more is clamped, as the engine does."""
    asked = [values[name] for name in ("max_tokens", "max_completion_tokens") if name in values]
    if not thinks and "response_max_tokens" in values:
        asked.append(values["response_max_tokens"])
    total = min([*asked, room])
    least = values.get("min_tokens", 0)
    if least > min(asked, default=least):
        raise Refused(f"'min_tokens' must be at most 'max_tokens' ({min(asked)}), got {least}.", "min_tokens")
    thought = _switch(values, "reasoning_max_tokens", max(1, int(0.8 * total)) if asked else None)
    return Limits(total, thought, least, values.get("stop", ()), frozenset(values.get("stop_token_ids", ())))


def _fits(tokens: int, most: int, about: str = "") -> None:
    """At least one token must be left for the answer."""
    if tokens >= most:
        raise Refused(
            f"This model's maximum context length is {most} tokens, answer included; your messages have {about}{tokens}.",
            "messages",
            "context_length_exceeded",
        )


async def answer(chat: Chat, engine: Engine) -> dict[str, Any]:
    """The whole answer as one `chat.completion` object."""
    said: list[list[Piece]] = [[] for _ in chat.writings]
    async with aclosing(engine.run(chat.writings, chat.prompt_tokens, chat.limit)) as steps:
        async for index, pieces in steps:
            if index >= 0:
                said[index] += pieces
    choices = [_choice(chat, index, pieces) for index, pieces in enumerate(said)]
    return {**chat.head("chat.completion"), "choices": choices, "usage": chat.usage()}


def _choice(chat: Chat, index: int, pieces: list[Piece]) -> dict[str, Any]:
    text = {channel: "".join(p.text for p in pieces if p.channel == channel) for channel in (REASONING, CONTENT)}
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text[CONTENT],
        "reasoning_content": text[REASONING],
        "refusal": None,
    }
    starts = [piece for piece in pieces if piece.start]
    if starts:
        message["content"] = None
        message["tool_calls"] = [
            _call(piece, "".join(p.text for p in pieces if p.channel == TOOL and p.call == piece.call)) for piece in starts
        ]
    logprobs = chat.logprobs([piece for piece in pieces if piece.channel == CONTENT])
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": chat.writings[index].finish}


def _call(piece: Piece, arguments: str) -> dict[str, Any]:
    assert piece.start is not None
    return {"id": piece.start.id, "type": "function", "function": {"name": piece.start.name, "arguments": arguments}}


async def stream(chat: Chat, engine: Engine) -> AsyncGenerator[bytes, None]:
    """The answer as events: role, a delta a token, finish, usage when asked for, [DONE]."""
    options = chat.values.get("stream_options", {})
    wants_usage, running_usage = options.get("include_usage", False), options.get("continuous_usage_stats", False)

    def chunk(index: int, delta: dict[str, Any], logprobs: Any = None, finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        value = {**chat.head("chat.completion.chunk"), "choices": [choice]}
        if wants_usage or running_usage:
            value["usage"] = chat.usage() if running_usage else None
        return delivery.event(value)

    open_choices = set(range(len(chat.writings)))
    async with aclosing(engine.run(chat.writings, chat.prompt_tokens, chat.limit)) as steps:
        async for index, pieces in steps:
            if index < 0:
                for choice in sorted(open_choices):
                    yield chunk(choice, {"role": "assistant", "content": ""})
                continue
            for piece in pieces:
                logprobs = chat.logprobs([piece]) if piece.channel == CONTENT else None
                if piece.text or piece.start or logprobs:
                    yield chunk(index, _delta(piece), logprobs)
            finish = chat.writings[index].finish
            if finish and index in open_choices:
                open_choices.remove(index)
                yield chunk(index, {"content": ""}, finish=finish)  # clients print `content` of every delta: never None
    if wants_usage:
        yield delivery.event({**chat.head("chat.completion.chunk"), "choices": [], "usage": chat.usage()})
    yield delivery.DONE


def _delta(piece: Piece) -> dict[str, Any]:
    if piece.channel == REASONING:
        return {"content": "", "reasoning_content": piece.text}
    if piece.channel == CONTENT:
        return {"content": piece.text}
    if piece.start:
        return {"tool_calls": [{"index": piece.call, **_call(piece, "")}]}
    return {"tool_calls": [{"index": piece.call, "function": {"arguments": piece.text}}]}


def _entry(text: str, ranked: Ranked, most: int) -> dict[str, Any]:
    """A token as the API tells it. The first bytes of a character have no text; its last byte carries all of it."""
    top = [{"token": _text(token), "logprob": share, "bytes": list(token)} for token, share in ranked.top[:most]]
    return {"token": text, "logprob": ranked.logprob, "bytes": list(ranked.token), "top_logprobs": top}


def _text(token: bytes) -> str:
    return token.decode("utf-8", errors="ignore")
