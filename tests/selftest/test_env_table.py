"""The table of the environment: what was measured beside what is asked, aligned in both languages."""

from __future__ import annotations

import pytest
from hosts import BAD, good, overlaid, rulings, target_of

from ernie_conformance.judge.rows import load_rows
from ernie_conformance.judge.rules.env_facts import checks
from ernie_conformance.report.env_table import MEASURED, env_table, width

pytestmark = pytest.mark.selftest


def table(name: str | None, lang: str) -> list[str]:
    facts = overlaid(name) if name else good()
    found = rulings(facts, target_of(name)) if name else rulings(facts)
    return env_table({"host": facts}, {r.row.id: r.verdict for r in found}, lang)


def line(lines: list[str], item: str) -> list[str]:
    (found,) = [text for text in lines if text.startswith(item + "  ")]
    return [cell.strip() for cell in found.split("  ") if cell.strip()]


def test_the_tutorials_table_is_measured() -> None:
    lines = table(None, "zh")
    assert line(lines, "检查项目") == ["检查项目", "最低要求", "推荐配置", "实测", "结论"]
    assert line(lines, "驱动版本") == ["驱动版本", "520.61.05+（厂商 535+）", "570.148.08+", "570.148.08", "通过"]
    assert line(lines, "显存容量") == ["显存容量", "32 GB+", "80 GB+", "85.9 GB", "通过"]
    assert line(lines, "GPU利用率") == ["GPU利用率", "0 %", "0 %", "0 %", "通过"]


def test_what_is_short_is_shown_beside_what_is_asked() -> None:
    lines = table("v100", "en")
    assert line(lines, "GPU memory") == ["GPU memory", "32 GB+", "80 GB+", "34.1 GB", "FAIL"]
    assert line(lines, "GPU model")[-2:] == ["Tesla V100-SXM2-32GB (SM70)", "FAIL"]
    assert line(table("disk-small", "en"), "Disk")[-2:] == ["78.8 GB", "FAIL"]


@pytest.mark.parametrize("name", [None, *BAD])
def test_every_host_has_a_table_whose_columns_stand(name: str | None) -> None:
    lang = "en" if len(str(name)) % 2 else "zh"  # one of both: they share everything but the words
    facts = overlaid(name) if name else good()
    head, rule, *lines = env_table({"host": facts}, dict.fromkeys(load_rows(), "PASS"), lang)
    assert all(width(text) <= len(rule) for text in (head, *lines))
    start = width(head[: head.index("measured" if lang == "en" else "实测")])
    assert all(column(text, start - 1) == " " and column(text, start) != " " for text in lines)


def column(text: str, at: int) -> str:
    """The character in column `at` of a terminal."""
    for i in range(len(text)):
        if width(text[: i + 1]) > at:
            return text[i]
    return ""


def test_every_row_of_the_env_part_stands_behind_a_check() -> None:
    areas = tuple(pattern.removesuffix("*") for check in checks().values() for pattern in check["rows"])
    env = [row.id for row in load_rows().values() if row.part == "env"]
    assert [row for row in env if not row.startswith(areas)] == []
    assert set(checks()) == set(MEASURED)


def test_what_wasnt_asked_isnt_in_the_table() -> None:
    assert env_table({"host": good()}, {"GPU-001": "NOT TESTABLE"}, "en") == []
    assert env_table({}, {"GPU-001": "PASS"}, "en") == []
