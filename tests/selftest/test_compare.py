"""Runs side by side: what differs, times, and the page; on real recordings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ernie_conformance.__main__ import main
from ernie_conformance.paths import FIXTURES
from ernie_conformance.programs.compare import read_sides
from ernie_conformance.report.comparison import lines, page, record, told

LLAMA, VLLM = (FIXTURES / "recordings" / f"{name}.jsonl" for name in ("llama.cpp", "vllm-0.32.0"))


def test_two_engines_differ_in_the_rows_that_each_breaks() -> None:
    sides = read_sides([LLAMA, VLLM])
    assert [one.label for one in sides] == ["llama.cpp", "vllm-0.32.0"]
    differing = {line.id: line.verdicts for line in lines(sides) if line.differs}
    assert differing["SSE-003"] == ("FAIL", "PASS")
    assert differing["USAGE-003"][1] == "FAIL"
    assert "ERR-005" not in differing
    count, median, late = sides[0].times["first"]
    assert count == 17  # streams that can be read
    assert 0 < median <= late
    text = "\n".join(told(sides))
    assert "A  llama.cpp, gate closed" in text
    assert "A: c_list_stream: an event is no JSON object: 'null'" in text


def test_a_run_differs_from_itself_in_nothing() -> None:
    sides = read_sides([VLLM, VLLM])
    assert [one.label for one in sides] == [f"vllm-0.32.0 ({VLLM})"] * 2
    assert not any(line.differs for line in lines(sides))
    assert not any(row["differs"] for row in record(sides)["rows"])


def test_the_page_shows_every_row_and_runs_nothing_of_a_server(tmp_path: Path) -> None:
    out = tmp_path / "compare.html"
    assert main(["compare", str(VLLM), str(LLAMA), "--html", str(out), "--lang", "zh"]) == 0
    text = out.read_text(encoding="utf-8")
    sides = read_sides([VLLM, LLAMA])
    assert text == page(sides, "zh")
    assert all(f"<b>{line.id}</b>" in text for line in lines(sides))
    assert text.count("<script>") == 1
    assert "default-src &#39;none&#39;" in text


def test_as_json_it_has_verdicts_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(LLAMA), str(VLLM), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["gate"] for one in found["sides"]] == ["closed", "closed"]
    assert found["sides"][1]["times"]["first"]["median"] > 0
    assert {row["id"]: row["verdicts"] for row in found["rows"]}["SSE-003"] == ["FAIL", "PASS"]


def test_one_run_is_no_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(LLAMA)]) == 4
    assert "two runs or more" in capsys.readouterr().err
