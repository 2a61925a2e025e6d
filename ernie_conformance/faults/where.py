"""Which requests a fault applies to."""

from __future__ import annotations

import zlib
from typing import Any

from ernie_conformance.faults.fault import Where
from ernie_conformance.wire.exchange import Request


def both(*tests: Where) -> Where:
    """All of the tests hold."""
    return lambda request: all(test(request) for test in tests)


def either(*tests: Where) -> Where:
    """At least one of the tests holds."""
    return lambda request: any(test(request) for test in tests)


def lacks(test: Where) -> Where:
    """The test doesn't hold."""
    return lambda request: not test(request)


def one_in(count: int) -> Where:
    """One request in so many, told by its bytes: always the same ones."""
    return lambda request: zlib.crc32(request.body or b"") % count == 0


def chat(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/chat/completions")


def completions(request: Request) -> bool:
    """A text completion."""
    return request.method == "POST" and request.path.endswith("/completions") and not chat(request)


def streamed(request: Request) -> bool:
    return request.json.get("stream") is True


def unstreamed(request: Request) -> bool:
    return request.method == "POST" and not streamed(request)


def path(ending: str) -> Where:
    """The path without its query ends so."""
    return lambda request: request.path.split("?")[0].endswith(ending)


def method(name: str) -> Where:
    return lambda request: request.method == name


def asks(*fields: str) -> Where:
    """Every field stands in the body, and not as null."""
    return lambda request: all(request.json.get(field) is not None for field in fields)


def messages(request: Request) -> list[dict[str, Any]]:
    """The messages of a chat request that are objects."""
    found = request.json.get("messages")
    return [message for message in found if isinstance(message, dict)] if isinstance(found, list) else []


def roles(request: Request) -> list[Any]:
    return [message.get("role") for message in messages(request)]


def has_role(role: str) -> Where:
    return lambda request: role in roles(request)


def parts(request: Request) -> list[dict[str, Any]]:
    """Every content part of every message."""
    contents = [message.get("content") for message in messages(request)]
    return [part for content in contents if isinstance(content, list) for part in content if isinstance(part, dict)]


def image_urls(request: Request) -> list[str]:
    """The URLs of all image parts, in order."""
    found = []
    for part in parts(request):
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if part.get("type") == "image_url" and isinstance(url, str):
            found.append(url)
    return found


def images(least: int, most: int = 1000) -> Where:
    """So many image parts."""
    return lambda request: least <= len(image_urls(request)) <= most


def thinking(request: Request) -> bool:
    """Is thinking not turned off by one of the documented switches?"""
    body = request.json
    switches = [body.get(name) for name in ("chat_template_kwargs", "metadata")]
    return not any(isinstance(s, dict) and s.get("enable_thinking") is False for s in switches)


def prompt_text(request: Request) -> str:
    """All text of the messages or the prompt."""
    contents = [m.get("content") for m in messages(request)] + [request.json.get("prompt")]
    said = [text for text in contents if isinstance(text, str)]
    return "\n".join(said + [part["text"] for part in parts(request) if isinstance(part.get("text"), str)])
