"""Images: data URIs decoded with Pillow, their price in tokens, and what the model sees of them: size and colour grid."""

from __future__ import annotations

import base64
import binascii
import io
import math
import re
import urllib.parse
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps

from ernie_conformance.reference.errors import Refused

FACTOR = 28  # a patch of 14 pixels, merged two by two
LEAST, MOST = 4 * FACTOR**2, 6177 * FACTOR**2
STEEPEST = 200  # a longer side relation is clamped before the resize
FRAME = 2  # the tokens that open and close an image
MOST_IMAGES = 100
MOST_PIXELS = 50_000_000  # of a decoded image; more is taken for a decompression bomb
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_GRID = 3
_ENOUGH = 600  # pixels a side are plenty for a grid of colours
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values that swap width and height
_COLOURS = {
    "red": (220, 30, 30), "green": (30, 160, 50), "blue": (30, 60, 220), "yellow": (245, 225, 40),
    "cyan": (40, 210, 220), "magenta": (225, 40, 210), "orange": (250, 140, 20), "purple": (120, 40, 160),
    "pink": (250, 175, 195), "brown": (125, 75, 35), "black": (10, 10, 10), "grey": (128, 128, 128),
    "white": (250, 250, 250),
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A decoded image. `grid` holds 3 rows of 3 colour names; `width` and `height` are pixels as a viewer shows them."""

    width: int
    height: int
    grid: tuple[tuple[str, ...], ...]

    @property
    def tokens(self) -> int:
        width, height = smart_resize(self.width, self.height)
        return width * height // FACTOR**2 + FRAME


def smart_resize(width: int, height: int) -> tuple[int, int]:
    """The size that an image is scaled to, both sides multiples of 28, its area within the model's limits."""
    if max(width, height) / min(width, height) > STEEPEST:
        longer = max(FACTOR, _nearest(max(width, height)))
        width, height = (longer, longer // STEEPEST) if width > height else (longer // STEEPEST, longer)
    wide, high = max(FACTOR, _nearest(width)), max(FACTOR, _nearest(height))
    if wide * high > MOST:
        scale = math.sqrt(width * height / MOST)
        wide, high = (max(FACTOR, math.floor(side / scale / FACTOR) * FACTOR) for side in (width, height))
    elif wide * high < LEAST:
        scale = math.sqrt(LEAST / (width * height)) if width * height else 1
        wide, high = (math.ceil(side * scale / FACTOR) * FACTOR for side in (width, height))
    return wide, high


def _nearest(side: float) -> int:
    return round(side / FACTOR) * FACTOR


def data_of(url: str, where: str) -> bytes:
    """The bytes of a data URI. Anything else is refused: nothing is ever fetched or opened."""
    head, comma, payload = url.partition(",")
    if not head[:5].lower() == "data:":
        raise Refused(
            f"'{where}' must be a data URI (data:image/png;base64,...); other URLs and paths are not fetched.", where
        )
    if not comma or not head.lower().endswith(";base64"):
        raise Refused(f"'{where}' must be base64-encoded: data:image/png;base64,...", where)
    text = re.sub(r"\s+", "", urllib.parse.unquote(payload))
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"'{where}' holds no valid base64 data.", where) from None
    if not data:
        raise Refused(f"'{where}' holds no image data.", where)
    return data


def look(data: bytes, where: str) -> Picture:
    """Decode an image completely. Blocking: call it in a thread. Refuses what is broken, foreign or too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's bomb warning: we have our own limit
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise _too_large(where) from None
    except Exception:  # whatever a parser of foreign bytes may raise, the image is the client's mistake
        raise Refused(f"'{where}' is no image that can be read; taken are {', '.join(FORMATS)}.", where) from None
    if image.width * image.height > MOST_PIXELS:
        raise _too_large(where)
    try:
        image.load()
        lying = image.getexif().get(_ORIENTATION, 1) in _LYING
        upright = ImageOps.exif_transpose(_handy(image))
    except Exception:  # as above; what our own eyes raise below is no client's mistake
        raise Refused(f"'{where}' is a broken or truncated image.", where) from None
    width, height = reversed(image.size) if lying else image.size
    return Picture(width, height, _see(_flat(upright)))


def _too_large(where: str) -> Refused:
    return Refused(f"'{where}' has too many pixels; the limit is {MOST_PIXELS}.", where)


def _handy(image: Image.Image) -> Image.Image:
    """A large image made smaller before it is converted, which would copy it several times."""
    factor = max(image.size) // _ENOUGH
    return image.reduce(factor) if factor > 1 and image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else image


def _flat(image: Image.Image) -> Image.Image:
    """RGB; what is transparent lies over white."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")


def _see(image: Image.Image) -> tuple[tuple[str, ...], ...]:
    small = image.resize((_GRID, _GRID), Image.Resampling.BOX)
    cells = [small.getpixel((x, y)) for y in range(_GRID) for x in range(_GRID)]
    names = [_name(cell) for cell in cells if isinstance(cell, tuple)]
    return tuple(tuple(names[row * _GRID : (row + 1) * _GRID]) for row in range(_GRID))


def _name(cell: tuple[int, ...]) -> str:
    return min(_COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(cell, _COLOURS[name], strict=False)))
