"""Hosts as data: good records in fixtures/hosts, and bad ones as overlays on one of them."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

from ernie_conformance.judge.judge import Terms, judge, suite_cases
from ernie_conformance.judge.verdicts import Ruling
from ernie_conformance.paths import FIXTURES
from ernie_conformance.tables import read_table
from ernie_conformance.targets import Target, load_target
from ernie_conformance.wire.evidence import Evidence

HOSTS = FIXTURES / "hosts"
BAD = read_table(HOSTS / "bad.toml")
TARGET = load_target("fastdeploy")


def good(name: str = "a800") -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((HOSTS / f"{name}.json").read_text())
    return facts


def overlaid(name: str) -> dict[str, Any]:
    """The record that the overlay `name` is made for (the good host, or its `base`), and what it builds on, and it."""
    facts = good(BAD[name].get("base", "a800"))
    for layer in _layers(name):
        _lay(facts, BAD[layer])
    return facts


def _layers(name: str) -> list[str]:
    """The overlays that `name` builds on, the lowest first, and itself."""
    return [*(layer for below in BAD[name].get("also", ()) for layer in _layers(below)), name]


def _lay(facts: dict[str, Any], overlay: dict[str, Any]) -> None:
    for path, value in overlay.get("set", {}).items():
        _put(facts, path, copy.deepcopy(value))
    for path in overlay.get("none", ()):
        _put(facts, path, None)
    for path in overlay.get("remove", ()):
        holder, last = _holder(facts, path)
        del holder[last]
    options = facts["command"]["options"]
    for flag in overlay.get("drop", ()):
        options[:] = [pair for pair in options if pair[0] != flag]
    for flag, value in overlay.get("flags", {}).items():
        options.append([flag, None if value is True else value])


def _holder(facts: Any, path: str) -> tuple[Any, Any]:
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    for step in steps:
        facts = facts[step]
    return facts, last


def _put(facts: dict[str, Any], path: str, value: Any) -> None:
    holder, last = _holder(facts, path)
    if isinstance(holder, list) and last == len(holder):
        holder.append(value)
    else:
        holder[last] = value


def target_of(name: str) -> Target:
    return replace(TARGET, **BAD[name].get("target", {}))


def rulings(facts: dict[str, Any], target: Target = TARGET) -> list[Ruling]:
    """Every env row over one host's facts."""
    return judge(Evidence({}, facts={"host": facts}), Terms(target), suite_cases("env"))


def by_verdict(found: list[Ruling], verdict: str) -> list[str]:
    return sorted(ruling.row.id for ruling in found if ruling.verdict == verdict)
