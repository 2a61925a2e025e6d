"""Times and speeds of a run's streams, and small histograms of them as SVG text, coloured by the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from ernie_conformance.judge.outcome import Blocked
from ernie_conformance.judge.views import Stream
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange

WIDTH, HEIGHT, FOOT = 360, 120, 34  # pixels of the drawing; its foot holds the scale
BINS = 30
UNITS = {"first": "s", "gaps": "s", "speed": "token/s"}
LEAST = 1e-4  # shorter times are the client's, not the server's


def measures(evidence: Evidence) -> dict[str, list[float]]:
    """`first` and `gaps` in seconds, `speed` in tokens a second, over all streams that can be read."""
    found: dict[str, list[float]] = {"first": [], "gaps": [], "speed": []}
    for exchange in evidence.exchanges.values():
        if not exchange.wants_stream or not exchange.pieces or exchange.error or exchange.status != 200:
            continue
        times = [at for at, _ in exchange.pieces]
        found["first"].append(times[0])
        found["gaps"] += [later - earlier for earlier, later in pairwise(times)]
        speed = _speed(stream_of(exchange), times[-1] - times[0])
        if speed:
            found["speed"].append(speed)
    return {name: [max(value, LEAST) for value in values] for name, values in found.items()}


def stream_of(exchange: Exchange) -> Stream | None:
    """The exchange as a stream, None when it is unusable."""
    try:
        return Stream(exchange)
    except Blocked:
        return None


def _speed(stream: Stream | None, seconds: float) -> float | None:
    """Tokens a second by the server's own count; None where it counts nothing or it all came at once."""
    try:
        tokens = stream.count("completion_tokens") if stream else 0
    except Blocked:
        return None
    return tokens / seconds if tokens > 1 and seconds > 0.05 else None  # a shorter stream measures our clock


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted `values` lie. Raises IndexError without values."""
    return values[min(len(values) - 1, int(share * len(values)))]


def histogram(values: Sequence[float], unit: str) -> str:
    """An SVG histogram on a logarithmic scale, with the median and the 95th percentile marked. Needs positive values."""
    ordered = sorted(values)
    low, high = math.log10(ordered[0]), math.log10(ordered[-1])
    low, high = (low - 0.2, high + 0.2) if high - low < 0.4 else (low, high)  # one value would leave no scale
    bins = [0] * BINS
    for value in ordered:
        bins[min(BINS - 1, int((math.log10(value) - low) / (high - low) * BINS))] += 1

    def x(value: float) -> float:
        return (math.log10(value) - low) / (high - low) * WIDTH

    floor, wide, most = HEIGHT - FOOT, WIDTH / BINS, max(bins)
    parts = [f'<svg class="plot" viewBox="-16 0 {WIDTH + 32} {HEIGHT}" role="img">']
    for number, count in enumerate(bins):
        if count:
            tall = max(2.0, count / most * (floor - 18))
            place = f'x="{number * wide:.1f}" y="{floor - tall:.1f}" width="{wide - 1:.1f}" height="{tall:.1f}"'
            parts.append(f'<rect class="bar" {place}/>')
    parts.append(f'<line class="axis" x1="0" x2="{WIDTH}" y1="{floor}" y2="{floor}"/>')
    parts += [_label(x(tick), floor + 14, f"{tick:g}") for tick in _ticks(low, high)]
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        value = quantile(ordered, share)
        parts.append(f'<line class="{name}" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="14" y2="{floor}"/>')
        # the two names may fall together: one stands above the drawing, the other below its scale
        parts.append(_label(x(value), 10 if name == "p50" else floor + 30, f"{name} {value:.3g} {unit}", name))
    return "".join([*parts, "</svg>"])


def _label(x: float, y: float, text: str, kind: str = "tick") -> str:
    anchor = "start" if x < WIDTH * 0.15 else "end" if x > WIDTH * 0.85 else "middle"
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{text}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """Round figures between the powers of ten `low` and `high`: 1, 2 and 5 of each decade, 1 alone over many decades."""
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    decades = range(math.floor(low), math.ceil(high) + 1)
    return [step * 10.0**power for power in decades for step in steps if low <= math.log10(step * 10.0**power) <= high]
