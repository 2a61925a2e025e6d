"""Area 2: the objects that chunks and answers are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, chunk_at, chunks, counted, replies, streams
from ernie_conformance.faults.fault import Fault, rewrite
from ernie_conformance.faults.frames import Frame, choices, first, has_finish, has_text, nth, swap, without
from ernie_conformance.faults.objects import GONE, change, drop, number, put


def _cumulative(frames: Iterator[Frame]) -> Iterator[Frame]:
    so_far: dict[tuple[Any, str], str] = {}
    for frame in frames:
        chunk = frame.chunk
        for choice in choices(chunk):
            delta = choice.get("delta") or {}
            for name in ("content", "reasoning_content"):
                if isinstance(delta.get(name), str):
                    key = (choice.get("index"), name)
                    delta[name] = so_far[key] = so_far.get(key, "") + delta[name]
        yield frame.holding(chunk) if chunk else frame


def _empty_choices(frame: Frame) -> Iterable[Frame]:
    return [frame.holding({**(frame.chunk or {}), "choices": []}), frame]


def _late_text(frame: Frame) -> Iterable[Frame]:
    late = [{"index": 0, "delta": {"content": "."}, "finish_reason": None}]
    return [frame, frame.holding({**(frame.chunk or {}), "choices": late})]


def _as_message(frame: Frame) -> Iterable[Frame]:
    chunk = frame.chunk or {}
    for choice in choices(chunk):
        choice["message"] = choice.pop("delta", {})
    return [frame.holding(chunk)]


def _calls_null(answer: dict[str, Any]) -> None:
    for choice in choices(answer):
        choice.get("message", {}).setdefault("tool_calls", None)


def _index_moves(number: int, chunk: dict[str, Any]) -> None:
    change("choices.*.index", lambda _: number)(chunk)


def _id_moves(number: int, chunk: dict[str, Any]) -> None:
    chunk["id"] = f"{chunk.get('id')}-{number}"


def _created_moves(number: int, chunk: dict[str, Any]) -> None:
    chunk["created"] = chunk.get("created", 0) + number


def _model_moves(number: int, chunk: dict[str, Any]) -> None:
    chunk["model"] = f"replica-{number % 2}"


anything = first(lambda frame: frame.chunk is not None)
role_repeated = put("choices.*.delta.role", "assistant")
interim_finish_gone = change("choices.*.finish_reason", lambda value: GONE if value is None else value)

FAULTS: tuple[Fault, ...] = (
    rewrite("chunk-cumulative-content", "STREAM-014", streams(_cumulative)),
    rewrite("chunk-finish-never", "STREAM-005", chunks(put("choices.*.finish_reason", None))),
    rewrite("chunk-index-increments", "STREAM-009", counted(_index_moves)),
    rewrite("chunk-created-object-missing", "STREAM-001", chunk_at(0, drop("object"), drop("created"))),
    rewrite("chunk-empty-choices-midstream", "STREAM-011", streams(swap(anything, _empty_choices))),
    rewrite("chunk-finish-twice", "STREAM-005", streams(swap(first(has_finish), lambda frame: [frame, frame]))),
    rewrite("chunk-id-changes", "STREAM-007", counted(_id_moves)),
    rewrite("chunk-id-not-unique", "SCHEMA-004", replies(put("id", "chatcmpl-1"))),
    rewrite("chunk-model-missing", "SCHEMA-005", replies(put("model", None))),
    rewrite("chunk-role-repeated", "STREAM-004", chunks(role_repeated), where=where.chat),
    rewrite("chunk-content-null-first", "STREAM-017", chunk_at(0, put("choices.*.delta.content", None)), where=where.chat),
    rewrite("chunk-created-ms", "SCHEMA-003", replies(change("created", number(lambda seconds: seconds * 1000)))),
    rewrite("chunk-finish-key-absent", "STREAM-002", chunks(interim_finish_gone)),
    rewrite(
        "own-text-after-finish",
        "STREAM-006",
        streams(swap(first(has_finish), _late_text)),
        where=where.chat,
        title="text follows the finish chunk",
        severity="high",
    ),
    rewrite(
        "own-finish-empty-string",
        "STREAM-005",
        chunks(change("choices.*.finish_reason", lambda value: "" if value is None else value)),
        title='finish_reason is "" in interim chunks',
        severity="medium",
    ),
    rewrite(
        "own-message-for-delta",
        "STREAM-001",
        streams(swap(nth(1, has_text), _as_message)),
        where=where.chat,
        title="a chunk carries message instead of delta",
        severity="high",
    ),
    rewrite(
        "own-chunk-object-wrong",
        "STREAM-001",
        chunks(put("object", "chat.completion"), only=lambda _: True),
        where=where.chat,
        title="chunks call themselves chat.completion",
        severity="medium",
    ),
    rewrite(
        "own-answer-object-wrong",
        "SCHEMA-001",
        answers(put("object", "chat.completion.chunk")),
        where=where.chat,
        title="whole answers call themselves chat.completion.chunk",
        severity="medium",
    ),
    rewrite("own-id-missing", "SCHEMA-001", replies(drop("id")), title="no id", severity="high"),
    rewrite("own-id-number", "SCHEMA-001", replies(put("id", 17)), title="id is a number", severity="medium"),
    rewrite("own-id-empty", "SCHEMA-001", replies(put("id", "")), title="id is empty", severity="medium"),
    rewrite(
        "own-choices-missing", "SCHEMA-001", answers(drop("choices")), title="an answer without choices", severity="critical"
    ),
    rewrite(
        "own-choices-object",
        "SCHEMA-001",
        answers(change("choices", lambda c: c[0])),
        title="choices is no list",
        severity="high",
    ),
    rewrite("own-index-text", "SCHEMA-001", answers(put("choices.*.index", "0")), title="index is text", severity="medium"),
    rewrite(
        "own-index-from-one", "STREAM-009", chunks(put("choices.*.index", 1)), title="indices start at 1", severity="high"
    ),
    rewrite("own-index-missing", "SCHEMA-001", answers(drop("choices.*.index")), title="no index", severity="medium"),
    rewrite(
        "own-created-float",
        "SCHEMA-003",
        replies(change("created", lambda seconds: seconds + 0.25)),
        title="created is no whole number",
        severity="medium",
    ),
    rewrite("own-created-text", "SCHEMA-003", replies(change("created", str)), title="created is text", severity="medium"),
    rewrite("own-created-zero", "SCHEMA-003", replies(put("created", 0)), title="created is 1970", severity="medium"),
    rewrite(
        "own-created-local",
        "SCHEMA-003",
        replies(change("created", number(lambda seconds: seconds + 8 * 3600))),
        title="created is local time taken for UTC",
        severity="medium",
    ),
    rewrite(
        "own-created-moves", "STREAM-008", counted(_created_moves), title="created differs between chunks", severity="low"
    ),
    rewrite("own-model-moves", "STREAM-008", counted(_model_moves), title="model differs between chunks", severity="medium"),
    rewrite(
        "own-model-path",
        "SCHEMA-005",
        replies(put("model", "/models/checkpoints/final")),
        title="model is neither what was asked nor listed",
        severity="medium",
    ),
    rewrite(
        "own-role-missing",
        "STREAM-004",
        chunks(drop("choices.*.delta.role")),
        title="no delta has a role",
        severity="medium",
    ),
    rewrite(
        "own-role-user",
        "SCHEMA-001",
        replies(change("choices.*.delta|message.role", lambda _: "user")),
        title="the answer's role is user",
        severity="high",
    ),
    rewrite(
        "own-answer-role-missing",
        "SCHEMA-001",
        answers(drop("choices.*.message.role")),
        title="a message without a role",
        severity="medium",
    ),
    rewrite(
        "own-content-list",
        "SCHEMA-001",
        answers(change("choices.*.message.content", lambda text: [{"type": "text", "text": text}])),
        title="content is a list of parts",
        severity="high",
    ),
    rewrite(
        "own-content-missing",
        "SCHEMA-001",
        answers(drop("choices.*.message.content")),
        title="a message without content",
        severity="high",
    ),
    rewrite(
        "own-delta-missing",
        "STREAM-015",
        streams(without(has_text)),
        title="no chunk carries text",
        severity="critical",
        where=where.chat,
    ),
    rewrite(
        "own-answer-finish-missing",
        "SCHEMA-001",
        answers(drop("choices.*.finish_reason")),
        title="an answer without finish_reason",
        severity="high",
    ),
    # Three places in which the tutorial's own sample leaves the published schema.
    rewrite(
        "own-logprobs-key-absent",
        "SCHEMA-002",
        answers(drop("choices.*.logprobs")),
        where=where.lacks(where.asks("logprobs")),
        title="answers lack the logprobs key",
        severity="low",
    ),
    rewrite(
        "own-refusal-key-absent",
        "SCHEMA-002",
        answers(drop("choices.*.message.refusal")),
        title="messages lack the refusal key",
        severity="low",
    ),
    rewrite(
        "own-tool-calls-null",
        "SCHEMA-002",
        answers(_calls_null),
        where=where.chat,
        title="tool_calls is null",
        severity="low",
    ),
)
