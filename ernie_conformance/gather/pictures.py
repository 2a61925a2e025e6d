"""Pictures made on the spot, always the same: grids of colours, digits, formats and their defects, as data URIs."""

from __future__ import annotations

import base64
import io
import math
import random
import struct
import zlib
from typing import Any

from PIL import Image

CELL = 28  # pixels: what ERNIE merges into one token, so that a grid of cells survives its resize as it is

# r, g and b have the same luma: without colour they are one grey. B is pure blue; C and Y are what red and B invert to.
COLOURS = {
    "r": (255, 0, 0), "g": (0, 130, 0), "b": (60, 60, 200), "B": (0, 0, 255), "C": (0, 255, 255), "M": (255, 0, 255),
    "Y": (255, 255, 0), "k": (0, 0, 0), "w": (255, 255, 255), "n": (128, 128, 128), ".": (0, 0, 0, 0),
}  # fmt: skip


def grid(letters: str, cell: tuple[int, int] = (CELL, CELL)) -> Image.Image:
    """Rows of coloured cells, "rw/wr" being two by two; `cell` is (width, height) in pixels. "." is transparent."""
    rows = letters.split("/")
    mode = "RGBA" if "." in letters else "RGB"
    image = Image.new(mode, (len(rows[0]), len(rows)))
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            colour = COLOURS[letter]
            image.putpixel((x, y), colour if len(colour) == len(mode) else (*colour, 255))
    return image.resize((image.width * cell[0], image.height * cell[1]), Image.Resampling.NEAREST)


# Seven segments, as (left, top, right, bottom) on a field of 4 x 7: no font, so that every machine paints the same.
_SEGMENTS = {
    "a": (0, 0, 4, 1), "b": (3, 0, 4, 4), "c": (3, 3, 4, 7), "d": (0, 6, 4, 7), "e": (0, 3, 1, 7), "f": (0, 0, 1, 4),
    "g": (0, 3, 4, 4),
}  # fmt: skip
_LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def digits(number: int, unit: int = 12) -> Image.Image:
    """A number in black seven-segment digits on white; `unit` is the width of a stroke in pixels."""
    text = str(number)
    image = Image.new("RGB", ((6 * len(text) + 2) * unit, 11 * unit), "white")
    for place, digit in enumerate(text):
        for segment in _LIT[int(digit)]:
            left, top, right, bottom = _SEGMENTS[segment]
            box = [(left + 6 * place + 2) * unit, (top + 2) * unit, (right + 6 * place + 2) * unit, (bottom + 2) * unit]
            image.paste((0, 0, 0), (box[0], box[1], box[2], box[3]))
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file of this kind (PNG, JPEG, WEBP, GIF, BMP)."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def data_uri(data: bytes, media: str = "image/png") -> str:
    return f"data:{media};base64,{base64.b64encode(data).decode('ascii')}"


def png(image: Image.Image, **options: Any) -> str:
    """A picture as a PNG data URI."""
    return data_uri(encoded(image, **options))


def jpeg(image: Image.Image, **options: Any) -> str:
    """A picture as a JPEG data URI, its colours as exact as JPEG can keep them."""
    return data_uri(encoded(image, "JPEG", quality=95, subsampling=0, **options), "image/jpeg")


# EXIF orientation to what was done to the picture before it was stored; a viewer does the opposite.
TURNS = {
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


def stored(image: Image.Image, orientation: int) -> Image.Image:
    """The pixels that a camera held this way would store."""
    return image.transpose(TURNS[orientation])


def turned(image: Image.Image, orientation: int) -> str:
    """A JPEG whose EXIF asks the viewer to turn it, so that it looks like `image`."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(stored(image, orientation), exif=exif)


def noise(width: int, height: int) -> Image.Image:
    """Grey noise that no codec can shrink, always the same."""
    return Image.frombytes("L", (width, height), random.Random(width).randbytes(width * height)).convert("RGB")


def claiming(width: int, height: int) -> bytes:
    """A PNG whose header promises this size and whose data holds one row: what a decompression bomb looks like."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    row = zlib.compress(bytes(1 + 3 * width))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


_LEAST, _MOST, _STEEPEST = 4 * CELL**2, 6177 * CELL**2, 200


def ernie_tokens(width: int, height: int) -> int:
    """Tokens of a picture by ERNIE-4.5-VL's processor: sides resized to multiples of 28, a token for 28 x 28 pixels.

    Markers around it aren't counted. Source: smart_resize of FastDeploy's DataProcessor.
    """
    if max(width, height) > _STEEPEST * min(width, height):
        longer = max(CELL, round(max(width, height) / CELL) * CELL)
        width, height = (longer, longer // _STEEPEST) if width > height else (longer // _STEEPEST, longer)
    wide, high = (max(CELL, round(side / CELL) * CELL) for side in (width, height))
    if wide * high > _MOST:
        scale = math.sqrt(width * height / _MOST)
        wide, high = (math.floor(side / scale / CELL) * CELL for side in (width, height))
    elif wide * high < _LEAST:
        scale = math.sqrt(_LEAST / (width * height))
        wide, high = (math.ceil(side * scale / CELL) * CELL for side in (width, height))
    return wide * high // CELL**2
