"""The configuration classes by which transformers reads config.json of the tiny model; copied into its directory."""
# ruff: noqa: RUF012 - names and attributes are those that transformers looks for
# mypy: ignore-errors

from __future__ import annotations

from transformers import PretrainedConfig


class DFNRopeVisionTransformerConfig(PretrainedConfig):
    model_type = "DFNRope_vision_transformer"
    base_config_key = "vision_config"


class Ernie4_5_VLMoEConfig(PretrainedConfig):
    model_type = "ernie4_5_moe_vl"
    sub_configs = {"vision_config": DFNRopeVisionTransformerConfig}

    def __init__(self, vision_config=None, **rest):
        given = {} if vision_config is None else vision_config
        self.vision_config = DFNRopeVisionTransformerConfig(**given) if isinstance(given, dict) else given
        super().__init__(**rest)
