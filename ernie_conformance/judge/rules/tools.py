"""Rules about tool calls.

Names and arguments are judged only where a call was demanded (tool_choice required or by name), for there the server holds
the model to the schema; what a model calls of its own accord is its own affair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, expect
from ernie_conformance.judge.rules.documents import FINISH, breach_of, expect_dictated, parsed
from ernie_conformance.judge.rules.text import asked_text, channels
from ernie_conformance.judge.views import Answer, Reply, Stream

# The rows that own a call that is missing or can't be read.
CALL_COMES, NAMED_COMES, OFFERED, ARGUMENTS_JSON = "TOOL-001", "TOOL-002", "TOOL-005", "TOOL-006"
TOLD_ONCE, INDEX, MARKUP, SILENT, BARE, SAME = "TOOL-008", "TOOL-009", "TOOL-013", "TOOL-014", "TOOL-015", "TOOL-017"
# How models write a call before the server has made one of it; a tool's name stands near it.
MARK = re.compile(r"<tool_call>|<function_call>|<function=|\[TOOL_CALLS\]|<\|tool[^>]{0,30}\|>|<｜tool[^>]{0,40}｜>")
NEAR = 80  # characters
# A model that ends at once says nothing; more tokens than these are something that was said.
END_MARKS = 2


@dataclass(frozen=True)
class Call:
    """One call as a client puts it together."""

    id: str
    name: str
    arguments: str

    def shown(self) -> str:
        return f"{self.name}({self.arguments[:100]})"


def tools_of(reply: Reply) -> dict[str, dict[str, Any]]:
    """The functions that the request offers, by name."""
    offered = reply.asked.get("tools")
    functions = [tool.get("function", {}) for tool in offered] if isinstance(offered, list) else []
    return {function["name"]: function for function in functions if "name" in function}


def is_demanded(reply: Reply) -> bool:
    """Does tool_choice leave the model no other way than to call?"""
    choice = reply.asked.get("tool_choice")
    return choice == "required" or isinstance(choice, dict)


def deltas_of(stream: Stream) -> list[tuple[int, dict[str, Any]]]:
    """(index, delta) of every piece of a call. Raises Blocked by the chunk's shape."""
    found = []
    for deltas in stream.tool_calls:
        if not isinstance(deltas, list) or not all(isinstance(d, dict) and type(d.get("index")) is int for d in deltas):
            raise Blocked(stream.shape_owner, f"{stream.name}: a tool call's delta has no index: {deltas!r:.100}", stream)
        found += [(delta["index"], delta) for delta in deltas]
    return found


def ids_by_index(stream: Stream) -> dict[int, list[str]]:
    """The different ids that came for each index, indices in order of coming."""
    ids: dict[int, list[str]] = {}
    for index, delta in deltas_of(stream):
        of_index = ids.setdefault(index, [])
        if delta.get("id") and delta["id"] not in of_index:
            of_index.append(delta["id"])
    return ids


def _joined(stream: Stream) -> list[dict[str, Any]]:
    """A stream's calls, put together by index."""
    calls: dict[int, dict[str, Any]] = {}
    for index, ids in ids_by_index(stream).items():
        if len(ids) > 1:
            raise Blocked(INDEX, f"{stream.name}: index {index} stands for the calls {', '.join(ids)}", stream)
        calls[index] = {"id": ids[0] if ids else "", "function": {"name": "", "arguments": ""}}
    for index, delta in deltas_of(stream):
        function = delta.get("function") or {}
        if function.get("name") and calls[index]["function"]["name"]:
            raise Blocked(TOLD_ONCE, f"{stream.name}: call {index} tells its name again", stream)
        for key in ("name", "arguments"):
            calls[index]["function"][key] += _text(stream, function.get(key), key)
    return [calls[index] for index in sorted(calls)]


