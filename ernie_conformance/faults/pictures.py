"""Pictures changed on their way to the server: what a broken image pipeline would make of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageOps

from ernie_conformance.faults.fault import Ask
from ernie_conformance.faults.questions import is_image, parts

MOST_PIXELS = 2_500_000  # beyond, painting takes so long that the delay would be a fault of its own

Paint = Callable[[Image.Image], Image.Image]


def url_of(part: Any) -> str:
    """The URL of an image part, "" when there is none."""
    image = part.get("image_url") if is_image(part) else None
    url = image.get("url") if isinstance(image, dict) else image
    return url if isinstance(url, str) else ""


def data_of(url: str) -> bytes | None:
    """The bytes of a base64 data URI, None for another URL or bad base64."""
    head, comma, payload = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(payload, validate=True)
    except ValueError:
        return None


def opened(url: str) -> Image.Image | None:
    """The decoded picture of a data URI, None when it can't be decoded whole."""
    data = data_of(url)
    if data is None:
        return None
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None  # the suite sends broken pictures on purpose: the server shall see them as they are
    return image


def data_uri(image: Image.Image) -> str:
    """A picture as a PNG data URI."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def with_url(part: Any, url: str) -> Any:
    """An image part that points elsewhere."""
    image = part["image_url"]
    return {**part, "image_url": {**image, "url": url} if isinstance(image, dict) else url}


def painted(paint: Paint, only: Callable[[Image.Image], bool] = lambda _: True) -> Ask:
    """Send each picture that `only` picks as `paint` makes it; others stay byte for byte, and so do very large ones."""

    def change(part: Any) -> Any:
        image = opened(url_of(part))
        if image is None or image.width * image.height > MOST_PIXELS or not only(image):
            return part
        return with_url(part, data_uri(paint(image)))

    return parts(lambda found: [change(part) for part in found])


def rgb(image: Image.Image) -> Image.Image:
    """As a viewer shows it: upright, on white where it is transparent."""
    upright = ImageOps.exif_transpose(image)
    return on_ground(upright, (255, 255, 255, 255)) if has_alpha(upright) else upright.convert("RGB")


def on_ground(image: Image.Image, colour: tuple[int, int, int, int]) -> Image.Image:
    """Transparency filled with one colour."""
    return Image.alpha_composite(Image.new("RGBA", image.size, colour), image.convert("RGBA")).convert("RGB")


def as_stored(image: Image.Image) -> Image.Image:
    """The stored pixels, whatever the EXIF says about turning them."""
    return image.convert("RGB")


def channels_swapped(image: Image.Image) -> Image.Image:
    red, green, blue = rgb(image).split()
    return Image.merge("RGB", (blue, green, red))


def shrunk(side: int) -> Paint:
    """Scaled down to at most side x side and up again: the size stays, the content goes."""
    return lambda image: rgb(image).resize((side, side), Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)


def blank(image: Image.Image) -> Image.Image:
    return Image.new("RGB", image.size, (128, 128, 128))


def cropped(image: Image.Image) -> Image.Image:
    """The middle square, at the size of the whole: what a fixed-size preprocessor without padding sees."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return rgb(image).crop((left, top, left + side, top + side)).resize(image.size)


def upper_left(image: Image.Image) -> Image.Image:
    """The first tile alone, at the size of the whole."""
    return rgb(image).crop((0, 0, max(1, image.width // 2), max(1, image.height // 2))).resize(image.size)


def on_black(image: Image.Image) -> Image.Image:
    """Transparent becomes black."""
    return on_ground(image, (0, 0, 0, 255))


def inverted(image: Image.Image) -> Image.Image:
    return rgb(image).point(lambda value: 255 - value)


def grey(image: Image.Image) -> Image.Image:
    return rgb(image).convert("L").convert("RGB")


def indices(image: Image.Image) -> Image.Image:
    """The numbers of a palette's colours instead of its colours."""
    return Image.frombytes("L", image.size, image.tobytes()).convert("RGB")


def flipped(image: Image.Image) -> Image.Image:
    return rgb(image).transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def mirrored(image: Image.Image) -> Image.Image:
    return rgb(image).transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def turned(image: Image.Image) -> Image.Image:
    """Rows taken for columns."""
    return rgb(image).transpose(Image.Transpose.TRANSPOSE)


def has_alpha(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info


def is_turned(image: Image.Image) -> bool:
    """Does its EXIF ask the viewer to turn it?"""
    return bool(image.getexif().get(0x0112, 1) != 1)
