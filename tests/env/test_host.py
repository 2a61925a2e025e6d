"""Has this machine what the engine, the model and the suite need?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ernie_conformance.judge.outcome import expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import env_host
from ernie_conformance.judge.rules.env_facts import part, reaches, server_here, version_key
from ernie_conformance.judge.rules.env_packages import engine

Facts = Mapping[str, Any]


@row("HOST-001")
def test_the_suite_runs_on_a_python_it_supports(facts: Facts) -> None:
    env_host.suite_python(facts)


@row("HOST-002")
def test_the_engine_runs_on_a_python_it_supports(facts: Facts) -> None:
    engine(facts)
    env_host.engine_python(facts)


@row("HOST-003")
def test_the_host_is_linux_on_x86_64(facts: Facts) -> None:
    server_here(facts)
    system = part(facts, "system")
    expect(
        (system["os"], system["machine"]) == ("Linux", "x86_64"),
        f"this is {system['os']} on {system['machine']}; required: Linux on x86_64",
    )


@row("HOST-004")
def test_memory_is_enough_for_the_engine(facts: Facts) -> None:
    env_host.memory_is_enough(facts)


@row("HOST-005")
def test_memory_is_enough_for_the_suite(facts: Facts) -> None:
    env_host.suite_memory_is_enough(facts)


@row("HOST-006")
def test_the_disk_holds_model_cache_and_logs(facts: Facts) -> None:
    server_here(facts)
    env_host.disk_is_enough(facts)


@row("HOST-007")
def test_the_disk_holds_the_reports(facts: Facts) -> None:
    env_host.scratch_is_enough(facts)


@row("HOST-008")
def test_shared_memory_is_enough(facts: Facts) -> None:
    server_here(facts)
    reaches("shm", part(facts, "shm")["total"])


@row("HOST-009")
def test_limits_leave_room_for_the_engine(facts: Facts) -> None:
    server_here(facts)
    env_host.limits_are_enough(facts)


@row("HOST-010")
def test_the_cpu_has_avx(facts: Facts) -> None:
    server_here(facts)
    env_host.cpu_has_avx(facts)


@row("HOST-011")
def test_the_c_library_is_new_enough(facts: Facts) -> None:
    server_here(facts)
    env_host.libc_is_new_enough(facts)


@row("HOST-012")
def test_the_kernel_is_new_enough(facts: Facts) -> None:
    server_here(facts)
    found = part(facts, "system")["kernel"]
    expect(version_key(found.split("-")[0]) >= (4, 18), f"kernel: found {found}, needed 4.18")
