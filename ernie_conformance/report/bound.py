"""The least time in which a server could have answered what a run asked, given how long it took for each answer."""

from __future__ import annotations

from collections.abc import Iterable

from ernie_conformance.wire.exchange import Exchange

SIDE_BY_SIDE = "side by side"  # how the names of such phases end


def bound(exchanges: Iterable[Exchange], slots: int) -> float:
    """Seconds: of each phase whose requests go side by side, the server's seconds over its slots, at least the longest

    exchange; of each other phase (requests one by one, or a scenario that says itself what goes together), the time in
    which at least one request was under way.
    """
    phases: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        phases.setdefault(exchange.phase, []).append(exchange)
    return sum(_packed(made, slots) if name.endswith(SIDE_BY_SIDE) else _busy(made) for name, made in phases.items())


def _packed(exchanges: list[Exchange], slots: int) -> float:
    seconds = [exchange.seconds for exchange in exchanges]
    return max(sum(seconds) / slots, max(seconds))


def _busy(exchanges: list[Exchange]) -> float:
    total, until = 0.0, 0.0
    for exchange in sorted(exchanges, key=lambda e: e.sent_at):
        end = exchange.sent_at + exchange.seconds
        total += max(0.0, end - max(until, exchange.sent_at))
        until = max(until, end)
    return total
