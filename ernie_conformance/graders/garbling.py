"""Bytes that were decoded wrongly somewhere between the tokenizer and the client."""

from __future__ import annotations

import re
import unicodedata

from ftfy.badness import badness

from ernie_conformance.graders.grade import Finding
from ernie_conformance.graders.terms import alternation

#: ftfy's measure counts unlikely neighbours; good prose, accents and quotation marks included, stays at 0 or 1.
_BADNESS = 3
#: The share of visible characters outside the blocks that Chinese or English prose, formulas and emoji use.
_STRANGE = 0.03
_CODE_DRAWING = re.compile(r"[\u2500-\u257f\u2580-\u259f]")
_HAN_RUN = re.compile(r"[\u3400-\u9fff]{4,}")

#: First and last code point of the blocks that an answer may use.
_BLOCKS = (
    (0x0020, 0x024F), (0x0370, 0x03FF), (0x2010, 0x206F), (0x2070, 0x209F), (0x20A0, 0x20BF), (0x2100, 0x22FF),
    (0x2460, 0x27BF), (0x2B00, 0x2BFF), (0x3000, 0x303F), (0x3040, 0x30FF), (0x3105, 0x312F), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0xFE00, 0xFE6F), (0xFF00, 0xFFEF), (0x1F000, 0x1FAFF),
    (0x20000, 0x2FA1F),
)  # fmt: skip


def garbled(output: str) -> Finding | None:
    """Replacement characters, undecoded escapes, mojibake, or characters that no answer uses."""
    match = alternation("gates", "broken").search(output)
    if match:
        return Finding("garbled", f"{match.group(0)!r} in the text")
    if badness(_CODE_DRAWING.sub("", output)) >= _BADNESS:
        return Finding("garbled", "UTF-8 read as a Western code page")
    run = _read_as_gbk(output)
    if run:
        return Finding("garbled", f"UTF-8 read as GBK: {run!r}")
    visible = [character for character in _CODE_DRAWING.sub("", output) if not character.isspace()]
    strange = [character for character in visible if not _expected(character)]
    if visible and len(strange) / len(visible) > _STRANGE:
        return Finding("garbled", f"characters that no answer uses: {''.join(strange[:12])!r}")
    return None


def _read_as_gbk(output: str) -> str | None:
    """A run of Han characters whose GBK bytes are UTF-8 text: real prose practically never is."""
    for run in _HAN_RUN.findall(output):
        try:
            inner = run.encode("gbk").decode("utf-8")
        except UnicodeError:
            continue
        if _HAN_RUN.search(inner) or len(inner) >= 3:
            return str(run)
    return None


def _expected(character: str) -> bool:
    if unicodedata.category(character) in {"Cc", "Co", "Cn", "Cs"}:
        return False
    point = ord(character)
    return any(first <= point <= last for first, last in _BLOCKS)
