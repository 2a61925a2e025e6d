"""The toolbox that question faults are made of: what the server gets to see instead of what was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ernie_conformance.faults.fault import Ask
from ernie_conformance.faults.frames import compact
from ernie_conformance.faults.objects import Change, drop
from ernie_conformance.wire.exchange import Request


def body(*changes: Change) -> Ask:
    """Change the JSON body of the request; one that isn't JSON goes on as it is."""

    def ask(request: Request) -> Request:
        if not request.json:
            return request
        data = dict(Request("POST", "/", body=request.body).json)  # a copy that may be changed
        for step in changes:
            step(data)
        return replace(request, body=compact(data))

    return ask


def unset(*fields: str) -> Ask:
    """Ask without these fields."""
    return body(*(drop(field) for field in fields))


def messages(fn: Callable[[list[Any]], list[Any]]) -> Ask:
    """Change the list of messages; a list that holds anything but objects goes on as it is."""

    def change(data: dict[str, Any]) -> None:
        found = data.get("messages")
        if isinstance(found, list) and all(isinstance(message, dict) for message in found):
            data["messages"] = fn(found)

    return body(change)


def parts(fn: Callable[[list[Any]], list[Any]]) -> Ask:
    """Change the content parts of every message that has parts."""

    def change(message: Any) -> Any:
        if isinstance(message.get("content"), list):
            return {**message, "content": fn(message["content"])}
        return message

    return messages(lambda found: [change(message) for message in found])


def is_image(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "image_url"


def images(fn: Callable[[list[Any]], list[Any]]) -> Ask:
    """Change the list of image parts of each message; text parts keep their places, as many images follow as are left."""

    def change(content: list[Any]) -> list[Any]:
        left = fn([part for part in content if is_image(part)])
        kept: list[Any] = []
        for part in content:
            if not is_image(part):
                kept.append(part)
            elif left:
                kept.append(left.pop(0))
        return kept + left

    return parts(change)