def _text(reply: Reply, value: Any, key: str) -> str:
    if not isinstance(value, str | None):
        raise Blocked(reply.shape_owner, f"{reply.name}: a call's {key} is {type(value).__name__}, not text", reply)
    return value or ""


def calls_of(reply: Reply) -> list[Call]:
    """The calls of a reply, [] when there are none. Raises Blocked when they can't be put together."""
    raw = _joined(reply) if isinstance(reply, Stream) else reply.tool_calls_of() if isinstance(reply, Answer) else []
    calls = []
    for call in raw:
        function = call.get("function")
        if not isinstance(function, dict) or "arguments" not in function:
            raise Blocked(reply.shape_owner, f"{reply.name}: a call has no function with arguments: {call!r:.100}", reply)
        id, name, arguments = call.get("id"), function.get("name"), function["arguments"]
        if not name:
            owner = TOLD_ONCE if isinstance(reply, Stream) else reply.shape_owner
            raise Blocked(owner, f"{reply.name}: a call has no name", reply)
        calls.append(Call(_text(reply, id, "id"), _text(reply, name, "name"), _text(reply, arguments, "arguments")))
    return calls


def calls_at_most_once(reply: Reply) -> None:
    """There is one call or none. Raises Broken."""
    names = [call.name for call in calls_of(reply)]
    expect(
        len(names) < 2, f"{reply.name}: {len(names)} calls ({', '.join(names)}), though parallel_tool_calls is false", reply
    )


def is_cut(reply: Reply) -> bool:
    return bool(reply.finish_reason == "length")


def _counted(reply: Reply) -> int:
    return reply.count("completion_tokens") if isinstance(reply.usage, dict) else 0


def _is_silent(reply: Reply) -> bool:
    """Were tokens counted, and neither content nor a call came?"""
    return not (reply.content.strip() or calls_of(reply) or is_cut(reply)) and _counted(reply) > END_MARKS


def leaked(reply: Reply) -> str:
    """The markup of a call of an offered tool in either channel; "" when there is none or the prompt has the like."""
    for _, text in channels(reply):
        for mark in MARK.finditer(text):
            after = text[mark.start() : mark.end() + NEAR]
            if mark[0] not in asked_text(reply) and any(name in after for name in tools_of(reply)):
                return after
    return ""


def has_no_markup(reply: Reply) -> None:
    """No call is left as markup in the text. Raises Broken; NotAsked where no call is to be read out of it."""
    if not tools_of(reply) or reply.exchange.request.json.get("tool_choice") == "none":
        raise NotAsked(f"{reply.name} offers no tools")
    expect(not leaked(reply), f"{reply.name}: a call stands in the text: {leaked(reply)!r}", reply)


def finish_of(reply: Reply) -> Any:
    """How the reply ended. Raises Blocked when it doesn't say so."""
    if reply.finish_reason is None:
        raise Blocked(FINISH[reply.exchange.wants_stream], f"{reply.name}: no finish_reason came", reply)
    return reply.finish_reason


def demanded_calls(reply: Reply) -> list[Call]:
    """The whole calls of a reply that must have some. Raises Broken when none came; NotAsked when it was cut before."""
    finish_of(reply)
    if leaked(reply):
        raise Blocked(MARKUP, f"{reply.name}: the call stands in the text", reply)
    calls = calls_of(reply)
    if not calls and is_cut(reply) and not reply.content.strip():
        raise NotAsked(f"{reply.name} was cut before its call")
    if not calls and _is_silent(reply):
        raise Blocked(SILENT, f"{reply.name}: neither content nor a call came", reply)
    choice, said = reply.asked["tool_choice"], reply.content
    expect(bool(calls), f"{reply.name}: tool_choice is {choice!r}, no call came, but {said[:60]!r}", reply)
    return calls


def _comes(reply: Reply) -> str:
    """The row that says that a call comes."""
    return NAMED_COMES if isinstance(reply.asked.get("tool_choice"), dict) else CALL_COMES


