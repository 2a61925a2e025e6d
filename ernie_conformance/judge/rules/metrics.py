"""Rules about metrics: the Prometheus text format, and counters joined to the traffic that they should have counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families

from ernie_conformance.gather.asks.auxiliary import LEAVING
from ernie_conformance.judge.outcome import Blocked, expect
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Reply, view
from ernie_conformance.targets import Target
from ernie_conformance.wire.exchange import Exchange

MEDIA = ("text/plain", "application/openmetrics-text")
SERVED, FORMAT, NAMES = "AUX-008", "AUX-009", "AUX-010"  # the rows that own unusable metrics
# What engines call the same thing, without their prefix: FastDeploy and vLLM, llama.cpp.
KNOWN: dict[str, tuple[str, ...]] = {
    "prompt tokens": ("prompt_tokens_total",),
    "generated tokens": ("generation_tokens_total", "tokens_predicted_total"),
    "running requests": ("num_requests_running", "requests_processing"),
    "waiting requests": ("num_requests_waiting", "requests_deferred"),
}

Reading = dict[str, float]  # the sum over all labels, by name


def is_served(exchange: Exchange) -> None:
    """Metrics come with 200. Raises Broken: also for a refused connection, which has no other owner on that port."""
    what = exchange.error or f"status {exchange.status}"
    expect(exchange.error is None and exchange.status == 200, f"{exchange.name}: {what}: {exchange.text[:80]}", exchange)


def _usable(exchange: Exchange) -> str:
    if exchange.error is not None or exchange.status != 200:
        raise Blocked(SERVED, f"{exchange.name}: {exchange.error or exchange.status}", exchange)
    return exchange.text


def follows_the_format(exchange: Exchange) -> None:
    """One HELP and one TYPE a name, every line readable, a line end at the end, declared as such. Raises Broken."""
    text = _usable(exchange)
    media = exchange.media_type
    expect(media in MEDIA, f"{exchange.name}: media type is {media!r}, not one of {', '.join(MEDIA)}", exchange)
    expect(text.endswith("\n"), f"{exchange.name}: the last line has no end: {text[-60:]!r}", exchange)
    words = [tuple(line.split()[1:3]) for line in text.splitlines() if line.startswith(("# HELP ", "# TYPE "))]
    twice = next((pair for pair, times in Counter(words).items() if times > 1), None)
    expect(twice is None, f"{exchange.name}: second {' '.join(twice or ())} line", exchange)
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except ValueError as error:
        expect(False, f"{exchange.name}: not in the text format: {error}", exchange)
    expect(bool(samples), f"{exchange.name}: there is no sample: {text[:60]!r}", exchange)


def reading(exchange: Exchange) -> Reading:
    """All values, those of one name added up. Raises Blocked by the row that owns an unreadable page."""
    values: Reading = {}
    try:
        for family in text_string_to_metric_families(_usable(exchange)):
            for sample in family.samples:
                values[sample.name] = values.get(sample.name, 0.0) + sample.value
    except ValueError as error:
        raise Blocked(FORMAT, f"{exchange.name}: {error}", exchange) from error
    return values


def _find(values: Reading, what: str) -> str | None:
    return next((name for name in values if name.split(":")[-1] in KNOWN[what]), None)


def tells(exchange: Exchange) -> None:
    """The four things that every operator watches are there. Raises Broken with what isn't."""
    values = reading(exchange)
    missing = [what for what in KNOWN if _find(values, what) is None]
    expect(not missing, f"{exchange.name}: there is no metric for {', '.join(missing)}", exchange)


def value_of(exchange: Exchange, what: str) -> float:
    """A known metric's value. Raises Blocked by the row about names."""
    values = reading(exchange)
    name = _find(values, what)
    if name is None:
        raise Blocked(NAMES, f"{exchange.name}: there is no metric for {what}", exchange)
    return values[name]


def before_and_after(metered: Scene) -> tuple[Exchange, Exchange]:
    return metered.exchanges["metrics-before"], metered.exchanges[metered.note("after")]


def traffic(metered: Scene) -> list[Reply]:
    """What was asked between the two readings."""
    return [view(exchange) for name, exchange in metered.exchanges.items() if name.startswith("metered-")]


def generated_as_counted(metered: Scene, target: Target) -> None:
    """The counter of generated tokens moves by the sum of completion_tokens. Raises Broken.

    On a server that others may use too it moves by at least as much.
    """
    before, after = before_and_after(metered)
    moved = value_of(after, "generated tokens") - value_of(before, "generated tokens")
    told = sum(reply.count("completion_tokens") for reply in traffic(metered))
    right = moved == told if target.is_ours else moved >= told
    expect(right, f"{after.name}: generated tokens moved by {moved:g}, usage told {told}", before, after)


def read_as_counted(metered: Scene, target: Target) -> None:
    """The counter of prompt tokens moves, by no more than usage told; what a cache held may be missing. Raises Broken."""
    before, after = before_and_after(metered)
    moved = value_of(after, "prompt tokens") - value_of(before, "prompt tokens")
    told = sum(reply.count("prompt_tokens") for reply in traffic(metered))
    right = 0 < moved <= told if target.is_ours else moved > 0
    expect(right, f"{after.name}: prompt tokens moved by {moved:g}, usage told {told}", before, after)


def never_fall(exchanges: Sequence[Exchange]) -> None:
    """Counters are at least 0 and never fall. Raises Broken. Histograms' buckets and sums are counters too."""
    last: Reading = {}
    for exchange in exchanges:
        values = reading(exchange)
        counters = [name for name in values if name.endswith(("_total", "_count", "_bucket"))]
        for name in counters:
            value = values[name]
            sound = not math.isnan(value) and value >= 0
            expect(sound, f"{exchange.name}: counter {name} is {value:g}", exchange)
            expect(value >= last.get(name, 0.0), f"{exchange.name}: counter {name} fell to {value:g}", exchange)
        last = values


def forget_who_left(left: Scene) -> None:
    """Streams whose clients have left aren't counted as running any more. Raises Broken."""
    before, after = left.exchanges["metrics-before-leaving"], left.exchanges[left.note("after")]
    more = value_of(after, "running requests") - value_of(before, "running requests")
    detail = f"{after.name}: {more:g} more requests are running than before {LEAVING} clients came and left"
    expect(more < LEAVING, detail, before, after)


def come_to_rest(metered: Scene, target: Target) -> None:
    """After all answers, nothing runs and nothing waits. Raises Broken."""
    _, after = before_and_after(metered)
    for what in ("running requests", "waiting requests"):
        value = value_of(after, what)
        expect(value == 0 or not target.is_ours, f"{after.name}: {what}: {value:g}, though all were answered", after)
