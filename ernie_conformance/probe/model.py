"""Placeholder."""

from __future__ import annotations

from typing import Any


def read(path: str) -> dict[str, Any]:
    return {"error": "not yet"}
