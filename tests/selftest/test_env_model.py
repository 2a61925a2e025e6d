"""Damage done to a model directory on disk is seen by the rows that own it, and by no other."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hosts import by_verdict, good, rulings
from lookalike import build

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.rules import env_model
from ernie_conformance.probe import model
from ernie_conformance.probe.safetensors import BadHeader, read_header

pytestmark = pytest.mark.selftest

SHARD = "model-{:05d}-of-00012.safetensors".format
INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The undamaged look-alike, built once for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    with FileLock(shared / "lookalike.lock", timeout=120):
        place = shared / "lookalike"
        return place if place.exists() else build(place)


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Path:
    """A directory of links to the look-alike's files, as a download cache lays them; tests put damage in their stead."""
    for file in whole.iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


def judged(place: Path) -> tuple[list[str], list[str], list[str]]:
    """Rows that FAIL, WARN and are BLOCKED on the good host with this model directory."""
    facts = good()
    facts["model"] = model.read(str(place))
    found = [r for r in rulings(facts) if r.row.area == "model_directory"]
    assert by_verdict(found, verdicts.ERROR) == []
    fail, warn, blocked = (by_verdict(found, v) for v in (verdicts.FAIL, verdicts.WARN, verdicts.BLOCKED))
    return fail, warn, blocked


def replaced(file: Path, content: bytes, size: int | None = None) -> None:
    file.unlink()
    with file.open("wb") as opened:
        opened.write(content)
        opened.truncate(size if size is not None else len(content))


def header(file: Path) -> tuple[dict[str, Any], int]:
    raw = file.open("rb")
    with raw:
        (length,) = struct.unpack("<Q", raw.read(8))
        return json.loads(raw.read(length)), file.stat().st_size - length - 8


