"""Headers of safetensors files: eight bytes of length, JSON, then the tensors side by side. Nothing else is read."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTHS = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}
LONGEST_HEADER = 100_000_000  # the format's own limit


class BadHeader(ValueError):
    """The file isn't safetensors, or its header doesn't fit into it."""


@dataclass(frozen=True)
class Tensor:
    """One tensor as the header describes it; `begin` and `end` count from the end of the header."""

    type: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """`length` in bytes without the first eight; `size` is the file's, `promised` what it should be."""

    length: int
    size: int
    metadata: dict[str, str]
    tensors: dict[str, Tensor]

    @property
    def promised(self) -> int:
        return 8 + self.length + max((t.end for t in self.tensors.values()), default=0)

    def problems(self) -> list[str]:
        """Tensors whose span doesn't fit their shape and type, and holes or overlaps between them."""
        found = []
        for name, tensor in self.tensors.items():
            width = WIDTHS.get(tensor.type)
            if width is None:
                found.append(f"{name} is of the unknown type {tensor.type}")
            elif tensor.end - tensor.begin != math.prod(tensor.shape) * width:
                found.append(f"{name}: {tensor.end - tensor.begin} bytes for {tensor.type} {list(tensor.shape)}")
        at = 0
        for name, tensor in sorted(self.tensors.items(), key=lambda item: item[1].begin):
            if tensor.begin != at:
                found.append(f"{name} begins at {tensor.begin}, {at} expected")
                break
            at = tensor.end
        return found


def read_header(path: Path) -> Header:
    """The header of one file. Raises BadHeader, or OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        first = file.read(8)
        if len(first) < 8:
            raise BadHeader(f"{size} bytes are too few for a header")
        (length,) = struct.unpack("<Q", first)
        if length > LONGEST_HEADER or 8 + length > size:
            raise BadHeader(f"a header of {length} bytes doesn't fit into {size}")
        raw = file.read(length)
    try:
        table = json.loads(raw, object_pairs_hook=_without_doubles)
        metadata = table.pop("__metadata__", {})
        return Header(length, size, metadata, {name: _tensor(entry) for name, entry in table.items()})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadHeader(f"the header isn't what the format asks for: {error}") from error


def _without_doubles(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            raise ValueError(f"{name} stands twice")
        table[name] = value
    return table


def _tensor(entry: dict[str, Any]) -> Tensor:
    begin, end = entry["data_offsets"]
    return Tensor(entry["dtype"], tuple(entry["shape"]), begin, end)
