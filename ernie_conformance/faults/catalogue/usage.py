"""Area 3: the token counts that are billed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, chunks, counted, replies, streams
from ernie_conformance.faults.fault import Fault, rewrite
from ernie_conformance.faults.frames import Frame, every, is_usage, last, swap, without
from ernie_conformance.faults.objects import Change, change, drop, number, put


def recount(prompt: Callable[[int], int] = lambda n: n, completion: Callable[[int], int] = lambda n: n) -> Change:
    """Other counts in usage, with a total that fits them."""

    def edit(data: dict[str, Any]) -> None:
        usage = data.get("usage")
        if isinstance(usage, dict) and {"prompt_tokens", "completion_tokens"} <= usage.keys():
            usage["prompt_tokens"] = prompt(usage["prompt_tokens"])
            usage["completion_tokens"] = completion(usage["completion_tokens"])
            usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]

    return edit


def _running(number: int, chunk: dict[str, Any]) -> None:
    if not chunk.get("usage"):
        chunk["usage"] = {"prompt_tokens": 10, "completion_tokens": number, "total_tokens": 10 + number}


def _dummy_first(number: int, chunk: dict[str, Any]) -> None:
    if number == 0:
        chunk["usage"] = {"total_tokens": 0, "total_characters": 0}


def _only_fresh(data: dict[str, Any]) -> None:
    """As another vendor's API counts."""
    usage = data.get("usage")
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    if isinstance(usage, dict) and isinstance(details, dict):
        cached, details["cached_tokens"] = details.get("cached_tokens") or 0, 0
        usage["prompt_tokens"] -= cached
        usage["total_tokens"] -= cached


def unasked(frame: Frame) -> Iterable[Frame]:
    """A usage chunk after this one."""
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    return [frame, frame.holding({**(frame.chunk or {}), "choices": [], "usage": usage})]


def _onto_finish(frame: Frame) -> Iterable[Frame]:
    """The usage chunk keeps a choice."""
    choice = {"index": 0, "delta": {}, "finish_reason": None}
    return [frame.holding({**(frame.chunk or {}), "choices": [choice]})]


def no_usage_wanted(request: Any) -> bool:
    options = request.json.get("stream_options")
    return not (isinstance(options, dict) and options.get("include_usage"))


FEW = 5  # messages: more are a history

limited = where.either(where.asks("max_tokens"), where.asks("max_completion_tokens"))

