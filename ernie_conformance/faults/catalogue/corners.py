"""Faults that show in one corner only: found by people who broke servers without having seen this suite."""

from __future__ import annotations

import asyncio
from typing import Any

from PIL import Image

from ernie_conformance.faults import acts, where
from ernie_conformance.faults.edits import answers, streams
from ernie_conformance.faults.fault import Fault, behaviour, question, rewrite
from ernie_conformance.faults.frames import adding, first, has_answer, swap
from ernie_conformance.faults.imaging import decoded, with_images
from ernie_conformance.faults.pictures import as_stored, has_alpha, is_turned, opened, painted, rgb, url_of, with_url
from ernie_conformance.faults.questions import images, is_image, messages, parts
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

WINDOW = 16  # messages
BIG_SIDE, MEGAPIXEL, STEEP = 1600, 1_000_000, 3
MOST_TEXT = 8000  # characters
WORKERS = 8
LEFT_OVER = "12, 13, 14, "


def _held_back_lost(data: dict[str, Any]) -> None:
    for choice in data.get("choices") or ():
        if choice.get("finish_reason") == "length" and "message" in choice:
            choice["message"]["content"] = (choice["message"]["content"] or "")[:-1]


def _first_stop_ends_all(data: dict[str, Any]) -> None:
    for choice in (data.get("choices") or [])[1:]:
        choice["message"]["content"] = choice["message"]["content"][:20]
        choice["finish_reason"] = "stop"


def _others_are_blind(data: dict[str, Any]) -> None:
    for choice in (data.get("choices") or [])[1:]:
        choice["message"]["content"] = "一张黑色的图片。"


def _windowed(found: list[Any]) -> list[Any]:
    return found[-WINDOW:] if len(found) > WINDOW + 4 else found


def _kept_once(found: list[Any]) -> list[Any]:
    """Each picture once; the places take them in turn, and the last one fills the rest."""
    once = [part for place, part in enumerate(found) if part not in found[:place]]
    return [once[min(place, len(once) - 1)] for place in range(len(found))]


def _small_first(found: list[Any]) -> list[Any]:
    def megapixels(part: Any) -> int:
        image = opened(url_of(part))
        return 0 if image is None else image.width * image.height // MEGAPIXEL

    return sorted(found, key=megapixels)