def _judged(reply: Reply) -> list[Call]:
    """The calls that a server answers for. The last one of a reply that was cut isn't among them."""
    if not is_demanded(reply):
        raise NotAsked(f"{reply.name} leaves the call to the model")
    finish_of(reply)
    calls = calls_of(reply)
    if not calls and is_cut(reply) and not reply.content.strip():
        raise NotAsked(f"{reply.name} was cut before its call")
    if not calls:
        raise Blocked(_comes(reply), f"{reply.name}: no call came", reply)
    whole = calls[:-1] if is_cut(reply) else calls
    if not whole:
        raise NotAsked(f"{reply.name} was cut within its call")
    return whole


def names_the_chosen(reply: Reply) -> None:
    """Every call is one of the function that tool_choice names. Raises Broken."""
    name = reply.asked["tool_choice"]["function"]["name"]
    for call in demanded_calls(reply):
        expect(call.name == name, f"{reply.name}: tool_choice names {name}, {call.name} was called", reply)


def calls_nothing(reply: Reply) -> None:
    """No call came. Raises Broken."""
    calls = calls_of(reply)
    expect(not calls, f"{reply.name}: tool_choice is none, called was {calls[0].shown() if calls else ''}", reply)


def names_a_tool(reply: Reply) -> None:
    """Each call names an offered function. Raises Broken."""
    for call in _judged(reply):
        known = ", ".join(tools_of(reply))
        expect(call.name in tools_of(reply), f"{reply.name}: called was {call.name!r}, offered are {known}", reply)


def _arguments(reply: Reply, call: Call) -> dict[str, Any]:
    """A call's arguments. Raises Blocked by the row that owns that they can't be read."""
    try:
        arguments = parsed(call.arguments)
    except ValueError as error:
        raise Blocked(ARGUMENTS_JSON, f"{reply.name}: {call.shown()}: {error}", reply) from error
    if not isinstance(arguments, dict):
        raise Blocked(ARGUMENTS_JSON, f"{reply.name}: {call.shown()}: no object", reply)
    return arguments


def has_json_arguments(reply: Reply) -> None:
    """The arguments of each call are one JSON object. Raises Broken; Blocked where there are none and none are asked for."""
    for call in _judged(reply):
        parameters = tools_of(reply).get(call.name, {}).get("parameters", {})
        if not call.arguments.strip() and not parameters.get("properties"):
            raise Blocked(BARE, f"{reply.name}: {call.name} has no arguments at all", reply)
        try:
            arguments = parsed(call.arguments)
        except ValueError as error:
            expect(False, f"{reply.name}: the arguments of {call.shown()} are no JSON: {error}", reply)
        expect(isinstance(arguments, dict), f"{reply.name}: the arguments of {call.shown()} are no object", reply)


def follows_its_schema(reply: Reply) -> None:
    """The arguments of each call are valid for the tool's parameters. Raises Broken with the first breach."""
    for call in _judged(reply):
        if call.name not in tools_of(reply):
            raise Blocked(OFFERED, f"{reply.name}: called was {call.name!r}", reply)
        if not call.arguments.strip():
            raise NotAsked(f"{reply.name}: {call.name} has no arguments")
        wrong = breach_of(tools_of(reply)[call.name]["parameters"], _arguments(reply, call))
        expect(not wrong, f"{reply.name}: {call.shown()} breaks the tool's parameters: {wrong}", reply)


def is_verbatim(reply: Reply, called: Reply) -> None:
    """The only arguments that the parameters allow came, letter by letter. Raises Broken with the first difference.

    Blocked when arguments follow no parameters at all, which `called` shows.
    """
    try:
        follows_its_schema(called)
    except Broken as breach:
        raise Blocked("TOOL-007", breach.detail, *breach.exchanges) from breach
    for call in _judged(reply):
        if call.name not in tools_of(reply):
            raise Blocked(OFFERED, f"{reply.name}: called was {call.name!r}", reply)
        try:
            arguments = parsed(call.arguments)
        except ValueError as error:
            expect(False, f"{reply.name}: the arguments of {call.shown()} are no JSON: {error}", reply)
        expect_dictated(reply, arguments, tools_of(reply)[call.name]["parameters"])


