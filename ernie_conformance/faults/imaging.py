"""What the faults of area 9 are made of: which requests they pick, and how a broken server treats pictures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from ernie_conformance.faults import pictures, where
from ernie_conformance.faults.edits import refused
from ernie_conformance.faults.fault import Response
from ernie_conformance.faults.pictures import url_of, with_url
from ernie_conformance.faults.questions import is_image, parts
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

SMALLEST = 28  # pixels: a patch of the real model
MANY = 4

with_images = where.images(1)
two_images = where.images(2)


def decoded(request: Request) -> list[Any]:
    return [image for url in where.image_urls(request) if (image := pictures.opened(url)) is not None]


def is_tiny(request: Request) -> bool:
    return any(min(image.size) < SMALLEST for image in decoded(request))


def claims_to_be_enormous(request: Request) -> bool:
    """A PNG header that promises more than 10,000 pixels a side."""
    found = (pictures.data_of(url) or b"" for url in where.image_urls(request))
    return any(data[:4] == b"\x89PNG" and int.from_bytes(data[16:20], "big") > 10_000 for data in found)


def without_pictures(request: Request) -> bytes:
    """The request's text: the key of a cache that forgets the pictures."""
    found = [part if not is_image(part) else "image" for part in where.parts(request)]
    return hashlib.sha256(repr((found, request.json.get("stream"))).encode()).digest()


def keyed(key: Callable[[Request], Any]) -> Callable[[Visit], Any]:
    """A cache of whole answers under a key that is too short."""

    async def act(visit: Visit) -> None:
        name = key(visit.request)
        if name not in visit.memory.kept:
            answer = await visit.fetch()
            if answer.status != 200:
                await visit.send(answer)
                return
            visit.memory.kept[name] = answer
        await visit.send(visit.memory.kept[name])

    return act


def sizes(request: Request) -> Any:
    return (without_pictures(request), tuple(image.size for image in decoded(request)))


def beginnings(request: Request) -> Any:
    return (without_pictures(request), tuple(url[:400] for url in where.image_urls(request)))


async def second_time_500(visit: Visit) -> None:
    body = hashlib.sha256(visit.request.body or b"").digest()
    if body in visit.memory.kept:
        await visit.say(refused(500, "cannot copy sequence with size 3577 to array axis with dimension 14"))
        return
    visit.memory.kept[body] = True
    await visit.relay()


async def tiny_kills(visit: Visit) -> None:
    if is_tiny(visit.request):
        visit.memory.dead = True
        visit.wire.reset()
    elif visit.memory.dead and visit.request.method == "POST":
        await visit.say(refused(500, "the runner is gone"))
    else:
        await visit.relay()


def read(url: str) -> bytes | None:
    """What stands at a URL or path of this machine or another: the hole that this fault is."""
    path = urlsplit(url)
    try:
        if path.scheme in ("http", "https"):
            with urlopen(url, timeout=5) as answer:
                return bytes(answer.read())
        return Path(path.path).read_bytes() if path.scheme in ("file", "") else None
    except (OSError, ValueError):
        return None


def fetching(wanted: Callable[[str], bool]) -> Callable[[Visit], Any]:
    """Fetch the pictures that `wanted` picks and put them into the request."""

    async def act(visit: Visit) -> None:
        found: dict[str, str] = {}
        for url in where.image_urls(visit.request):
            data = await asyncio.to_thread(read, url) if wanted(url) else None
            if data is not None:
                found[url] = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
        ask = parts(lambda had: [with_url(p, found[url_of(p)]) if url_of(p) in found else p for p in had])
        await visit.relay(request=ask(visit.request))

    return act


async def slow_fetch_blocks(visit: Visit) -> None:
    """While one picture can't be fetched, everybody waits."""
    gate = visit.memory.kept.setdefault("gate", asyncio.Lock())
    async with gate:
        if any(url.startswith("http") for url in where.image_urls(visit.request)):
            await asyncio.sleep(30)
        await visit.relay()


def all_images_first(found: list[Any]) -> list[Any]:
    return sorted(found, key=lambda part: not is_image(part))


def history_without_images(found: list[Any]) -> list[Any]:
    earlier = [
        {**m, "content": [p for p in m["content"] if not is_image(p)] or ""} if has_parts(m) else m for m in found[:-1]
    ]
    return earlier + found[-1:]


def has_parts(message: Any) -> bool:
    return isinstance(message, dict) and isinstance(message.get("content"), list)


def system_dropped(found: list[Any]) -> list[Any]:
    return [message for message in found if message.get("role") != "system"]


def unpadded(url: str) -> bool:
    payload = url.partition(",")[2]
    return url.startswith("data:") and len(payload) % 4 != 0


def has_detail(request: Request) -> bool:
    return any(
        "detail" in part.get("image_url", {}) for part in where.parts(request) if isinstance(part.get("image_url"), dict)
    )


def is_data(url: str) -> bool:
    return url.startswith("data:")


def is_kind(kind: str) -> Callable[[Request], bool]:
    """Does the request carry a picture of this declared kind?"""
    return lambda request: any(url.startswith(f"data:image/{kind}") for url in where.image_urls(request))


def mode(*modes: str) -> Callable[[Request], bool]:
    return lambda request: any(image.mode in modes for image in decoded(request))


def image_only(request: Request) -> bool:
    return with_images(request) and not any(part.get("type") == "text" for part in where.parts(request))


def empty_answer(_: Request, response: Response) -> Response:
    return replace(response.with_body(b"", 0.0).with_header("content-type", "text/event-stream"), status=200)


def is_large(request: Request) -> bool:
    return any(max(image.size) > 1024 for image in decoded(request))


def is_wide(request: Request) -> bool:
    return any(max(image.size) > 8 * min(image.size) for image in decoded(request))
