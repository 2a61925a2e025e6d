"""Waivers: what a file must say, what it may cover, and when it has had its day."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.judge.verdicts import Finding, Ruling
from ernie_conformance.judge.waivers import Waiver, accepts, covering, load_waivers, waiver_problems, waiver_states
from ernie_conformance.paths import WAIVERS
from ernie_conformance.tables import UsageError

GOOD = {
    "row": '"STREAM-007"',
    "case": '"long-stream"',
    "reason": '"two ids"',
    "evidence": '"bytes: ..."',
    "owner": '"us"',
    "versions": '">=2.0,<2.1"',
    "added": "2026-11-24",
    "expires": "2027-05-24",
}
TODAY = datetime.date(2026, 12, 1)
ROW = load_rows()["STREAM-007"]


def written(folder: Path, *tables: dict[str, str]) -> Path:
    """A file of these waivers; a field whose value is "" is left out."""
    path = folder / "engine.toml"
    lines = [line for table in tables for line in ("[[waiver]]", *(f"{k} = {v}" for k, v in table.items() if v))]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def loaded(folder: Path, *tables: dict[str, str], version: str = "2.0") -> list[Waiver]:
    return load_waivers([written(folder, *tables)], load_rows(), version)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"row": '"STREAM-999"'}, "doesn't exist"),
        ({"row": '"VIS-050"'}, "VIS-050 is a security hole and can't be waived; accept it with --accept-risk VIS-050"),
        ({"row": '"WIRE-001"'}, "WIRE-001 is a hang and can't be waived"),
        ({"owner": ""}, "lacks owner"),
        ({"owner": '" "'}, "needs owner as text"),
        ({"colour": '"red"'}, "unknown fields colour"),
        ({"case": "[]"}, "needs case"),
        ({"case": "5"}, "needs case"),
        ({"versions": '"two"'}, "'two' is no version range"),
        ({"added": '"2026-11-24"'}, "added is no date"),
        ({"expires": "2027-12-24"}, "within a year"),
        ({"expires": "2026-10-24"}, "within a year"),
        ({"by_chance": "1"}, "by_chance is true or false"),
    ],
)
def test_a_waiver_that_says_too_little_is_refused(tmp_path: Path, change: dict[str, str], said: str) -> None:
    assert loaded(tmp_path, GOOD)
    with pytest.raises(UsageError, match="waiver 1") as refusal:
        loaded(tmp_path, {**GOOD, **change})
    assert said in str(refusal.value)


def test_the_same_waiver_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="waived twice for long-stream"):
        loaded(tmp_path, GOOD, GOOD)


def test_only_waivers_of_the_version_count(tmp_path: Path) -> None:
    assert len(loaded(tmp_path, GOOD, version="2.0.3")) == 1
    assert loaded(tmp_path, GOOD, version="2.6") == []


def test_a_list_of_cases_is_a_waiver_each_and_together_they_cover_a_finding(tmp_path: Path) -> None:
    waivers = loaded(tmp_path, {**GOOD, "case": '["one", "two-*"]'})
    assert [w.case for w in waivers] == ["one", "two-*"]
    assert covering(waivers, "STREAM-007", ("one", "two-b")) == waivers
    assert covering(waivers, "STREAM-007", ("one", "three")) == []
    assert covering(waivers, "STREAM-008", ("one",)) == []


def ruling(asked: int, *shown_by: str) -> Ruling:
    findings = tuple(Finding("wrong", (name,), waived="known") for name in shown_by)
    return Ruling(ROW, "a test", verdicts.WAIVED if findings else verdicts.PASS, findings, asked)


def test_a_waiver_is_stale_only_where_what_it_names_was_put_and_held(tmp_path: Path) -> None:
    waivers = loaded(tmp_path, GOOD)
    assert [s for _, s in waiver_states(waivers, [ruling(2)], TODAY, ["long-stream"])] == ["stale"]
    assert [s for _, s in waiver_states(waivers, [ruling(2)], TODAY, ["another"])] == ["unused"]
    assert [s for _, s in waiver_states(waivers, [], TODAY, ["long-stream"])] == ["unused"]
    assert [s for _, s in waiver_states(waivers, [ruling(2, "long-stream")], TODAY, ["long-stream"])] == ["used"]


def test_a_waiver_for_everything_is_too_broad_where_something_held(tmp_path: Path) -> None:
    waivers = loaded(tmp_path, {**GOOD, "case": '"*"'})
    assert waiver_problems(waivers, [ruling(2, "one", "two")], TODAY, ["one", "two"]) == []
    (problem,) = waiver_problems(waivers, [ruling(3, "one", "two")], TODAY, ["one", "two", "three"])
    assert "STREAM-007 (*) is too broad: the row held 1 times" in problem


def test_what_shows_by_chance_is_neither_stale_nor_too_broad(tmp_path: Path) -> None:
    waivers = loaded(tmp_path, {**GOOD, "case": '"*"', "by_chance": "true"})
    assert [s for _, s in waiver_states(waivers, [ruling(2)], TODAY, ["one"])] == ["unused"]
    assert waiver_problems(waivers, [ruling(3, "one", "two")], TODAY, ["one", "two", "three"]) == []
    expired = waiver_problems(waivers, [ruling(3)], datetime.date(2028, 1, 1), ["one"])
    assert expired == ["waiver STREAM-007 (*) expired on 2027-05-24"]


def test_a_risk_is_accepted_for_a_row_or_for_some_of_its_exchanges() -> None:
    assert accepts({"WIRE-001"}, "WIRE-001", ("anything",))
    assert accepts({"WIRE-001:n-0"}, "WIRE-001", ("n-0",))
    assert not accepts({"WIRE-001:n-0"}, "WIRE-001", ("n-0", "chat"))
    assert not accepts({"WIRE-001:n-0"}, "WIRE-002", ("n-0",))
    assert not accepts(set(), "WIRE-001", ("n-0",))


@pytest.mark.parametrize("path", sorted(WAIVERS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_committed_waivers_are_sound(path: Path) -> None:
    assert load_waivers([path], load_rows(), "")
