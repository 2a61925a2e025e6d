"""The processor of the tiny model: pictures become patches and a grid, and each picture's place in the text as many tokens.

Copied into the model's directory, from where vLLM loads it. The size rule is ERNIE-4.5-VL's: multiples of 28 pixels, between
a least and a most number of pixels.
"""
# ruff: noqa: ARG002, RUF012 - names and attributes are those that transformers looks for
# mypy: ignore-errors

from __future__ import annotations

import math

import numpy
import torch
from PIL import Image
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.processing_utils import ProcessorMixin

LONGEST_BY_SHORTEST = 200
PLACES = {"<|image@placeholder|>": 1, "<|video@placeholder|>": 2}  # mark: how many frames share a token
TOKEN = "<|IMAGE_PLACEHOLDER|>"


def fitted(height: int, width: int, step: int, least: int, most: int) -> tuple[int, int]:
    """Height and width as multiples of `step` with an area from `least` to `most`."""
    if max(height, width) > LONGEST_BY_SHORTEST * min(height, width):
        if height > width:
            width = max(step, height // LONGEST_BY_SHORTEST)
        else:
            height = max(step, width // LONGEST_BY_SHORTEST)
    rows, columns = (max(1, round(side / step)) for side in (height, width))
    if rows * columns * step * step > most:
        shrink = math.sqrt(height * width / most)
        rows, columns = (max(1, math.floor(side / shrink / step)) for side in (height, width))
    elif rows * columns * step * step < least:
        grow = math.sqrt(least / (height * width))
        rows, columns = (math.ceil(side * grow / step) for side in (height, width))
    return rows * step, columns * step


class Ernie4_5_VLImageProcessor(BaseImageProcessor):
    model_input_names = ["images", "grid_thw"]

    def __init__(self, size=None, patch_size=14, merge_size=2, image_mean=None, image_std=None, rescale_factor=0.0, **rest):
        super().__init__(**rest)
        self.size = size or {"min_pixels": 3136, "max_pixels": 401408}
        self.patch_size, self.merge_size = patch_size, merge_size
        self.image_mean, self.image_std, self.rescale_factor = image_mean, image_std, rescale_factor

    def patches(self, frames, min_pixels=None, max_pixels=None):
        """The patches of frames of one size, in the order in which the model merges them, and (frames, rows, columns)."""
        arrays = (f if isinstance(f, Image.Image) else numpy.asarray(f).astype(numpy.uint8) for f in frames)
        pictures = [f if isinstance(f, Image.Image) else Image.fromarray(f) for f in arrays]
        patch, merge = self.patch_size, self.merge_size
        least, most = min_pixels or self.size["min_pixels"], max_pixels or self.size["max_pixels"]
        height, width = fitted(pictures[0].height, pictures[0].width, patch * merge, least, most)
        sized = [p.convert("RGB").resize((width, height), Image.Resampling.BICUBIC) for p in pictures]
        rows, columns = height // patch, width // patch
        cut = numpy.stack([numpy.asarray(p) for p in sized])
        cut = cut.reshape(len(sized), rows // merge, merge, patch, columns // merge, merge, patch, 3)
        cut = cut.transpose(0, 1, 4, 2, 5, 7, 3, 6)
        return cut.reshape(-1, 3 * patch * patch), (len(sized), rows, columns)

    def preprocess(self, images, videos=(), min_pixels=None, max_pixels=None, **rest):
        found = [self.patches([image], min_pixels, max_pixels) for image in images]
        for video in videos:
            frames = list(video[0] if isinstance(video, tuple) else video)
            found.append(self.patches(frames + frames[-1:] * (len(frames) % 2)))  # frames go in pairs
        patches = torch.from_numpy(numpy.concatenate([p for p, _ in found]))
        return BatchFeature({"images": patches, "grid_thw": torch.tensor([g for _, g in found], dtype=torch.int64)})

    __call__ = preprocess


class Ernie4_5_VLProcessor(ProcessorMixin):
    attributes = ["image_processor", "tokenizer"]
    image_processor_class = "AutoImageProcessor"
    tokenizer_class = "AutoTokenizer"

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **rest):
        self.spatial_conv_size = self.temporal_conv_size = 2
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    def __call__(self, text=None, images=None, videos=None, **rest):
        pictures, films = list(images or []), list(videos or [])
        data = {"images": None, "grid_thw": torch.zeros((0, 3), dtype=torch.int64)}
        if pictures or films:
            bounds = {key: rest[key] for key in ("min_pixels", "max_pixels") if key in rest}
            data = dict(self.image_processor(pictures, films, **bounds))
        grids = data["grid_thw"].tolist()
        said = text if isinstance(text, str) else text[0]
        for (mark, shared), mine in zip(PLACES.items(), (grids[: len(pictures)], grids[len(pictures) :]), strict=True):
            for frames, rows, columns in mine:
                said = said.replace(mark, TOKEN * (frames * rows * columns // shared // self.spatial_conv_size**2), 1)
        data["input_ids"] = torch.tensor([self.tokenizer(said, add_special_tokens=False)["input_ids"]])
        return BatchFeature(data)
