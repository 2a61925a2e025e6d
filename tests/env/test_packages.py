"""Are the packages there, the right ones, in versions that fit each other?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ernie_conformance.judge.outcome import expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import env_packages
from ernie_conformance.judge.rules.env_command import tensor_parallel
from ernie_conformance.judge.rules.env_facts import reaches
from ernie_conformance.targets import Target

Facts = Mapping[str, Any]


@row("PACKAGES-001")
def test_the_suites_packages_are_there(facts: Facts) -> None:
    env_packages.suite_packages(facts)


@row("PACKAGES-002")
def test_paddle_for_gpus_is_installed(facts: Facts) -> None:
    env_packages.paddle_is_there(facts)


@row("PACKAGES-003")
def test_paddle_is_compiled_with_cuda(facts: Facts) -> None:
    env_packages.paddle_has_cuda(facts)


@row("PACKAGES-004")
def test_paddle_sees_the_gpus(facts: Facts) -> None:
    env_packages.paddle_sees_gpus(facts, tensor_parallel(facts))


@row("PACKAGES-005")
def test_the_right_fastdeploy_is_installed(facts: Facts) -> None:
    env_packages.fastdeploy_is_there(facts)


@row("PACKAGES-006")
def test_fastdeploy_and_paddle_are_a_pair(facts: Facts) -> None:
    env_packages.versions_pair(facts)


@row("PACKAGES-007")
def test_fastdeploy_can_be_imported(facts: Facts) -> None:
    env_packages.fastdeploy_imports(facts)


@row("PACKAGES-008")
def test_what_fastdeploy_requires_is_installed(facts: Facts) -> None:
    env_packages.requirements_are_met(facts)


@row("PACKAGES-009")
def test_no_namesake_is_installed_beside(facts: Facts) -> None:
    env_packages.nothing_shadows(facts)


@row("PACKAGES-010")
def test_fastdeploy_is_the_targets_version(facts: Facts, target: Target) -> None:
    env_packages.engine_is_the_targets(facts, target.version)


@row("PACKAGES-011")
def test_openai_is_installed(facts: Facts) -> None:
    found = env_packages.engine(facts)
    version = found["distributions"].get("openai")
    expect(version is not None, f"no openai in {found['path']}; required: 1.91.0 (tutorial)")
    reaches("openai", version)
