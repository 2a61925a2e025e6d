"""Rules about hours in minutes: what a load that lasts shows of errors, latency, ids, memory and counters."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from ernie_conformance.judge.outcome import Blocked, Inconclusive, NotTestable, expect
from ernie_conformance.judge.rules.metrics import reading, value_of
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.targets import Target

FEW = 90  # answers, below which thirds of them say nothing about a trend
# Answers at most that stand for the beginning: a cold start of all slots doesn't move their median, and what wears a server
# out within some hundred requests isn't yet among most of them, however long the load lasts.
FRESH = 400
LOST = 0.001  # share of requests that may be lost on the way to a server that we only attach to; of our own, none
SLOWER = 2.0  # the same request takes so many times as long at the end: no noise of a shared host does that to medians
FELT = 0.02  # seconds more, below which nobody feels it
FATTER, MEGABYTES = 1.25, 24.0  # memory at the end: so many times that after the warm-up, and so much more
WARM = 0.25  # share of the time in which caches fill
PROCESS_MEMORY = "process_resident_memory_bytes"  # what Prometheus clients call it


def loses_nothing(soak: Scene, target: Target) -> None:
    """Every request was answered as owed. Raises Broken."""
    sent, failed = soak.note("sent"), soak.note("failed")
    if not sent:
        raise Inconclusive("nothing was sent")
    names, details = [name for name, _ in soak.note("failures")], [what for _, what in soak.note("failures")]
    allowed = 0 if target.is_ours else LOST * sent
    expect(failed <= allowed, f"{failed} of {sent} requests failed, the first: {'; '.join(details[:2])}", *names[:3])


def lives_on(soak: Scene) -> None:
    """After the load a request is answered, and the load wasn't given up. Raises Broken."""
    end = soak.exchanges["soak-end"]
    what = end.error or f"status {end.status}"
    expect(end.status == 200 and end.error is None, f"after {soak.note('sent')} requests: {what}", end)
    expect(not soak.note("cut_short"), f"no answers came any more after {soak.note('sent')} requests", end)


def stays_quick(soak: Scene) -> None:
    """The same requests take no longer in the last third of the answers than at the beginning. Raises Broken."""
    answers = soak.note("answers")
    if len(answers) < FEW:
        raise Inconclusive(f"{len(answers)} answers are too few for a trend: take more minutes")
    usual = {ask: median(s for _, s, one, _ in answers if one == ask) for ask in {one for _, _, one, _ in answers}}
    seconds = [(took / usual[ask], took) for _, took, ask, _ in sorted(answers)]
    third = len(seconds) // 3
    parts = seconds[: min(third, FRESH)], seconds[-third:]
    early, late = (median(share for share, _ in part) for part in parts)
    before, after = (median(took for _, took in part) for part in parts)
    times = f"{late / early:.1f} times as long ({after:.2f} s, not {before:.2f} s)"
    detail = f"the same request takes {times} after {len(answers)} answers"
    expect(late < early * SLOWER or after - before < FELT, detail)


def repeats_no_id(soak: Scene) -> None:
    """No id stands on two answers. Raises Broken."""
    repeated = soak.note("repeated")
    shown = ", ".join(f"{name} has {own!r}" for name, own in repeated[:2])
    expect(not repeated, f"ids came again: {shown}", *[name for name, _ in repeated[:3]])


def counts_alike(soak: Scene) -> None:
    """The same prompt costs the same tokens throughout. Raises Broken."""
    costs: dict[str, set[int]] = {}
    for _, _, ask, tokens in soak.note("answers"):
        costs.setdefault(ask, set()).add(tokens)
    if not costs:
        raise Blocked("SOAK-001", "no request was answered")
    wrong = {ask: sorted(found)[:4] for ask, found in costs.items() if len(found) > 1}
    expect(not wrong, f"prompt_tokens of the same prompt: {wrong}")


def stays_healthy(soak: Scene) -> None:
    """Health says 200 at every look. Raises Broken."""
    looks = [look for look in soak.note("looks") if "health" in look]
    sick = [look for look in looks if look["health"] != 200]
    expect(bool(looks), "health was never looked at")
    expect(not sick, f"health was {sick[0]['health'] if sick else ''} after {sick[0]['sent'] if sick else 0} requests")


def comes_to_rest(soak: Scene) -> None:
    """After the load nothing runs or waits that didn't before. Raises Broken."""
    pages = [soak.exchanges[look["metrics"]] for look in soak.note("looks") if "metrics" in look]
    for what in ("running requests", "waiting requests"):
        before, after = value_of(pages[0], what), min(value_of(page, what) for page in pages[-2:])
        expect(after <= before, f"{pages[-1].name}: {after:g} {what} after the load, {before:g} before it", pages[-1])


def keeps_its_memory(soak: Scene) -> None:
    """The server's memory doesn't grow with the requests answered. Raises Broken.

    It is told by the operating system for a server that we launched, else by the server's own metrics.
    """
    levels = _levels(soak)
    if len(levels) < 8:
        raise NotTestable("neither the operating system nor the metrics tell the server's memory")
    begin = int(len(levels) * WARM)
    warm, end = median(levels[begin : begin + 3]), median(levels[-3:])
    middle = median(levels[(begin + len(levels)) // 2 - 1 : (begin + len(levels)) // 2 + 2])
    grown = end > warm * FATTER and end - warm > MEGABYTES and warm < middle < end
    detail = f"memory grew from {warm:.0f} MB ({middle:.0f} MB half-way) to {end:.0f} MB over {soak.note('sent')} requests"
    expect(not grown, detail)


def _levels(soak: Scene) -> list[float]:
    """Megabytes at each look."""
    looks: Sequence[dict[str, Any]] = soak.note("looks")
    told = [look["memory"] for look in looks if look["memory"]]
    if not told:
        pages = (reading(soak.exchanges[look["metrics"]]) for look in looks if "metrics" in look)
        told = [page[PROCESS_MEMORY] for page in pages if PROCESS_MEMORY in page]
    return [level / 1e6 for level in told]
