"""Where the wording may vary, how one wording is picked, and what log probabilities are told.

A text to be written is a list of nodes: a string (certain) or a Fork (several wordings, the likeliest first; their first
tokens differ, so that picking a token picks a wording).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ernie_conformance.reference import tokenizer

# The share of the likeliest wording and of those after it; what is left goes to tokens that were never in question.
_SHARES = (0.5, 0.2, 0.12, 0.08, 0.05)
_OTHERS = tuple(
    word.encode()
    for word in (
        *"的了是在和有不也", "the", "and", "of", "to", "in", "is", "that", "it", "for", "on", "with", "as", "be", "at", "by",
        "an",
    )
)  # fmt: skip
_LIFT = 10.0  # logits are shares' logarithms lifted above zero, where a repetition penalty means what it says


@dataclass(frozen=True)
class Fork:
    """Several wordings for one place. At most five."""

    wordings: tuple[str, ...]


Node = str | Fork


@dataclass(frozen=True)
class Ranked:
    """A token that was emitted: its log probability and the likeliest tokens at its place, itself included."""

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...]


@dataclass(frozen=True)
class Settings:
    """Sampling parameters of a request. The defaults are what the engine uses for this model when a client says nothing."""

    temperature: float = 0.2
    top_p: float = 0.8
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    bad_words: tuple[str, ...] = ()


class Sampler:
    """Picks wordings for one choice of one request; remembers what was said, for the penalties."""

    def __init__(self, settings: Settings, choice: int) -> None:
        self._settings = settings
        self._said: Counter[bytes] = Counter()
        # With a seed, the same request gets the same answer; the choices of one request still differ.
        self._random = random.Random(None if settings.seed is None else f"{settings.seed}/{choice}")

    def said(self, token: bytes) -> None:
        self._said[token] += 1

    def pick(self, fork: Fork) -> int:
        """The index of the wording to write."""
        logits = [self._logit(wording, rank) for rank, wording in enumerate(fork.wordings)]
        best = max(logits)
        temperature = self._settings.temperature
        if temperature < 1e-5 or self._settings.top_p == 0 or best == -math.inf:
            return logits.index(best)
        weights = [math.exp((logit - best) / temperature) for logit in logits]
        kept = self._nucleus(weights)
        return self._random.choices(kept, [weights[index] for index in kept])[0]

    def _logit(self, wording: str, rank: int) -> float:
        s = self._settings
        token = tokenizer.encode(wording)[0]
        if any(word and word in wording for word in s.bad_words):
            return -math.inf
        logit = math.log(_SHARES[rank]) + _LIFT
        times = self._said[token]
        if times:
            logit = logit / s.repetition_penalty - s.presence_penalty - s.frequency_penalty * times
        return logit + s.logit_bias.get(tokenizer.to_id(token), 0.0)

    def _nucleus(self, weights: Sequence[float]) -> list[int]:
        """The indices that top_k, min_p and top_p leave, likeliest first."""
        s, total = self._settings, sum(weights)
        order = sorted(range(len(weights)), key=lambda index: -weights[index])[: s.top_k or None]
        kept: list[int] = []
        mass = 0.0
        for index in order:
            if kept and (mass >= s.top_p or weights[index] < s.min_p * weights[order[0]]):
                break
            kept.append(index)
            mass += weights[index] / total
        return kept


@lru_cache(maxsize=1 << 12)  # the same words are said again and again
def rank(token: bytes, rivals: tuple[bytes, ...] = (), most: int = 20) -> Ranked:
    """What the model is said to have thought at the place of `token`.

    `rivals`: the first tokens of all wordings of a fork, the likeliest first; none where the text was certain.
    """
    shares = dict(zip(rivals, _SHARES, strict=False)) or {token: 0.9 + 0.0009 * (token[-1] % 100)}
    left = 1.0 - sum(shares.values())
    for other in _OTHERS:
        if other not in shares:
            left /= 2
            shares[other] = left
    likeliest = sorted(shares.items(), key=lambda item: -item[1])[:most]
    told = tuple((one, _log(share)) for one, share in likeliest)
    return Ranked(token, _log(shares[token]), told)


def _log(share: float) -> float:
    """Rounded down, so that shares never sum up to more than one."""
    return math.floor(math.log(share) * 1e6) / 1e6
