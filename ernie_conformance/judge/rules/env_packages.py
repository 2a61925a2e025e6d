"""Packages: the suite's, and the engine's with their pairings."""

from __future__ import annotations

from functools import cache
from typing import Any

from ernie_conformance.judge.outcome import Blocked, Broken, NotTestable, expect
from ernie_conformance.judge.rules.env_facts import Facts, before_launch, part, server_here, version_key
from ernie_conformance.paths import FIXTURES
from ernie_conformance.tables import read_table

PADDLE, FASTDEPLOY, IMPORTED = "PACKAGES-002", "PACKAGES-005", "PACKAGES-003"
SEEN = (
    "paddle",
    "paddlepaddle",
    "paddlepaddle-gpu",
    "fastdeploy",
    "fastdeploy-python",
    "fastdeploy-gpu-python",
    "fastdeploy-gpu",
)
# What pip brings under a name that looks right, and what it is instead.
IMPOSTORS = {
    "paddle": "an unrelated astronomy package",
    "paddlepaddle": "the build for CPUs",
    "fastdeploy": "an unrelated project of the same name on PyPI",
    "fastdeploy-python": "FastDeploy 1.x, a toolkit for vision models without this server",
    "fastdeploy-gpu-python": "FastDeploy 1.x, a toolkit for vision models without this server",
}


@cache
def pairings() -> dict[str, str]:
    """The version of paddlepaddle-gpu that each FastDeploy is built for, both as MAJOR.MINOR or longer."""
    found: dict[str, str] = read_table(FIXTURES / "env" / "engine.toml")["pairings"]
    return found


def engine(facts: Facts) -> Facts:
    """What the engine's interpreter has. Raises NotTestable when attached, Blocked when there is no such interpreter."""
    server_here(facts)
    before_launch(facts)
    found = part(facts, "engine")
    if "missing" in found:
        raise Blocked(PADDLE, found["missing"])
    return found


def suite_packages(facts: Facts) -> None:
    unmet = [r for r in part(facts, "suite")["requirements"] if not r["met"]]
    listed = "; ".join(f"{r['name']}{r['wanted']}: found {r['found'] or 'none'}" for r in unmet)
    expect(not unmet, listed)


def paddle_is_there(facts: Facts) -> None:
    """By its distribution, because three others share its name or its module."""
    server_here(facts)
    before_launch(facts)
    found = part(facts, "engine")
    expect("missing" not in found, f"no interpreter for the engine: {found.get('missing')}")
    names = found["distributions"]
    if "paddlepaddle-gpu" in names:
        return
    others = [f"{name} {names[name]} is {IMPOSTORS[name]}" for name in ("paddlepaddle", "paddle") if name in names]
    raise Broken(f"no paddlepaddle-gpu in {found['path']}" + "".join(f"; {other}" for other in others))


def paddle(facts: Facts) -> Facts:
    """Paddle as it answered when imported. Raises Blocked when it isn't there or can't be imported."""
    found = engine(facts)
    if "paddlepaddle-gpu" not in found["distributions"]:
        raise Blocked(PADDLE, "there is no paddlepaddle-gpu")
    if found["paddle"] is None or "error" in found["paddle"]:
        raise Blocked(IMPORTED, "paddle can't be imported")
    answer: Facts = found["paddle"]
    return answer


def paddle_has_cuda(facts: Facts) -> None:
    found = engine(facts)
    if "paddlepaddle-gpu" not in found["distributions"]:
        raise Blocked(PADDLE, "there is no paddlepaddle-gpu")
    answer = found["paddle"]
    expect("error" not in answer, f"import paddle: {answer.get('error')}")
    expect(answer["compiled_with_cuda"], f"paddle {answer['version']} is not compiled with CUDA")


def paddle_sees_gpus(facts: Facts, wanted: int) -> None:
    found = paddle(facts)
    if not found["compiled_with_cuda"]:
        raise Blocked(IMPORTED, "paddle is not compiled with CUDA")
    if not part(facts, "gpu").get("devices"):
        raise Blocked("GPU-001", "no GPU answers")
    if len(part(facts, "gpu")["visible"]) < wanted:
        raise Blocked("GPU-005", "fewer GPUs are visible than are needed")
    expect(found["devices"] >= wanted, f"paddle sees {found['devices']} GPUs, --tensor-parallel-size needs {wanted}")


def fastdeploy(facts: Facts) -> dict[str, Any]:
    """The right FastDeploy. Raises Blocked when it isn't there."""
    found: dict[str, Any] = engine(facts)["fastdeploy"]
    if not found["has_server"]:
        raise Blocked(FASTDEPLOY, "the right FastDeploy isn't there")
    return found


def fastdeploy_is_there(facts: Facts) -> None:
    found = engine(facts)
    engine_path, fastdeploy = found["path"], found["fastdeploy"]
    if fastdeploy["has_server"]:
        return
    name = fastdeploy["name"]
    what = f"{name} {fastdeploy['version']} is {IMPOSTORS.get(name, 'without this server')}" if name else "none is installed"
    raise Broken(f"no FastDeploy with an OpenAI API server in {engine_path}: {what}")


def fastdeploy_imports(facts: Facts) -> None:
    """The tutorial's check: `from fastdeploy import LLM, SamplingParams`."""
    paddle(facts)  # FastDeploy imports it first
    answer = fastdeploy(facts)["import"]
    expect("error" not in answer, f"import fastdeploy: {answer.get('error')}")
    absent = [name for name, there in answer.items() if not there]
    expect(not absent, f"fastdeploy has no {', '.join(absent)}")


def versions_pair(facts: Facts) -> None:
    found = fastdeploy(facts)["version"]
    if "paddlepaddle-gpu" not in engine(facts)["distributions"]:
        raise Blocked(PADDLE, "there is no paddlepaddle-gpu")
    has = engine(facts)["distributions"]["paddlepaddle-gpu"]
    wanted = pairings().get(".".join(str(n) for n in (*version_key(found), 0, 0)[:2]))
    if wanted is None:
        raise NotTestable(f"no pairing is known for FastDeploy {found}")
    depth = len(wanted.split("."))
    padded = (*version_key(has), 0, 0, 0)[:depth]
    expect(
        padded == (*version_key(wanted), 0, 0, 0)[:depth],
        f"FastDeploy {found} is built for paddlepaddle-gpu {wanted}, found {has}",
    )


def requirements_are_met(facts: Facts) -> None:
    fastdeploy(facts)
    unmet = [r for r in engine(facts)["requirements"] if not r["met"]]
    expect(not unmet, "; ".join(f"FastDeploy wants {r['name']}{r['wanted']}, found {r['found'] or 'none'}" for r in unmet))


def nothing_shadows(facts: Facts) -> None:
    """Two distributions that unpack into one module overwrite each other's files."""
    names = engine(facts)["distributions"]
    for module, right in (("paddle", "paddlepaddle-gpu"), ("fastdeploy", "fastdeploy-gpu")):
        others = [n for n in IMPOSTORS if module in n and n in names and ("fastdeploy" in n) == ("fastdeploy" in right)]
        if right in names and others:
            raise Broken(f"{right} and {', '.join(others)} are both installed and unpack into the module {module}")


def engine_is_the_targets(facts: Facts, wanted: str) -> None:
    """MAJOR.MINOR of FastDeploy is the version that the target was named with."""
    if not wanted:
        raise NotTestable("the target names no version")
    found = fastdeploy(facts)["version"]
    expect(
        version_key(found)[:2] == (*version_key(wanted), 0)[:2] or version_key(found)[:1] == version_key(wanted),
        f"FastDeploy {found} is installed; the target is version {wanted}",
    )
