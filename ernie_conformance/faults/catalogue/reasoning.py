"""Area 5: the reasoning channel beside the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, before_finish, chain, chunks, replies, streams
from ernie_conformance.faults.fault import Fault, behaviour, question, rewrite
from ernie_conformance.faults.frames import (
    Frame,
    choices,
    delta_of,
    every,
    first,
    has_answer,
    has_finish,
    has_text,
    swap,
    text_of,
)
from ernie_conformance.faults.objects import Change, change, put, rename, text
from ernie_conformance.faults.questions import body, unset
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

REASONING, CONTENT = "reasoning_content", "content"
TIGHT = 64  # tokens
PHANTOM = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "search", "arguments": "{}"}}

holders = "choices.*.message|delta"
in_reasoning, in_content = f"{holders}.{REASONING}", f"{holders}.{CONTENT}"


def holder(fn: Callable[[dict[str, Any]], None]) -> Change:
    """Change each message or delta in place."""

    def edit(value: Any) -> Any:
        if isinstance(value, dict):
            fn(value)
        return value

    return change(holders, edit)


def moved(source: str, goal: str, mark: str = "") -> Change:
    """All text of one channel is said in the other, with `mark` between."""

    def move(found: dict[str, Any]) -> None:
        said = found.get(source)
        if said:
            parts = [found.get(REASONING), found.get(CONTENT)]
            found[source] = ""
            found[goal] = mark.join(part for part in parts if part)

    return holder(move)


def _lone_end_tag(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Reasoning is streamed as content, with the end tag before the answer."""
    thought = False
    for frame in frames:
        chunk = frame.chunk
        for choice in choices(chunk):
            delta = delta_of(choice)
            if delta.get(REASONING):
                thought = True
                delta[CONTENT] = delta.pop(REASONING)
            elif delta.get(CONTENT) and thought:
                thought = False
                delta[CONTENT] = "</think>" + delta[CONTENT]
        yield frame.holding(chunk) if chunk else frame


def _early(count: int) -> Callable[[Iterator[Frame]], Iterator[Frame]]:
    """The first deltas of the answer are said as reasoning."""

    def edit(frames: Iterator[Frame]) -> Iterator[Frame]:
        left = count
        for frame in frames:
            chunk = frame.chunk
            if left and has_answer(frame) and chunk:
                left -= 1
                moved(CONTENT, REASONING)(chunk)
                yield frame.holding(chunk)
            else:
                yield frame

    return edit


