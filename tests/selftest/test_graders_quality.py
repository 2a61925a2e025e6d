"""How good the graders are: counted on labelled outputs, on a part written without sight of them, and across pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ernie_conformance.graders.caption import grade_caption
from ernie_conformance.graders.grade import Grade
from ernie_conformance.graders.material import HOLDOUT, LABELLED, image_specs
from ernie_conformance.graders.program import CASES, grade_row, read_rows
from ernie_conformance.graders.rules import wilson

#: Bars for "good" on outputs that the graders weren't tuned on, all cases together.
PRECISION, RECALL = 0.95, 0.90

Graded = tuple[Mapping[str, Any], Grade]


def graded(path: Path) -> list[Graded]:
    return [(row, grade_row(row)) for row in read_rows(path)]


def share(right: int, of: int) -> str:
    low, high = wilson(right, of)
    return f"{right}/{of} = {right / of:.3f} [{low:.3f}, {high:.3f}]" if of else "0/0"


def counts(pairs: Sequence[Graded]) -> tuple[int, int, int]:
    """Good rows that pass, rows that pass, good rows."""
    hits = sum(grade.passed and row["label"] == "good" for row, grade in pairs)
    return hits, sum(grade.passed for _, grade in pairs), sum(row["label"] == "good" for row, _ in pairs)


def report(name: str, pairs: Sequence[Graded]) -> str:
    """Counts with Wilson's 95 % bounds, by case and together, and every misgraded row with the grader's reasons."""
    lines = [f"{name}: {len(pairs)} rows"]
    for case in (*CASES, "together"):
        hits, passed, good = counts([pair for pair in pairs if case in (pair[0]["case"], "together")])
        lines.append(f"  {case:<14} precision {share(hits, passed)}  recall {share(hits, good)}")
    for row, grade in pairs:
        if grade.passed != (row["label"] == "good"):
            lines.append(
                f"  misgraded {row['id']} ({row['label']}, {row.get('reason')}): {'; '.join(grade.reasons) or 'passes'}"
            )
    return "\n".join(lines)


def assert_bars(name: str, pairs: Sequence[Graded]) -> None:
    hits, passed, good = counts(pairs)
    said = report(name, pairs)
    print(said)
    assert passed, f"nothing passes\n{said}"
    assert good, f"no good row\n{said}"
    assert hits / passed >= PRECISION, said
    assert hits / good >= RECALL, said


def test_labelled_outputs_are_graded_as_labelled() -> None:
    pairs = graded(LABELLED)
    assert {row["case"] for row, _ in pairs} == set(CASES)
    assert_bars("labelled (the graders were tuned on it)", pairs)


def test_the_holdout_part_meets_the_bars() -> None:
    assert_bars("hold-out (written without sight of the graders)", graded(HOLDOUT))


def test_labelled_rows_are_whole_and_distinct() -> None:
    rows = read_rows(LABELLED)
    assert len({row["id"] for row in rows}) == len(rows) >= 86 + 100
    assert {row["label"] for row in rows} == {"good", "bad"}
    kept = [(row["case"], row["image"], row["prompt"], row["output"], row["finish_reason"]) for row in rows]
    assert len(set(kept)) == len(kept)
    assert {row["image"] for row in rows if row["case"] == "image_caption" and row["label"] == "good"} == set(image_specs())


@pytest.mark.parametrize("image", sorted(image_specs()))
def test_a_good_caption_fails_for_every_other_picture(image: str) -> None:
    captions = [
        row
        for row in read_rows(LABELLED)
        if row["case"] == "image_caption" and row["label"] == "good" and row["image"] == image
    ]
    assert len(captions) >= 3
    for row in captions:
        for other, spec in image_specs().items():
            passed = grade_caption(row["output"], spec, row["finish_reason"], prompt=row["prompt"]).passed
            assert passed is (other == image), f"{row['id']} on {other}"


def test_a_grader_that_passes_all_or_nothing_misses_the_bars() -> None:
    pairs = [(row, Grade()) for row in read_rows(LABELLED)]
    with pytest.raises(AssertionError):
        assert_bars("all pass", pairs)
    pairs = [(row, grade_row({"case": "text_summary", "output": ""})) for row in read_rows(LABELLED)]
    with pytest.raises(AssertionError, match="nothing passes"):
        assert_bars("nothing passes", pairs)
