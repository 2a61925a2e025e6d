"""Tool calls in every form of tool_choice, and answers that must be JSON."""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.ask import MODEL, NO_THINKING, Ask, both, chat, user
from ernie_conformance.wire.exchange import ANY, REFUSAL


def tool(name: str, description: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    """The definition of one function; its arguments must follow `parameters` (strict)."""
    empty = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    function = {"name": name, "description": description, "strict": True, "parameters": parameters or empty}
    return {"type": "function", "function": function}


def closed(**properties: Any) -> dict[str, Any]:
    """The schema of an object with exactly these properties, as strict formats ask for it."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


# Every value has a small domain: a weak model under a grammar can't ramble, so that a cut is never its fault.
CITY = {"type": "string", "enum": ["Beijing", "Paris", "Nairobi"]}
WEATHER = tool("get_weather", "Current weather of a city", closed(city=CITY, metric={"type": "boolean"}))
FORECAST = tool("get_forecast", "Weather forecast of a city", closed(city=CITY))
CLOCK = tool("read_clock", "The time of day")
TWO = [CLOCK, WEATHER]
PURPOSE = "Looks up entry {n} of the harbour register: its vessel, its cargo and who signed for it"
# Fifty plain words: no tokenizer makes fewer tokens of them, and no template can say as much by itself.
LENGTHY = " ".join(PURPOSE.format(n=word) for word in ("seven", "eight", "nine"))
MANY = [WEATHER, *(tool(f"register_{n:02d}", PURPOSE.format(n=n)) for n in range(19))]

QUESTION = "What is the weather in Beijing, in metric units?"
GREETING = "Hello, how are you?"  # nothing in it calls for a tool: only tool_choice does
TIME = "What time is it?"
TWO_CITIES = 'What is the forecast for "Beijing" and what is it for "Paris"? Call get_forecast once for each city.'
# Where no call is allowed, what looks like one is text.
QUOTED = (
    'What does this line mean? <tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call> ' + QUESTION
)
NEED = ("tools",)


def named(function: dict[str, Any]) -> dict[str, Any]:
    """The tool_choice that names one function."""
    return {"type": "function", "function": {"name": function["function"]["name"]}}


CALLED = (
    *both("tool-required", QUESTION, tools=TWO, tool_choice="required", temperature=0, max_tokens=96, needs=NEED),
    *both("tool-forced", GREETING, tools=TWO, tool_choice="required", max_tokens=96, needs=NEED),
    *both("tool-parallel", TWO_CITIES, tools=[FORECAST], tool_choice="required", temperature=0, max_tokens=128, needs=NEED),
)
SINGLE = both(
    "tool-single",
    TWO_CITIES,
    tools=[FORECAST],
    tool_choice="required",
    parallel_tool_calls=False,
    temperature=0,
    max_tokens=128,
    needs=NEED,
    expects=ANY,
)
NAMED = (
    *both("tool-named", TIME, tools=TWO, tool_choice=named(WEATHER), max_tokens=96, needs=NEED),
    *both("tool-bare", QUESTION, tools=TWO, tool_choice=named(CLOCK), max_tokens=48, needs=NEED),
)
THINKING = both(
    "tool-thinking",
    QUESTION,
    thinking=True,
    tools=TWO,
    tool_choice="required",
    max_tokens=300,
    needs=("tools", "reasoning"),
)
UNCALLED = both("tool-none", QUOTED, tools=TWO, tool_choice="none", max_tokens=48, needs=NEED, expects=ANY)


def _wrong(fields: dict[str, Any], wrong: dict[str, Any], need: str, expects: str) -> dict[str, Any]:
    body = {"model": MODEL, "messages": user(QUESTION), "max_tokens": 8, **NO_THINKING}
    return {"body": {**body, **fields, **wrong}, "needs": (need,), "expects": expects}


_TOOLS: dict[str, Any] = {"tools": TWO, "tool_choice": "auto"}
# A tool that can't be read is refused everywhere; a choice that fits no tool is only harmful once it is acted upon.
BAD_TOOLS = {
    "tool-bad-choice": _wrong(_TOOLS, {"tool_choice": "sometimes"}, "tools", ANY),
    "tool-bad-name": _wrong(_TOOLS, {"tool_choice": {"type": "function", "function": {"name": "no_such"}}}, "tools", ANY),
    "tool-bad-type": _wrong(_TOOLS, {"tools": "get_weather"}, "tools", REFUSAL),
    "tool-bad-nameless": _wrong(_TOOLS, {"tools": [{"type": "function", "function": {}}]}, "tools", REFUSAL),
}

MOOD = closed(
    colour={"type": "string", "enum": ["red", "green", "blue"]},
    sure={"type": "boolean"},
    marks={"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1, "maxItems": 2},
    place=closed(floor={"type": "integer", "minimum": 1, "maximum": 9}),
)
SCHEMA = {"type": "json_schema", "json_schema": {"name": "mood", "strict": True, "schema": MOOD}}
# It doesn't mention JSON: the format comes from the field, not from the words.
COLOUR = "Name a colour that you like and say whether you are sure."
AS_JSON = 'Answer in JSON with the one key "city": which city did I name? "Beijing"'
SHAPED = both("json-schema", COLOUR, response_format=SCHEMA, max_tokens=128, needs=("json",))
OBJECTS = both("json-object", AS_JSON, response_format={"type": "json_object"}, max_tokens=96, needs=("json",))
SHAPED_THINKING = both(
    "json-thinking", COLOUR, thinking=True, response_format=SCHEMA, max_tokens=400, needs=("json", "reasoning")
)
# What the schema leaves no choice about, any model writes. In one text, what decoders, parsers and templates spoil: a tag
# that is some tokenizer's end mark, blanks before stops, quotes, backslashes, line ends, a joined emoji, two scripts.
VERBATIM = 'Say <s>no</s> : `git add .` , then "C:\\new\\t.txt" or \\d+ ?\n  你好 ，👩\u200d🚀 &amp; done'
# What else gets lost on the way: characters at which some programs part lines, and a zero that stands alone.
SEPARATED = "10 0 100 0.0 0\u2028one\u2029two\x85three"
NUMBER = 1127834091283746817  # an id as many services give them, beyond what a double holds exactly


FEW = 3


def only(text: str, number: int) -> dict[str, Any]:
    """The schema of an object that can't be another."""
    whole = {"type": "integer", "enum": [number]}
    return closed(text={"type": "string", "enum": [text]}, number=whole, few={"type": "integer", "enum": [FEW]})


def dictating(text: str, number: int) -> dict[str, Any]:
    """The response_format that leaves no other answer. All have one name: a cache of schemas mustn't go by that."""
    return {"type": "json_schema", "json_schema": {"name": "dictated", "strict": True, "schema": only(text, number)}}


NOTE = tool("keep_note", "Keeps a note", only(VERBATIM, NUMBER))
DICTATE = "Write down the note."
_KEEPING: dict[str, Any] = {"tools": [NOTE], "tool_choice": "required", "needs": NEED}
DICTATED = tuple(
    ask
    for name, said in (("json-dictated", VERBATIM), ("json-separated", SEPARATED))
    for ask in both(name, DICTATE, response_format=dictating(said, NUMBER), needs=("json",))
)
# An answer that quotes the tag which ends a thought, after one.
TAGGED = both(
    "json-tagged", DICTATE, thinking=True, max_tokens=400, needs=("json", "reasoning"),
    response_format=dictating("First <think>, then </think>, then the answer.", 2),
)  # fmt: skip
# Forty characters that make no words, turned round: over 2,048 tokens in any tokenizer, the largest default cap in use.
_SIGNS = "灯麦七窗北鱼纸春石桥八衣雪竹门九船米秋钟木鼓星茶冬笔云马六布河糖刀夏羊瓦井丝五琴"
ENDLESS_NOTE = "".join(_SIGNS[turn:] + _SIGNS[:turn] for turn in range(40)) + _SIGNS * 14
DICTATED_CALLS = both("tool-dictated", DICTATE, max_tokens=240, **_KEEPING)
CUT_CALLS = both("tool-cut", DICTATE, max_tokens=24, **_KEEPING)
BAD_FORMATS = {
    "json-bad-type": _wrong({}, {"response_format": {"type": "xml"}}, "json", ANY),
    "json-bad-schema": _wrong({}, {"response_format": {"type": "json_schema"}}, "json", ANY),
    "json-bad-word": _wrong({}, {"response_format": "json"}, "json", ANY),
}

ASKS = (
    *CALLED,
    *NAMED,
    *THINKING,
    *UNCALLED,
    *SINGLE,
    *both(
        "tool-auto-thinking",
        QUESTION,
        thinking=True,
        tools=TWO,
        tool_choice="auto",
        max_tokens=300,
        needs=("tools", "reasoning"),
    ),
    *both("tool-auto", QUESTION, tools=TWO, tool_choice="auto", max_tokens=96, needs=NEED),
    *both("tool-idle", GREETING, tools=TWO, max_tokens=240, needs=NEED),
    chat("tool-many", QUESTION, tools=MANY, max_tokens=16, needs=NEED, expects=ANY),
    chat("tool-few", QUESTION, tools=MANY[:1], max_tokens=16, needs=NEED),
    *(
        chat(f"tool-told-{size}", QUESTION, tools=[tool("register", said)], max_tokens=16, needs=NEED)
        for size, said in (("briefly", "A register"), ("at-length", LENGTHY))
    ),
    chat("tool-none-without-tools", "Say hello.", tool_choice="none", max_tokens=8, needs=NEED, expects=ANY),
    *(Ask(name, **wrong) for name, wrong in (BAD_TOOLS | BAD_FORMATS).items()),
    *SHAPED,
    *OBJECTS,
    *SHAPED_THINKING,
    *DICTATED,
    *DICTATED_CALLS,
    *CUT_CALLS,
    *TAGGED,
    chat(
        "json-lengthy",
        DICTATE,
        response_format=dictating(ENDLESS_NOTE, 1),
        needs=("json",),
        tokens=len(ENDLESS_NOTE),
    ),
    chat("json-text", COLOUR, response_format={"type": "text"}, max_tokens=16, needs=("json",), expects=ANY),
)
