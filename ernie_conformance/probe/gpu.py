"""Placeholder."""

from __future__ import annotations

from typing import Any


def read() -> dict[str, Any]:
    return {"error": "not yet"}
