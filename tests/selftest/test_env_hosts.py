"""Bad hosts turn exactly their rows red; good ones none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hosts import BAD, TARGET, by_verdict, good, overlaid, rulings, target_of

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Terms, judge, suite_cases
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.paths import FIXTURES
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import Evidence

pytestmark = pytest.mark.selftest

# What the tutorial's one-GPU command leaves nothing to ask of.
ONE_GPU = ["COMMAND-010", "CUDA-006", "GPU-011", "PACKAGES-010"]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_host_turns_exactly_its_rows_red(name: str) -> None:
    found = rulings(overlaid(name), target_of(name))
    details = {r.row.id: r.detail for r in found if r.verdict in (verdicts.FAIL, verdicts.WARN, verdicts.ERROR)}
    assert by_verdict(found, verdicts.FAIL) == sorted(BAD[name].get("fail", [])), details
    assert by_verdict(found, verdicts.WARN) == sorted(BAD[name].get("warn", [])), details
    assert by_verdict(found, verdicts.ERROR) == [], details
    owners = {f.by for r in found if r.verdict == verdicts.BLOCKED for f in r.findings}
    assert owners <= set(BAD[name].get("fail", [])), "what is blocked names a row that failed"


def test_the_good_host_passes_every_row() -> None:
    found = rulings(good())
    untested = by_verdict(found, verdicts.NOT_TESTABLE)
    assert set(untested) <= set(ONE_GPU), untested
    assert all(r.verdict == verdicts.PASS for r in found if r.row.id not in untested), [r for r in found if r.detail]


def test_every_env_row_is_turned_red_by_some_host() -> None:
    rows = {row.id for row in load_rows().values() if row.part == "env"}
    killed = {row for host in BAD.values() for row in (*host.get("fail", ()), *host.get("warn", ()))}
    assert rows == killed


ELSEWHERE = {"env-worker-launch-fails"}  # a fault of the start, which tests/api/test_launch.py judges


def test_every_environment_fault_of_the_field_is_among_them() -> None:
    field = yaml.safe_load((FIXTURES / "field-faults.yaml").read_text(encoding="utf-8"))
    wanted = {fault["id"] for fault in field if fault["area"] == 14}
    assert wanted
    assert {host["fault"] for host in BAD.values() if "fault" in host} | ELSEWHERE == wanted


def attached(**target: bool) -> dict[str, Any]:
    """The good host's facts as they are read beside a server that runs already."""
    facts = good()
    facts["target"] |= {"attached": True, **target}
    facts["ports"] = {"skipped": "the server runs already"}
    return facts


ATTACHED = replace(TARGET, kind="attached", base_url="http://127.0.0.1:8180")


def test_attached_nothing_is_asked_that_only_a_launch_shows() -> None:
    facts = attached()
    facts["gpu"]["devices"][0]["memory"]["free"] = 0  # the server itself holds it
    facts["gpu"]["devices"][0]["utilization"] = 100
    facts["remains"]["processes"] = [{"pid": 1, "name": "worker_process.py", "clear": ""}]
    found = rulings(facts, ATTACHED)
    assert [r for r in found if r.verdict not in (verdicts.PASS, verdicts.NOT_TESTABLE)] == []
    untested = {row.split("-")[0] for row in by_verdict(found, verdicts.NOT_TESTABLE)}
    assert {"PORTS", "COMMAND", "PACKAGES"} <= untested
    assert {"GPU-002", "GPU-004", "GPU-006", "HOST-004", "MODEL-001"} <= set(by_verdict(found, verdicts.PASS))


@pytest.mark.parametrize("name", ["no-driver", "memory-limited", "model-absent", "arm"])
def test_attached_to_another_host_this_one_says_nothing(name: str) -> None:
    facts = overlaid(name)
    facts["target"] |= {"attached": True, "elsewhere": True}
    found = rulings(facts, ATTACHED)
    assert {r.row.area for r in found if r.verdict == verdicts.PASS} == {"host", "packages"}  # the suite's own
    assert [r for r in found if r.verdict not in (verdicts.PASS, verdicts.NOT_TESTABLE)] == []


def test_a_target_without_gpu_asks_only_what_concerns_the_suite() -> None:
    facts = overlaid("no-driver")
    found = rulings(facts, load_target("reference"))
    asked = [r.row.id for r in found if r.verdict != verdicts.NOT_TESTABLE]
    assert asked == ["HOST-001", "HOST-005", "HOST-007", "PACKAGES-001", "PORTS-001", "PORTS-003", "PORTS-004", "PORTS-006"]
    assert [r for r in found if r.verdict not in (verdicts.PASS, verdicts.NOT_TESTABLE)] == []


def test_a_recording_without_facts_is_not_asked() -> None:
    found = judge(Evidence({}), Terms(TARGET), suite_cases("env"))
    assert {r.verdict for r in found} <= {verdicts.NOT_ASKED, verdicts.NOT_TESTABLE}


def test_a_failed_probe_is_never_green() -> None:
    facts = good()
    facts["memory"] = {"error": "the probe didn't end within 20 s"}
    assert "HOST-004" in by_verdict(rulings(facts), verdicts.ERROR)
