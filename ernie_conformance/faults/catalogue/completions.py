"""Further faults of text completions, one for each row that no field fault breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.catalogue.usage import no_usage_wanted, recount, unasked
from ernie_conformance.faults.edits import answers, chunks, counted, refused, replies, streams
from ernie_conformance.faults.fault import Fault, Where, rewrite
from ernie_conformance.faults.frames import is_usage, last, without
from ernie_conformance.faults.objects import change, put
from ernie_conformance.wire.exchange import Request


def _prompts(kind: type) -> Where:
    """The prompt is a list of this kind."""

    def test(request: Request) -> bool:
        prompt = request.json.get("prompt")
        return isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], kind)

    return where.both(where.completions, test)


def _swapped(data: dict[str, Any]) -> None:
    choices = data.get("choices") or []
    if len(choices) == 2:
        choices[0]["text"], choices[1]["text"] = choices[1]["text"], choices[0]["text"]


def _transposed(data: dict[str, Any]) -> None:
    """Of two prompts with two choices each: A B A B instead of A A B B."""
    choices = data.get("choices") or []
    if len(choices) == 4:
        choices[1]["text"], choices[2]["text"] = choices[2]["text"], choices[1]["text"]


def _renamed(number: int, chunk: dict[str, Any]) -> None:
    chunk["id"] = f"cmpl-{number}"


def _has_null(request: Request) -> bool:
    return any(value is None for value in request.json.values())


def _completion(id: str, row: str, edit: Any, title: str, at: Where = where.completions, severity: str = "medium") -> Fault:
    return rewrite(f"own-completions-{id}", row, edit, where=at, title=title, severity=severity)


_shorter: Callable[[Any], Any] = lambda tokens: tokens[:-1] if isinstance(tokens, list) else tokens  # noqa: E731

FAULTS: tuple[Fault, ...] = (
    _completion(
        "stream-without-finish",
        "COMP-003",
        chunks(put("choices.*.finish_reason", None)),
        "streamed completions never finish",
        severity="high",
    ),
    _completion("usage-lost", "COMP-004", streams(without(is_usage)), "streamed completions tell no usage"),
    _completion(
        "usage-unrequested",
        "COMP-005",
        streams(last(lambda frame: bool(frame.chunk), unasked)),
        "streamed completions tell usage that nobody asked for",
        where.both(where.completions, no_usage_wanted),
    ),
    _completion("swapped", "COMP-007", answers(_swapped), "choices go to the wrong prompts", _prompts(str), "critical"),
    _completion(
        "prompts-not-counted",
        "COMP-008",
        replies(recount(prompt=lambda n: n // 2)),
        "one of several prompts is counted",
        _prompts(str),
    ),
    _completion(
        "ids-refused", "COMP-010", refused(422, "prompt: str type expected"), "token ids are refused", _prompts(int)
    ),
    _completion(
        "logprobs-short",
        "COMP-013",
        answers(change("choices.*.logprobs.tokens", _shorter)),
        "the lists of log probabilities have different lengths",
    ),
    _completion("ids-change", "COMP-015", counted(_renamed), "every chunk of a completion has its own id"),
    _completion(
        "null-refused",
        "COMP-016",
        refused(422, "none is not an allowed value"),
        "null for an optional parameter of a completion is refused",
        where.both(where.completions, _has_null),
    ),
    rewrite(
        "own-transposed",
        "COMP-018",
        answers(_transposed),
        where=where.both(_prompts(str), where.asks("n")),
        title="choices of several prompts come sample by sample",
        severity="high",
    ),
)
