"""Do toolkit, libraries, Paddle and driver fit each other?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import env_cuda

Facts = Mapping[str, Any]


@row("CUDA-001")
def test_a_toolkit_answers(facts: Facts) -> None:
    env_cuda.toolkit_answers(facts)


@row("CUDA-002")
def test_the_driver_runs_the_toolkits_code(facts: Facts) -> None:
    env_cuda.toolkit_runs(facts)


@row("CUDA-003")
def test_the_driver_runs_paddles_cuda(facts: Facts) -> None:
    env_cuda.driver_runs(facts, env_cuda.paddles_cuda(facts), "Paddle")


@row("CUDA-004")
def test_the_driver_has_all_of_paddles_cuda(facts: Facts) -> None:
    env_cuda.driver_is_full(facts)


@row("CUDA-005")
def test_cudnn_is_new_enough(facts: Facts) -> None:
    env_cuda.cudnn_is_new_enough(facts)


@row("CUDA-006")
def test_nccl_is_there_for_several_gpus(facts: Facts) -> None:
    env_cuda.nccl_is_there(facts)