def _merged_border(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The last thought, the end tag and the first word of the answer come in one delta of reasoning."""
    held: Frame | None = None
    for frame in frames:
        if text_of(frame.chunk, REASONING):
            if held:
                yield held
            held = frame
        elif held and has_finish(frame):  # cut while thinking: there is no border
            yield from (held, frame)
            held = None
        elif held and has_answer(frame):
            chunk = held.chunk or {}
            border = f"{text_of(chunk, REASONING)}</think>{text_of(frame.chunk, CONTENT)}"
            put(f"choices.*.delta.{REASONING}", border)(chunk)
            yield frame.holding(chunk)
            held = None
        else:
            yield frame
    if held:
        yield held


def _fragments(frame: Frame) -> Iterable[Frame]:
    said, chunk = text_of(frame.chunk, REASONING), frame.chunk or {}
    for character in said:
        put(f"choices.*.delta.{REASONING}", character)(chunk)
        yield frame.holding(chunk)


def _has_tight_limit(request: Request) -> bool:
    """Is the limit too small for any model to end its thought?"""
    limits = [request.json.get(name) for name in ("max_tokens", "max_completion_tokens")]
    return any(isinstance(limit, int) and limit <= TIGHT for limit in limits)


def _is_long_thought(frame: Frame) -> bool:
    return len(text_of(frame.chunk, REASONING)) > 1


def _padded(frame: Frame) -> Iterable[Frame]:
    return [frame.saying(frame.raw.replace(b'"content":"', b'"content":"\\n\\n', 1))]


def _thought_first(frame: Frame) -> Iterable[Frame]:
    thought = [{"index": 0, "delta": {REASONING: "Thinking…"}, "finish_reason": None}]
    return [frame.holding({**(frame.chunk or {}), "choices": thought}), frame]


def _said_twice(found: dict[str, Any]) -> None:
    if found.get(REASONING):
        found[CONTENT] = found[REASONING] + (found.get(CONTENT) or "")


_tagged = holder(
    lambda found: found.update({CONTENT: f"<think>{found.pop(REASONING, '')}</think>{found.get(CONTENT) or ''}"})
)


def _calls_as_text(found: dict[str, Any]) -> None:
    calls = found.pop("tool_calls", None)
    if calls:
        found[REASONING] = f"{found.get(REASONING) or ''}<tool_call>{calls[0].get('function')}</tool_call>"


def _phantom(frame: Frame) -> Iterable[Frame]:
    call = {"index": 0, "delta": {"tool_calls": [PHANTOM]}, "finish_reason": None}
    return [frame, frame.holding({**(frame.chunk or {}), "choices": [call]})]


def _answer_first(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The first delta of the answer comes before the reasoning."""
    thoughts: list[Frame] = []
    answered = False
    for frame in frames:
        if text_of(frame.chunk, REASONING) and not answered:
            thoughts.append(frame)
            continue
        if has_answer(frame) or has_finish(frame):
            answered = True
            late = [Frame(frame.at, thought.raw) for thought in thoughts]
            thoughts = []
            yield from [*late, frame] if has_finish(frame) else [frame, *late]
        else:
            yield frame


async def _switch_of_the_batch(visit: Visit) -> None:
    """Whoever comes while others are answered thinks as the first of them was asked to."""
    if visit.memory.inside == 1:
        visit.memory.kept["thinks"] = where.thinking(visit.request)
    switch = {"enable_thinking": visit.memory.kept["thinks"]}
    await visit.relay(request=body(put("chat_template_kwargs", switch), put("metadata", switch))(visit.request))


silent = (change(in_reasoning, lambda _: None), change(in_content, lambda _: ""))
unthinking = where.both(where.chat, where.lacks(where.thinking))
thinking = where.both(where.chat, where.thinking)
limited = where.both(thinking, _has_tight_limit)
with_tools = where.both(where.chat, where.asks("tools"))
SWITCHES = ("chat_template_kwargs.enable_thinking", "metadata.enable_thinking", "enable_thinking")

FAULTS: tuple[Fault, ...] = (
    rewrite("reason-answer-in-reasoning", "REASON-005", replies(moved(CONTENT, REASONING)), where=unthinking),
    rewrite("reason-toolcall-swallowed", "TOOL-013", replies(holder(_calls_as_text)), where=with_tools),
    rewrite("reason-truncated-in-content", "REASON-011", replies(moved(REASONING, CONTENT)), where=limited),
    rewrite("reason-early-content-as-reasoning", "REASON-014", streams(_early(3)), where=thinking),
    rewrite("reason-field-name", "REASON-006", replies(rename(in_reasoning, "reasoning"))),
    rewrite(
        "reason-lone-end-tag",
        "REASON-002",
        chain(answers(moved(REASONING, CONTENT, "</think>")), streams(_lone_end_tag)),
        where=thinking,
    ),
    rewrite("reason-multitoken-delta", "REASON-002", streams(_merged_border), where=thinking),
    rewrite(
        "reason-special-tokens-leak",
        "REASON-003",
        chain(answers(change(in_content, text(lambda said: said + "<|im_end|>"))), before_finish("</s>")),
        where=where.chat,
    ),
    rewrite("reason-stream-nonstream-differ", "REASON-014", answers(change(in_reasoning, lambda _: None)), where=thinking),
    rewrite("reason-truncated-lost", "REASON-012", replies(*silent), where=limited),
    question(
        "reason-enable-noop", "REASON-009", body(put("chat_template_kwargs", {"enable_thinking": False})), where=thinking
    ),
    rewrite("reason-prose-parsed-as-tool", "TOOL-003", streams(swap(first(has_text), _phantom)), where=with_tools),
    rewrite(
        "reason-server-notice-injected", "REASON-013", before_finish("[Reasoning cut: raise max_tokens]"), where=limited
    ),
    rewrite("reason-midtoken-fragments", "REASON-015", streams(swap(every(_is_long_thought), _fragments))),
    rewrite(
        "reason-whitespace-artifacts",
        "REASON-016",
        chain(answers(change(in_content, text(lambda said: "\n\n" + said))), streams(swap(first(has_answer), _padded))),
        where=where.chat,
    ),
    rewrite(
        "own-think-tags-in-content",
        "REASON-002",
        chain(answers(_tagged), streams(_lone_end_tag)),
        where=thinking,
        title="reasoning stands in content between think tags",
        severity="critical",
    ),
    question(
        "own-switch-ignored",
        "REASON-005",
        unset(*SWITCHES),
        where=where.chat,
        title="thinking can't be turned off",
        severity="high",
    ),
    question(
        "own-switch-kwargs-ignored",
        "REASON-007",
        unset("chat_template_kwargs.enable_thinking"),
        where=where.chat,
        title="chat_template_kwargs.enable_thinking is ignored",
        severity="high",
    ),
    question(
        "own-switch-metadata-ignored",
        "REASON-008",
        unset("metadata.enable_thinking"),
        where=where.chat,
        title="metadata.enable_thinking is ignored",
        severity="high",
    ),
    question(
        "own-switch-inverted",
        "REASON-005",
        body(change("|".join(("chat_template_kwargs", "metadata")) + ".enable_thinking", lambda on: not on)),
        where=where.chat,
        title="the thinking switch works the wrong way round",
        severity="high",
    ),
    question(
        "own-budget-ignored",
        "REASON-010",
        unset("reasoning_max_tokens", "metadata.reasoning_max_tokens", "chat_template_kwargs.reasoning_max_tokens"),
        where=where.chat,
        title="the reasoning budget is ignored",
        severity="medium",
    ),
    rewrite(
        "own-reasoning-twice",
        "REASON-018",
        replies(holder(_said_twice)),
        where=thinking,
        title="reasoning is said in both channels",
        severity="high",
    ),
    rewrite(
        "own-reasoning-dropped-in-streams",
        "REASON-014",
        chunks(change(in_reasoning, lambda _: "")),
        where=thinking,
        title="streams lose the reasoning",
        severity="high",
    ),
    rewrite(
        "own-answer-before-reasoning",
        "REASON-001",
        streams(_answer_first),
        where=thinking,
        title="the answer starts before the reasoning",
        severity="medium",
    ),
    rewrite(
        "own-reasoning-object",
        "SCHEMA-001",
        answers(change(in_reasoning, lambda said: {"text": said})),
        where=thinking,
        title="reasoning is an object instead of text",
        severity="high",
    ),
    rewrite(
        "own-reasoning-though-off",
        "REASON-005",
        chain(answers(put(in_reasoning, "Thinking…")), streams(swap(first(has_answer), _thought_first))),
        where=unthinking,
        title="reasoning comes although it is turned off",
        severity="high",
    ),
    rewrite(
        "own-end-tag-in-reasoning",
        "REASON-002",
        answers(change(in_reasoning, text(lambda said: said + "</think>"))),
        where=thinking,
        title="the end tag stays in the reasoning",
        severity="medium",
    ),
    rewrite(
        "own-answer-empty",
        "REASON-004",
        replies(change(in_content, lambda _: "")),
        where=thinking,
        title="reasoning comes, but no answer",
        severity="critical",
    ),
    behaviour(
        "own-switch-of-the-batch",
        "REASON-017",
        _switch_of_the_batch,
        where=where.chat,
        title="the first request of a batch decides whether all of them think",
        severity="critical",
    ),
    rewrite(
        "own-pictures-think",
        "REASON-019",
        chunks(moved(CONTENT, REASONING)),
        where=where.both(where.streamed, where.images(1), where.lacks(where.thinking)),
        title="streams about pictures are all reasoning though thinking is off",
        severity="critical",
    ),
)
