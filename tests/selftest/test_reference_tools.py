"""The reference server's tool calls and JSON answers, streamed and whole, with and without a thought."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema
import pytest
from reference_client import OFF, app_client, ask, chunks, joined, user


def tool(name: str, description: str = "", required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TIDE = tool("tide_table", "Height of the tide at a harbour", ("harbour",), harbour={"type": "string"})
TEA = tool(
    "brew_tea", "Make a cup of tea", ("grams",), grams={"type": "integer", "minimum": 1}, kind={"enum": ["green", "black"]}
)
BELL = {"type": "function", "function": {"name": "ring_bell", "description": "Ring the bell"}}
BOX = [TIDE, TEA, BELL]
ABOUT_TIDE = "When is the tide high in 'Brest'?"
NEUTRAL = "Tell me something."


@pytest.fixture
def client() -> httpx.AsyncClient:
    return app_client()


async def calls(client: httpx.AsyncClient, prompt: Any, **fields: Any) -> list[tuple[str, Any]]:
    """Names and decoded arguments; checks whole and streamed form against each other."""
    whole = (await ask(client, prompt, tools=BOX, **fields))["choices"][0]
    stream = await chunks(client, prompt, tools=BOX, **fields)
    made = whole["message"].get("tool_calls", [])
    assert (whole["finish_reason"] == "tool_calls") == bool(made)
    assert stream[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]
    streamed: dict[int, dict[str, Any]] = {}
    for chunk in stream:
        for delta in chunk["choices"][0]["delta"].get("tool_calls", []):
            if delta["index"] not in streamed:
                assert delta["type"] == "function"
                streamed[delta["index"]] = {"id": delta["id"], **delta["function"]}
            else:
                assert set(delta) == {"index", "function"}
                streamed[delta["index"]]["arguments"] += delta["function"]["arguments"]
    assert [one["function"] for one in made] == [
        {k: streamed[i][k] for k in ("name", "arguments")} for i in range(len(streamed))
    ]
    if made:
        assert whole["message"]["content"] is None
        assert len({one["id"] for one in made}) == len(made)
        assert joined(stream) == ""
    else:
        assert "tool_calls" not in whole["message"]
        assert whole["message"]["content"]
    return [(one["function"]["name"], json.loads(one["function"]["arguments"])) for one in made]


@pytest.mark.parametrize(
    ("prompt", "choice", "expected"),
    [
        (ABOUT_TIDE, "auto", [("tide_table", {"harbour": "Brest"})]),
        (ABOUT_TIDE, None, [("tide_table", {"harbour": "Brest"})]),
        (ABOUT_TIDE, "none", []),
        (NEUTRAL, "auto", []),
        ("Brew 12 grams of black tea", "auto", [("brew_tea", {"grams": 12, "kind": "black"})]),
        ("Ring the bell!", "auto", [("ring_bell", {})]),
        (NEUTRAL, {"type": "function", "function": {"name": "ring_bell"}}, [("ring_bell", {})]),
        ("What is <tool_call> syntax?", "auto", []),
    ],
)
@pytest.mark.parametrize("thinking", [True, False])
async def test_a_tool_is_called_when_it_fits(
    client: httpx.AsyncClient, prompt: str, choice: Any, expected: list[Any], thinking: bool
) -> None:
    fields = {} if choice is None else {"tool_choice": choice}
    assert await calls(client, prompt, **fields, **({} if thinking else OFF)) == expected


async def test_required_calls_one_whatever_is_said(client: httpx.AsyncClient) -> None:
    assert len(await calls(client, NEUTRAL, tool_choice="required")) == 1


async def test_several_tools_and_several_places_make_parallel_calls(client: httpx.AsyncClient) -> None:
    prompt = "Ring the bell and look up the tide in 'Vigo'."
    assert sorted(name for name, _ in await calls(client, prompt)) == ["ring_bell", "tide_table"]
    places = await calls(client, "The tide in 'Vigo' and 'Faro', please")
    assert places == [("tide_table", {"harbour": "Vigo"}), ("tide_table", {"harbour": "Faro"})]
    assert await calls(client, "Is the tide high in Vigo or in Faro?") == places
    assert len(await calls(client, prompt, parallel_tool_calls=False)) == 1


async def test_results_are_answered_in_words(client: httpx.AsyncClient) -> None:
    first = await ask(client, ABOUT_TIDE, tools=BOX)
    message = first["choices"][0]["message"]
    turns = [
        *user(ABOUT_TIDE),
        {key: message[key] for key in ("role", "content", "tool_calls")},
        {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "six metres at noon"},
    ]
    assert await calls(client, turns) == []
    second = await ask(client, turns, tools=BOX)
    assert "six metres at noon" in second["choices"][0]["message"]["content"]


async def test_tools_cost_prompt_tokens(client: httpx.AsyncClient) -> None:
    without = await ask(client, NEUTRAL, max_tokens=1)
    with_tools = await ask(client, NEUTRAL, tools=BOX, max_tokens=1)
    assert with_tools["usage"]["prompt_tokens"] > without["usage"]["prompt_tokens"] + 50


async def test_a_limit_cuts_arguments_as_length(client: httpx.AsyncClient) -> None:
    answer = await ask(client, ABOUT_TIDE, tools=BOX, max_tokens=4, **OFF)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 4


NODE: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["name", "next"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "flat": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "count": {"type": "integer", "minimum": 3, "maximum": 9}},
        "required": ["city", "count"],
        "additionalProperties": False,
    },
    "array": {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 4},
    "unique": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    "recursive": {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
    "const": {"type": "object", "properties": {"v": {"const": 7}}, "required": ["v"]},
    "lengths": {"type": "string", "minLength": 30, "maxLength": 32},
    "short": {"type": "string", "maxLength": 2},
    "types": {"type": ["null", "string"]},
    "all": {"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": {}}}]},
    "range": {"type": "number", "minimum": 0.5, "maximum": 0.75},
    "one": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    "format": {"type": "string", "format": "date"},
    "pattern": {"type": "string", "pattern": "^[A-Z]+-[0-9]+$"},
    "multiple": {"type": "integer", "multipleOf": 5, "minimum": 11},
    "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2, "maxItems": 2},
    "deep": {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {"type": "array", "items": NODE}}}},
        "required": ["a"],
        "$defs": {"node": NODE},
    },
}  # fmt: skip
FACTS = "Our shop in 'Tromsø' has 1200 lamps; code AB-77, rate 4.5, price 3"


def wanted(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
@pytest.mark.parametrize("thinking", [True, False])
async def test_an_answer_fits_its_schema(client: httpx.AsyncClient, schema: dict[str, Any], thinking: bool) -> None:
    fields = {"response_format": wanted(schema), **({} if thinking else OFF)}
    answer = (await ask(client, FACTS, **fields))["choices"][0]
    jsonschema.Draft202012Validator(schema).validate(json.loads(answer["message"]["content"]))
    assert bool(answer["message"]["reasoning_content"]) == thinking
    assert answer["finish_reason"] == "stop"
    stream = await chunks(client, FACTS, **fields)
    assert joined(stream) == answer["message"]["content"]


async def test_values_come_from_the_prompt(client: httpx.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"place": {"type": "string"}, "kind": {"enum": ["chairs", "lamps"]}}}
    answer = await ask(client, FACTS, response_format=wanted(schema))
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"place": "Tromsø", "kind": "lamps"}


async def test_json_without_a_schema_is_an_object(client: httpx.AsyncClient) -> None:
    answer = await ask(client, FACTS, response_format={"type": "json_object"})
    found = json.loads(answer["choices"][0]["message"]["content"])
    assert isinstance(found, dict)
    assert "AB-77" in found["noticed"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "colour"}, {"enum": []}, {"$ref": "#/$defs/none"}, {"$ref": "http://elsewhere"}, {"not": {}},
        {"minItems": "x", "type": "array"},
        {"type": "string", "pattern": "("}, {"type": "string", "pattern": "^zzz$"}, {"$ref": "#"},
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "array", "minItems": 10**9}, {"type": "object", "properties": 5},
        {"properties": {"a": 5}, "type": "object"},
    ],
)  # fmt: skip
async def test_a_schema_that_can_not_be_served_is_refused(client: httpx.AsyncClient, schema: Any) -> None:
    body = {"model": "null", "messages": user(FACTS), "response_format": wanted(schema)}
    response = await client.post("/v1/chat/completions", json=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"].startswith("response_format")
