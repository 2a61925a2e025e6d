"""What is asked of every server that is asked anything: an answer and a stream, with and without thinking."""

from __future__ import annotations

from ernie_conformance.gather.ask import NO_THINKING, both, chat

# The tutorial's own first question, and one whose answer mixes scripts, emoji and indented code.
INTRODUCE = "你好，请介绍一下你自己"
MIXED = '请用中文回答，并原样包含这些内容：“龘靐齉”、“😊🚀”、“naïve café”，以及代码 `if x:\n    return "✓"`。'

ASKS = (
    *both("plain", INTRODUCE, max_tokens=300, core=True),
    *both("thinking", INTRODUCE, thinking=True, max_tokens=600, core=True, needs=("reasoning",)),
    chat("stream-without-usage", INTRODUCE, stream=True, max_tokens=60, core=True),
    chat("stream-options-empty", INTRODUCE, stream=True, stream_options={}, max_tokens=20),
    chat("stream-usage-false", INTRODUCE, stream=True, stream_options={"include_usage": False}, max_tokens=20, core=True),
    *both("mixed-script", MIXED, max_tokens=300, core=True),
)

__all__ = ["ASKS", "NO_THINKING"]
