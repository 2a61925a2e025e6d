"""Servers that start or end badly. They are launched, for nothing else shows it."""

from __future__ import annotations

from ernie_conformance.faults import where
from ernie_conformance.faults.acts import begins_with, overloaded, relay, turned_away
from ernie_conformance.faults.fault import Fault, behaviour

posted = where.method("POST")

FAULTS: tuple[Fault, ...] = (
    behaviour("conc-orphan-workers", "LAUNCH-007", relay, life="leaves-child"),
    behaviour("conc-shutdown-cuts-streams", "LAUNCH-011", relay, life="cuts-streams"),
    behaviour("own-launch-exits", "LAUNCH-001", relay, life="exits", title="the process ends at once", severity="critical"),
    behaviour(
        "own-health-too-early",
        "LAUNCH-002",
        begins_with(2, turned_away(503)),
        where=posted,
        life="launched",
        title="health says 200 before requests are taken",
        severity="high",
    ),
    behaviour(
        "own-first-request-fails",
        "LAUNCH-003",
        begins_with(1, overloaded),
        where=posted,
        life="launched",
        title="the first request after the start fails",
        severity="high",
    ),
    behaviour(
        "own-dies-in-service", "LAUNCH-004", relay, life="dies", title="the process ends in service", severity="critical"
    ),
    behaviour("own-ignores-sigint", "LAUNCH-005", relay, life="ignores-int", title="SIGINT is ignored", severity="medium"),
    behaviour("own-ignores-sigterm", "LAUNCH-006", relay, life="ignores-term", title="SIGTERM is ignored", severity="high"),
    behaviour(
        "own-leaves-file", "LAUNCH-010", relay, life="leaves-file", title="a temporary file is left behind", severity="low"
    ),
)