def are_told_apart(replies: Sequence[Reply]) -> None:
    """No call of one answer has the id of a call of another. Raises Broken; NotAsked when fewer than two answers call."""
    owners: dict[str, Reply] = {}
    for reply in replies:
        for own in {call.id for call in calls_of(reply)}:
            first = owners.setdefault(own, reply)
            expect(first is reply, f"{first.name} and {reply.name} both have a call with the id {own!r}", first, reply)
    if len({reply.name for reply in owners.values()}) < 2:
        raise NotAsked("fewer than two answers call")


def says_that_it_was_cut(reply: Reply) -> None:
    """Half a call finishes with length. Raises Broken; NotAsked when the call is whole or none has begun."""
    calls = calls_of(reply)
    if not calls:
        raise NotAsked(f"{reply.name} was cut before its call")
    try:
        parsed(calls[-1].arguments)
    except ValueError:
        expect(
            is_cut(reply),
            f"{reply.name}: half a call, but finish_reason is {finish_of(reply)!r}: {calls[-1].shown()}",
            reply,
        )
        return
    raise NotAsked(f"{reply.name}: the call is whole")


def gives_empty_object(reply: Reply) -> None:
    """A call of a function without parameters has the arguments {}. Raises Broken."""
    for call in _judged(reply):
        expect(
            bool(call.arguments.strip()), f"{reply.name}: {call.name} has arguments {call.arguments!r}, not '{{}}'", reply
        )


def tells_each_call_once(stream: Stream) -> None:
    """Each call's id and name come once, for clients join what comes; its type is function. Raises Broken."""
    for index, ids in _some_ids(stream).items():
        deltas = [delta for at, delta in deltas_of(stream) if at == index]
        if len(ids) > 1:
            raise Blocked(INDEX, f"{stream.name}: index {index} stands for several calls", stream)
        said = {
            "id": [d["id"] for d in deltas if d.get("id")],
            "name": [d["function"]["name"] for d in deltas if (d.get("function") or {}).get("name")],
        }
        for what, values in said.items():
            expect(
                len(values) == 1, f"{stream.name}: call {index} tells its {what} {len(values)} times: {values[:3]}", stream
            )
        typed = any(delta.get("type") == "function" for delta in deltas)
        expect(typed, f"{stream.name}: no delta of call {index} has type 'function'", stream)


def _some_ids(stream: Stream) -> dict[int, list[str]]:
    found = ids_by_index(stream)
    if not found and is_demanded(stream):
        raise Blocked(_comes(stream), f"{stream.name}: no call came", stream)
    if not found:
        raise NotAsked(f"{stream.name} has no call")
    return found


def counts_its_calls(stream: Stream) -> None:
    """Indices count the calls from 0, and each stands for one call. Raises Broken."""
    found = _some_ids(stream)
    expect(list(found) == list(range(len(found))), f"{stream.name}: the calls have the indices {list(found)[:5]}", stream)
    for index, ids in found.items():
        expect(len(ids) < 2, f"{stream.name}: index {index} stands for {len(ids)} calls: {', '.join(ids)}", stream)


def has_own_ids(reply: Reply) -> None:
    """No two calls of a reply share an id. Raises Broken; NotAsked for fewer than two calls."""
    ids = [call.id for call in calls_of(reply) if call.id]
    if len(ids) < 2:
        raise NotAsked(f"{reply.name} has no two calls")
    expect(len(set(ids)) == len(ids), f"{reply.name}: {len(ids)} calls have the ids {', '.join(ids)}", reply)


