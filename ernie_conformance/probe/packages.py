"""Packages: the suite's own, against pyproject.toml; the engine's, asked of the engine's interpreter in a subprocess."""

from __future__ import annotations

import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from ernie_conformance.paths import ROOT
from ernie_conformance.probe.shell import ask
from ernie_conformance.tables import read_table

INVENTORY = Path(__file__).with_name("inventory.py")  # runs in the engine's interpreter, standard library only
SERVER_FILE = "fastdeploy/entrypoints/openai/api_server.py"


def read_suite() -> dict[str, Any]:
    """`requirements` of pyproject.toml that apply here: `{"name", "wanted", "found" (None when missing), "met"}` each."""
    wanted = [Requirement(text) for text in read_table(ROOT / "pyproject.toml")["project"]["dependencies"]]
    return {"requirements": [_met(r, _installed(r.name)) for r in wanted if r.marker is None or r.marker.evaluate()]}


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _met(requirement: Requirement, found: str | None) -> dict[str, Any]:
    met = found is not None and requirement.specifier.contains(found, prereleases=True)
    return {"name": requirement.name, "wanted": str(requirement.specifier), "found": found, "met": met}


def read_engine(server_python: str | None, seconds: float) -> dict[str, Any]:
    """What the engine's interpreter has: `python`, `distributions` by name, `fastdeploy`, `paddle`, `imports`.

    Paddle and FastDeploy are imported only where they are installed, in a process of their own: an import may abort,
    hang, or take GPU memory.
    """
    if not server_python:
        return {"missing": "no python3 outside the suite's own environment is on PATH"}
    said = ask([server_python, str(INVENTORY)], seconds=20)
    if said.status != 0:
        return {"missing": f"{server_python} didn't answer: {said.last_line}"}
    found: dict[str, Any] = json.loads(said.out)
    found["path"] = server_python
    found["requirements"] = _requirements(found)
    names = set(found["distributions"])
    found["paddle"] = _imported(server_python, "paddle", seconds) if names & {"paddlepaddle-gpu", "paddlepaddle"} else None
    found["fastdeploy"]["import"] = (
        _imported(server_python, "fastdeploy", seconds) if found["fastdeploy"]["has_server"] else None
    )
    return found


def _imported(server_python: str, module: str, seconds: float) -> dict[str, Any]:
    """What the inventory says of a module once it is imported, or `{"error": the last line of what went wrong}`."""
    said = ask([server_python, str(INVENTORY), module], seconds=seconds)
    lines = [line for line in said.out.splitlines() if line.startswith("{")]
    if said.status != 0 or not lines:
        ended = "" if said.status is None else f"exit status {said.status}: "
        return {"error": f"{ended}{said.last_line}"}
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def _requirements(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What FastDeploy's own metadata asks for, against what its interpreter has."""
    distributions = found["distributions"]
    environment = {"python_version": ".".join(found["python"].split(".")[:2]), "extra": ""}
    wanted = [Requirement(text) for text in found["fastdeploy"]["requires"]]
    return [
        _met(requirement, distributions.get(requirement.name.lower().replace("_", "-")))
        for requirement in wanted
        if requirement.marker is None or requirement.marker.evaluate(environment)
    ]


def engine_present(server_python: str | None, model_dir: str) -> bool:
    """Are the right FastDeploy (in `server_python`) and a model directory here? Quick: nothing is imported."""
    if not server_python or not os.path.isfile(os.path.join(model_dir, "config.json")):
        return False
    said = ask([server_python, str(INVENTORY)], seconds=20)
    return said.status == 0 and bool(json.loads(said.out)["fastdeploy"]["has_server"])
