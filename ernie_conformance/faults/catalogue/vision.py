"""Area 9: pictures, from the request to what the model sees."""

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
from ernie_conformance.faults.catalogue.errors import bad_image
from ernie_conformance.faults.catalogue.usage import recount
from ernie_conformance.faults.edits import errors, instead, refused, replies, status
from ernie_conformance.faults.fault import Fault, Response, behaviour, question, rewrite
from ernie_conformance.faults.frames import compact
from ernie_conformance.faults.pictures import painted, url_of, with_url
from ernie_conformance.faults.questions import images, is_image, messages, parts
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

SMALLEST = 28  # pixels: a patch of the real model
MANY = 4

with_images = where.images(1)
two_images = where.images(2)


def _pictures(request: Request) -> list[Any]:
    return [image for url in where.image_urls(request) if (image := pictures.opened(url)) is not None]


def _is_tiny(request: Request) -> bool:
    return any(min(image.size) < SMALLEST for image in _pictures(request))


def _without_pictures(request: Request) -> bytes:
    """The request's text: the key of a cache that forgets the pictures."""
    found = [part if not is_image(part) else "image" for part in where.parts(request)]
    return hashlib.sha256(repr((found, request.json.get("stream"))).encode()).digest()


def _keyed(key: Callable[[Request], Any]) -> Callable[[Visit], Any]:
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


def _sizes(request: Request) -> Any:
    return (_without_pictures(request), tuple(image.size for image in _pictures(request)))


def _beginnings(request: Request) -> Any:
    return (_without_pictures(request), tuple(url[:400] for url in where.image_urls(request)))


async def _second_time_500(visit: Visit) -> None:
    body = hashlib.sha256(visit.request.body or b"").digest()
    if body in visit.memory.kept:
        await visit.say(refused(500, "cannot copy sequence with size 3577 to array axis with dimension 14"))
        return
    visit.memory.kept[body] = True
    await visit.relay()


async def _tiny_kills(visit: Visit) -> None:
    if _is_tiny(visit.request):
        visit.memory.dead = True
        visit.wire.reset()
    elif visit.memory.dead and visit.request.method == "POST":
        await visit.say(refused(500, "the runner is gone"))
    else:
        await visit.relay()


def _read(url: str) -> bytes | None:
    """What stands at a URL or path of this machine or another: the hole that this fault is."""
    path = urlsplit(url)
    try:
        if path.scheme in ("http", "https"):
            with urlopen(url, timeout=5) as answer:
                return bytes(answer.read())
        return Path(path.path).read_bytes() if path.scheme in ("file", "") else None
    except (OSError, ValueError):
        return None


def _fetching(wanted: Callable[[str], bool]) -> Callable[[Visit], Any]:
    """Fetch the pictures that `wanted` picks and put them into the request."""

    async def act(visit: Visit) -> None:
        found: dict[str, str] = {}
        for url in where.image_urls(visit.request):
            data = await asyncio.to_thread(_read, url) if wanted(url) else None
            if data is not None:
                found[url] = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
        ask = parts(lambda had: [with_url(p, found[url_of(p)]) if url_of(p) in found else p for p in had])
        await visit.relay(request=ask(visit.request))

    return act


async def _slow_fetch_blocks(visit: Visit) -> None:
    """While one picture can't be fetched, everybody waits."""
    gate = visit.memory.kept.setdefault("gate", asyncio.Lock())
    async with gate:
        if any(url.startswith("http") for url in where.image_urls(visit.request)):
            await asyncio.sleep(30)
        await visit.relay()


def _all_images_first(found: list[Any]) -> list[Any]:
    return sorted(found, key=lambda part: not is_image(part))


def _history_without_images(found: list[Any]) -> list[Any]:
    earlier = [
        {**m, "content": [p for p in m["content"] if not is_image(p)] or ""} if _has_parts(m) else m for m in found[:-1]
    ]
    return earlier + found[-1:]


def _has_parts(message: Any) -> bool:
    return isinstance(message, dict) and isinstance(message.get("content"), list)


def _system_dropped(found: list[Any]) -> list[Any]:
    return [message for message in found if message.get("role") != "system"]


def _unpadded(url: str) -> bool:
    payload = url.partition(",")[2]
    return url.startswith("data:") and len(payload) % 4 != 0


def _has_detail(request: Request) -> bool:
    return any(
        "detail" in part.get("image_url", {}) for part in where.parts(request) if isinstance(part.get("image_url"), dict)
    )


def _is_data(url: str) -> bool:
    return url.startswith("data:")