def reheaded(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The same file with a changed header."""
    table, data = header(file)
    change(table)
    raw = json.dumps(table).encode()
    replaced(file, struct.pack("<Q", len(raw)) + raw, 8 + len(raw) + data)


def changed(file: Path, **fields: Any) -> None:
    """The same JSON file, as long as before, with other values; None takes a key away."""
    table, size = json.loads(file.read_text()), file.stat().st_size
    table = {k: v for k, v in {**table, **fields}.items() if v is not None}
    text = json.dumps(table, separators=(",", ":"))
    replaced(file, (text + " " * (size - len(text))).encode())


def cut(place: Path) -> None:
    first = (place / SHARD(3)).open("rb")
    with first:
        replaced(place / SHARD(3), first.read(200_000), 4_000_000_000)


def swap(place: Path) -> None:
    (place / SHARD(2)).rename(place / "aside")
    (place / SHARD(5)).rename(place / SHARD(2))
    (place / "aside").rename(place / SHARD(5))


def to_float16(table: dict[str, Any]) -> None:
    for name, entry in table.items():
        if name != "__metadata__" and entry["dtype"] == "U16":
            entry["dtype"] = "F16"


def reshape(table: dict[str, Any]) -> None:
    name = "ernie.layers.27.mlp.experts.0.down_proj.weight"
    table[name]["shape"] = table[name]["shape"][::-1]  # [out, in], as PyTorch has it


def shift(table: dict[str, Any]) -> None:
    last = max((entry for name, entry in table.items() if name != "__metadata__"), key=lambda entry: entry["data_offsets"])
    last["data_offsets"] = [offset - 2 for offset in last["data_offsets"]]


HOLES = ["MODEL-025"]  # the look-alike has no weights, and the row that looks for them says so

DAMAGE: dict[str, tuple[Callable[[Path], None], list[str], list[str]]] = {
    "nothing": (lambda place: None, [], HOLES),  # noqa: ARG005
    "a shard is cut": (cut, ["MODEL-008"], HOLES),
    "a shard is longer": (lambda p: replaced(p / SHARD(12), *longer(p / SHARD(12))), ["MODEL-008"], HOLES),
    "a shard is missing": (lambda p: (p / SHARD(7)).unlink(), ["MODEL-004"], []),
    "a shard of another set": (
        lambda p: (p / "model-00001-of-00013.safetensors").symlink_to(p / SHARD(1)),
        ["MODEL-004"],
        [],
    ),
    "a Git LFS pointer": (
        lambda p: replaced(p / SHARD(1), b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4991326368\n"),
        ["MODEL-005"],
        [],
    ),
    "an error page": (lambda p: replaced(p / SHARD(1), b"<!DOCTYPE html><html>401</html>"), ["MODEL-005"], []),
    "an XML error": (lambda p: replaced(p / "tokenizer.model", b"<?xml version='1.0'?><Error/>"), ["MODEL-005"], HOLES),
    "an empty file": (lambda p: replaced(p / "preprocessor_config.json", b""), ["MODEL-005"], HOLES),
    "half a JSON file": (lambda p: replaced(p / INDEX, b'{"weight_map": {'), ["MODEL-005"], HOLES),
    "a JSON list": (lambda p: replaced(p / "preprocessor_config.json", b"[]"), ["MODEL-005"], HOLES),
    "a dangling link": (lambda p: dangle(p / SHARD(9)), ["MODEL-005"], []),
    "an unfinished download": (lambda p: (p / "x.incomplete").write_bytes(b"x"), [], ["MODEL-006", *HOLES]),
    "a header too long": (lambda p: replaced(p / SHARD(4), b"\xff" * 100, 4995268296), ["MODEL-007"], []),
    "a header that isn't JSON": (lambda p: replaced(p / SHARD(4), struct.pack("<Q", 4) + b"{{{{"), ["MODEL-007"], []),
    "shards swapped": (swap, ["MODEL-010"], HOLES),
    "types of another kind": (lambda p: reheaded(p / SHARD(2), to_float16), ["MODEL-013"], ["MODEL-014", *HOLES]),
    "a matrix the other way round": (lambda p: reheaded(p / SHARD(12), reshape), ["MODEL-012"], HOLES),
    "tensors that overlap": (lambda p: reheaded(p / SHARD(12), shift), ["MODEL-009"], HOLES),
    "the index's sum": (lambda p: retotal(p / INDEX), ["MODEL-011"], HOLES),
    "another base of rotations": (lambda p: changed(p / "config.json", rope_theta=10000.0), ["MODEL-017"], HOLES),
    "another end": (lambda p: changed(p / "generation_config.json", eos_token_id=3), ["MODEL-018"], HOLES),
    "another normalisation": (
        lambda p: changed(p / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5]),
        ["MODEL-020"],
        HOLES,
    ),
    "another id": (lambda p: reid(p / "added_tokens.json"), ["MODEL-021"], HOLES),
    "a JSON tokenizer": (lambda p: replaced(p / "tokenizer.model", b"{}", 1_600_000), ["MODEL-022"], HOLES),
    "no template": (lambda p: changed(p / "tokenizer_config.json", chat_template=None), [], ["MODEL-023", *HOLES]),
}


def longer(file: Path) -> tuple[bytes, int]:
    with file.open("rb") as opened:
        return opened.read(200_000), file.stat().st_size + 16


def dangle(file: Path) -> None:
    file.unlink()
    file.symlink_to("gone")


def retotal(file: Path) -> None:
    table = json.loads(file.read_text())
    table["metadata"]["total_size"] += 2
    replaced(file, json.dumps(table).encode())


def reid(file: Path) -> None:
    text = file.read_text()
    replaced(file, text.replace('"<|IMAGE_START|>":101304', '"<|IMAGE_START|>":101309').encode())


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_seen_by_its_rows_alone(name: str, place: Path) -> None:
    damage, fail, warn = DAMAGE[name]
    damage(place)
    failed, warned, blocked = judged(place)
    assert (failed, warned) == (sorted(fail), sorted(warn))
    assert bool(fail) or not blocked


def test_a_directory_without_a_model_is_one_red(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty, outer = tmp_path_factory.mktemp("empty"), tmp_path_factory.mktemp("outer")
    (outer / "ERNIE").symlink_to(place)
    for directory, problem in (
        (empty, "empty"),
        (outer, "the model lies deeper"),
        (place / "config.json", "not a directory"),
    ):
        assert problem in model.read(str(directory))["problem"]
        assert judged(directory)[:2] == (["MODEL-001"], [])


def test_only_headers_are_read(whole: Path) -> None:
    """Of 55 GiB, a few megabytes: Linux counts what this thread reads."""
    counted = Path("/proc/thread-self/io")
    if not counted.exists():
        pytest.skip("this system doesn't count what a thread reads")

    def count() -> int:
        return int(counted.read_text().split("rchar: ")[1].split()[0])

    before = count()
    found = model.read(str(whole))
    assert found["tensor_bytes"] == 58_816_290_304
    assert count() - before < 10_000_000


def test_sizes_are_the_tutorials_to_the_byte(whole: Path) -> None:
    sizes = env_model.published()["sizes"]
    assert {name: (whole / name).stat().st_size for name in sizes} == sizes


FAMILY = {
    "ERNIE-4.5-300B-A47B": {"hidden_size": 8192, "layers": 54, "heads": 64, "shared": 8, "vision": False},
    "ERNIE-4.5-VL-424B-A47B": {"hidden_size": 8192, "layers": 54, "heads": 64, "shared": 8, "vision": True},
    "ERNIE-4.5-21B-A3B": {"hidden_size": 2560, "layers": 28, "heads": 20, "shared": 4, "vision": False},
    "ERNIE-4.5-VL-28B-A3B": {"hidden_size": 2560, "layers": 28, "heads": 20, "shared": 4, "vision": True},
    "ERNIE-4.5-0.3B": {"hidden_size": 1024, "layers": 18, "heads": 16, "shared": 2, "vision": False},
}


@pytest.mark.parametrize("name", FAMILY)
def test_config_says_which_model_of_the_family_it_is(name: str) -> None:
    facts, about = good(), FAMILY[name]
    facts["model"]["config"] = {
        "model_type": "ernie4_5",
        "hidden_size": about["hidden_size"],
        "num_hidden_layers": about["layers"],
        "num_attention_heads": about["heads"],
        "num_key_value_heads": about["shared"],
        **({"vision_config": {}} if about["vision"] else {}),
    }
    assert env_model.model_name({"host": facts}) == name


def test_the_family_has_ten_models_and_one_context() -> None:
    family = env_model.family()
    assert len([twin for known in family.values() for twin in known["twins"]]) == 10
    assert {known["context"] for known in family.values()} == {131072}
    assert family["ERNIE-4.5-0.3B"]["tutorial_context"] == 4096  # what the tutorial says, and the vendor contradicts


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"1234567", id="too short"),
        pytest.param(struct.pack("<Q", 2) + b"[]", id="a list"),
        pytest.param(struct.pack("<Q", 19) + b'{"a": 1, "a": {"b"}', id="not JSON"),
        pytest.param(struct.pack("<Q", 16) + b'{"a": {}, "b":1}', id="no tensor"),
        pytest.param(struct.pack("<Q", 2**63) + b"{}", id="longer than the file"),
    ],
)
def test_what_is_no_header_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BadHeader):
        read_header(tmp_path / "x")


def test_a_doubled_tensor_is_refused(tmp_path: Path) -> None:
    entry = '{"dtype": "U16", "shape": [1], "data_offsets": [0, 2]}'
    raw = f'{{"a": {entry}, "a": {entry}}}'.encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(raw)) + raw + b"\0\0")
    with pytest.raises(BadHeader, match="a stands twice"):
        read_header(tmp_path / "x")
