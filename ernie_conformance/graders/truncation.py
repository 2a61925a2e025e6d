"""Whether a text was cut: by what the server says, and by how it ends."""

from __future__ import annotations

import re

from ernie_conformance.graders.fold import fold, han, words
from ernie_conformance.graders.grade import Finding
from ernie_conformance.graders.terms import alternation

_CLOSERS = "*_`\"'”’」』）)】]》 \t"
_TERMINAL = re.compile(r"[。.!?…~]$|[\u2600-\u27bf\U0001f300-\U0001faff\ufe0f]$")
_ITEM = re.compile(
    r"\s*(?:\d+[.、)]|[-*+•·|>]|#{1,6}\s|[一二三四五六七八九十]+、|[(]?[一二三四五六七八九十\d]+[)]|第.{1,2}[步条点]|[①-⑳])"
)
#: Below this size the text is the answer to a short question (没有), not a piece of a sentence.
_ANSWER = 6
#: An answer this short may be a title or a phrase: no full stop is missed.
_PHRASE = 20
#: Up to this size an answer without any full stop is one that does without them.
_STOPLESS = 90


def truncated(output: str, folded: str, finish_reason: str | None) -> Finding | None:
    """`finish_reason` other than stop, or an ending in the middle of something. None says nothing about the ending."""
    if finish_reason not in (None, "stop"):
        return Finding("truncated", f"finish_reason is {finish_reason}")
    ending = _unclosed(folded) or _broken_off(folded)
    return Finding("truncated", f"{ending}: …{output.strip()[-16:]!r}") if ending else None


def _unclosed(folded: str) -> str | None:
    if folded.count("```") % 2:
        return "a code block isn't closed"
    last = folded.rstrip().splitlines()[-1]
    for opening, closing in ("()", "《》", "“”", "「」", "【】"):
        if last.count(opening) > last.count(closing):
            return f"{opening} isn't closed"
    if last.count("**") % 2:
        return "** isn't closed"
    return None


def _broken_off(folded: str) -> str | None:
    text = folded.rstrip()
    if text.endswith("```"):
        return None
    bare = text.rstrip(_CLOSERS)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if _TERMINAL.search(bare) or han(text) + words(text) < _ANSWER:
        return None
    if _ends(bare, "dangling_zh") or _ends(bare, "dangling_en"):
        return "it ends on a word that wants another"
    if _ITEM.match(lines[-1]):
        return _cut_item(lines)
    if _ends(bare, "complete_zh") or re.search(r"(?:https?://|www\.)\S+$", bare):
        return None
    return None if _does_without_stops(text, lines) else "it ends without a full stop"


def _ends(text: str, key: str) -> bool:
    return re.search(f"(?:{alternation('gates', key).pattern})$", text, re.IGNORECASE) is not None


def _cut_item(lines: list[str]) -> str | None:
    """The last item of a list lacks the full stop that the items before it have."""
    if lines[-1].startswith("|"):
        return None if lines[-1].rstrip().endswith("|") else "a table row isn't closed"
    items = [line.rstrip(_CLOSERS) for line in lines[:-1] if _ITEM.match(line)]
    with_stop = sum(bool(_TERMINAL.search(item)) for item in items)
    return "the last item lacks the others' full stop" if len(items) >= 2 and with_stop == len(items) else None


def _does_without_stops(text: str, lines: list[str]) -> bool:
    size = han(text) + words(text)
    if size <= _PHRASE:
        return True
    if len(lines) >= 3:
        return sum(bool(_TERMINAL.search(line.rstrip(_CLOSERS))) for line in lines[:-1]) <= (len(lines) - 1) // 3
    return size <= _STOPLESS and not re.search(r"[。!?;]|[a-z]\.\s", fold(text))
