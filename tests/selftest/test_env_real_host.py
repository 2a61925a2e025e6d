"""Facts read on a real GPU host (one H100, driver 580, CUDA 13), judged: red is exactly what was missing there."""

from __future__ import annotations

import json

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Terms, judge, suite_cases
from ernie_conformance.paths import FIXTURES
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import Evidence

MISSING = {
    "HOST-006": "64 GB of disk",
    "MODEL-001": "no model directory",
    "PACKAGES-002": "no paddle",
    "PACKAGES-005": "no FastDeploy",
    "PACKAGES-011": "no openai",
}


def test_a_real_gpu_host_is_red_for_what_it_lacks_and_for_nothing_else() -> None:
    host = json.loads((FIXTURES / "hosts" / "h100.json").read_text())
    rulings = judge(Evidence({}, facts={"host": host}), Terms(load_target("fastdeploy")), suite_cases("env"))
    red = {r.row.id for r in rulings if r.verdict in (verdicts.FAIL, verdicts.ERROR)}
    assert red == set(MISSING)
    blocked = {f.by for r in rulings if r.verdict == verdicts.BLOCKED for f in r.findings}
    assert blocked <= set(MISSING)
    passed = {r.row.area for r in rulings if r.verdict == verdicts.PASS}
    assert {"gpu", "cuda", "host", "command", "ports"} <= passed
