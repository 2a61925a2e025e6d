"""Every demand of the tutorial leads to a row or to a reason, and the page says what the tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ernie_conformance.programs.traceability import PAGE, beyond, demands, page
from ernie_conformance.tables import UsageError

pytestmark = pytest.mark.selftest


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m ernie_conformance.programs.traceability"


@pytest.mark.parametrize("section", ["Models", "1.1", "1.2", "1.3", "2.1", "2.2", "3", "5.1", "5.2", "5.3"])
def test_every_section_is_traced(section: str) -> None:
    assert any(demand["section"].startswith(section) for demand in demands())


def test_what_the_tutorial_forgets_has_another_source() -> None:
    rows = beyond(demands())
    assert rows
    assert [row.id for row in rows if row.layer == "tutorial"] == []


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ('says = "x"', "needs rows"),
        ('says = "x"\nrows = ["GPU-001"]\nuntestable = "y"', "needs rows"),
        ('says = "x"\nrows = ["GPU-999"]', "GPU-999, which no file"),
    ],
)
def test_a_demand_that_leads_nowhere_is_refused(entry: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(f"[[demand]]\n{entry}\n")
    with pytest.raises(UsageError, match=complaint):
        demands(tmp_path / "t.toml")
