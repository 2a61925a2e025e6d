"""The release gate: open or closed, what got worse, what was mended, and the exit code that a pipeline goes by."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ernie_conformance.__main__ import main
from ernie_conformance.judge.schemas import breach, schemas
from ernie_conformance.paths import ROOT
from ernie_conformance.programs.gate import compare, github_annotations
from ernie_conformance.report.verdict import begin

EXAMPLE = schemas()["report/verdict"]["examples"][0]
LIMIT = 300  # seconds for the workflow's steps on a loaded machine


def verdict(gate: str = "open", state: str = "done", **rows: str) -> dict[str, Any]:
    """A verdict whose rows have these verdicts (`S_1="PASS"` is row S-1)."""
    made: dict[str, Any] = copy.deepcopy(EXAMPLE)
    example = made["rows"][0]
    made["rows"] = [{**example, "id": name.replace("_", "-"), "verdict": found} for name, found in rows.items()]
    counts = {found: list(rows.values()).count(found) for found in set(rows.values())}
    return made | {"gate": gate, "state": state, "waivers": [], "counts": counts}


def saved(path: Path, what: dict[str, Any]) -> str:
    path.write_text(json.dumps(what), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("now", "allowed", "code"),
    [
        (verdict(S_1="PASS"), [], 0),
        (verdict("closed", S_1="FAIL"), [], 1),
        (verdict("partial", S_1="PASS"), [], 1),
        (verdict("partial", S_1="PASS"), ["partial"], 0),
        (verdict("self-check", S_1="PASS"), [], 1),
        (verdict("self-check", S_1="PASS"), ["self-check"], 0),
        (verdict("self-check", S_1="PASS"), ["partial"], 1),
        (verdict("closed", "interrupted", S_1="PASS"), ["partial"], 1),
        (verdict("open", "interrupted", S_1="PASS"), [], 1),
        (verdict("closed", S_1="NOT ASKED"), [], 1),
        ({"format": 1, "state": "running", "gate": "closed"}, ["partial", "self-check"], 1),
    ],
)
def test_the_exit_code_says_whether_the_gate_is_open(
    now: dict[str, Any], allowed: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path / "v.json", now)
    assert main(["gate", file, "--lang", "en", *(f"--allow={name}" for name in allowed)]) == code
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == ("GATE: closed" if code else "GATE: open")
    assert any(line.startswith("closed because") for line in said) == bool(code)


@pytest.mark.parametrize(
    ("before", "now", "regression", "fixed", "lost"),
    [
        ("PASS", "PASS", False, False, False),
        ("PASS", "WARN", True, False, False),
        ("PASS", "FAIL", True, False, False),
        ("WARN", "FAIL", True, False, False),
        ("WAIVED", "FAIL", True, False, False),
        ("PASS", "BLOCKED", True, False, False),
        ("PASS", "WAIVED", False, False, False),
        ("FAIL", "WAIVED", False, False, False),
        ("FAIL", "PASS", False, True, False),
        ("WARN", "PASS", False, True, False),
        ("WAIVED", "PASS", False, True, False),
        ("BLOCKED", "PASS", False, True, False),
        ("FAIL", "WARN", False, False, False),
        ("PASS", "NOT TESTABLE", False, False, True),
        ("FAIL", "NOT ASKED", False, False, True),
        ("NOT ASKED", "PASS", False, False, False),
        ("NOT ASKED", "WARN", False, False, False),
    ],
)
def test_rows_are_compared_one_by_one(before: str, now: str, regression: bool, fixed: bool, lost: bool) -> None:
    found = compare(verdict(S_1=now), verdict(S_1=before))
    assert (bool(found.regressions), bool(found.fixed), bool(found.lost)) == (regression, fixed, lost)
    assert not (regression and found.open)


def test_a_regression_closes_an_open_gate(tmp_path: Path) -> None:
    last = saved(tmp_path / "last.json", verdict(S_1="PASS", S_2="WARN"))
    assert main(["gate", saved(tmp_path / "a.json", verdict(S_1="WARN", S_2="WARN")), "--baseline", last]) == 1
    assert main(["gate", saved(tmp_path / "b.json", verdict(S_1="PASS", S_2="PASS")), "--baseline", last]) == 0


def test_rows_that_came_and_went_counts_and_targets_are_told() -> None:
    now, before = verdict(S_1="PASS", S_3="PASS"), verdict(S_1="FAIL", S_2="PASS")
    before["target"]["version"] = "1.9"
    found = compare(now, before)
    assert [change.row for change in found.new] == ["S-3"]
    assert [change.row for change in found.lost] == ["S-2"]
    assert found.counts == {"FAIL": (1, 0), "PASS": (1, 2)}
    assert found.targets == {"version": ("1.9", "2.0.0")}
    assert found.open


def test_the_comparison_is_told_in_chinese_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path / "v.json", verdict("closed", S_1="FAIL"))
    last = saved(tmp_path / "last.json", verdict(S_1="PASS"))
    assert main(["gate", file, "--baseline", last, "--lang", "zh"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "退化: S-1 PASS -> FAIL" in said[2]
    assert said[-1] == "放行结论: closed"


def test_stale_waivers_close_the_gate_and_are_named() -> None:
    now = verdict("closed", S_1="PASS")
    now["waivers"] = [EXAMPLE["waivers"][0] | {"state": state} for state in ("used", "stale", "expired", "unused")]
    now["problems"] = ["waiver SCHEMA-002 (*) is stale: nothing needs it any more"]
    found = compare(now, None)
    assert [waiver["state"] for waiver in found.stale_waivers] == ["stale", "expired"]
    assert found.because == now["problems"]


def test_the_comparison_comes_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path / "v.json", verdict("closed", S_1="FAIL"))
    last = saved(tmp_path / "last.json", verdict(S_1="PASS"))
    assert main(["gate", file, "--baseline", last, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["open"], found["counts"]) == (False, {"FAIL": [0, 1], "PASS": [1, 0]})
    assert found["regressions"][0] | {"detail": ""} == {"row": "S-1", "before": "PASS", "now": "FAIL", "detail": ""}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read"),
        ("{", "is not JSON"),
        ("[]", "is no verdict of this version"),
        ('{"format": 2, "state": "done", "gate": "open"}', "is no verdict of this version"),
        ('{"format": 1, "state": "done", "gate": "open"}', "is no verdict of this version"),
        ('{"format": 1, "state": "running", "gate": "open"}', "is no verdict of this version"),
    ],
)
def test_what_is_no_verdict_is_a_wrong_call(
    content: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "v.json").write_text(content)
    assert main(["gate", str(tmp_path / "v.json")]) == 4
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_baseline_that_never_ended_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path)
    file = saved(tmp_path / "v.json", verdict(S_1="PASS"))
    assert main(["gate", file, "--baseline", str(tmp_path / "verdict.json")]) == 4
    assert "never ended" in capsys.readouterr().err
    assert main(["gate", "--nonsense"]) == 4


def test_annotations_name_causes_and_cannot_be_forged() -> None:
    now = verdict("closed", S_1="WARN", S_2="BLOCKED", S_3="FAIL", S_4="PASS")
    for row in now["rows"]:
        row |= {"detail": "100 %\n::warning::forged", "blocked_by": "S-3"}
    lines = github_annotations(now, compare(now, verdict(S_3="PASS")))
    assert [line.split("::")[1] for line in lines] == [
        "error title=FAIL S-3 (was PASS)",
        "warning title=WARN S-1",
        "error title=blocked by S-3",
    ]
    assert all("\n" not in line for line in lines)
    assert "100 %25\\n" in lines[0]


def test_a_running_verdict_keeps_the_schema_and_a_running_open_one_does_not(tmp_path: Path) -> None:
    begin(tmp_path)
    running = json.loads((tmp_path / "verdict.json").read_text())
    assert breach("report/verdict", running) is None
    assert breach("report/verdict", running | {"gate": "open"}) is not None
    assert breach("report/verdict", EXAMPLE | {"rows": [EXAMPLE["rows"][0] | {"verdict": "GREEN"}]}) is not None


def workflow() -> dict[str, Any]:
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    loaded: dict[str, Any] = yaml.safe_load(found.group(1))
    return loaded


@pytest.mark.slow
def test_the_workflows_steps_run_on_the_reference(tmp_path: Path) -> None:
    """All but the set-up, which installs packages: the interpreter of this test stands in for the one it makes."""
    job = workflow()["jobs"]["gate"]
    # The area of schema alone: what the steps do is the same for all of them.
    chosen = {
        "PYTHON": sys.executable,
        "TARGET": "reference",
        "OPTIONS": "-p no:cacheprovider",
        "PARTS": "schema",
        "ALLOW": "--allow self-check",
        "REPORT": str(tmp_path / "report"),
        "LAST": str(tmp_path / "last"),
    }
    assert set(chosen) == set(workflow()["env"])
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "ERNIE", "COV"))}
    steps = [step for step in job["steps"] if "run" in step]
    assert steps[0]["name"] == "Set up"
    for turn in (1, 2):  # the second time there is a baseline
        for step in steps[1:]:
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
                cwd=ROOT,
                env={**clean, **chosen},
                text=True,
                capture_output=True,
                timeout=LIMIT,
                check=False,
            )
            assert done.returncode == 0, f"{step['name']} ({turn}): {done.stdout[-2000:]}{done.stderr[-2000:]}"
    found = json.loads((tmp_path / "last" / "verdict.json").read_text())
    assert (found["gate"], breach("report/verdict", found)) == ("self-check", None)
    kept = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"index.html", "junit.xml", "verdict.json", "evidence.jsonl", "requests"} <= kept
