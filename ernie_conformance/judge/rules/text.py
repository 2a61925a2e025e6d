"""Rules about text: what must never stand in it."""

from __future__ import annotations

import re

from ernie_conformance.judge.outcome import NotAsked, expect
from ernie_conformance.judge.views import Reply

THINK_TAG = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
# ERNIE's own markers, and the forms that chat templates of other models use.
CONTROL_TOKEN = re.compile(
    r"<\|[A-Za-z0-9_@ ]{1,40}\|>|</?s>|<unk>|<pad>|<mask:\d+>|\[/?INST\]|<｜[^｜]{1,40}｜>"
    r"|<(?:start|end)_of_turn>|<eo[sdt]>"
)
REPLACEMENT = "\ufffd"
HALF_PAIR = re.compile("[\ud800-\udfff]")


def channels(reply: Reply) -> list[tuple[str, str]]:
    """Every (name, text) of a reply: both channels of each choice."""
    return [
        (name, text)
        for index in reply.indices
        for name, text in (("reasoning_content", reply.reasoning_of(index)), ("content", reply.content_of(index)))
    ]


def asked_text(reply: Reply) -> str:
    """All the text of the request: what the model may rightly quote."""
    return (reply.exchange.request.body or b"").decode("utf-8", errors="replace")


def has_no(reply: Reply, pattern: re.Pattern[str], what: str) -> None:
    """No channel of `reply` holds `pattern`, unless the prompt has the same text for the model to quote. Raises Broken."""
    prompt = asked_text(reply)
    for name, text in channels(reply):
        for found in pattern.finditer(text):
            expect(
                found[0] in prompt, f"{reply.name}: {name} holds {what} {found[0]!r}: {_around(text, found.start())}", reply
            )


def is_whole(reply: Reply) -> None:
    """No channel holds U+FFFD or half of a surrogate pair. Raises Broken with the text around it.

    A limit may fall inside a character: the torn end of an answer that was cut by length is the limit's doing.
    """
    if reply.asked.get("ignore_eos") or _is_token_ids(reply.asked.get("prompt")):
        raise NotAsked(f"{reply.name} drives the model off its own text, where it may write torn characters itself")
    cut = any(reply.finish_of(index) == "length" for index in reply.indices)
    for name, text in channels(reply):
        text = text.rstrip(REPLACEMENT) if cut else text
        half = HALF_PAIR.search(text)
        detail = f"{reply.name}: {name} holds half of a surrogate pair: {_around(text, half.start() if half else 0)}"
        expect(half is None, detail, reply)
        at = text.find(REPLACEMENT)
        expect(at < 0 or REPLACEMENT in asked_text(reply), f"{reply.name}: {name} holds U+FFFD: {_around(text, at)}", reply)


def _is_token_ids(prompt: object) -> bool:
    return isinstance(prompt, list) and bool(prompt) and not isinstance(prompt[0], str)


def _around(text: str, at: int, width: int = 30) -> str:
    return repr(text[max(0, at - width) : at + width])
