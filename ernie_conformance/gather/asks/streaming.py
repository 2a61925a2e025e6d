"""Streams long enough to see whether text arrives while it is made. Alone: a queue would hold text back too."""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.ask import JSON_HEADERS, chat
from ernie_conformance.gather.asks.tools import WEATHER

COUNT = "Please count to 100 in English words, separated by commas. Write nothing else."
STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 200, "alone": True}

# Longer than any other stream: some servers cut what goes on for long. Beside others, for its sake nobody waits.
LONGEST = "Please count from 1 to 200 in digits, separated by commas. Write nothing else."

ASKS = (
    chat(
        "longest-stream",
        LONGEST,
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=512,
        temperature=0,
        core=True,
    ),
    chat("long-stream", COUNT, **STREAMED),
    chat("long-stream-thinking", COUNT, thinking=True, needs=("reasoning",), **STREAMED),
    chat("long-stream-gzip", COUNT, headers=(*JSON_HEADERS, ("Accept-Encoding", "gzip")), **{**STREAMED, "max_tokens": 120}),
    chat("long-stream-tools", COUNT, tools=[WEATHER], tool_choice="none", needs=("tools",), **STREAMED),
)
