"""Binds the suite to pytest; all it does stands in ernie_conformance/suite (the options in entry.py and settings.py)."""

from __future__ import annotations

from typing import Any

import pytest

from ernie_conformance.suite import hooks, items
from ernie_conformance.suite.run import evidence, terms

__all__ = ["evidence", "terms"]


def pytest_configure(config: pytest.Config) -> None:
    hooks.configure(config)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: Any) -> list[pytest.Item] | None:
    return items.make_items(collector, name, obj)
