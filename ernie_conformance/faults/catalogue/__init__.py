"""Every fault there is, a file an area."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from types import MappingProxyType

from ernie_conformance.faults.fault import Fault

AREAS = (
    "framing",
    "chunks",
    "usage",
    "finish",
    "reasoning",
    "text",
    "sampling",
    "errors",
    "vision",
    "chat",
    "concurrency",
    "launch",
    "auxiliary",
    "completions",
    "tools",
    "clients",
    "property",
    "corners",
    "corners_text",
    "corners_vision",
    "soak",
)


@cache
def catalogue() -> Mapping[str, Fault]:
    """All faults by id, in the order of the areas. Raises ValueError when an id stands twice."""
    found: dict[str, Fault] = {}
    for area in AREAS:
        for fault in import_module(f"{__name__}.{area}").FAULTS:
            if fault.id in found:
                raise ValueError(f"fault {fault.id} stands twice")
            found[fault.id] = replace(fault, area=area)
    return MappingProxyType(found)