def is_kind(kind: str) -> Callable[[Request], bool]:
    """Does the request carry a picture of this declared kind?"""
    return lambda request: any(url.startswith(f"data:image/{kind}") for url in where.image_urls(request))


def _mode(*modes: str) -> Callable[[Request], bool]:
    return lambda request: any(image.mode in modes for image in _pictures(request))


def _image_only(request: Request) -> bool:
    return with_images(request) and not any(part.get("type") == "text" for part in where.parts(request))


def _empty_answer(_: Request, response: Response) -> Response:
    return replace(response.with_body(b"", 0.0).with_header("content-type", "text/event-stream"), status=200)


def _is_large(request: Request) -> bool:
    return any(max(image.size) > 1024 for image in _pictures(request))


def _is_wide(request: Request) -> bool:
    return any(max(image.size) > 8 * min(image.size) for image in _pictures(request))


FAULTS: tuple[Fault, ...] = (
    behaviour("vis-cache-wrong-image", "", _keyed(_without_pictures), where=with_images),
    question("vis-image-ignored", "", images(lambda _: []), where=with_images),
    behaviour("vis-second-identical-crash", "", _second_time_500, where=with_images),
    behaviour("vis-tiny-crash", "", _tiny_kills),
    rewrite(
        "vis-bad-base64-500",
        "",
        errors(status(500)),
        where=lambda r: any(_is_data(u) and pictures.data_of(u) is None for u in where.image_urls(r)),
    ),
    rewrite("vis-corrupt-500", "", errors(status(500)), where=bad_image),
    rewrite(
        "vis-data-uri-rejected",
        "",
        refused(400, "illegal base64 data at input byte 4"),
        where=lambda r: any(map(_is_data, where.image_urls(r))),
    ),
    question("vis-multi-image-last-only", "", images(lambda found: found[-1:]), where=two_images),
    question("vis-order-stacked", "", parts(_all_images_first), where=with_images),
    question("vis-exif-ignored", "", painted(pictures.as_stored, pictures.is_turned), where=with_images),
    rewrite(
        "vis-system-message",
        "",
        refused(400, "Prompting with images is incompatible with system messages"),
        where=where.both(with_images, where.has_role("system")),
    ),
    rewrite("vis-too-many-images", "", errors(_empty_answer), where=where.images(MANY + 1)),
    question(
        "vis-url-not-supported",
        "",
        parts(lambda found: [p for p in found if not url_of(p).startswith("http")]),
        where=with_images,
    ),
    rewrite(
        "vis-base64-padding", "", refused(500, "Incorrect padding"), where=lambda r: any(map(_unpadded, where.image_urls(r)))
    ),
    rewrite("vis-detail-ignored", "", refused(400, "image_url.detail: extra fields not permitted"), where=_has_detail),
    question(
        "own-image-first-only",
        "",
        images(lambda found: found[:1]),
        where=two_images,
        title="only the first image is seen",
        severity="critical",
    ),
    question(
        "own-images-swapped",
        "",
        images(lambda found: found[::-1]),
        where=two_images,
        title="images change places",
        severity="critical",
    ),
    question(
        "own-image-doubled",
        "",
        images(lambda found: found[:1] * len(found)),
        where=two_images,
        title="the first image stands for all",
        severity="critical",
    ),
    question(
        "own-image-in-history-lost",
        "",
        messages(_history_without_images),
        where=with_images,
        title="images of earlier turns are dropped",
        severity="high",
    ),
    question(
        "own-image-text-lost",
        "",
        parts(lambda found: [p for p in found if is_image(p)] or found),
        where=with_images,
        title="text beside an image is dropped",
        severity="critical",
    ),
    question(
        "own-image-system-dropped",
        "",
        messages(_system_dropped),
        where=with_images,
        title="the system message is dropped when an image comes",
        severity="high",
    ),
    question(
        "own-image-blank",
        "",
        painted(pictures.blank),
        where=with_images,
        title="the model sees a grey area",
        severity="critical",
    ),
    question(
        "own-image-bgr",
        "",
        painted(pictures.channels_swapped),
        where=with_images,
        title="red and blue are swapped",
        severity="high",
    ),
    question(
        "own-image-flipped",
        "",
        painted(pictures.flipped),
        where=with_images,
        title="images stand on their head",
        severity="high",
    ),
    question(
        "own-image-mirrored", "", painted(pictures.mirrored), where=with_images, title="images are mirrored", severity="high"
    ),
    question(
        "own-image-transposed",
        "",
        painted(pictures.turned),
        where=with_images,
        title="rows are taken for columns",
        severity="high",
    ),
    question("own-image-grey", "", painted(pictures.grey), where=with_images, title="colours are lost", severity="high"),
    question(
        "own-image-inverted",
        "",
        painted(pictures.inverted),
        where=with_images,
        title="colours are inverted",
        severity="high",
    ),
    question(
        "own-image-shrunk",
        "",
        painted(pictures.shrunk(1)),
        where=with_images,
        title="images are scaled down to one colour",
        severity="high",
    ),
    question(
        "own-image-cropped",
        "",
        painted(pictures.cropped),
        where=with_images,
        title="wide images lose their sides",
        severity="high",
    ),
    question(
        "own-image-tile",
        "",
        painted(pictures.upper_left),
        where=with_images,
        title="only the first tile is seen",
        severity="high",
    ),
    question(
        "own-image-alpha-black",
        "",
        painted(pictures.on_black, pictures.has_alpha),
        where=with_images,
        title="transparent becomes black",
        severity="low",
    ),
    question(
        "own-image-large-shrunk",
        "",
        painted(pictures.shrunk(2), lambda image: max(image.size) > 1024),
        where=with_images,
        title="large images lose their content",
        severity="high",
    ),
    rewrite(
        "own-image-grey-500",
        "",
        refused(500, "too many values to unpack (expected 3)"),
        where=_mode("L", "LA", "1"),
        title="greyscale images fail",
        severity="high",
    ),
    rewrite(
        "own-image-alpha-500",
        "",
        refused(500, "normalize: 4 channels"),
        where=_mode("RGBA", "LA", "P", "PA"),
        title="images with alpha fail",
        severity="high",
    ),
    rewrite(
        "own-image-cmyk-500",
        "",
        refused(500, "cannot write mode CMYK as PNG"),
        where=_mode("CMYK"),
        title="CMYK images fail",
        severity="medium",
    ),
    rewrite(
        "own-image-webp-refused",
        "",
        refused(400, "unsupported image format"),
        where=is_kind("webp"),
        title="WebP is refused",
        severity="medium",
    ),
    rewrite(
        "own-image-jpeg-refused",
        "",
        refused(400, "unsupported image format"),
        where=is_kind("jpeg"),
        title="JPEG is refused",
        severity="critical",
    ),
    rewrite(
        "own-image-large-413",
        "",
        refused(413, "Request Entity Too Large"),
        where=_is_large,
        title="large images are refused",
        severity="high",
    ),
    rewrite(
        "own-image-wide-500",
        "",
        refused(500, "absolute aspect ratio must be smaller than 8"),
        where=_is_wide,
        title="very wide images fail",
        severity="medium",
    ),
    rewrite(
        "own-image-only-500",
        "",
        refused(500, "list index out of range"),
        where=_image_only,
        title="an image without text fails",
        severity="high",
    ),
    rewrite(
        "own-image-two-refused",
        "",
        refused(400, "at most 1 image may be provided"),
        where=two_images,
        title="two images are refused",
        severity="high",
    ),
    rewrite(
        "own-image-stream-empty",
        "",
        instead(200, b"", "text/event-stream"),
        where=where.both(with_images, where.streamed),
        title="streams about images are empty",
        severity="critical",
    ),
    rewrite(
        "own-image-tokens-one",
        "",
        replies(recount(prompt=lambda n: n // 2)),
        where=two_images,
        title="the tokens of one image are counted",
        severity="high",
    ),
    rewrite(
        "own-image-bad-200",
        "",
        instead(
            200,
            compact(
                {
                    "id": "chatcmpl-0",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "null",
                    "choices": [
                        {"index": 0, "message": {"role": "assistant", "content": "A picture."}, "finish_reason": "stop"}
                    ],
                    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
                }
            ),
        ),
        where=bad_image,
        title="a broken image is answered blindly",
        severity="high",
    ),
    behaviour(
        "own-image-cached-by-size",
        "",
        _keyed(_sizes),
        where=with_images,
        title="the image cache's key is the size",
        severity="critical",
    ),
    behaviour(
        "own-image-cached-by-prefix",
        "",
        _keyed(_beginnings),
        where=with_images,
        title="the image cache's key is the first bytes",
        severity="critical",
    ),
    behaviour(
        "own-image-file-read",
        "",
        _fetching(lambda url: not url.startswith(("data:", "http"))),
        where=with_images,
        title="files of the server are read",
        severity="critical",
    ),
    behaviour(
        "own-image-url-fetched",
        "",
        _fetching(lambda url: url.startswith("http")),
        where=with_images,
        title="addresses inside the network are fetched",
        severity="critical",
    ),
    behaviour(
        "own-image-url-blocks",
        "",
        _slow_fetch_blocks,
        title="one unreachable image URL blocks everybody",
        severity="critical",
    ),
)
