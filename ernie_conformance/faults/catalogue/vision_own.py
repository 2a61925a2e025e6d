"""More of area 9: faults that nobody reported yet, one for each row that no reported one breaks."""

from __future__ import annotations

from typing import Any

from PIL import Image

from ernie_conformance.faults import pictures, where
from ernie_conformance.faults.fault import Fault, behaviour, question
from ernie_conformance.faults.imaging import is_kind, two_images, with_images
from ernie_conformance.faults.pictures import data_of, painted, rgb, url_of, with_url
from ernie_conformance.faults.questions import images, is_image, messages, parts
from ernie_conformance.faults.visit import Visit


def _turns_swapped(found: list[Any]) -> list[Any]:
    """The pictures of a talk, filled in from the last turn to the first; those of one turn keep their order."""
    turns = [[part for part in said if is_image(part)] for said in _parts_of(found)]
    supply = iter([part for turn in reversed(turns) for part in turn])
    return [
        {**message, "content": [next(supply) if is_image(part) else part for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in found
    ]


def _parts_of(found: list[Any]) -> list[list[Any]]:
    return [message["content"] for message in found if isinstance(message.get("content"), list)]


def _each_once(found: list[Any]) -> list[Any]:
    return [part for place, part in enumerate(found) if part not in found[:place]]


def _halved(image: Image.Image) -> Image.Image:
    return rgb(image).resize((max(28, image.width // 2), max(28, image.height // 2)))


def _is_jpeg(image: Image.Image) -> bool:
    return image.format == "JPEG" and image.mode == "RGB"


def _no_webp(found: list[Any]) -> list[Any]:
    return [part for part in found if not url_of(part).startswith("data:image/webp")]


async def _crossed(visit: Visit) -> None:
    """Of requests that are answered at once, each gets the picture of the one before."""
    kept = visit.memory.kept
    before = kept.get("picture") if visit.memory.inside > 1 else None
    mine = [url for url in where.image_urls(visit.request) if data_of(url) is not None]
    kept["picture"] = mine[0] if mine else before
    if before is None:
        await visit.relay()
        return
    ask = parts(lambda found: [with_url(part, before) if is_image(part) else part for part in found])
    await visit.relay(request=ask(visit.request))


async def _waits_for_a_dead_host(visit: Visit) -> None:
    if any(url.startswith("http") for url in where.image_urls(visit.request)):
        await visit.stall()
    await visit.relay()


FAULTS: tuple[Fault, ...] = (
    question(
        "own-image-halved",
        "VIS-002",
        painted(_halved),
        where=with_images,
        title="pictures are halved before they are read",
        severity="medium",
    ),
    question(
        "own-image-twice-dropped",
        "VIS-011",
        images(_each_once),
        where=two_images,
        title="a picture that comes twice is dropped",
        severity="high",
    ),
    behaviour(
        "own-images-crossed",
        "VIS-017",
        _crossed,
        where=with_images,
        title="pictures of concurrent requests are mixed up",
        severity="critical",
        speed="gate",
    ),
    question(
        "own-image-lost-in-streams",
        "VIS-018",
        images(lambda _: []),
        where=where.both(with_images, where.streamed),
        title="streams are answered without the picture",
        severity="critical",
    ),
    question(
        "own-image-webp-dropped",
        "VIS-024",
        parts(_no_webp),
        where=is_kind("webp"),
        title="WebP pictures are silently dropped",
        severity="high",
    ),
    question(
        "own-image-jpeg-bgr",
        "VIS-025",
        painted(pictures.channels_swapped, _is_jpeg),
        where=with_images,
        title="red and blue are swapped in JPEG",
        severity="high",
    ),
    question(
        "own-image-cmyk-inverted",
        "VIS-028",
        painted(pictures.inverted, lambda image: image.mode == "CMYK"),
        where=with_images,
        title="CMYK pictures are inverted",
        severity="medium",
    ),
    question(
        "own-image-palette-index",
        "VIS-064",
        painted(pictures.indices, lambda image: image.mode == "P"),
        where=with_images,
        title="the numbers of a palette are shown as grey",
        severity="medium",
    ),
    question(
        "own-image-inverted-bgr",
        "VIS-060",
        painted(lambda image: pictures.inverted(pictures.channels_swapped(image))),
        where=with_images,
        title="channels are exchanged and inverted",
        severity="high",
    ),
    behaviour(
        "own-image-url-patient",
        "VIS-052",
        _waits_for_a_dead_host,
        title="a picture on a dead host is waited for without end",
        severity="high",
    ),
    question(
        "own-image-turns-swapped",
        "VIS-065",
        messages(_turns_swapped),
        where=two_images,
        title="pictures of two turns change places",
        severity="critical",
    ),
)
