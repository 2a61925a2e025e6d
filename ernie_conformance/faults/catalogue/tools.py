"""Area 13: tool calls and structured output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.catalogue import tools_json
from ernie_conformance.faults.catalogue.finish import finish
from ernie_conformance.faults.catalogue.reasoning import CONTENT, REASONING, holder, holders
from ernie_conformance.faults.edits import answers, chain, chunks, errors, refused, replies, streams
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
either = where.either(with_tools, tools_json.with_format)


def _chosen(*choices: str) -> Callable[[Request], bool]:
    """The tool choice is one of these words, or "named" for a function by name."""

    def test(request: Request) -> bool:
        choice = request.json.get("tool_choice")
        return ("named" if isinstance(choice, dict) else choice) in choices

    return test


def _backslashes_halved(frames: Iterator[Frame]) -> Iterator[Frame]:
    """An escaped backslash loses its escape, also where the two stand in different deltas."""
    before = ""

    def halve(said: str) -> str:
        nonlocal before
        kept = ""
        for letter in said:
            before = "" if before == letter == "\\" else letter
            kept += before
        return kept

    for frame in frames:
        chunk = frame.chunk
        if chunk is None or not has_calls(frame):
            yield frame
            continue
        change(f"{DELTA_CALLS}.*.function.arguments", text(halve))(chunk)
        yield frame.holding(chunk)


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


def _named_again(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Every delta of a call carries the id and the name of its first one."""
    heads: dict[Any, tuple[Any, Any]] = {}
    for frame in frames:
        chunk = frame.chunk or {}
        for call in find(chunk, f"{DELTA_CALLS}.*"):
            function = call.setdefault("function", {})
            if call.get("id"):
                heads[call.get("index")] = call["id"], function.get("name")
            call["id"], function["name"] = heads.get(call.get("index"), (None, None))
        yield frame.holding(chunk) if has_calls(frame) else frame


