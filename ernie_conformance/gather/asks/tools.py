"""Tool calls in every form of tool_choice, the turn after them, and answers that must be JSON."""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.ask import MODEL, NO_THINKING, Ask, both, chat, refused, user
from ernie_conformance.wire.exchange import ANY


def tool(name: str, description: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    """The definition of one function."""
    empty = {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters or empty},
    }


# Every argument has a small domain: a weak model under a grammar can't ramble, so that a cut is never its fault.
WEATHER_ARGUMENTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Beijing", "Paris", "Nairobi"]},
        "metric": {"type": "boolean"},
    },
    "required": ["city", "metric"],
    "additionalProperties": False,
}
WEATHER = tool("get_weather", "Current weather of a city", WEATHER_ARGUMENTS)
CITY_ONLY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FORECAST = tool("get_weather", "Current weather of a city", CITY_ONLY)
CLOCK = tool("read_clock", "The time of day")
MANY = [WEATHER, *(tool(f"tool_{n:02d}", f"Does thing number {n}") for n in range(23))]

QUESTION = "What is the weather in Beijing, in metric units?"
TWO_CITIES = 'What is the weather in "Beijing" and what is it in "Paris"? Call get_weather once for each city.'
NAMED = {"type": "function", "function": {"name": "get_weather"}}
CLOCK_NAMED = {"type": "function", "function": {"name": "read_clock"}}
NEED = ("tools",)


def _results(count: int) -> list[dict[str, Any]]:
    """A conversation whose last message is a tool's result of `count` readings."""
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Beijing"}'}}
    return [
        *user(QUESTION),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "; ".join(f"{n} o'clock: {n + 5} C" for n in range(count))},
    ]


def _bad(name: str, **wrong: Any) -> Ask:
    """A request with tools that is made illegal in one place; its legal twin is tool-required."""
    body = {"model": MODEL, "messages": user(QUESTION), "tools": [WEATHER], "max_tokens": 8, **NO_THINKING}
    return refused(name, {**body, **wrong}, needs=NEED)


BAD_TOOLS = (
    _bad("tool-bad-choice-unknown", tool_choice={"type": "function", "function": {"name": "no_such_tool"}}),
    _bad("tool-bad-choice-word", tool_choice="sometimes"),
    _bad("tool-bad-type", tools="get_weather"),
    _bad("tool-bad-nameless", tools=[{"type": "function", "function": {"description": "no name"}}]),
)

MOOD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": ["red", "green", "blue"]},
        "sure": {"type": "boolean"},
        "marks": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 2},
    },
    "required": ["colour", "sure", "marks"],
    "additionalProperties": False,
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "mood", "strict": True, "schema": MOOD}}
# It doesn't mention JSON: the format must come from the field, not from the words.
POEM = "Name a colour that you like and say whether you are sure."
AS_JSON = 'Answer in JSON with the one key "city": which city did I name? "Beijing"'


def _bad_format(name: str, wrong: Any) -> Ask:
    body = {"model": MODEL, "messages": user(POEM), "max_tokens": 8, "response_format": wrong, **NO_THINKING}
    return refused(name, body, needs=("json",))


BAD_FORMATS = (
    _bad_format("json-bad-type", {"type": "xml"}),
    _bad_format("json-bad-schema-missing", {"type": "json_schema"}),
    _bad_format("json-bad-word", "json"),
)

ASKS = (
    *both(
        "tool-required", QUESTION, tools=[CLOCK, WEATHER], tool_choice="required", max_tokens=96, needs=NEED, temperature=0
    ),
    *both("tool-named", QUESTION, tools=[CLOCK, WEATHER], tool_choice=NAMED, max_tokens=96, needs=NEED, temperature=0),
    *both("tool-none", QUESTION, tools=[CLOCK, WEATHER], tool_choice="none", max_tokens=48, needs=NEED),
    *both("tool-auto", QUESTION, tools=[CLOCK, WEATHER], tool_choice="auto", max_tokens=96, needs=NEED),
    *both("tool-parallel", TWO_CITIES, tools=[FORECAST], max_tokens=160, needs=NEED),
    *both("tool-empty", "What time is it?", tools=[CLOCK], tool_choice=CLOCK_NAMED, max_tokens=48, needs=NEED),
    chat("tool-many", QUESTION, tools=MANY, max_tokens=32, needs=NEED, expects=ANY),
    chat("tool-few", QUESTION, tools=MANY[:1], max_tokens=32, needs=NEED),
    chat("tool-none-without-tools", "Say hello.", tool_choice="none", max_tokens=16, needs=NEED, expects=ANY),
    chat("tool-result-short", _results(1), tools=[WEATHER], max_tokens=16, needs=NEED),
    chat("tool-result-long", _results(20), tools=[WEATHER], max_tokens=16, needs=NEED),
    *both(
        "tool-thinking",
        QUESTION,
        thinking=True,
        tools=[CLOCK, WEATHER],
        tool_choice="required",
        max_tokens=300,
        needs=("tools", "reasoning"),
    ),
    *BAD_TOOLS,
    *both("json-schema", POEM, response_format=SCHEMA, max_tokens=96, needs=("json",)),
    *both("json-object", AS_JSON, response_format={"type": "json_object"}, max_tokens=96, needs=("json",)),
    chat("json-text", POEM, response_format={"type": "text"}, max_tokens=16, needs=("json",)),
    *both(
        "json-thinking",
        POEM,
        thinking=True,
        response_format=SCHEMA,
        max_tokens=400,
        needs=("json", "reasoning"),
    ),
    *BAD_FORMATS,
)
