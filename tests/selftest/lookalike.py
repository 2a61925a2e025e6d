"""Builds a sparse look-alike of ERNIE-4.5-VL-28B-A3B-Paddle: true headers and file sizes (55 GiB apparent), 2 MB on disk.

Configuration and tokenizer files hold only what the engine's source tells of them, padded to the sizes of the tutorial's
listing; there are no weights.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_conformance.judge.rules.env_weights import published
from ernie_conformance.probe import checkpoint
from ernie_conformance.probe.checkpoint import Spec

SHARD_BYTES = 5 * 10**9
EXTRA_CONFIG = {
    "model_type": "ernie4_5_moe_vl",
    "dtype": "bfloat16",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "head_dim": 128,
    "rope_3d": True,
    "freq_allocation": 20,
    "moe_num_shared_experts": 2,
    "use_temporal_conv": True,
}
FIRST_ADDED, LAST_ADDED = 100295, 103366


def build(place: Path) -> Path:
    """Write all 22 files into the new directory `place`."""
    place.mkdir()
    where, total = {}, 0
    shards = list(_shards())
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        total += _write_shard(place / name, shard)
        where |= dict.fromkeys((spec[0] for spec in shard), name)
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (place / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    for name, table in _tables().items():
        _write_padded(place / name, json.dumps(table, separators=(",", ":")))
    for name in ("LICENSE", "README.md"):
        _write_padded(place / name, "synthetic\n")
    with (place / "tokenizer.model").open("wb") as file:
        file.write(b"\n\x0e\n\x05<unk>\x15\x00\x00\x00\x00\x18\x02")
        file.truncate(1_610_000)
    return place


def _size(spec: Spec) -> int:
    return math.prod(spec[2]) * (4 if spec[1] == checkpoint.ROUTER else 2)


def _natural(spec: Spec) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", spec[0])]


def _shards() -> Iterator[list[Spec]]:
    shard: list[Spec] = []
    for spec in sorted(checkpoint.tensors(), key=_natural):
        if shard and sum(map(_size, shard)) + _size(spec) > SHARD_BYTES:
            yield shard
            shard = []
        shard.append(spec)
    yield shard


def _write_shard(path: Path, shard: list[Spec]) -> int:
    """The header as the format's own writer orders it (wide types first, then by name), and a hole for the weights."""
    header: dict[str, Any] = {"__metadata__": {"format": "np"}}
    at = 0
    for spec in sorted(shard, key=lambda spec: (spec[1] != checkpoint.ROUTER, spec[0])):
        kind = "F32" if spec[1] == checkpoint.ROUTER else "U16"
        header[spec[0]] = {"dtype": kind, "shape": spec[2], "data_offsets": [at, at + _size(spec)]}
        at += _size(spec)
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + at)
    return at


def _tables() -> dict[str, dict[str, Any]]:
    model = published()
    added = {f"<|added_{number}|>": number for number in range(FIRST_ADDED, LAST_ADDED + 1)}
    known = {number: name for name, number in model["tokens"].items()}
    added = {known.get(number, name): number for name, number in added.items()}
    return {
        "config.json": {**model["config"], "vision_config": model["vision_config"], **EXTRA_CONFIG},
        "generation_config.json": {"temperature": 0.2, "top_p": 0.8, "repetition_penalty": 1.0, "eos_token_id": 2},
        "preprocessor_config.json": {**model["preprocessor"], "min_pixels": 3136, "max_pixels": 4842768},
        "added_tokens.json": added,
        "special_tokens_map.json": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<unk>"},
        "tokenizer_config.json": {"eos_token": "</s>", "chat_template": "{{ messages }}", "model_max_length": 131072},
    }


def _write_padded(path: Path, text: str) -> None:
    """White space to the size of the tutorial's listing."""
    size = published()["sizes"].get(path.name, len(text))
    assert len(text) <= size, f"{path.name}: {len(text)} bytes, {size} in the listing"
    path.write_text(text + " " * (size - len(text)))
