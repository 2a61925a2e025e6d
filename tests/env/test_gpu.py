"""Has this host GPUs that can run the model, free and healthy?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import env_gpu
from ernie_conformance.judge.rules.env_facts import reaches

Facts = Mapping[str, Any]


@row("GPU-001")
def test_a_driver_answers(facts: Facts) -> None:
    env_gpu.driver_answers(facts)


@row("GPU-002")
def test_the_driver_is_new_enough(facts: Facts) -> None:
    reaches("driver", env_gpu.gpus(facts)["driver"])


@row("GPU-003")
def test_the_driver_supports_the_cuda(facts: Facts) -> None:
    env_gpu.cuda_of_driver(facts)


@row("GPU-004")
def test_the_architecture_has_a_wheel(facts: Facts) -> None:
    env_gpu.chips_have_a_wheel(facts)


@row("GPU-005")
def test_enough_gpus_are_visible(facts: Facts) -> None:
    env_gpu.enough_are_visible(facts)


@row("GPU-006")
def test_the_weights_fit(facts: Facts) -> None:
    env_gpu.weights_fit(facts)


@row("GPU-007")
def test_the_memory_is_free(facts: Facts) -> None:
    env_gpu.memory_is_free(facts)


@row("GPU-008")
def test_the_gpu_is_idle(facts: Facts) -> None:
    env_gpu.is_idle(facts)


@row("GPU-009")
def test_the_memory_has_no_errors(facts: Facts) -> None:
    env_gpu.no_memory_errors(facts)


@row("GPU-010")
def test_mig_gives_one_slice(facts: Facts) -> None:
    env_gpu.mig_gives_a_slice(facts)


@row("GPU-011")
def test_the_gpus_are_alike(facts: Facts) -> None:
    env_gpu.are_alike(facts)


@row("GPU-012")
def test_it_is_certain_which_gpu_is_taken(facts: Facts) -> None:
    env_gpu.order_is_certain(facts)


@row("GPU-013")
def test_the_driver_is_as_recommended(facts: Facts) -> None:
    env_gpu.recommended(facts, "driver")


@row("GPU-014")
def test_the_cuda_is_as_recommended(facts: Facts) -> None:
    env_gpu.recommended(facts, "driver_cuda")


@row("GPU-015")
def test_the_memory_is_as_recommended(facts: Facts) -> None:
    env_gpu.recommended(facts, "gpu_memory")


@row("GPU-016")
def test_no_other_process_computes(facts: Facts) -> None:
    env_gpu.nobody_computes(facts)


@row("GPU-017")
def test_ecc_is_on(facts: Facts) -> None:
    env_gpu.ecc_is_on(facts)


@row("GPU-018")
def test_the_compute_mode_is_default(facts: Facts) -> None:
    env_gpu.modes_allow_sharing(facts)
