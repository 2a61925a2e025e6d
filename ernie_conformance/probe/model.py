"""A model directory by its names, small files and shard headers: a few megabytes read of 58.8 GB."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ernie_conformance.probe import checkpoint
from ernie_conformance.probe.safetensors import BadHeader, Header, read_header

SHARD = re.compile(r"model-(\d{5})-of-(\d{5})\.safetensors")
SAMPLE = 3  # names shown of many
POINTERS = (b"version https://git-lfs.github.com/spec", b"version https://hawser.github.com/spec")
KEPT_TOKENS = re.compile(r"<\|(IMAGE|VIDEO|AUDIO)_[A-Z_]+\|>|</?think>")
SIXTEEN_BITS = {"U16", "BF16"}  # Paddle keeps bfloat16 as U16


def read(path: str) -> dict[str, Any]:
    """`path`, `there`, and when it is: `files`, bytes `allocated`, the JSON files, `shards`, `index`, and how these agree.

    Counts with a few names stand for lists of thousands: `{"count": N, "sample": [...]}`.
    """
    place = Path(path).expanduser()
    if not place.is_dir():
        return {
            "path": str(place),
            "there": False,
            "problem": "no such directory" if not place.exists() else "not a directory",
        }
    try:
        names = sorted(os.listdir(place))
    except OSError as error:
        return {"path": str(place), "there": False, "problem": error.strerror or str(error)}
    if problem := _no_model(place, names):
        return {"path": str(place), "there": False, "problem": problem}
    files = {name: _file(place / name) for name in names if not (place / name).is_dir()}
    headers, shards = _shards(place, files)
    found: dict[str, Any] = {"path": str(place.resolve()), "there": True, "files": files}
    found["allocated"] = sum(file["allocated"] for file in files.values())
    tables = _tables(place, files)
    found |= {
        "config": tables.get("config.json"),
        "generation": tables.get("generation_config.json"),
        "preprocessor": tables.get("preprocessor_config.json"),
        "tokens": _tokens(tables),
        "chat_template": _has_template(tables, files),
        "tokenizer_begins": _first_byte(place / "tokenizer.model"),
        "shards": shards,
    }
    return found | _weights(headers, tables.get("model.safetensors.index.json"))


def _no_model(place: Path, names: list[str]) -> str:
    """Why this isn't a model directory at all: empty, or the model lies one level deeper, as some downloads put it."""
    if not names:
        return "the directory is empty"
    deeper = [name for name in names if (place / name / "config.json").is_file()]
    if "config.json" not in names and deeper:
        return f"the model lies deeper: {', '.join(str(place / name) for name in deeper)}"
    return ""


def _file(path: Path) -> dict[str, Any]:
    """`size`, bytes `allocated` on the disk, and what is wrong with it ("" for nothing seen from its beginning)."""
    try:
        stat = path.stat()
    except OSError:
        return {"size": 0, "allocated": 0, "problem": "dangling link" if path.is_symlink() else "vanished"}
    file = {"size": stat.st_size, "allocated": stat.st_blocks * 512, "problem": ""}
    try:
        with path.open("rb") as opened:
            head = opened.read(200)
    except OSError as error:
        return {**file, "problem": f"unreadable: {error.strerror}"}
    if stat.st_size == 0:
        file["problem"] = "empty"
    elif head.startswith(POINTERS):
        file["problem"] = "Git LFS pointer"
    elif re.match(rb"\s*<(!doctype|html|\?xml|Error)", head, re.IGNORECASE):
        file["problem"] = "HTML or XML page"
    return file


