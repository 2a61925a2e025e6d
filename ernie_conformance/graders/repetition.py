"""Text that goes round in circles, from a stuck token to a paragraph said thrice."""

from __future__ import annotations

import re
import zlib
from collections import Counter

from rapidfuzz import fuzz

from ernie_conformance.graders.fold import clauses, han, sentences, without_blocks
from ernie_conformance.graders.grade import Finding

_GRAM = 8
#: Share of 8-character windows seen before. Lists with a common frame reach 0.25, a text said twice 0.5.
_SEEN_BEFORE = 0.40
#: Similarity (0-100) from which two sentences say the same; a list's items of one frame (检查…是否满足要求) reach 90.
_SAME = 93
#: zlib packs Chinese prose to 0.35-0.6 of its UTF-8 size; below this a text of 400 characters holds next to nothing new.
_PACKED = 0.18


def repetition(folded: str) -> Finding | None:
    """`loop` for a stuck generator, `repetition` for sentences that come back."""
    prose = without_blocks(folded)
    return _loop(_dense(folded)) or _windows(_dense(prose)) or _clauses(prose) or _sentences(prose)


def _dense(text: str) -> str:
    """`text` without spaces and the marks that tables, rules and progress bars repeat."""
    return re.sub(r"[\s\-+|=#*_`>.·•\u2500-\u259f]+", "", text)


def _loop(dense: str) -> Finding | None:
    match = re.search(r"(.)\1{11,}", dense)
    if match:
        return Finding("loop", f"{match.group(1)!r} {len(match.group(0))} times in a row")
    for match in re.finditer(r"(.{2,80}?)\1{3,}", dense):
        unit, times = match.group(1), len(match.group(0)) // len(match.group(1))
        if len(unit) > 5 or times >= 6:
            return Finding("loop", f"{unit!r} {times} times in a row")
    return None


def _windows(dense: str) -> Finding | None:
    if len(dense) < 60:
        return None
    windows = [dense[start : start + _GRAM] for start in range(len(dense) - _GRAM + 1)]
    seen = 1 - len(set(windows)) / len(windows)
    if seen > _SEEN_BEFORE:
        return Finding("loop" if seen > 0.6 else "repetition", f"{seen:.0%} of the text was said before")
    packed = len(zlib.compress(dense.encode(), 9)) / len(dense.encode())
    if len(dense) >= 400 and packed < _PACKED:
        return Finding("repetition", f"the text packs to {packed:.0%} of its size")
    return None


def _clauses(prose: str) -> Finding | None:
    said = [clause for clause in clauses(prose) if han(clause) >= 4]
    for clause, times in Counter(said).most_common(1):
        # Labels (过关标准, 注意事项) come back in every section; a stuck clause fills the text, or is long.
        if times >= 3 and (times >= len(said) / 4 or (times >= 4 and han(clause) >= 8)):
            return Finding("repetition", f"{clause[:30]!r} said {times} times")
    return None


def _sentences(prose: str) -> Finding | None:
    said = [sentence for sentence in sentences(prose) if han(sentence) >= 10 or len(sentence) >= 30]
    for sentence in said:
        alike = sum(fuzz.ratio(sentence, other) >= _SAME for other in said)
        if alike >= 3:
            return Finding("repetition", f"{alike} sentences like {sentence[:30]!r}")
    return None
