"""Names, shapes and types of the tensors of ERNIE-4.5-VL-28B-A3B, in the layout that FastDeploy reads.

Sources: FastDeploy, models/ernie4_5_vl; PaddleFormers, configuration of the model. With these names, shapes and types, in
natural order and shards of 5 * 10^9 bytes, the sizes of all seven files that the tutorial's listing shows come out exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

HIDDEN, LAYERS, VOCABULARY = 2560, 28, 103424
QKV = 3584  # 20 heads of queries, 4 of keys and 4 of values, 128 wide
DENSE, SHARED = 12288, 3072
EXPERTS = {"text": (64, 1536), "vision": (64, 512)}
VISION, BLOCKS, VISION_DENSE = 1280, 32, 5120
RESAMPLED = 5120  # four neighbouring patches of 1280

WEIGHT, ROUTER = "weight", "router"  # sixteen bits; thirty-two for what routes to experts
Spec = tuple[str, str, tuple[int, ...]]


def tensors() -> Iterator[Spec]:
    """`(name, WEIGHT or ROUTER, shape)` of every tensor; linear layers are [in, out]."""
    yield "ernie.embed_tokens.weight", WEIGHT, (VOCABULARY, HIDDEN)
    for layer in range(LAYERS):
        yield from _layer(f"ernie.layers.{layer}.", dense=layer == 0)
    yield "ernie.norm.weight", WEIGHT, (HIDDEN,)
    yield from _resampler("ernie.resampler_model.")
    yield from _vision("vision_model.")


def _layer(at: str, dense: bool) -> Iterator[Spec]:
    yield at + "self_attn.qkv_proj.weight", WEIGHT, (HIDDEN, QKV)
    yield at + "self_attn.o_proj.weight", WEIGHT, (HIDDEN, HIDDEN)
    yield at + "input_layernorm.weight", WEIGHT, (HIDDEN,)
    yield at + "post_attention_layernorm.weight", WEIGHT, (HIDDEN,)
    if dense:
        yield from _feed_forward(at + "mlp.", DENSE)
        return
    yield at + "mlp.gate.weight", ROUTER, (HIDDEN, EXPERTS["text"][0])
    yield at + "mlp.gate.weight_1", ROUTER, (HIDDEN, EXPERTS["vision"][0])
    yield at + "mlp.moe_statics.e_score_correction_bias", ROUTER, (2, EXPERTS["text"][0])
    yield from _feed_forward(at + "mlp.shared_experts.", SHARED)
    number = 0
    for count, width in EXPERTS.values():
        for expert in range(number, number + count):
            yield from _feed_forward(f"{at}mlp.experts.{expert}.", width)
        number += count


def _feed_forward(at: str, width: int) -> Iterator[Spec]:
    yield at + "up_gate_proj.weight", WEIGHT, (HIDDEN, 2 * width)
    yield at + "down_proj.weight", WEIGHT, (width, HIDDEN)


def _resampler(at: str) -> Iterator[Spec]:
    for part, width in (("spatial_linear", RESAMPLED), ("temporal_linear", 2 * RESAMPLED)):
        yield from _linear(f"{at}{part}.0", width, RESAMPLED)
        yield from _linear(f"{at}{part}.2", RESAMPLED, RESAMPLED)
        yield from _norm(f"{at}{part}.3", RESAMPLED)
    yield from _linear(at + "mlp", RESAMPLED, HIDDEN)
    yield at + "after_norm.weight", WEIGHT, (HIDDEN,)


def _vision(at: str) -> Iterator[Spec]:
    yield at + "patch_embed.proj.weight", WEIGHT, (3 * 14 * 14, VISION)
    for block in range(BLOCKS):
        inner = f"{at}blocks.{block}."
        yield from _norm(inner + "norm1", VISION)
        yield from _norm(inner + "norm2", VISION)
        yield from _linear(inner + "attn.qkv", VISION, 3 * VISION)
        yield from _linear(inner + "attn.proj", VISION, VISION)
        yield from _linear(inner + "mlp.fc1", VISION, VISION_DENSE)
        yield from _linear(inner + "mlp.fc2", VISION_DENSE, VISION)
    yield from _norm(at + "ln", VISION)


def _linear(at: str, wide: int, out: int) -> Iterator[Spec]:
    yield at + ".weight", WEIGHT, (wide, out)
    yield at + ".bias", WEIGHT, (out,)


def _norm(at: str, width: int) -> Iterator[Spec]:
    yield at + ".weight", WEIGHT, (width,)
    yield at + ".bias", WEIGHT, (width,)
