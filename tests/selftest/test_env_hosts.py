"""Bad hosts turn exactly their rows red; good ones none."""

from __future__ import annotations

import pytest
from hosts import BAD, by_verdict, good, overlaid, rulings, target_of

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.rows import load_rows

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


@pytest.mark.parametrize("name", BAD)
def test_what_is_blocked_names_a_row_that_failed(name: str) -> None:
    found = rulings(overlaid(name), target_of(name))
    failed = set(by_verdict(found, verdicts.FAIL))
    owners = {f.by for r in found if r.verdict == verdicts.BLOCKED for f in r.findings}
    assert owners <= failed


def test_the_good_host_passes_every_row() -> None:
    found = rulings(good())
    untested = by_verdict(found, verdicts.NOT_TESTABLE)
    assert set(untested) <= set(ONE_GPU), untested
    assert all(r.verdict == verdicts.PASS for r in found if r.row.id not in untested), [r for r in found if r.detail]


def test_every_env_row_is_turned_red_by_some_host() -> None:
    rows = {row.id for row in load_rows().values() if row.part == "env"}
    killed = {row for host in BAD.values() for row in (*host.get("fail", ()), *host.get("warn", ()))}
    assert rows == killed


def test_a_failed_probe_is_never_green() -> None:
    facts = good()
    facts["memory"] = {"error": "the probe didn't end within 20 s"}
    assert "HOST-004" in by_verdict(rulings(facts), verdicts.ERROR)