FAULTS: tuple[Fault, ...] = (
    rewrite("usage-double-count", "TWIN-006", chunks(recount(completion=lambda n: 2 * n), only=is_usage)),
    rewrite("usage-image-not-counted", "VIS-001", replies(recount(prompt=lambda _: 1)), where=where.images(1)),
    rewrite("usage-include-ignored", "STREAM-010", streams(without(is_usage))),
    rewrite("usage-total-not-sum", "USAGE-001", replies(change("usage.total_tokens", number(lambda n: n - 1)))),
    rewrite("usage-in-every-chunk", "STREAM-011", counted(_running)),
    rewrite("usage-off-by-one", "LIMIT-003", replies(recount(completion=lambda n: max(0, n - 1))), where=limited),
    rewrite("usage-reasoning-zero", "USAGE-003", replies(put("usage.completion_tokens_details.reasoning_tokens", 0))),
    rewrite("usage-wrong-chunked-prefill", "LIMIT-010", replies(recount(prompt=lambda n: n if n <= 256 else n % 256))),
    rewrite("usage-cached-null", "LIMIT-017", replies(put("usage.prompt_tokens_details.cached_tokens", 0))),
    rewrite("usage-dummy-in-interim", "STREAM-010", counted(_dummy_first)),
    rewrite("usage-unrequested", "STREAM-011", streams(last(lambda f: bool(f.chunk), unasked)), where=no_usage_wanted),
    rewrite(
        "own-usage-for-empty-options",
        "STREAM-016",
        streams(last(lambda f: bool(f.chunk), unasked)),
        where=lambda request: request.json.get("stream_options") == {},
        title="empty stream_options count as a wish for usage",
        severity="low",
    ),
    rewrite("own-usage-missing", "SCHEMA-001", answers(drop("usage")), title="an answer without usage", severity="high"),
    rewrite(
        "own-usage-cached-above-prompt",
        "USAGE-005",
        replies(put("usage.prompt_tokens_details.cached_tokens", 10**6)),
        title="more tokens were cached than the prompt has",
        severity="medium",
    ),
    rewrite("own-usage-null", "SCHEMA-001", answers(put("usage", None)), title="usage is null", severity="high"),
    rewrite(
        "own-usage-text",
        "SCHEMA-001",
        replies(change("usage.prompt_tokens", str)),
        title="counts are text",
        severity="medium",
    ),
    rewrite(
        "own-usage-float",
        "SCHEMA-001",
        replies(change("usage.completion_tokens", lambda count: count + 0.5)),
        title="counts are fractions",
        severity="medium",
    ),
    rewrite(
        "own-usage-zero",
        "USAGE-002",
        replies(recount(completion=lambda _: 0)),
        title="completion_tokens is 0",
        severity="high",
    ),
    rewrite(
        "own-usage-negative",
        "SCHEMA-001",
        replies(recount(completion=lambda n: -n)),
        title="counts are negative",
        severity="medium",
    ),
    rewrite(
        "own-usage-constant",
        "LIMIT-010",
        replies(recount(prompt=lambda _: 42)),
        title="prompt_tokens never changes",
        severity="high",
    ),
    rewrite(
        "own-usage-prompt-off",
        "TWIN-006",
        chunks(recount(prompt=lambda n: n + 3), only=is_usage),
        title="streams count the prompt otherwise",
        severity="medium",
    ),
    rewrite(
        "own-usage-bytes",
        "USAGE-004",
        replies(recount(completion=lambda n: 3 * n)),
        title="bytes are counted for tokens",
        severity="high",
    ),
    rewrite(
        "own-usage-total-missing",
        "SCHEMA-001",
        replies(drop("usage.total_tokens")),
        title="no total_tokens",
        severity="medium",
    ),
    rewrite(
        "own-usage-with-choice",
        "STREAM-010",
        streams(swap(every(is_usage), _onto_finish)),
        title="the usage chunk has a choice",
        severity="low",
    ),
    rewrite(
        "own-usage-twice",
        "STREAM-010",
        streams(swap(every(is_usage), lambda frame: [frame, frame])),
        title="two usage chunks",
        severity="medium",
    ),
    rewrite(
        "own-usage-reasoning-too-many",
        "USAGE-003",
        replies(put("usage.completion_tokens_details.reasoning_tokens", 1_000_000)),
        title="more reasoning tokens than tokens",
        severity="medium",
    ),
    rewrite(
        "own-usage-history-not-counted",
        "CHAT-004",
        replies(recount(prompt=lambda n: min(n, 24))),
        title="prompt_tokens doesn't grow with the history",
        severity="high",
        where=lambda request: len(where.messages(request)) > FEW,
    ),
    rewrite(
        "own-usage-choices-not-counted",
        "PARAM-019",
        replies(recount(completion=lambda n: n // 2)),
        where=lambda request: isinstance(request.json.get("n"), int) and request.json["n"] > 1,
        title="only one of n choices is counted",
        severity="medium",
    ),
    rewrite(
        "own-context-cut-silently",
        "LIMIT-012",
        replies(recount(prompt=lambda n: min(n, 16_384))),
        title="long prompts lose their beginning",
        severity="critical",
    ),
    rewrite(
        "own-cached-uncounted",
        "USAGE-006",
        replies(_only_fresh),
        title="what the prefix cache holds isn't counted",
        severity="high",
    ),
)
