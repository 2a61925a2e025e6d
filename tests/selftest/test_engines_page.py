"""docs/engines.md says of every engine what its waivers and accepted risks say, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ernie_conformance.faults.dialects import dialects
from ernie_conformance.paths import WAIVERS
from ernie_conformance.programs.engines import PAGE, engines, page, waivers
from ernie_conformance.tables import UsageError


def test_the_page_is_what_the_tables_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make it again: python -m ernie_conformance.programs.engines"


def test_every_file_of_waivers_has_its_engine() -> None:
    assert sorted(engine["waivers"] for engine in engines()) == sorted(path.name for path in WAIVERS.glob("*.toml"))


def test_every_waived_row_is_told() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [w["row"] for engine in engines() for w in waivers(engine) if f"| {w['row']} | " not in text] == []


def test_what_dialects_accept_is_told() -> None:
    accepted = {risk.partition(":")[0] for spoken in dialects().values() for risk in spoken.accept}
    (fastdeploy,) = (engine for engine in engines() if engine["waivers"] == "fastdeploy.toml")
    assert set(fastdeploy["accepted"]) == accepted


def test_a_thread_of_a_row_that_is_in_order_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "engines.toml"
    table.write_text('[[engine]]\nname = "one"\nwaivers = "vllm.toml"\nseen = ""\n[engine.threads]\n"STREAM-001" = "x#1"\n')
    with pytest.raises(UsageError, match="STREAM-001, which it neither waives nor accepts"):
        engines(table)
