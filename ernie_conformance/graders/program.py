"""`grade FILE.jsonl`: grades outputs kept in a file, one JSON object a line, with the graders of the acceptance part."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ernie_conformance.graders.caption import grade_caption
from ernie_conformance.graders.grade import Grade
from ernie_conformance.graders.material import image_specs
from ernie_conformance.graders.text import grade_text
from ernie_conformance.graders.vqa import grade_vqa, question_of
from ernie_conformance.tables import UsageError

CASES = ("text_summary", "image_caption", "image_vqa")
_UNREADABLE = 4


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 when all lines were graded, whatever the grades; 4 when the input can't be read."""
    parser = argparse.ArgumentParser(
        prog="ernie_conformance grade",
        description="Grade model outputs kept in a JSON Lines file: summaries of the guide, captions and short answers.",
    )
    parser.add_argument(
        "file",
        type=Path,
        help=f"a line: case ({', '.join(CASES)}), output, finish_reason, and for pictures image and prompt",
    )
    parser.add_argument(
        "--json", action="store_true", help='print {"rows": [{"id", "case", "label", "pass", "reasons"}]} instead of a table'
    )
    options = parser.parse_args(argv)
    try:
        graded = [(row, grade_row(row, place)) for place, row in _lines(options.file)]
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return _UNREADABLE
    rows = [_result(row, grade) for row, grade in graded]
    print(json.dumps({"rows": rows}, ensure_ascii=False, indent=1) if options.json else _table(rows))
    return 0


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file. Raises UsageError, naming the line, when it isn't one."""
    return [row for _, row in _lines(path)]


def grade_row(row: Mapping[str, Any], place: str = "the row") -> Grade:
    """The grade of one row {case, output, finish_reason, prompt, image, reasoning}.

    Raises UsageError, naming `place`, for a row that can't be graded.
    """
    case, output, prompt = row.get("case"), row.get("output"), row.get("prompt") or ""
    finish, reasoning = row.get("finish_reason"), row.get("reasoning")
    if "output" not in row or not isinstance(output, str | None):
        raise UsageError(f"{place} has no output that is a string or null; add it")
    if case == "text_summary":
        return grade_text(output, finish, prompt=prompt, reasoning=reasoning)
    if case not in CASES:
        raise UsageError(f"{place} has the case {case!r}; it must be one of {', '.join(CASES)}")
    spec = image_specs().get(str(row.get("image")))
    if spec is None:
        raise UsageError(f"{place} names the image {row.get('image')!r}; it must be one of {', '.join(image_specs())}")
    if case == "image_caption":
        return grade_caption(output, spec, finish, prompt=prompt, reasoning=reasoning)
    try:
        question = question_of(prompt, spec)
    except KeyError as error:
        raise UsageError(
            f"{place} asks a question that the manifest doesn't have for {spec['id']}; use one of its own"
        ) from error
    return grade_vqa(output, question, finish, reasoning=reasoning)


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    # Not splitlines: U+2028 and its kin are legal inside JSON strings.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number},"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{place} is not JSON: {error}; write one object a line") from error
        if not isinstance(row, dict):
            raise UsageError(f"{place} is not a JSON object; write one object a line")
        yield place, row


def _result(row: Mapping[str, Any], grade: Grade) -> dict[str, Any]:
    return {
        "id": row.get("id"),
        "case": row["case"],
        "label": row.get("label"),
        "pass": grade.passed,
        "reasons": list(grade.reasons),
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"{'id':<12} {'case':<14} {'label':<6} {'grade':<5} reasons"]
    for row in rows:
        grade = "pass" if row["pass"] else "fail"
        head = f"{row['id'] or '-':<12} {row['case']:<14} {row['label'] or '-':<6} {grade:<5}"
        lines.append(f"{head} {'; '.join(row['reasons'])}".rstrip())
    return "\n".join([*lines, f"{sum(row['pass'] for row in rows)} of {len(rows)} pass"])
