"""The pictures that are sent: always the same bytes, the right size, and different where a test says that they differ."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image, ImageOps

from ernie_conformance.gather import pictures
from ernie_conformance.gather.asks import vision, vision_scenarios


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


# Width, height and tokens of photographs, computed from FastDeploy's processor, and of odd sizes by hand.
SIZES = [(1024, 598, 777), (1024, 683, 888), (768, 512, 486), (640, 427, 345), (512, 512, 324), (28, 28, 4), (8000, 20, 286)]


@pytest.mark.parametrize(("width", "height", "tokens"), SIZES)
def test_ernies_price_of_a_size(width: int, height: int, tokens: int) -> None:
    assert pictures.ernie_tokens(width, height) == tokens


def test_a_price_stays_below_the_processors_limit() -> None:
    assert pictures.ernie_tokens(10_000, 10_000) <= 6177


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_picture_looks_like_the_upright_one(orientation: int) -> None:
    turned = opened(pictures.turned(vision.UPRIGHT, orientation))
    upright = ImageOps.exif_transpose(turned)
    assert upright.size == vision.UPRIGHT.size
    places = [(84, 10), (84, 100), (84, 210)]
    for place in places:
        seen, owed = upright.getpixel(place), vision.UPRIGHT.getpixel(place)
        assert isinstance(seen, tuple)
        assert isinstance(owed, tuple)
        assert all(abs(a - b) < 8 for a, b in zip(seen, owed, strict=True))
    assert turned.convert("RGB").tobytes() != upright.convert("RGB").tobytes()


def test_three_colours_are_one_grey() -> None:
    assert {opened(vision.solid(letter)).convert("L").getpixel((0, 0)) for letter in "rgb"} == {76}


@pytest.mark.parametrize("letter", "rBk")
def test_a_pair_has_one_mean_in_each_quarter(letter: str) -> None:
    pair = [pictures.grid(cells.replace("x", letter)) for cells in (vision.CORNERS, vision.EDGES)]
    corners, edges = (image.resize((2, 2), Image.Resampling.BOX).tobytes() for image in pair)
    assert corners == edges
    assert pair[0].tobytes() != pair[1].tobytes()


def test_files_that_begin_alike_differ_behind_64_kb() -> None:
    files = [base64.b64decode(url.partition(",")[2]) for url in vision_scenarios.TAILS]
    assert len({file[:65536] for file in files}) == 1
    assert len({len(file) for file in files}) == 1
    assert len(set(files)) == 3


@pytest.mark.parametrize("url", [*vision.BROKEN.values(), vision.BOMB], ids=[*vision.BROKEN, "bomb"])
def test_broken_pictures_are_broken(url: str) -> None:
    with pytest.raises((OSError, Image.DecompressionBombError)):
        opened(url).load()


@pytest.mark.parametrize("kind", vision.FORMATS)
def test_every_format_opens_at_its_size(kind: str) -> None:
    assert opened(vision.FORMATS[kind]).size == (168, 168)


def test_an_unpadded_picture_lacks_its_padding() -> None:
    assert len(vision.SLOPPY["vis-unpadded"].partition(",")[2]) % 4 != 0


def test_large_digits_differ() -> None:
    assert len({pictures.digits(number).tobytes() for number in range(10)}) == 10
