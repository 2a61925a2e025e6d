"""How much GPU memory the model takes: from the shards' headers, the command's spread and quantization, and its context."""

from __future__ import annotations

from functools import cache
from typing import Any

from ernie_conformance.judge.outcome import Blocked, expect
from ernie_conformance.judge.rules.env_command import command, number, tensor_parallel
from ernie_conformance.judge.rules.env_facts import Facts, gigabytes, host
from ernie_conformance.paths import FIXTURES
from ernie_conformance.tables import read_table

# Share of the bf16 bytes that is left: 30 GB and 17 GB of 58.8 GB; embeddings, norms and gates stay as they are.
QUANTIZED = {
    **dict.fromkeys(("wint8", "block_wise_fp8", "wfp8afp8"), 0.51),
    **dict.fromkeys(("wint4", "w4a8", "w4afp8"), 0.29),
}
CACHE_BYTES = 2  # the KV cache is bfloat16
PUBLISHED = "ERNIE-4.5-VL-28B-A3B"


@cache
def published() -> dict[str, Any]:
    """The tutorial's model as published: tensor bytes, config, files (fixtures/env/model-28b.toml)."""
    return read_table(FIXTURES / "env" / "model-28b.toml")


def options(facts: Facts) -> dict[str, str | None]:
    return {} if host(facts)["target"]["attached"] else command(facts)


def weights_on_each(facts: Facts) -> float:
    """Bytes of weights on each GPU; of the published model where no model directory tells."""
    tensors = host(facts)["model"].get("tensor_bytes") or published()["tensor_bytes"]
    share = QUANTIZED.get(options(facts).get("--quantization") or "", 1.0)
    return float(tensors) * share / tensor_parallel(facts)


def room_on(facts: Facts, device: dict[str, Any]) -> tuple[int, float]:
    """Bytes of this GPU, or of the MIG slice that stands for it, and the part that the command grants to the server."""
    slices = device["mig"]["slices"] if device["mig"]["enabled"] else []
    total = int(_slice(facts, slices)["total"]) if slices else int(device["memory"]["total"])
    granted = 0.9 if host(facts)["target"]["attached"] else number(facts, "--gpu-memory-utilization")
    if not 0 < granted <= 1:
        raise Blocked("COMMAND-008", f"--gpu-memory-utilization {granted:g} is no share")
    return total, total * granted


def free_on(facts: Facts, device: dict[str, Any]) -> int:
    """Bytes that are free on this GPU, or on the MIG slice that stands for it."""
    slices = device["mig"]["slices"] if device["mig"]["enabled"] else []
    return int(_slice(facts, slices)["free"] if slices else device["memory"]["free"])


def _slice(facts: Facts, slices: list[dict[str, Any]]) -> dict[str, Any]:
    named = host(facts)["gpu"]["environment"].get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    return next((part for part in slices if named.startswith("MIG-") and part["id"].startswith(named)), slices[0])


def cache_per_token(facts: Facts) -> int:
    """Bytes of keys and values that one token takes over all layers."""
    config = {**published()["config"], **(host(facts)["model"].get("config") or {})}
    heads, layers = config["num_key_value_heads"], config["num_hidden_layers"]
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return int(2 * layers * heads * width * CACHE_BYTES)


def context_fits(facts: Facts, devices: list[dict[str, Any]]) -> None:
    """One sequence of full length beside the weights, on every GPU."""
    length = int(number(facts, "--max-model-len"))
    need, cache_ = weights_on_each(facts), cache_per_token(facts) * length / tensor_parallel(facts)
    for device in devices:
        _, room = room_on(facts, device)
        if room < need:
            raise Blocked("GPU-006", "the weights alone don't fit")
        expect(
            room - need >= cache_,
            f"GPU {device['index']}: {gigabytes(room - need)} are left beside the weights; --max-model-len {length} takes"
            f" {gigabytes(cache_)} of KV cache",
        )
