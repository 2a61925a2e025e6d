"""How much of an output is copied from a source, which is known by a sample of hashes: its text needn't be kept."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from functools import cache, lru_cache

from ernie_conformance.graders.fold import fold
from ernie_conformance.graders.material import TUTORIAL_FINGERPRINT, guide

#: Characters in a window: longer than names, commands and set phrases that any summary shares with its source.
_WINDOW = 14
#: One window in so many is kept, chosen by its own hash, so that source and output keep the same ones.
_ONE_IN = 4
_NOISE = re.compile(r"[\s*_#>|`~\-=·•:,。;!?()\[\]{}、\"'“”]+")


@lru_cache(maxsize=16)
def fingerprint(text: str) -> frozenset[int]:
    """Hashes (CRC-32) of a sample of the windows of `text`, folded and without spaces, punctuation and markup."""
    dense = _NOISE.sub("", fold(text)).lower()
    sums = (zlib.crc32(dense[start : start + _WINDOW].encode()) for start in range(len(dense) - _WINDOW + 1))
    return frozenset(number for number in sums if number % _ONE_IN == 0)


@cache
def known_sources() -> tuple[frozenset[int], ...]:
    """The guide that the prompt carries, and the tutorial whose steps it has."""
    lines = TUTORIAL_FINGERPRINT.read_text(encoding="ascii").split()
    return fingerprint(guide()), frozenset(int(line, 16) for line in lines)


def copied(output: str, sources: Iterable[frozenset[int]]) -> float:
    """The greatest share (0-1) of the output's windows that one of the sources holds; 0 for an output too short to tell."""
    own = fingerprint(output)
    if len(own) < 8:  # about 45 characters: too few windows to speak of a share
        return 0.0
    return max((len(own & source) / len(own) for source in sources), default=0.0)
