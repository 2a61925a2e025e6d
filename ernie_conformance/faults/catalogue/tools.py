"""Area 13: tool calls and structured output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.catalogue.finish import finish
from ernie_conformance.faults.catalogue.reasoning import CONTENT, REASONING, holder, holders, moved
from ernie_conformance.faults.edits import answers, before_finish, chain, chunks, refused, replies, streams
from ernie_conformance.faults.fault import Fault, question, rewrite
from ernie_conformance.faults.frames import (
    Frame,
    first,
    has_answer,
    has_calls,
    has_finish,
    has_text,
    last,
    nth,
    swap,
    without,
)
from ernie_conformance.faults.objects import change, drop, find, put, rename, text
from ernie_conformance.faults.questions import body, unset
from ernie_conformance.wire.exchange import Request

CALLS = f"{holders}.tool_calls"
DELTA_CALLS = "choices.*.delta.tool_calls"
ARGUMENTS = f"{CALLS}.*.function.arguments"

with_tools = where.asks("tools")
with_format = where.asks("response_format")
either = where.either(with_tools, with_format)


def _format(kind: str) -> Callable[[Request], bool]:
    return lambda request: bool(find(request.json, "response_format.type") == [kind])


def _chosen(*choices: str) -> Callable[[Request], bool]:
    """The tool choice is one of these words, or "named" for a function by name."""

    def test(request: Request) -> bool:
        choice = request.json.get("tool_choice")
        return ("named" if isinstance(choice, dict) else choice) in choices

    return test


def _last_arguments_cut(frame: Frame) -> Iterable[Frame]:
    chunk = frame.chunk or {}
    change(ARGUMENTS, text(lambda said: said[:-2]))(chunk)
    return [frame.holding(chunk)]


def _has_arguments(frame: Frame) -> bool:
    return any(find(frame.chunk or {}, ARGUMENTS))


def _silent(found: dict[str, Any]) -> None:
    """Neither content nor calls are left."""
    found.pop("tool_calls", None)
    if found.get(CONTENT):
        found[CONTENT] = ""


def _start_again(frame: Frame) -> Iterable[Frame]:
    chunk = frame.chunk or {}
    change("choices.*.delta.content", text(lambda said: said * 2))(chunk)
    return [frame.holding(chunk)]


def _dies(frames: Iterator[Frame]) -> Iterator[Frame]:
    """After the second piece of output the connection is closed without a word."""
    pick = nth(3, lambda frame: has_text(frame) or has_calls(frame))()
    for frame in frames:
        if pick(frame):
            return
        yield frame


def _call_then_text(found: dict[str, Any]) -> None:
    if found.get("tool_calls"):
        found[CONTENT] = f"<tool_call>{found['tool_calls'][0].get('function')}</tool_call>"


def _one_call(found: Any) -> Any:
    return [call for call in found if call.get("index", 0) == 0][:1] if isinstance(found, list) else found


def _first_call_repeated(found: Any) -> Any:
    return [found[0]] * 2 if isinstance(found, list) and found else found


def _parsed(arguments: Any) -> Any:
    return {"value": arguments}


FAULTS: tuple[Fault, ...] = (
    rewrite("json-stream-dies-fsm", "", streams(_dies), where=either),
    rewrite("tool-args-truncated", "", streams(last(_has_arguments, _last_arguments_cut))),
    rewrite("tool-index-zero", "", chunks(put(f"{DELTA_CALLS}.*.index", 0))),
    rewrite(
        "json-schema-not-enforced",
        "",
        chain(
            answers(change("choices.*.message.content", text(lambda said: said[:8] + said))),
            streams(swap(first(has_answer), _start_again)),
        ),
        where=with_format,
    ),
    rewrite("tool-args-invalid-json", "", answers(change(ARGUMENTS, text(lambda said: said + '"')))),
    question("tool-choice-ignored", "", unset("tool_choice")),
    rewrite("tool-index-missing", "", chunks(drop(f"{DELTA_CALLS}.*.index"))),
    rewrite("tool-only-reasoning-answer", "", replies(holder(_silent)), where=with_tools),
    rewrite(
        "json-mode-disables-thinking",
        "",
        replies(change(f"{holders}.{REASONING}", lambda _: None)),
        where=where.both(with_format, where.thinking),
    ),
    rewrite("tool-args-empty-lost", "", replies(change(ARGUMENTS, lambda said: "" if said == "{}" else said))),
    rewrite(
        "tool-many-tools-rejected",
        "",
        refused(400, "Invalid JSON: EOF while parsing a value"),
        where=lambda r: len(find(r.json, "tools.*")) > 16,
    ),
    rewrite(
        "tool-choice-none-rejected", "", refused(400, "When using tool_choice, tools must be set"), where=_chosen("none")
    ),
    question("own-tools-ignored", "", unset("tools", "tool_choice"), title="tools are ignored", severity="high"),
    question(
        "own-tool-choice-named-ignored",
        "",
        unset("tool_choice"),
        where=_chosen("named"),
        title="a tool chosen by name is ignored",
        severity="high",
    ),
    question(
        "own-tool-choice-none-ignored",
        "",
        unset("tool_choice"),
        where=_chosen("none"),
        title="tool_choice none still calls",
        severity="high",
    ),
    question(
        "own-tool-choice-required-ignored",
        "",
        unset("tool_choice"),
        where=_chosen("required"),
        title="tool_choice required calls nothing",
        severity="high",
    ),
    rewrite("own-tool-id-missing", "", replies(drop(f"{CALLS}.*.id")), title="calls have no id", severity="high"),
    rewrite(
        "own-tool-id-same",
        "",
        replies(change(f"{CALLS}.*.id", lambda _: "call_0")),
        title="all calls have one id",
        severity="high",
    ),
    rewrite("own-tool-type-missing", "", replies(drop(f"{CALLS}.*.type")), title="calls have no type", severity="medium"),
    rewrite(
        "own-tool-name-missing",
        "",
        replies(drop(f"{CALLS}.*.function.name")),
        title="calls have no name",
        severity="critical",
    ),
    rewrite(
        "own-tool-name-unknown",
        "",
        replies(change(f"{CALLS}.*.function.name", text(lambda name: f"functions.{name}"))),
        title="calls name a function that wasn't offered",
        severity="high",
    ),
    rewrite(
        "own-tool-args-object",
        "",
        answers(change(ARGUMENTS, _parsed)),
        title="arguments are an object instead of text",
        severity="high",
    ),
    rewrite(
        "own-tool-args-quoted-twice",
        "",
        answers(change(ARGUMENTS, text(lambda said: '"' + said.replace('"', '\\"') + '"'))),
        title="arguments are encoded twice",
        severity="high",
    ),
    rewrite(
        "own-tool-args-renamed",
        "",
        replies(rename(ARGUMENTS, "parameters")),
        title="arguments are called parameters",
        severity="high",
    ),
    rewrite(
        "own-tool-calls-as-text",
        "",
        replies(holder(_call_then_text)),
        title="the raw call stands in the content too",
        severity="medium",
    ),
    rewrite(
        "own-tool-second-call-lost",
        "",
        replies(change(CALLS, _one_call)),
        title="of parallel calls only the first comes",
        severity="high",
    ),
    rewrite(
        "own-tool-call-repeated",
        "",
        answers(change(CALLS, _first_call_repeated)),
        title="a call comes twice",
        severity="high",
    ),
    rewrite(
        "own-tool-finish-stop",
        "",
        answers(change("choices.*.finish_reason", lambda v: "stop" if v == "tool_calls" else v)),
        title="whole answers with calls finish with stop",
        severity="high",
    ),
    rewrite(
        "own-tool-finish-always",
        "",
        finish("stop", "tool_calls"),
        where=with_tools,
        title="answers without calls finish with tool_calls",
        severity="high",
    ),
    rewrite(
        "own-tool-calls-lost-in-streams",
        "",
        streams(without(lambda f: has_calls(f) and not has_finish(f))),
        title="streams lose the calls",
        severity="critical",
    ),
    rewrite(
        "own-tool-args-repeated",
        "",
        streams(swap(first(_has_arguments), lambda f: [f, f])),
        title="a piece of arguments comes twice",
        severity="critical",
    ),
    rewrite(
        "own-tools-refused-in-streams",
        "",
        refused(400, "tools are not supported with stream"),
        where=where.both(with_tools, where.streamed),
        title="tools and stream exclude each other",
        severity="high",
    ),
    rewrite(
        "own-tool-results-refused",
        "",
        refused(400, "role tool is not supported"),
        where=where.has_role("tool"),
        title="tool results are refused",
        severity="high",
    ),
    rewrite(
        "own-json-fenced",
        "",
        chain(
            answers(change("choices.*.message.content", text(lambda said: f"```json\n{said}\n```"))),
            streams(
                swap(first(has_answer), lambda f: [f.saying(f.raw.replace(b'"content":"', b'"content":"```json\\n', 1))])
            ),
            before_finish("\n```"),
        ),
        where=with_format,
        title="JSON comes in a Markdown fence",
        severity="high",
    ),
    rewrite(
        "own-json-prose",
        "",
        answers(change("choices.*.message.content", text(lambda said: f"Here is the JSON: {said}"))),
        where=with_format,
        title="prose before the JSON",
        severity="high",
    ),
    rewrite(
        "own-json-in-reasoning",
        "",
        replies(moved(CONTENT, REASONING)),
        where=with_format,
        title="JSON lands in the reasoning",
        severity="high",
    ),
    rewrite(
        "own-json-cut",
        "",
        answers(change("choices.*.message.content", text(lambda said: said[:-1]))),
        where=with_format,
        title="the closing brace is missing",
        severity="high",
    ),
    rewrite(
        "own-json-cut-in-streams",
        "",
        streams(last(has_answer, lambda _: [])),
        where=with_format,
        title="streams lose the end of the JSON",
        severity="high",
    ),
    question(
        "own-json-schema-ignored",
        "",
        unset("response_format"),
        where=_format("json_schema"),
        title="json_schema is ignored",
        severity="high",
    ),
    question(
        "own-json-object-ignored",
        "",
        unset("response_format"),
        where=_format("json_object"),
        title="json_object is ignored",
        severity="high",
    ),
    question(
        "own-json-schema-as-object",
        "",
        body(put("response_format", {"type": "json_object"})),
        where=_format("json_schema"),
        title="json_schema is taken for json_object",
        severity="high",
    ),
    rewrite(
        "own-json-single-quotes",
        "",
        answers(change("choices.*.message.content", text(lambda said: said.replace('"', "'")))),
        where=with_format,
        title="JSON with single quotes",
        severity="high",
    ),
)
