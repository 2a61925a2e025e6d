"""`grade FILE.jsonl`: what it prints, and what it says about files it can't read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ernie_conformance.graders.material import LABELLED
from ernie_conformance.graders.program import main

ANSWER = {
    "id": "v",
    "case": "image_vqa",
    "image": "two_dogs",
    "prompt": "图中有几只狗？只回答数字。",
    "label": "good",
    "output": "2",
    "finish_reason": "stop",
}


def written(folder: Path, *rows: Any) -> str:
    file = folder / "rows.jsonl"
    file.write_text(
        "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8"
    )
    return str(file)


def test_json_has_a_row_for_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(LABELLED), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == len(LABELLED.read_text(encoding="utf-8").strip().split("\n"))
    for row in rows:
        assert set(row) == {"id", "case", "label", "pass", "reasons"}
        assert row["pass"] is (row["reasons"] == [])


def test_the_table_shows_reasons_and_a_tally(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([written(tmp_path, ANSWER, "", {**ANSWER, "id": "w", "output": "3"})]) == 0
    out = capsys.readouterr().out
    assert "answer: '3' isn't" in out
    assert out.strip().endswith("1 of 2 pass")


def test_a_row_needs_neither_id_nor_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {key: value for key, value in ANSWER.items() if key not in ("id", "label")}
    assert main([written(tmp_path, row), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [
        {"id": None, "case": "image_vqa", "label": None, "pass": True, "reasons": []}
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{not json", "line 2, is not JSON"),
        ("[1]", "line 2, is not a JSON object"),
        ({**ANSWER, "case": "poem"}, "the case 'poem'"),
        ({**ANSWER, "image": "moon"}, "the image 'moon'"),
        ({**ANSWER, "prompt": "今天星期几？"}, "a question that the manifest doesn't have"),
        ({**ANSWER, "output": 2}, "no output that is a string"),
    ],
)
def test_a_line_that_can_not_be_graded_is_named_in_one_sentence(
    row: Any, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([written(tmp_path, ANSWER, row), "--json"]) == 4
    said = capsys.readouterr()
    assert says in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "absent.jsonl")]) == 4
    assert "absent.jsonl" in capsys.readouterr().err
    (tmp_path / "latin").write_bytes(b'{"output": "\xe9"}')
    assert main([str(tmp_path / "latin")]) == 4
    assert "not UTF-8" in capsys.readouterr().err
