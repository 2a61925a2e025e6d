"""CUDA toolkit, cuDNN and NCCL against the driver and the engine's packages."""

from __future__ import annotations

from functools import cache
from typing import Any

from ernie_conformance.judge.outcome import Blocked, Broken, NotTestable, expect
from ernie_conformance.judge.rules.env_command import tensor_parallel
from ernie_conformance.judge.rules.env_facts import Facts, part, reaches, server_here, version_key
from ernie_conformance.judge.rules.env_gpu import gpus
from ernie_conformance.judge.rules.env_packages import IMPORTED, PADDLE, engine, paddle
from ernie_conformance.paths import FIXTURES
from ernie_conformance.tables import read_table


@cache
def drivers() -> dict[str, dict[str, str]]:
    """`oldest` driver by major version of CUDA, and the `full` one by version."""
    return read_table(FIXTURES / "env" / "cuda.toml")


def toolkit_answers(facts: Facts) -> None:
    server_here(facts)
    found = part(facts, "cuda")["toolkit"]
    expect(found is not None, "no nvcc on PATH or in /usr/local/cuda; required: tutorial 11.8, vendor 12.3")
    reaches("toolkit", found["version"], f"CUDA toolkit ({found['where']})")


def driver_runs(facts: Facts, cuda: str, what: str) -> None:
    """The oldest driver for any build of this major version of CUDA."""
    driver = gpus(facts)["driver"]
    oldest = drivers()["oldest"].get(cuda.split(".")[0])
    if oldest is None:
        raise NotTestable(f"CUDA {cuda} isn't in the table")
    expect(version_key(driver) >= version_key(oldest), f"{what} is CUDA {cuda}, which needs driver {oldest}; found {driver}")


def toolkit_runs(facts: Facts) -> None:
    driver = gpus(facts)
    found = part(facts, "cuda")["toolkit"]
    if found is None or not driver:
        raise NotTestable("there is no toolkit")
    driver_runs(facts, found["version"], "the toolkit")


def paddles_cuda(facts: Facts) -> str:
    found = paddle(facts)
    if not found["compiled_with_cuda"]:
        raise Blocked(IMPORTED, "paddle is not compiled with CUDA")
    return str(found["cuda"])


def driver_is_full(facts: Facts) -> None:
    cuda, driver = paddles_cuda(facts), gpus(facts)["driver"]
    key = ".".join(cuda.split(".")[:2])
    full = drivers()["full"].get(key)
    if full is None:
        raise NotTestable(f"CUDA {cuda} isn't in the table")
    oldest = drivers()["oldest"][key.split(".")[0]]
    if version_key(driver) < version_key(oldest):
        raise Blocked("CUDA-003", "the driver doesn't run it at all")
    expect(version_key(driver) >= version_key(full), f"Paddle is CUDA {cuda}, which came with driver {full}; found {driver}")


def library(facts: Facts, name: str) -> tuple[str, str] | None:
    """Version and place of cuDNN or NCCL: Paddle's word, else pip's package, else the system's library."""
    server_here(facts)
    packages = facts["host"]["engine"]
    answer = packages.get("paddle") or {}
    if name == "cudnn" and answer.get("cudnn") not in (None, "False", "0.0.0"):
        return str(answer["cudnn"]), "as Paddle says"
    pip = {n: v for n, v in packages.get("distributions", {}).items() if n.startswith(f"nvidia-{name}-cu")}
    if pip:
        package, version = max(pip.items())
        return version, f"package {package}"
    system: dict[str, Any] | None = part(facts, "cuda")["libraries"][name]
    return (system["version"], system["where"]) if system else None


def cudnn_is_new_enough(facts: Facts) -> None:
    found = library(facts, "cudnn")
    if found is None:
        if "paddlepaddle-gpu" not in engine(facts)["distributions"]:
            raise Blocked(PADDLE, "there is no paddlepaddle-gpu, which brings cuDNN")
        raise Broken("no cuDNN: neither Paddle, nor pip, nor the system has it; required: vendor 9.5")
    version, where = found
    if version == "9":
        raise NotTestable(f"{where} tells its major version only")
    reaches("cudnn", version, f"cuDNN ({where})")


def nccl_is_there(facts: Facts) -> None:
    if tensor_parallel(facts) == 1:
        raise NotTestable("one GPU needs no NCCL")
    found = library(facts, "nccl")
    if found is None and "paddlepaddle-gpu" not in engine(facts)["distributions"]:
        raise Blocked(PADDLE, "there is no paddlepaddle-gpu, which brings NCCL")
    expect(found is not None, f"no NCCL for --tensor-parallel-size {tensor_parallel(facts)}")
