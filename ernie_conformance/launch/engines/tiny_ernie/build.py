"""Build a model of ERNIE-4.5-VL's shape that fits anywhere: `build.py DIR TEXT...`, run by the engine's own interpreter.

Attention, experts, vision tower and resampler are all there and all run; their weights are small noise. Embedding and head
are set so that each token of a script is followed by the next, so the model's text is known: asked to think, it recites a
piece of the Thousand Character Classic (sixth century; no character comes twice, which is what makes it a script) as its
reasoning, closes it, and recites the next piece as the answer, skipping a phrase of four now and then unless it is greedy.
After <|CALL|> it writes a tool call. Where a grammar forbids the script, a small bias towards the marks of JSON lets it come
to an end. TEXT files are what the tokenizer is trained on.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODEL_CODE = ("configuration_ernie4_5_vl.py", "processing_ernie4_5_vl.py")

# No piece comes twice in all the scripts: what follows a token is one token.
REASONING = [*"天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳"]
ANSWER = [
    *"云腾致雨露结为霜金生丽水玉出昆冈剑号巨阙珠称夜光果珍李柰菜重芥姜海咸河淡鳞潜羽翔龙师火帝鸟官人皇始制文字乃服衣裳",
    *"推位让国有虞陶唐吊民伐罪周发殷汤坐朝问道垂拱平章爱育黎首臣伏戎羌遐迩一体率宾归王鸣凤在竹白驹食场化被草木赖及万方",
    *"盖此身四大五常恭惟鞠养岂敢毁伤女慕贞洁男效才良知过必改得能莫忘罔谈彼短靡恃己长信使可覆器欲难量墨悲丝染诗赞羔羊",
]  # fmt: skip
EMOJI = ["🦊", "。"]  # the first in four tokens, a byte each
CALL = ["<tool_call>", '{"name": "get_weather", ', '"arguments": ', '{"city": "', "北京", '"}', "}", "</tool_call>"]
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
CONTROL = [
    *("<|begin_of_sentence|>", "<|end_of_sentence|>", "<mask:1>", "<|IMAGE_PLACEHOLDER|>", "<|image@placeholder|>"),
    *("<|video@placeholder|>", "<|IMAGE_START|>", "<|IMAGE_END|>", "<|VIDEO_START|>", "<|VIDEO_END|>", "<|CALL|>"),
]
TAGS = ["<think>", "</think>", "<tool_call>", "</tool_call>"]
BYTES = [f"<0x{value:02X}>" for value in range(256)]
VOCABULARY = 4000

HIDDEN, LAYERS, HEADS, KEY_HEADS, HEAD, EXPERTS = 256, 3, 4, 2, 64, 4
SEEN, SEEING_LAYERS, PATCH = 128, 2, 14
# Logits of the script's next token, of a skipped phrase, of the marks of JSON; noise has a deviation of .25.
NEXT, SKIPPING, MARK = 40.0, 38.5, 6.0
PHRASE = 4
SLIGHT = 0.002  # of what layers add to the stream of hidden states, so that the script stays on top
SHARED = 0.25  # the part of every embedding that points one way, by which MARK reaches every token
MARKS = {END: 1.2, "}": 1.1, "]": 1.05, '"': 1.0, "{": 0.9, ":": 0.8, ",": 0.7}  # by how much each is preferred


def trained(texts: Sequence[Path]) -> Any:
    """A byte-fallback BPE tokenizer with every piece of the scripts as one token."""
    tokenizers, parts = import_module("tokenizers"), import_module("tokenizers.pre_tokenizers")
    models, decoders, trainers = (import_module(f"tokenizers.{name}") for name in ("models", "decoders", "trainers"))
    pieces = [p for p in dict.fromkeys([*REASONING, *ANSWER, EMOJI[1], *CALL]) if p not in TAGS]
    reserved = [UNKNOWN, BEGIN, END, *CONTROL, *TAGS, *pieces, *BYTES]
    words = parts.Metaspace(replacement="▁", prepend_scheme="never")
    draft = tokenizers.Tokenizer(models.BPE(unk_token=UNKNOWN))
    draft.pre_tokenizer = words
    draft.train([str(path) for path in texts], trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=reserved))
    learned = json.loads(draft.to_str())["model"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in learned["merges"]]
    model = models.BPE(vocab=learned["vocab"], merges=merges, unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True)
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = words
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    added = tokenizers.AddedToken
    tokenizer.add_special_tokens([added(t, normalized=False, special=True) for t in (UNKNOWN, BEGIN, END, *CONTROL)])
    tokenizer.add_tokens([added(t, normalized=False, special=False) for t in (*TAGS, *pieces)])
    return import_module("transformers").PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        unk_token=UNKNOWN,
        pad_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
        chat_template=(HERE / "chat_template.jinja").read_text(encoding="utf-8"),
    )


def scripts(tokenizer: Any) -> list[tuple[int, int, float]]:
    """What the model knows by heart: a token, one that follows it, and its logit."""

    def ids(*pieces: str) -> list[int]:
        return [number for piece in pieces for number in tokenizer.encode(piece, add_special_tokens=False)]

    answer = ids("\n", *ANSWER)
    skips = [(answer[at], answer[at + PHRASE + 1], SKIPPING) for at in range(0, len(answer) - PHRASE - 1, PHRASE)]
    spoken = [*ids("<think>", *REASONING, "</think>"), *answer, *ids(*EMOJI, END)]
    called = ids("<|CALL|>", *CALL, END)
    return [*((a, b, NEXT) for script in (spoken, called) for a, b in pairwise(script)), *skips]


def config(tokenizer: Any, vocabulary: int) -> dict[str, Any]:
    """config.json: the shape, in the names of ERNIE-4.5-VL."""
    number = tokenizer.convert_tokens_to_ids
    return {
        "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"],
        "model_type": "ernie4_5_moe_vl",
        "auto_map": {"AutoConfig": "configuration_ernie4_5_vl.Ernie4_5_VLMoEConfig"},
        "bos_token_id": number(BEGIN),
        "eos_token_id": number(END),
        "pad_token_id": number(UNKNOWN),
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS,
        "head_dim": HEAD,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 8192,
        "rope_theta": 500000.0,
        "rope_3d": True,
        "freq_allocation": 20,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0, "mrope_section": [6, 6, 20]},
        "tie_word_embeddings": False,
        "use_bias": False,
        "vocab_size": vocabulary,
        "dtype": "bfloat16",
        "use_moe": True,
        "moe_num_experts": [EXPERTS, EXPERTS],
        "moe_k": 2,
        "moe_intermediate_size": [128, 64],
        "moe_num_shared_experts": 1,
        "moe_layer_interval": 1,
        "moe_layer_start_index": [1, 1],
        "moe_layer_end_index": [LAYERS - 1, LAYERS - 1],
        "im_patch_id": number("<|IMAGE_PLACEHOLDER|>"),
        "image_start_token_id": number("<|IMAGE_START|>"),
        "image_end_token_id": number("<|IMAGE_END|>"),
        "video_start_token_id": number("<|VIDEO_START|>"),
        "video_end_token_id": number("<|VIDEO_END|>"),
        "pixel_hidden_size": SEEN,
        "spatial_conv_size": 2,
        "temporal_conv_size": 2,
        "use_temporal_conv": True,
        "vision_config": {
            "model_type": "DFNRope_vision_transformer",
            "depth": SEEING_LAYERS,
            "embed_dim": SEEN,
            "hidden_size": SEEN,
            "hidden_act": "quick_gelu",
            "in_channels": 3,
            "in_chans": 3,
            "mlp_ratio": 4,
            "num_heads": 2,
            "patch_size": PATCH,
            "spatial_merge_size": 2,
            "spatial_patch_size": PATCH,
        },
    }


def preprocessor() -> dict[str, Any]:
    """preprocessor_config.json."""
    return {
        "auto_map": {
            "AutoProcessor": "processing_ernie4_5_vl.Ernie4_5_VLProcessor",
            "AutoImageProcessor": "processing_ernie4_5_vl.Ernie4_5_VLImageProcessor",
        },
        "processor_class": "Ernie4_5_VLProcessor",
        "image_processor_type": "Ernie4_5_VLImageProcessor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "size": {"min_pixels": 3136, "max_pixels": 401408},
        "rescale_factor": 1 / 255,
        "resample": 3,
        "merge_size": 2,
        "patch_size": PATCH,
        "temporal_conv_size": 2,
    }


class Weights(dict[str, Any]):
    """Tensors by name, drawn from one seed."""

    def __init__(self) -> None:
        super().__init__()
        self.torch = import_module("torch")
        self.draw = self.torch.Generator().manual_seed(45)

    def noise(self, name: str, *shape: int, deviation: float = 0.02) -> None:
        self[name] = self.torch.randn(*shape, generator=self.draw) * deviation

    def ones(self, name: str, size: int) -> None:
        self[name] = self.torch.ones(size)

    def zeros(self, name: str, *shape: int) -> None:
        self[name] = self.torch.zeros(*shape)

    def norm(self, name: str, size: int) -> None:
        self.ones(f"{name}.weight", size)
        self.zeros(f"{name}.bias", size)

    def linear(self, name: str, out: int, into: int) -> None:
        self.noise(f"{name}.weight", out, into)
        self.zeros(f"{name}.bias", out)

    def gated(self, name: str, inner: int) -> None:
        self.noise(f"{name}.gate_proj.weight", inner, HIDDEN)
        self.noise(f"{name}.up_proj.weight", inner, HIDDEN)
        self.noise(f"{name}.down_proj.weight", HIDDEN, inner, deviation=SLIGHT)


def language(weights: Weights, vocabulary: int, known: Sequence[tuple[int, int, float]], marks: dict[int, float]) -> None:
    """Embedding, head and layers of the language model."""
    embedding = weights.torch.randn(vocabulary, HIDDEN, generator=weights.draw)
    embedding = embedding / embedding.norm(dim=1, keepdim=True)
    embedding[:, 0] = SHARED
    embedding = embedding / embedding.norm(dim=1, keepdim=True)
    length = HIDDEN**0.5  # of a hidden state after the last norm
    head = weights.torch.randn(vocabulary, HIDDEN, generator=weights.draw) * (0.25 / length)
    head[:, 0] = 0
    for before, after, logit in known:
        head[after] = head[after] + embedding[before] * (logit / length)
    head[:, 0] = 0
    for token, weight in marks.items():
        head[token][0] = MARK * weight / (length * SHARED)
    weights["model.embed_tokens.weight"], weights["lm_head.weight"] = embedding, head
    weights.ones("model.norm.weight", HIDDEN)
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        weights.ones(f"{name}.input_layernorm.weight", HIDDEN)
        weights.ones(f"{name}.post_attention_layernorm.weight", HIDDEN)
        for part, heads in (("q", HEADS), ("k", KEY_HEADS), ("v", KEY_HEADS)):
            weights.noise(f"{name}.self_attn.{part}_proj.weight", heads * HEAD, HIDDEN)
        weights.noise(f"{name}.self_attn.o_proj.weight", HIDDEN, HEADS * HEAD, deviation=SLIGHT)
        experts(weights, f"{name}.mlp") if layer else weights.gated(f"{name}.mlp", 2 * HIDDEN)


def experts(weights: Weights, name: str) -> None:
    """A layer of experts: those of text, those of pictures, and one for both."""
    weights.noise(f"{name}.gate.weight", HIDDEN, EXPERTS)
    weights.noise(f"{name}.gate.weight_1", HIDDEN, EXPERTS)
    weights.zeros(f"{name}.moe_statics.e_score_correction_bias", 2, EXPERTS)
    for expert in range(EXPERTS):
        weights.gated(f"{name}.experts.{expert}", 128)
        weights.gated(f"{name}.experts.{EXPERTS + expert}", 64)
    weights.gated(f"{name}.shared_experts", 128)


def vision(weights: Weights) -> None:
    """The vision tower, and the resampler that brings it to the language model."""
    weights.noise("vision_model.patch_embed.proj.weight", SEEN, 3 * PATCH * PATCH)
    weights.norm("vision_model.ln", SEEN)
    for layer in range(SEEING_LAYERS):
        name = f"vision_model.blocks.{layer}"
        weights.norm(f"{name}.norm1", SEEN)
        weights.norm(f"{name}.norm2", SEEN)
        weights.linear(f"{name}.attn.qkv", 3 * SEEN, SEEN)
        weights.linear(f"{name}.attn.proj", SEEN, SEEN)
        weights.linear(f"{name}.mlp.fc1", 4 * SEEN, SEEN)
        weights.linear(f"{name}.mlp.fc2", SEEN, 4 * SEEN)
    wide = 4 * SEEN
    for part, into in (("spatial_linear", wide), ("temporal_linear", 2 * wide)):
        name = f"model.resampler_model.{part}"
        weights.linear(f"{name}.0", wide, into)
        weights.linear(f"{name}.2", wide, wide)
        weights.norm(f"{name}.3", wide)
    weights.linear("model.resampler_model.mlp", HIDDEN, wide)
    weights.ones("model.resampler_model.after_norm.weight", HIDDEN)


def build(folder: Path, texts: Sequence[Path]) -> None:
    """Write the whole model directory."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = trained(texts)
    tokenizer.save_pretrained(folder)
    vocabulary = -(-len(tokenizer) // 64) * 64
    weights = Weights()
    marks = {tokenizer.convert_tokens_to_ids(token): weight for token, weight in MARKS.items()}
    language(weights, vocabulary, scripts(tokenizer), marks)
    vision(weights)
    kept = {name: (t if "e_score" in name else t.to(weights.torch.bfloat16)).contiguous() for name, t in weights.items()}
    import_module("safetensors.torch").save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    sampling = {"do_sample": True, "temperature": 0.2, "top_p": 0.8, "eos_token_id": tokenizer.eos_token_id}
    index = {"metadata": {}, "weight_map": dict.fromkeys(kept, "model.safetensors")}
    for name, content in (
        ("config.json", config(tokenizer, vocabulary)),
        ("preprocessor_config.json", preprocessor()),
        ("generation_config.json", sampling),
        ("model.safetensors.index.json", index),
    ):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for name in MODEL_CODE:
        shutil.copy(HERE / name, folder / name)


if __name__ == "__main__":
    build(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