def finishes_with_calls(reply: Reply) -> None:
    """A reply with calls finishes with tool_calls, or with stop where the call was named. Raises Broken."""
    if not calls_of(reply) or is_cut(reply) or reply.asked.get("tool_choice") == "none":
        raise NotAsked(f"{reply.name} has no whole call")
    owed = ("tool_calls", "stop") if isinstance(reply.asked.get("tool_choice"), dict) else ("tool_calls",)
    detail = f"{reply.name}: a call came, finish_reason is {reply.finish_reason!r}, not 'tool_calls'"
    expect(finish_of(reply) in owed, detail, reply)


def finishes_without_calls(reply: Reply) -> None:
    """finish_reason tool_calls never comes without a call. Raises Broken; NotAsked for other ends."""
    if reply.finish_reason != "tool_calls":
        raise NotAsked(f"{reply.name} doesn't say that it calls")
    for owner, happened in ((MARKUP, leaked(reply)), (SILENT, _is_silent(reply)), (_comes(reply), is_demanded(reply))):
        if happened and not calls_of(reply):
            raise Blocked(owner, f"{reply.name}: its call is lost", reply)
    expect(bool(calls_of(reply)), f"{reply.name}: finish_reason is 'tool_calls', no call came", reply)


def says_something(reply: Reply) -> None:
    """With tools offered, content or a call comes. Raises Broken."""
    if not tools_of(reply):
        raise NotAsked(f"{reply.name} offers no tools")
    if leaked(reply):
        raise Blocked(MARKUP, f"{reply.name}: the call stands in the text", reply)
    detail = f"{reply.name}: {_counted(reply)} tokens were counted, neither content nor a call came"
    expect(not _is_silent(reply), detail, reply)


def call_the_same(whole: Answer, stream: Stream) -> None:
    """Both modes call the same function first. Raises Broken."""
    one, other = _judged(whole)[0].name, _judged(stream)[0].name
    expect(one == other, f"{whole.name} calls {one}, {stream.name} calls {other}", whole, stream)


def call_alike(whole: Answer, stream: Stream) -> None:
    """Both modes make the same calls with the same arguments. Raises Broken; Blocked by the row about the function."""
    one, other = ([(call.name, _arguments(reply, call)) for call in _judged(reply)] for reply in (whole, stream))
    if one[0][0] != other[0][0]:
        raise Blocked(SAME, f"{whole.name} and {stream.name} call different functions", whole, stream)
    expect(one == other, f"{whole.name} calls {_shown(one)}; {stream.name} calls {_shown(other)}", whole, stream)


def _shown(calls: list[tuple[str, Any]]) -> str:
    return ", ".join(f"{name}({json.dumps(arguments, ensure_ascii=False)[:60]})" for name, arguments in calls)


# A tool's name, its type and the brackets around it; no tokenizer puts them in fewer tokens.
LEAST_OF_A_TOOL = 5


def are_in_the_prompt(many: Answer, few: Answer) -> None:
    """Each offered tool makes the prompt longer. Raises Broken."""
    grown = many.count("prompt_tokens") - few.count("prompt_tokens")
    more = len(tools_of(many)) - len(tools_of(few))
    detail = f"{many.name}: {more} more tools than in {few.name} add {grown} tokens to the prompt"
    expect(grown >= LEAST_OF_A_TOOL * more, detail, many, few)


def are_described_in_the_prompt(long: Answer, short: Answer) -> None:
    """Words of a tool's description make the prompt longer. Raises Broken. Half of them: a tokenizer may join some."""
    words = [sum(len(tool["description"].split()) for tool in tools_of(reply).values()) for reply in (long, short)]
    grown, more = long.count("prompt_tokens") - short.count("prompt_tokens"), words[0] - words[1]
    detail = f"{long.name}: {more} more words of description than in {short.name} add {grown} tokens to the prompt"
    expect(2 * grown >= more, detail, long, short)
