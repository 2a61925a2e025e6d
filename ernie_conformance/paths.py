"""Where the data of the project lies: rows, targets, waivers, schemas and fixtures stand beside the library."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "rows"
TARGETS = ROOT / "targets"
WAIVERS = ROOT / "waivers"
SCHEMAS = ROOT / "schemas"
FIXTURES = ROOT / "fixtures"
TESTS = ROOT / "tests"
