"""Tools: their definitions checked, and the calls that the model makes of them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ernie_conformance.reference import extract, fields
from ernie_conformance.reference.constrain import Source, instance
from ernie_conformance.reference.conversation import Conversation
from ernie_conformance.reference.errors import Refused
from ernie_conformance.reference.writing import Call

MOST_TOOLS, MOST_CALLS = 128, 4
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}")
_HAN = re.compile(r"[\u3400-\u9fff]+")
# Words that say nothing about what a tool is for.
_EMPTY = frozenset(
    (
        "the", "and", "for", "with", "from", "that", "this", "get", "set", "use", "used", "using", "call", "function",
        "tool", "name", "value", "string", "number", "return", "given", "please", "what", "which", "how", "can", "you",
        "your", "are", "has", "have", "its", "any", "one", "all", "when", "where", "who", "为了", "可以", "一个", "使用",
        "返回", "给定", "指定", "请求", "调用", "函数", "工具", "名称", "参数", "用户", "用于",
    )
)  # fmt: skip
_OPTIONAL: Mapping[str, fields.Check] = {"description": fields.text, "parameters": fields.mapping, "strict": fields.boolean}


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Toolbox:
    """The tools of a request. `choice` is none, auto, required, or the name of the one to call."""

    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    named: bool = False
    parallel: bool = True


def read(body: Mapping[str, Any]) -> Toolbox:
    """The toolbox of a request body. Raises Refused."""
    entries = fields.list_of(_tool, MOST_TOOLS)(body["tools"], "tools") if body.get("tools") is not None else []
    names = [tool.name for tool in entries]
    parallel = not _has(body, "parallel_tool_calls") or fields.boolean(body["parallel_tool_calls"], "parallel_tool_calls")
    if not _has(body, "tool_choice"):
        return Toolbox(tuple(entries), "auto", parallel=parallel)
    choice = body["tool_choice"]
    if isinstance(choice, dict):
        if choice.get("type") != "function":
            raise Refused("'tool_choice.type' must be function.", "tool_choice")
        name = fields.text(
            fields.mapping(choice.get("function"), "tool_choice.function").get("name"), "tool_choice.function.name"
        )
        if name not in names:
            raise Refused(f"'tool_choice' names '{name[:80]}', which is not among 'tools'.", "tool_choice")
        return Toolbox(tuple(entries), name, True, parallel)
    fields.one_of("none", "auto", "required")(choice, "tool_choice")
    if choice == "required" and not entries:
        raise Refused("'tool_choice' is required, but there are no 'tools'.", "tool_choice")
    return Toolbox(tuple(entries), choice, parallel=parallel)


def calls(box: Toolbox, talk: Conversation) -> list[Call]:
    """The calls that answer a conversation; none when it is answered in words."""
    if box.choice == "none" or not box.tools:
        return []
    text = talk.last_user
    if box.named:
        chosen = [tool for tool in box.tools if tool.name == box.choice]
    else:
        if box.choice == "auto" and talk.turns[-1].role in ("tool", "function"):
            return []
        chosen = sorted((tool for tool in box.tools if _fit(tool, text)), key=lambda tool: -_fit(tool, text))
        if not chosen and box.choice == "required":
            chosen = [box.tools[0]]
    made = [call for tool in chosen[:MOST_CALLS] for call in _calls(tool, text, talk, len(chosen) == 1)]
    return made[: MOST_CALLS if box.parallel else 1]


def _calls(tool: Tool, text: str, talk: Conversation, alone: bool) -> list[Call]:
    """One call; or one for each thing that is asked about, when the only tool that fits takes just one string."""
    subjects = extract.subjects(text)
    required = tool.parameters.get("required", [])
    if alone and len(subjects) > 1 and len(required) == 1 and len(tool.parameters.get("properties", {})) == 1:
        return [_call(tool, Source([f"`{one}`"])) for one in subjects]
    return [_call(tool, Source([turn.text for turn in talk.turns if turn.role != "assistant"] or [text]))]


def _call(tool: Tool, source: Source) -> Call:
    arguments = instance(tool.parameters, source, f"tools.{tool.name}.parameters") if tool.parameters else {}
    return Call(f"call_{uuid.uuid4().hex[:24]}", tool.name, json.dumps(arguments, ensure_ascii=False))


def _fit(tool: Tool, text: str) -> int:
    """How clearly a text asks for a tool; 0: not."""
    asked = _words(text)
    by_name = asked & _words(re.sub(r"[_-]", " ", tool.name))
    by_purpose = asked & _words(f"{tool.description} {' '.join(tool.parameters.get('properties', {}))}")
    clear = by_name or len(by_purpose) > 1 or any(_HAN.match(word) or len(word) > 5 for word in by_purpose)
    return 2 * len(by_name) + len(by_purpose) if clear else 0


def _words(text: str) -> set[str]:
    """Latin words in lower case and pairs of Chinese characters."""
    latin = {word.lower().removesuffix("s") for word in _WORD.findall(text)}
    han = {run[at : at + 2] for run in _HAN.findall(text) for at in range(len(run) - 1)}
    return (latin | han) - _EMPTY


def _tool(value: Any, where: str) -> Tool:
    if fields.mapping(value, where).get("type") != "function":
        raise Refused(f"'{where}.type' must be function.", f"{where}.type")
    function = fields.mapping(value.get("function"), f"{where}.function")
    name = fields.text(function.get("name"), f"{where}.function.name")
    if not _NAME.fullmatch(name):
        raise Refused(f"'{where}.function.name' must be 1 to 64 letters, digits, _ or -.", f"{where}.function.name")
    read = {key: check(function[key], f"{where}.function.{key}") for key, check in _OPTIONAL.items() if _has(function, key)}
    return Tool(name, read.get("description", ""), read.get("parameters", {}))


def _has(body: Mapping[str, Any], name: str) -> bool:
    return body.get(name) is not None