def _cut_to_the_middle(image: Image.Image) -> Image.Image:
    """At most three times as long as wide, at the size of the whole."""
    wide, high = image.size
    left, top = max(0, (wide - STEEP * high) // 2), max(0, (high - STEEP * wide) // 2)
    return rgb(image).crop((left, top, wide - left, high - top)).resize(image.size)


def _is_big(image: Image.Image) -> bool:
    return max(image.size) > BIG_SIDE and is_turned(image)


def _is_steep(image: Image.Image) -> bool:
    return max(image.size) > STEEP * min(image.size)


def _clear_but_not_rgba(image: Image.Image) -> bool:
    return has_alpha(image) and image.mode != "RGBA"


def _short_text(found: list[Any]) -> list[Any]:
    if not any(map(is_image, found)):
        return found
    return [{**part, "text": part["text"][:MOST_TEXT]} if isinstance(part.get("text"), str) else part for part in found]


async def _leftovers(visit: Visit) -> None:
    """What an answer still had to say when its client left begins the next one."""
    stale = visit.memory.kept.pop("stale", False) and where.streamed(visit.request)
    edit = streams(swap(first(has_answer), lambda frame: [adding(frame, LEFT_OVER), frame])) if stale else None
    try:
        await visit.relay(edit)
    except (asyncio.CancelledError, ConnectionError):
        visit.memory.kept["stale"] = True
        raise


async def _first_picture_is_the_key(visit: Visit) -> None:
    """Pictures behind the first are those of the earlier request with the same first picture and text."""
    urls = where.image_urls(visit.request)
    known = visit.memory.kept.setdefault((urls[0], where.prompt_text(visit.request)), urls)
    supply = iter(known)
    ask = parts(lambda found: [with_url(part, next(supply)) if is_image(part) else part for part in found])
    await visit.relay(request=ask(visit.request) if len(known) == len(urls) else None)


async def _unlike_mixed(visit: Visit) -> None:
    """While a request with more pictures is being answered, one with a single picture gets the first of those."""
    urls, kept = where.image_urls(visit.request), visit.memory.kept
    if len(urls) > 1:
        kept["others"] = urls
        await visit.relay()
        return
    theirs = kept.get("others") if visit.memory.inside > 1 else None
    ask = parts(lambda found: [with_url(part, theirs[0]) if theirs and is_image(part) else part for part in found])
    await visit.relay(request=ask(visit.request))


async def _leaks_workers(visit: Visit) -> None:
    """Each picture that can't be decoded takes a worker with it."""
    kept = visit.memory.kept
    if kept.get("lost", 0) >= WORKERS:
        await visit.stall()
    broken = len(decoded(visit.request)) < len(where.image_urls(visit.request))
    kept["lost"] = kept.get("lost", 0) + broken
    await visit.relay()


def _several(request: Request) -> bool:
    count = request.json.get("n")
    return isinstance(count, int) and count > 1


FAULTS: tuple[Fault, ...] = (
    rewrite(
        "own-held-back-lost",
        "LIMIT-019",
        answers(_held_back_lost),
        where=where.both(where.asks("stop"), where.lacks(_several)),
        title="what might begin a stop string is lost when the answer ends",
        severity="high",
    ),
    rewrite(
        "own-first-stop-ends-all",
        "LIMIT-020",
        answers(_first_stop_ends_all),
        where=where.both(where.asks("stop"), _several),
        title="the first choice that meets a stop string ends all choices",
        severity="high",
    ),
    behaviour(
        "own-leftovers",
        "CONC-018",
        _leftovers,
        where=acts.posted,
        speed="gate",
        title="the rest of an answer whose client left begins the next one",
        severity="critical",
    ),
    question(
        "own-window",
        "CHAT-025",
        messages(_windowed),
        title="of long conversations only the last messages reach the model",
        severity="critical",
    ),
    question(
        "own-repeated-picture-shifts",
        "VIS-066",
        images(_kept_once),
        where=where.images(4),
        title="after a picture that comes again, later ones are one off",
        severity="high",
    ),
    question(
        "own-exif-lost-when-large",
        "VIS-067",
        painted(as_stored, _is_big),
        where=with_images,
        title="the EXIF orientation is lost when a picture is made smaller",
        severity="high",
    ),
    question(
        "own-alpha-for-rgba-only",
        "VIS-068",
        painted(as_stored, _clear_but_not_rgba),
        where=with_images,
        title="transparency is handled for RGBA only",
        severity="medium",
    ),
    question(
        "own-long-pictures-cropped",
        "VIS-069",
        painted(_cut_to_the_middle, _is_steep),
        where=with_images,
        title="pictures longer than three to one are cropped",
        severity="high",
    ),
    question(
        "own-small-pictures-first",
        "VIS-080",
        images(_small_first),
        where=where.images(2),
        title="pictures are taken in the order in which they are decoded",
        severity="critical",
    ),
    question(
        "own-text-cut-beside-picture",
        "VIS-081",
        parts(_short_text),
        where=with_images,
        title="a long text is cut where a picture stands beside it",
        severity="critical",
    ),
    question(
        "own-tool-turns-blind",
        "VIS-082",
        images(lambda _: []),
        where=where.has_role("tool"),
        title="pictures vanish once a tool's result is there",
        severity="critical",
    ),
    rewrite(
        "own-other-choices-blind",
        "VIS-083",
        answers(_others_are_blind),
        where=where.both(with_images, _several),
        title="only the first of several choices sees the picture",
        severity="high",
    ),
    behaviour(
        "own-first-picture-is-the-key",
        "VIS-084",
        _first_picture_is_the_key,
        where=where.images(2),
        title="the prefix cache knows the first picture only",
        severity="critical",
    ),
    behaviour(
        "own-unlike-numbers-mixed",
        "VIS-085",
        _unlike_mixed,
        where=with_images,
        speed="gate",
        title="pictures of requests with unlike numbers of them are mixed up",
        severity="critical",
    ),
    behaviour(
        "own-broken-pictures-keep-workers",
        "VIS-086",
        _leaks_workers,
        where=with_images,
        title="each broken picture uses a worker up",
        severity="critical",
    ),
)
