"""Finding words in a folded text, and telling whether it claims them: denied, compared and imagined things don't count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from ernie_conformance.graders.fold import fold
from ernie_conformance.graders.material import table


class Hit(NamedTuple):
    """Where a word stands: the words as found, and their start and end in the folded text."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=4096)
def pattern(term: str) -> re.Pattern[str]:
    """The manifest's rules: `re:` an expression; Latin words from a word's start, `*` for any ending; else a substring."""
    if term.startswith("re:"):
        return re.compile(term[3:], re.IGNORECASE)
    if not re.search(r"[A-Za-z]", term) or re.search(r"[\u3400-\u9fff]", term):
        return re.compile(re.escape(fold(term)), re.IGNORECASE)
    if term.endswith("*"):
        return re.compile(rf"\b{re.escape(term[:-1])}\w*", re.IGNORECASE)
    return re.compile(rf"\b{re.escape(term)}(?:s|es)?\b", re.IGNORECASE)


@lru_cache(maxsize=64)
def alternation(name: str, key: str) -> re.Pattern[str]:
    """One pattern of all the entries (regular expressions) under `key` in the word table `name`."""
    return re.compile("|".join(f"(?:{entry})" for entry in table(name)[key]), re.IGNORECASE)


def hits(terms: Iterable[str], text: str) -> Iterator[Hit]:
    """Every place of every term, term by term; not inside a figure of speech (绿色的海洋, 羊肠小道, sea of sand)."""
    figures = _figures(text)
    for term in terms:
        for match in pattern(term).finditer(text):
            inside = any(
                start <= match.start() and match.end() <= end and match.span() != (start, end) for start, end in figures
            )
            if match.group(0) and not inside:
                yield Hit(match.group(0), match.start(), match.end())


@lru_cache(maxsize=256)
def _figures(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(match.span() for match in alternation("wording", "figures").finditer(text))


def found(terms: Iterable[str], text: str) -> str | None:
    """The first term that occurs at all, as the text has it."""
    return next((hit.text for hit in hits(terms, text)), None)


def affirmed(terms: Iterable[str], text: str) -> str | None:
    """The first term that the text doesn't deny. In doubt it counts: 无人的草原 names a grassland."""
    return next((hit.text for hit in hits(terms, text) if not _denied(hit, text, near=True)), None)


def claimed(terms: Iterable[str], text: str) -> str | None:
    """The first term that the text says is to be seen: not denied, compared with, imagined or guessed at."""
    return next(
        (hit.text for hit in hits(terms, text) if not (_denied(hit, text, near=False) or _imagined(hit, text))), None
    )


def _denied(hit: Hit, text: str, *, near: bool) -> bool:
    before = _scope(hit, text)
    denial = _last(alternation("wording", "negation_en" if hit.text.isascii() else "negation_zh"), _masked(before))
    if denial is not None:
        between = before[denial.end() :]
        if not near or (len(between) <= (40 if hit.text.isascii() else 8) and "的" not in between):
            return True
    after = text[hit.end : hit.end + 24]
    return bool(alternation("wording", "negation_after").match(_masked(re.split(r"[。!?;\n]", after)[0])))


def _imagined(hit: Hit, text: str) -> bool:
    before = _masked(_scope(hit, text))
    cue = _last(alternation("wording", "imagined"), before)
    if cue is not None and not alternation("wording", "asserting").search(before[cue.end() :]):
        return True
    return bool(alternation("wording", "imagined_after").match(text[hit.end : hit.end + 16]))


def _scope(hit: Hit, text: str) -> str:
    """What stands before the hit in the same breath: a denial reaches over an enumeration, not over a contrast."""
    start = 0
    for boundary in alternation("wording", "scope_en" if hit.text.isascii() else "scope_zh").finditer(text, 0, hit.start):
        start = boundary.end()
    return text[start : hit.start]


def _masked(text: str) -> str:
    """`text` with words that only look like a denial (一望无际, 不远处, not only) blanked, lengths kept."""
    return alternation("wording", "no_negation").sub(lambda match: "·" * len(match.group(0)), text)


def _last(regex: re.Pattern[str], text: str) -> re.Match[str] | None:
    last = None
    for match in regex.finditer(text):
        last = match
    return last
