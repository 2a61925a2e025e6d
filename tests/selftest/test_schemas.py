"""Every schema is sound, accepts its documented examples, and refuses them with any required field gone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ernie_conformance.judge.schemas import breach, schemas

NAMES = sorted(schemas())


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_sound_and_accepts_its_examples(name: str) -> None:
    schema = schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert schema["examples"]
    assert [breach(name, example) for example in schema["examples"]] == [None] * len(schema["examples"])


def without_each(value: Any, required: dict[str, Any]) -> Iterator[Any]:
    for key in required["required"]:
        changed = copy.deepcopy(value)
        del changed[key]
        yield changed


@pytest.mark.parametrize("name", [n for n in NAMES if "required" in schemas()[n]])
def test_a_missing_required_field_is_a_breach(name: str) -> None:
    schema = schemas()[name]
    for changed in without_each(schema["examples"][0], schema):
        assert breach(name, changed) is not None


def test_the_tutorials_sample_keeps_the_clients_contract_but_not_the_published_one() -> None:
    sample = schemas()["compat/chat.completion"]["examples"][0]
    assert breach("compat/chat.completion", sample) is None
    assert breach("openai/chat.completion", sample) is not None


@pytest.mark.parametrize("value", [1.0, "1", True, None])
def test_a_count_is_a_whole_number_and_nothing_else(value: object) -> None:
    usage = {"prompt_tokens": value, "completion_tokens": 1, "total_tokens": 2}
    assert breach("compat/usage", usage) is not None
