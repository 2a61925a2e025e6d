"""What the model notices in a text: quoted and code-like tokens, headings, code blocks; its language; a number to count to.

It parses no other instruction and knows no prompt: what it says depends on what it was sent, and only on that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ernie_conformance.reference import tokenizer

# In order of precedence where two begin at the same place. The group that matched is the finding's kind. Every repetition
# is bounded or consumes what it has looked at: a prompt of 100,000 brackets must not hold the server up.
_FINDING = re.compile(
    r"""
      (?P<block> ^[ ]*(?:```|~~~)[^\n]*\n .{0,4000}? ^[ ]*(?:```|~~~)[ ]*$ )
    | (?P<heading> ^\#{1,6}[ ]+[^\n]+$ )
    | (?P<url> (?:https?|ftp|file)://[^\s<>"'`“”‘’「」，。、；）)]+ )
    | (?P<quoted>
          `[^`]{1,2000}`
        | “[^”]{1,500}” | ‘[^’]{1,500}’ | 「[^」]{1,500}」 | 『[^』]{1,500}』 | «[^»]{1,500}» | 《[^》]{1,500}》
        | "[^"\n]{1,500}" | (?<!\w)'[^'\n]{1,500}'(?!\w) )
    | (?P<tag> </?[A-Za-z|_｜][^<>\n]{0,60}> | \[/?[A-Z_]{2,20}\] )
    | (?P<number> (?<!\w)-?[0-9]+(?:[.,:][0-9]+)*(?![A-Za-z0-9_]|[-/@][A-Za-z0-9]) )
    | (?P<word> [A-Za-z0-9_]+(?:[-./@:][A-Za-z0-9_]+)* )
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]+")
_CAPITALISED = re.compile(r"(?<=\w )[A-Z][a-z]+(?: [A-Z][a-z]+)*")

_TO_TWENTY = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_WORDS = {word: value for value, word in enumerate(_TO_TWENTY, start=1)}
_WORDS |= {"thirty": 30, "forty": 40, "fifty": 50, "hundred": 100}
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_COUNT = re.compile(
    r"(?:\b(?:count|counting|list|write|numbers|integers)\b.{0,40}?\b(?:to|through|until)\s+(?P<en>[0-9]{1,4}\b|[a-z]+)"
    r"|(?:数|列出|写出|输出|报).{0,12}?(?:到|至)\s*(?P<zh>[0-9]{1,4}|[零〇一二两三四五六七八九十百千]{1,7}))",
    re.IGNORECASE | re.DOTALL,
)
MOST_COUNTED = 1000


@dataclass(frozen=True)
class Finding:
    """Something worth telling. `text` is verbatim, `value` without its quotation marks."""

    kind: str
    text: str
    at: int

    @property
    def value(self) -> str:
        return self.text[1:-1] if self.kind == "quoted" else self.text

    @property
    def cost(self) -> int:
        return tokenizer.count(self.text) + 1


def findings(text: str) -> list[Finding]:
    """Everything noticed, in order, each text once."""
    seen: dict[str, Finding] = {}
    for match in _FINDING.finditer(text):
        kind, word = match.lastgroup or "", match.group()
        if kind != "word" or _is_code(word):
            seen.setdefault(word, Finding(kind, word, match.start()))
    return list(seen.values())


def _is_code(word: str) -> bool:
    """K7-QX42, snake_case, a/path, ABC123, NASA; but not well-known or Ernie."""
    digit, letter = any(map(str.isdigit, word)), any(map(str.isalpha, word))
    if {"_", "/", "@"} & set(word) or (digit and letter):
        return True
    return (not word.isalnum() and (digit or word != word.lower())) or (word.isupper() and len(word) > 2)


def bounded(found: Sequence[Finding], text: str, room: int) -> list[Finding]:
    """As many findings as `room` tokens can tell, in order: the last section and headings first, then from the beginning."""
    if sum(one.cost for one in found) <= room:
        return list(found)
    headings = [one for one in found if one.kind == "heading"]
    last = headings[-1].at if headings else max(0, len(text) - 800)
    chosen: list[Finding] = []
    for one in sorted(found, key=lambda one: (one.at < last, one.kind != "heading", one.at)):
        if one.cost <= room:
            chosen.append(one)
            room -= one.cost
    return sorted(chosen, key=lambda one: one.at)


def subjects(text: str) -> list[str]:
    """What a text is about: its quoted words, or else its capitalised ones after the first."""
    quoted = [one.value for one in findings(text) if one.kind == "quoted"]
    return list(dict.fromkeys(quoted or _CAPITALISED.findall(text)))


def is_chinese(text: str) -> bool:
    """Chinese, unless Latin words clearly prevail. A text without letters counts as Chinese."""
    return 2 * len(_HAN.findall(text)) >= len(_LATIN.findall(text))


def count_to(text: str) -> int | None:
    """The number that a text asks to count to, if it does."""
    match = _COUNT.search(text)
    if not match:
        return None
    word = (match["en"] or match["zh"]).lower()
    value = int(word) if word.isascii() and word.isdigit() else _WORDS.get(word) or _chinese_number(word)
    return value if value and value <= MOST_COUNTED else None


def _chinese_number(word: str) -> int | None:
    total, digit = 0, 0
    for letter in word:
        unit = {"十": 10, "百": 100, "千": 1000}.get(letter)
        if unit:
            total += (digit or 1) * unit
            digit = 0
        elif letter in _DIGITS:
            digit = _DIGITS[letter]
        else:
            return None
    return total + digit
