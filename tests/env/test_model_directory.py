"""Is the model directory whole, undamaged, and of the model that is to be served?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import env_model

Facts = Mapping[str, Any]


@row("MODEL-001")
def test_the_directory_is_there(facts: Facts) -> None:
    env_model.directory_is_there(facts)


@row("MODEL-002")
def test_the_engines_files_are_there(facts: Facts) -> None:
    env_model.needed_files_are_there(facts)


@row("MODEL-003")
def test_the_other_files_are_there(facts: Facts) -> None:
    env_model.files_beside_are_there(facts)


@row("MODEL-004")
def test_the_shards_are_all_there(facts: Facts) -> None:
    env_model.shards_are_whole(facts)


@row("MODEL-005")
def test_files_are_what_they_say(facts: Facts) -> None:
    env_model.files_are_what_they_say(facts)


@row("MODEL-006")
def test_no_download_is_unfinished(facts: Facts) -> None:
    env_model.no_download_is_unfinished(facts)


@row("MODEL-007")
def test_headers_can_be_read(facts: Facts) -> None:
    env_model.headers_can_be_read(facts)


@row("MODEL-008")
def test_shards_are_as_long_as_promised(facts: Facts) -> None:
    env_model.shards_are_as_long_as_promised(facts)


@row("MODEL-009")
def test_tensors_lie_side_by_side(facts: Facts) -> None:
    env_model.tensors_lie_side_by_side(facts)


@row("MODEL-010")
def test_index_and_shards_agree(facts: Facts) -> None:
    env_model.index_agrees(facts)


@row("MODEL-011")
def test_the_total_size_is_right(facts: Facts) -> None:
    env_model.total_is_right(facts)


@row("MODEL-012")
def test_the_tensors_are_the_models(facts: Facts) -> None:
    env_model.tensors_are_the_models(facts)


@row("MODEL-013")
def test_the_types_are_right(facts: Facts) -> None:
    env_model.types_are_right(facts)


@row("MODEL-014")
def test_the_sizes_are_the_listings(facts: Facts) -> None:
    env_model.sizes_are_the_listings(facts)


@row("MODEL-015")
def test_config_is_of_the_family(facts: Facts) -> None:
    env_model.is_of_the_family(facts)


@row("MODEL-016")
def test_the_layout_is_paddles(facts: Facts) -> None:
    env_model.layout_is_paddles(facts)


@row("MODEL-017")
def test_config_has_the_models_values(facts: Facts) -> None:
    env_model.config_is_the_models(facts)


@row("MODEL-018")
def test_end_tokens_agree(facts: Facts) -> None:
    env_model.ends_agree(facts)


@row("MODEL-019")
def test_sampling_defaults_are_usable(facts: Facts) -> None:
    env_model.sampling_is_usable(facts)


@row("MODEL-020")
def test_the_preprocessor_is_the_models(facts: Facts) -> None:
    env_model.preprocessor_is_the_models(facts)


@row("MODEL-021")
def test_image_tokens_have_their_ids(facts: Facts) -> None:
    env_model.tokens_are_the_models(facts)


@row("MODEL-022")
def test_the_tokenizer_is_sentencepiece(facts: Facts) -> None:
    env_model.tokenizer_is_sentencepiece(facts)


@row("MODEL-023")
def test_there_is_a_chat_template(facts: Facts) -> None:
    env_model.template_is_there(facts)


@row("MODEL-024")
def test_the_model_sees_images(facts: Facts) -> None:
    env_model.sees_images(facts)


@row("MODEL-025")
def test_the_bytes_are_on_disk(facts: Facts) -> None:
    env_model.bytes_are_on_disk(facts)


@row("MODEL-026")
def test_files_can_be_read(facts: Facts) -> None:
    env_model.files_can_be_read(facts)
