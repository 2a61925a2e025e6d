"""Is the launch command one that this engine takes, with this model, on this host?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import env_command, env_model
from ernie_conformance.judge.rules.env_gpu import used
from ernie_conformance.judge.rules.env_weights import context_fits
from ernie_conformance.targets import Target

Facts = Mapping[str, Any]


@row("COMMAND-001")
def test_every_option_exists(facts: Facts) -> None:
    env_command.flags_exist(facts)


@row("COMMAND-002")
def test_every_value_can_be_read(facts: Facts) -> None:
    env_command.values_parse(facts)


@row("COMMAND-003")
def test_the_reasoning_parser_is_the_models(facts: Facts) -> None:
    env_command.parser_is_right(facts)


@row("COMMAND-004")
def test_images_are_on(facts: Facts) -> None:
    env_command.images_are_on(facts)


@row("COMMAND-005")
def test_the_context_is_the_targets(facts: Facts, target: Target) -> None:
    env_command.context_is_the_targets(facts, target.max_model_len, env_model.longest_context(facts))


@row("COMMAND-006")
def test_a_full_context_fits_beside_the_weights(facts: Facts) -> None:
    context_fits(facts, used(facts))


@row("COMMAND-007")
def test_the_sequences_are_written_out(facts: Facts, target: Target) -> None:
    env_command.sequences_are_named(facts, target.slots)


@row("COMMAND-008")
def test_the_share_of_memory_is_sensible(facts: Facts) -> None:
    env_command.utilisation_is_sensible(facts)


@row("COMMAND-009")
def test_the_heads_can_be_dealt_out(facts: Facts) -> None:
    env_model.heads_divide(facts)


@row("COMMAND-010")
def test_the_batch_holds_a_prompt(facts: Facts) -> None:
    env_command.batch_holds_a_prompt(facts)


@row("COMMAND-011")
def test_swap_space_has_an_effect(facts: Facts) -> None:
    env_command.swap_has_a_use(facts)


@row("COMMAND-012")
def test_the_model_is_named(facts: Facts) -> None:
    env_command.model_is_named(facts)