FAULTS: tuple[Fault, ...] = (
    rewrite("json-stream-dies-fsm", "STREAM-005", streams(_dies), where=either),
    rewrite("tool-args-truncated", "TOOL-006", streams(last(_has_arguments, _last_arguments_cut))),
    rewrite("tool-index-zero", "TOOL-009", chunks(put(f"{DELTA_CALLS}.*.index", 0))),
    rewrite(
        "json-schema-not-enforced",
        "JSON-001",
        chain(
            answers(change("choices.*.message.content", text(lambda said: said[:8] + said))),
            streams(swap(first(has_answer), _start_again)),
        ),
        where=tools_json.with_format,
    ),
    rewrite("tool-args-invalid-json", "TOOL-006", answers(change(ARGUMENTS, text(lambda said: said + '"')))),
    question("tool-choice-ignored", "TOOL-002", unset("tool_choice")),
    rewrite("tool-index-missing", "STREAM-001", chunks(drop(f"{DELTA_CALLS}.*.index"))),
    rewrite("tool-only-reasoning-answer", "TOOL-014", replies(holder(_silent)), where=with_tools),
    rewrite(
        "json-mode-disables-thinking",
        "JSON-004",
        replies(change(f"{holders}.{REASONING}", lambda _: None)),
        where=where.both(tools_json.with_format, where.thinking),
    ),
    rewrite("tool-args-empty-lost", "TOOL-015", replies(change(ARGUMENTS, lambda said: "" if said == "{}" else said))),
    rewrite(
        "tool-many-tools-rejected",
        "TOOL-016",
        refused(400, "Invalid JSON: EOF while parsing a value"),
        where=lambda r: len(find(r.json, "tools.*")) > 16,
    ),
    rewrite(
        "tool-choice-none-rejected",
        "TOOL-003",
        refused(400, "When using tool_choice, tools must be set"),
        where=_chosen("none"),
    ),
    question(
        "own-descriptions-dropped",
        "TOOL-024",
        body(drop("tools.*.function.description")),
        title="descriptions of tools don't reach the model",
        severity="high",
    ),
    question("own-tools-ignored", "TOOL-020", unset("tools", "tool_choice"), title="tools are ignored", severity="high"),
    question(
        "own-tool-choice-named-ignored",
        "TOOL-002",
        unset("tool_choice"),
        where=_chosen("named"),
        title="a tool chosen by name is ignored",
        severity="high",
    ),
    question(
        "own-tool-choice-none-ignored",
        "TOOL-003",
        unset("tool_choice"),
        where=_chosen("none"),
        title="tool_choice none still calls",
        severity="high",
    ),
    question(
        "own-tool-choice-required-ignored",
        "TOOL-001",
        unset("tool_choice"),
        where=_chosen("required"),
        title="tool_choice required calls nothing",
        severity="high",
    ),
    rewrite("own-tool-id-missing", "SCHEMA-001", replies(drop(f"{CALLS}.*.id")), title="calls have no id", severity="high"),
    rewrite(
        "own-tool-id-same",
        "TOOL-010",
        replies(change(f"{CALLS}.*.id", lambda _: "call_0")),
        title="all calls have one id",
        severity="high",
    ),
    rewrite(
        "own-tool-type-missing",
        "SCHEMA-001",
        replies(drop(f"{CALLS}.*.type")),
        title="calls have no type",
        severity="medium",
    ),
    rewrite(
        "own-tool-name-missing",
        "SCHEMA-001",
        replies(drop(f"{CALLS}.*.function.name")),
        title="calls have no name",
        severity="critical",
    ),
    rewrite(
        "own-tool-name-unknown",
        "TOOL-005",
        replies(change(f"{CALLS}.*.function.name", text(lambda name: f"functions.{name}"))),
        title="calls name a function that wasn't offered",
        severity="high",
    ),
    rewrite(
        "own-tool-args-object",
        "SCHEMA-001",
        answers(change(ARGUMENTS, _parsed)),
        title="arguments are an object instead of text",
        severity="high",
    ),
    rewrite(
        "own-tool-args-quoted-twice",
        "TOOL-006",
        answers(change(ARGUMENTS, text(lambda said: '"' + said.replace('"', '\\"') + '"'))),
        title="arguments are encoded twice",
        severity="high",
    ),
    rewrite(
        "own-tool-args-renamed",
        "SCHEMA-001",
        replies(rename(ARGUMENTS, "parameters")),
        title="arguments are called parameters",
        severity="high",
    ),
    rewrite(
        "own-tool-calls-as-text",
        "TOOL-013",
        replies(holder(_call_then_text)),
        title="the raw call stands in the content too",
        severity="medium",
    ),
    rewrite(
        "own-tool-second-call-lost",
        "TOOL-018",
        answers(change(CALLS, _one_call)),
        title="of parallel calls only the first comes whole",
        severity="high",
    ),
    rewrite(
        "own-tool-call-repeated",
        "TOOL-010",
        answers(change(CALLS, _first_call_repeated)),
        title="a call comes twice",
        severity="high",
    ),
    rewrite(
        "own-tool-finish-stop",
        "TOOL-011",
        answers(change("choices.*.finish_reason", lambda v: "stop" if v == "tool_calls" else v)),
        title="whole answers with calls finish with stop",
        severity="high",
    ),
    rewrite(
        "own-tool-finish-always",
        "TOOL-012",
        finish("stop", "tool_calls"),
        where=with_tools,
        title="answers without calls finish with tool_calls",
        severity="high",
    ),
    rewrite(
        "own-tool-calls-lost-in-streams",
        "TOOL-014",
        streams(without(lambda f: has_calls(f) and not has_finish(f))),
        title="streams lose the calls",
        severity="critical",
    ),
    rewrite(
        "own-tool-args-repeated",
        "TOOL-006",
        streams(swap(first(_has_arguments), lambda f: [f, f])),
        title="a piece of arguments comes twice",
        severity="critical",
    ),
    rewrite(
        "own-tools-refused-in-streams",
        "WIRE-002",
        refused(400, "tools are not supported with stream"),
        where=where.both(with_tools, where.streamed),
        title="tools and stream exclude each other",
        severity="high",
    ),
    rewrite(
        "own-tool-results-refused",
        "CHAT-017",
        refused(400, "role tool is not supported"),
        where=where.has_role("tool"),
        title="tool results are refused",
        severity="high",
    ),
    rewrite(
        "own-tool-args-of-another",
        "TOOL-007",
        answers(change(ARGUMENTS, lambda _: '{"town": 5}')),
        title="arguments aren't those that the tool has",
        severity="high",
    ),
    rewrite(
        "own-tool-head-repeated",
        "TOOL-008",
        streams(_named_again),
        title="every piece of a call repeats its id and name",
        severity="high",
    ),
    rewrite(
        "own-tool-other-in-streams",
        "TOOL-017",
        chunks(change(f"{DELTA_CALLS}.*.function.name", lambda name: "read_clock" if name == "get_weather" else name)),
        where=_chosen("required"),
        title="streams call another of the tools",
        severity="high",
    ),
    rewrite(
        "own-tool-choice-none-needs-tools",
        "TOOL-004",
        refused(400, "When using tool_choice, tools must be set"),
        where=where.both(_chosen("none"), where.lacks(with_tools)),
        title="tool_choice none is refused without tools",
        severity="low",
    ),
    rewrite(
        "own-tool-bad-choice-taken",
        "TOOL-019",
        errors(tools_json.as_if_right),
        where=_chosen("sometimes"),
        title="a tool_choice that doesn't exist is taken",
        severity="medium",
    ),
    *tools_json.FAULTS,
    question(
        "own-tool-parallel-anyway",
        "TOOL-021",
        unset("parallel_tool_calls"),
        title="parallel_tool_calls false is ignored",
        severity="high",
    ),
    rewrite(
        "own-backslashes-halved",
        "TOOL-022",
        streams(_backslashes_halved),
        title="streamed arguments lose every second backslash",
        severity="high",
    ),
    rewrite(
        "own-half-call-complete",
        "TOOL-023",
        finish("length", "tool_calls"),
        where=_chosen("required"),
        title="a call that max_tokens cuts is called complete",
        severity="high",
    ),
)
