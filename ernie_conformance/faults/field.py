"""Faults that real servers were seen to have, with their evidence: fixtures/field-faults.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import yaml

from ernie_conformance.paths import FIXTURES

LAST_API_AREA = 13  # area 14 is the host's, judged from facts and not from traffic


@dataclass(frozen=True)
class FieldFault:
    """One entry: what is owed, what was seen instead, and where it was reported."""

    id: str
    area: int
    title: str
    severity: str
    requirement: str
    symptom: str
    evidence: tuple[str, ...]


def _urls(evidence: Any) -> tuple[str, ...]:
    """Addresses of the reports; the word "none" stands for an entry without one."""
    return () if evidence == "none" else tuple(source["url"] for source in evidence)


@cache
def field_faults() -> Mapping[str, FieldFault]:
    """Every field fault of the API's areas by id."""
    entries = yaml.load((FIXTURES / "field-faults.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return MappingProxyType(
        {
            entry["id"]: FieldFault(
                id=entry["id"],
                area=entry["area"],
                title=entry["title"],
                severity=entry["severity"],
                requirement=entry["requirement"],
                symptom=entry["symptom"],
                evidence=_urls(entry["evidence"]),
            )
            for entry in entries
            if entry["area"] <= LAST_API_AREA
        }
    )
