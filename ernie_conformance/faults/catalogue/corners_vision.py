"""Faults of pictures that show in one corner only: found, like those of `corners`, by people who hadn't seen this suite."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Any

from PIL import Image

from ernie_conformance.faults import where
from ernie_conformance.faults.fault import Fault, behaviour, question
from ernie_conformance.faults.imaging import decoded, with_images
from ernie_conformance.faults.pictures import (
    as_stored,
    blank,
    channels_swapped,
    data_uri,
    opened,
    painted,
    rgb,
    url_of,
    with_url,
)
from ernie_conformance.faults.questions import images, is_image, messages, parts
from ernie_conformance.faults.visit import Visit
from ernie_conformance.gather.pictures import ernie_tokens
from ernie_conformance.reference import tokenizer
from ernie_conformance.wire.exchange import Request

MIRRORED = (2, 4, 5, 7)  # EXIF orientations
MUCH = 5_000_000  # pixels in one request
MARK = re.compile(r"<image>|<\|[^|]*(?:image|IMAGE)[^|]*\|>")
PART = 2048  # tokens of a prompt that are read at a time


def _is_progressive(image: Image.Image) -> bool:
    return "progressive" in image.info


def _is_mirrored(image: Image.Image) -> bool:
    return image.getexif().get(0x0112) in MIRRORED


def _upper_half_twice(image: Image.Image) -> Image.Image:
    shown = rgb(image)
    upper = shown.crop((0, 0, shown.width, shown.height // 2))
    shown.paste(upper, (0, shown.height - upper.height))
    return shown


def _is_parted(request: Request) -> bool:
    """Does a border of prompt parts run through the only picture?"""
    images = [image for url in where.image_urls(request) if (image := opened(url))]
    if len(images) != 1:
        return False
    before = [part.get("text") or "" for part in itertools.takewhile(lambda part: not is_image(part), where.parts(request))]
    begin = tokenizer.count("".join(before))
    return begin // PART != (begin + ernie_tokens(*images[0].size)) // PART


def _what_fits(found: list[Any]) -> list[Any]:
    """The oldest pictures are left out until the rest fits."""
    sizes = [image.width * image.height if (image := opened(url_of(part))) else 0 for part in found]
    while sum(sizes) > MUCH and len(found) > 1:
        found, sizes = found[1:], sizes[1:]
    return found


def _marks_taken(found: list[Any]) -> list[Any]:
    """A typed mark is taken for the place of the message's picture."""
    if not any(map(is_image, found)):
        return found
    return [{**part, "text": MARK.sub("", part["text"])} if isinstance(part.get("text"), str) else part for part in found]


def _system_as_text(found: list[Any]) -> list[Any]:
    return [
        {**message, "content": [part for part in message["content"] if not is_image(part)]}
        if message.get("role") == "system" and isinstance(message.get("content"), list)
        else message
        for message in found
    ]


def _by_the_first(found: list[Any]) -> list[Any]:
    """Where the first message is a string, the parts of the others are sorted: pictures, then texts."""
    if not found or not isinstance(found[0].get("content"), str):
        return found
    return [
        {**message, "content": sorted(message["content"], key=lambda part: not is_image(part))}
        if isinstance(message.get("content"), list)
        else message
        for message in found
    ]


async def _refused_stay_queued(visit: Visit) -> None:
    """The pictures of a request that is refused are shown to the next one."""
    kept, urls = visit.memory.kept, where.image_urls(visit.request)
    good = decoded(visit.request)
    if len(good) < len(urls):
        kept["queued"] = urls[: len(good)]
        await visit.relay()
        return
    stale = kept.pop("queued", [])
    ask = parts(lambda found: [with_url(part, stale.pop(0)) if stale and is_image(part) else part for part in found])
    await visit.relay(request=ask(visit.request))


async def _left_before_it_was_kept(visit: Visit) -> None:
    """A stream that its client leaves leaves an empty entry for its pictures."""
    empty: set[str] = visit.memory.kept.setdefault("empty", set())
    urls = where.image_urls(visit.request)

    def seen(part: Any) -> Any:
        image = opened(url_of(part)) if is_image(part) and url_of(part) in empty else None
        return part if image is None else with_url(part, data_uri(blank(image).point(lambda _: 0)))

    try:
        await visit.relay(request=parts(lambda found: [seen(part) for part in found])(visit.request))
    except (asyncio.CancelledError, ConnectionError):
        empty.update(urls)
        raise


FAULTS: tuple[Fault, ...] = (
    question(
        "own-progressive-swapped",
        "VIS-093",
        painted(channels_swapped, _is_progressive),
        where=with_images,
        title="progressive JPEG is decoded with its channels swapped",
        severity="high",
    ),
    question(
        "own-mirrored-ignored",
        "VIS-092",
        painted(as_stored, _is_mirrored),
        where=with_images,
        title="mirrored EXIF orientations are ignored",
        severity="medium",
    ),
    question(
        "own-picture-cut-by-parts",
        "VIS-089",
        painted(_upper_half_twice),
        where=_is_parted,
        title="a picture across two parts of a long prompt begins again in the second",
        severity="critical",
    ),
    question(
        "own-oldest-pictures-left-out",
        "VIS-088",
        images(_what_fits),
        where=where.images(2),
        title="of pictures that don't fit the oldest are left out",
        severity="critical",
    ),
    question(
        "own-system-pictures-dropped",
        "VIS-094",
        messages(_system_as_text),
        title="pictures in system messages are dropped",
        severity="medium",
    ),
    question(
        "own-typed-marks-taken",
        "VIS-087",
        parts(_marks_taken),
        title="a picture's mark that the user types takes its place",
        severity="high",
    ),
    question(
        "own-turns-by-the-first-message",
        "VIS-091",
        messages(_by_the_first),
        title="behind a plain message pictures move before texts",
        severity="high",
    ),
    behaviour(
        "own-refused-pictures-queued",
        "VIS-090",
        _refused_stay_queued,
        where=with_images,
        title="the picture of a refused request is shown to the next one",
        severity="critical",
    ),
    behaviour(
        "own-left-pictures-empty",
        "VIS-090",
        _left_before_it_was_kept,
        where=with_images,
        speed="gate",
        title="a picture whose stream was left is black the next time",
        severity="critical",
    ),
)
