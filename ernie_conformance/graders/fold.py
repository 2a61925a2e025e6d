"""Folding before words are matched (NFKC, Traditional to Simplified), and the units that graders count."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import opencc

#: Characters only; tells whether a text is Traditional at all.
_CHARACTERS = opencc.OpenCC("t2s")
#: Characters and Taiwan's words (連接埠 -> 端口, 呼叫 -> 调用); on Simplified text it would rewrite ordinary words.
_WORDS = opencc.OpenCC("tw2sp")

_HAN = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[A-Za-z]{2,}")
_FENCE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.S)
_INLINE = re.compile(r"`[^`\n]*`")
_SENTENCE_END = re.compile(r"[。!?;\n]+|(?<=[a-z0-9)\"'])\.(?=\s|$)")
_CLAUSE_END = re.compile(r"[。!?;,、:|\n]+|(?<=[a-z0-9)\"'])\.(?=\s|$)")
_MARKUP = re.compile(r"[*_#>|`~=-]+")


@lru_cache(maxsize=512)
def fold(text: str) -> str:
    """`text` in NFKC (so Chinese commas and colons become ASCII) and in Simplified Chinese."""
    flat = unicodedata.normalize("NFKC", text)
    return str(_WORDS.convert(flat)) if str(_CHARACTERS.convert(flat)) != flat else flat


def han(text: str) -> int:
    """The number of Han characters."""
    return len(_HAN.findall(text))


def words(text: str) -> int:
    """The number of words of two or more Latin letters."""
    return len(_WORD.findall(text))


def without_code(text: str) -> str:
    """`text` without fenced blocks and inline code spans."""
    return _INLINE.sub(" ", _FENCE.sub("\n", text))


def without_blocks(text: str) -> str:
    """`text` without fenced blocks; inline code stays."""
    return _FENCE.sub("\n", text)


def without_markup(text: str) -> str:
    """`text` without the marks of Markdown; the words inside stay."""
    return _MARKUP.sub(" ", text)


def sentences(text: str) -> list[str]:
    """The sentences and lines of a folded text, blank ones left out."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def clauses(text: str) -> list[str]:
    """The stretches of a folded text between any two punctuation marks, blank ones left out."""
    return [part.strip() for part in _CLAUSE_END.split(text) if part.strip()]
