"""Are the server's ports free, and did an earlier server clean up behind itself?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import env_ports

Facts = Mapping[str, Any]


@row("PORTS-001")
def test_the_ports_are_free(facts: Facts) -> None:
    env_ports.are_free(facts)


@row("PORTS-002")
def test_the_cache_queues_port_is_free(facts: Facts) -> None:
    env_ports.cache_queue_is_free(facts)


@row("PORTS-003")
def test_the_ports_are_distinct(facts: Facts) -> None:
    env_ports.are_distinct(facts)


@row("PORTS-004")
def test_the_ports_are_out_of_the_way(facts: Facts) -> None:
    env_ports.are_out_of_the_way(facts)


@row("PORTS-005")
def test_no_earlier_worker_lives_on(facts: Facts) -> None:
    env_ports.no_process_lives_on(facts)


@row("PORTS-006")
def test_nothing_of_an_earlier_server_lies_around(facts: Facts) -> None:
    env_ports.nothing_is_left(facts)
