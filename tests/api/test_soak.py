"""A load that lasts, `pytest -m soak --minutes N`: nothing is lost, slower, repeated or left over."""

from __future__ import annotations

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import soak as rules
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.targets import Target


@row("SOAK-001")
def test_nothing_is_lost(soak: Scene, target: Target) -> None:
    rules.loses_nothing(soak, target)


@row("SOAK-002")
def test_the_server_lives_on(soak: Scene) -> None:
    rules.lives_on(soak)


@row("SOAK-003")
def test_it_stays_quick(soak: Scene) -> None:
    rules.stays_quick(soak)


@row("SOAK-004")
def test_no_id_comes_again(soak: Scene) -> None:
    rules.repeats_no_id(soak)


@row("SOAK-005")
def test_a_prompt_costs_the_same_throughout(soak: Scene) -> None:
    rules.counts_alike(soak)


@row("SOAK-006")
def test_health_stays_well(soak: Scene) -> None:
    rules.stays_healthy(soak)


@row("SOAK-007")
def test_nothing_runs_on_afterwards(soak: Scene) -> None:
    rules.comes_to_rest(soak)


@row("SOAK-008")
def test_memory_does_not_grow(soak: Scene) -> None:
    rules.keeps_its_memory(soak)
