"""Messages of a chat request: checked, and turned into turns of texts and pictures, with their price in tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ernie_conformance.reference import fields, tokenizer, vision
from ernie_conformance.reference.errors import Refused

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
DETAILS = ("auto", "low", "high")
_OPENING, _TURN, _ANSWER = 1, 3, 2  # tokens of the template: once, for each turn, and where the answer starts


@dataclass(frozen=True)
class Link:
    """An image that isn't decoded yet."""

    url: str
    where: str


Part = str | Link | vision.Picture


@dataclass(frozen=True)
class Turn:
    role: str
    parts: tuple[Part, ...]
    calls: tuple[str, ...] = ()  # earlier tool calls, as told in the prompt

    @property
    def text(self) -> str:
        return "\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def tokens(self) -> int:
        return _TURN + sum(
            part.tokens if isinstance(part, vision.Picture) else tokenizer.count(part)
            for part in (*self.parts, *self.calls)
            if not isinstance(part, Link)
        )


@dataclass(frozen=True)
class Conversation:
    turns: tuple[Turn, ...]
    tools: str = ""  # their definitions as told in the prompt

    @property
    def tokens(self) -> int:
        return _OPENING + sum(turn.tokens for turn in self.turns) + tokenizer.count(self.tools) + _ANSWER

    @property
    def at_least(self) -> int:
        """A lower bound of `tokens` that costs nothing."""
        return sum(tokenizer.at_least(part) for turn in self.turns for part in turn.parts if isinstance(part, str))

    @property
    def last_user(self) -> str:
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user" and turn.text), "")

    @property
    def pictures(self) -> list[vision.Picture]:
        return [part for turn in self.turns for part in turn.parts if isinstance(part, vision.Picture)]


def read(body: Mapping[str, Any], takes_images: bool) -> Conversation:
    """The conversation of a request body, images still as links."""
    if "messages" not in body:
        raise Refused("'messages' is required.", "messages", "missing_required_parameter")
    messages = fields.list_of(fields.mapping)(body["messages"], "messages")
    if not messages:
        raise Refused("'messages' must hold at least one message.", "messages")
    turns = tuple(_turn(message, f"messages[{index}]") for index, message in enumerate(messages))
    links = sum(isinstance(part, Link) for turn in turns for part in turn.parts)
    if links and not takes_images:
        raise Refused("This server was started without --enable-mm and takes no images.", "messages")
    if links > vision.MOST_IMAGES:
        raise Refused(f"'messages' holds {links} images; the limit is {vision.MOST_IMAGES}.", "messages")
    tools = json.dumps(body["tools"], ensure_ascii=False) if body.get("tools") else ""
    return Conversation(turns, tools)


async def with_pictures(conversation: Conversation) -> Conversation:
    """The same conversation, its images decoded, off the event loop."""
    if not any(isinstance(part, Link) for turn in conversation.turns for part in turn.parts):
        return conversation
    return await asyncio.to_thread(_decoded, conversation)


def _decoded(conversation: Conversation) -> Conversation:
    return replace(
        conversation,
        turns=tuple(
            replace(turn, parts=tuple(_look(part) if isinstance(part, Link) else part for part in turn.parts))
            for turn in conversation.turns
        ),
    )


def _look(link: Link) -> vision.Picture:
    return vision.look(vision.data_of(link.url, link.where), link.where)


def _turn(message: Mapping[str, Any], where: str) -> Turn:
    if "role" not in message:
        raise Refused(f"'{where}.role' is required.", f"{where}.role", "missing_required_parameter")
    role = fields.one_of(*ROLES)(message["role"], f"{where}.role")
    calls = _calls(message.get("tool_calls"), f"{where}.tool_calls") if role == "assistant" else ()
    if role == "tool":
        fields.text(message.get("tool_call_id"), f"{where}.tool_call_id")
    content = message.get("content")
    if content is None:
        if role != "assistant" or not (calls or message.get("function_call")):
            raise Refused(f"'{where}.content' must be a string or an array of parts.", f"{where}.content")
        return Turn(role, (), calls)
    parts = _parts(content, f"{where}.content")
    if not parts and role != "assistant":
        raise Refused(f"'{where}.content' must hold at least one part.", f"{where}.content")
    return Turn(role, parts, calls)


def _parts(content: Any, where: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (content,)
    return tuple(fields.list_of(_part)(content, where))


def _part(part: Any, where: str) -> Part:
    kind = fields.text(fields.mapping(part, where).get("type"), f"{where}.type")
    if kind == "text":
        return str(fields.text(part.get("text"), f"{where}.text"))
    if kind != "image_url":
        raise Refused(f"'{where}.type' must be text or image_url, got '{kind[:40]}'.", f"{where}.type")
    image = fields.mapping(part.get("image_url"), f"{where}.image_url")
    if image.get("url") is None:
        raise Refused(f"'{where}.image_url.url' is required; only data URIs are taken.", f"{where}.image_url.url")
    if image.get("detail") is not None:
        fields.one_of(*DETAILS)(image["detail"], f"{where}.image_url.detail")
    return Link(fields.text(image.get("url"), f"{where}.image_url.url"), f"{where}.image_url.url")


def _calls(value: Any, where: str) -> tuple[str, ...]:
    calls = []
    for index, call in enumerate(fields.list_of(fields.mapping)(value or [], where)):
        function = fields.mapping(call.get("function"), f"{where}[{index}].function")
        calls.append(fields.text(function.get("name"), f"{where}[{index}].function.name"))
        calls.append(fields.text(function.get("arguments"), f"{where}[{index}].function.arguments"))
    return tuple(calls)