def _tables(place: Path, files: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The JSON files that can be parsed; of the others the problem is noted."""
    tables = {}
    for name, file in files.items():
        if name.endswith(".json") and not file["problem"]:
            try:
                table = json.loads((place / name).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                file["problem"] = f"not JSON: {error}"
                continue
            if isinstance(table, dict):
                tables[name] = table
            else:
                file["problem"] = f"not a JSON object but a {type(table).__name__}"
    return tables


def _tokens(tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    added = tables.get("added_tokens.json", {})
    special = tables.get("special_tokens_map.json", {})
    ids = [number for number in added.values() if isinstance(number, int)]
    return {
        "count": len(added),
        "highest": max(ids, default=None),
        "ids": {name: number for name, number in added.items() if KEPT_TOKENS.fullmatch(name)},
        "special": {name: _content(value) for name, value in special.items() if name != "additional_special_tokens"},
        "tokenizer_eos": _content(tables.get("tokenizer_config.json", {}).get("eos_token")),
    }


def _content(token: Any) -> Any:
    """A token's text; tokenizers write it plain or as an object."""
    return token.get("content") if isinstance(token, dict) else token


def _has_template(tables: dict[str, dict[str, Any]], files: dict[str, Any]) -> bool:
    inside = bool(tables.get("tokenizer_config.json", {}).get("chat_template"))
    return inside or bool({"chat_template.jinja", "chat_template.json"} & set(files))


def _first_byte(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            return next(iter(file.read(1)), None)
    except OSError:
        return None


def _shards(place: Path, files: dict[str, dict[str, Any]]) -> tuple[dict[str, Header], dict[str, dict[str, Any]]]:
    headers: dict[str, Header] = {}
    shards: dict[str, dict[str, Any]] = {}
    for name, file in files.items():
        if not SHARD.fullmatch(name) or file["problem"]:
            continue
        try:
            header = headers[name] = read_header(place / name)
        except (BadHeader, OSError) as error:
            shards[name] = {"size": file["size"], "error": str(error)}
            continue
        problems = header.problems()
        shards[name] = {
            "size": header.size,
            "promised": header.promised,
            "tensors": len(header.tensors),
            "format": header.metadata.get("format", ""),
            "problems": problems[:SAMPLE],
        }
    return headers, shards


def _weights(headers: dict[str, Header], index: dict[str, Any] | None) -> dict[str, Any]:
    """How the shards agree with the index and with the model's own list of tensors."""
    where: dict[str, str] = {}
    doubled = []
    for file, header in headers.items():
        for name in header.tensors:
            if name in where:
                doubled.append(f"{name} in {where[name]} and {file}")
            where[name] = file
    tensors = {name: tensor for header in headers.values() for name, tensor in header.tensors.items()}
    listed = (index or {}).get("weight_map") or {}
    astray = [
        f"{name}: index {listed.get(name)}, found in {file}" for name, file in where.items() if listed.get(name) != file
    ]
    lost = [f"{name}: in no shard, index {file}" for name, file in listed.items() if name not in where and file in headers]
    return {
        "index": None if index is None else _index(index, listed),
        "tensors": len(tensors),
        "tensor_bytes": sum(tensor.end - tensor.begin for header in headers.values() for tensor in header.tensors.values()),
        "types": dict(Counter(tensor.type for tensor in tensors.values())),
        "prefixes": dict(Counter(name.split(".")[0] for name in tensors)),
        "doubled": _sample(doubled),
        "astray": _sample([*astray, *lost] if index is not None else []),
        "layout": _layout({name: (t.type, t.shape) for name, t in tensors.items()}),
    }


def _index(index: dict[str, Any], listed: dict[str, str]) -> dict[str, Any]:
    return {
        "total_size": (index.get("metadata") or {}).get("total_size"),
        "tensors": len(listed),
        "shards": sorted(set(listed.values())),
    }


def _layout(found: dict[str, tuple[str, tuple[int, ...]]]) -> dict[str, Any]:
    """Against the list of ERNIE-4.5-VL-28B-A3B; of another model nearly everything is missing or unexpected."""
    wanted = {name: (kind, shape) for name, kind, shape in checkpoint.tensors()}
    both = wanted.keys() & found.keys()
    return {
        "missing": _sample(sorted(wanted.keys() - found.keys())),
        "unexpected": _sample(sorted(found.keys() - wanted.keys())),
        "misshapen": _sample(
            f"{n}: {list(found[n][1])}, not {list(wanted[n][1])}" for n in both if found[n][1] != wanted[n][1]
        ),
        "mistyped": _sample(f"{n}: {found[n][0]}" for n in both if not _right_type(wanted[n][0], found[n][0])),
    }


def _right_type(kind: str, found: str) -> bool:
    return found in SIXTEEN_BITS if kind == checkpoint.WEIGHT else found == "F32"


def _sample(names: Iterable[str]) -> dict[str, Any]:
    listed = sorted(names)
    return {"count": len(listed), "sample": listed[:SAMPLE]}
