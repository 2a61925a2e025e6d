"""The catalogue of faults: complete, well-formed, and visible on real traffic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ernie_conformance.faults.apply import apply, touched
from ernie_conformance.faults.catalogue import catalogue
from ernie_conformance.faults.fault import SEVERITIES, Behaviour, Question, Rewrite, rewrite
from ernie_conformance.faults.field import field_faults
from ernie_conformance.faults.variations import variations
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.paths import FIXTURES
from ernie_conformance.wire.evidence import Evidence, read_evidence
from ernie_conformance.wire.exchange import Request

pytestmark = pytest.mark.selftest

RECORDINGS = sorted((FIXTURES / "recordings").glob("*.jsonl"))
MET = [*(catalogue()[id] for id in field_faults()), *variations().values()]  # ours are shown by the matrix alone
REWRITES = [fault for fault in MET if isinstance(fault, Rewrite)]

# What the recordings don't have: two user turns, many tools.
UNSEEN = {
    "chat-consecutive-user-500",
    "tool-many-tools-rejected",
    "benign-one-byte-pieces",  # other pieces, the same bytes at the same times
}

ODD_BODIES: list[Any] = [
    None,
    [],
    "text",
    5,
    {},
    {"messages": None},
    {"messages": "hi"},
    {"messages": [None, 5, "x", {}, {"role": 5, "content": 7}, {"content": [None, 5, {"type": "image_url"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": 5}, {"type": "text", "text": 5}]}]},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,@@"}}]}]},
    {"messages": [{"role": [], "content": {}, "tool_calls": 5}]},
    {"stream": "yes", "max_tokens": "ten", "n": "two", "stop": 5, "top_p": "x", "temperature": [], "tools": 5},
    {"response_format": "json", "tool_choice": 5, "metadata": [], "chat_template_kwargs": "x", "stream_options": 5},
    {"prompt": 5, "echo": "x", "logprobs": "y"},
    {"prompt": [[1, 2], "x", None], "seed": 1e300, "max_completion_tokens": None},
]


@pytest.fixture(scope="module")
def recorded() -> list[Evidence]:
    return [read_evidence(path) for path in RECORDINGS]


def test_every_field_fault_of_the_api_is_in_the_catalogue() -> None:
    assert len(field_faults()) == 145
    assert set(field_faults()) <= set(catalogue())


def test_field_faults_keep_their_title_severity_and_evidence() -> None:
    for id, known in field_faults().items():
        fault = catalogue()[id]
        assert (fault.title, fault.severity, fault.evidence) == (known.title, known.severity, known.evidence)


def test_every_fault_has_a_title_and_a_severity() -> None:
    assert [f.id for f in catalogue().values() if not f.title or f.severity not in SEVERITIES] == []


def test_a_fault_of_our_own_without_a_title_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a title"):
        rewrite("own-nameless", "", lambda _, response: response)


def test_every_fault_names_a_row_that_exists() -> None:
    assert {f.id: f.row for f in catalogue().values() if f.row and f.row not in load_rows()} == {}


def test_there_are_thirty_harmless_variations_with_a_reason_each() -> None:
    assert len(variations()) >= 30
    assert [one.id for one in variations().values() if not one.title] == []


@pytest.mark.slow
def test_every_rewrite_shows_on_recorded_traffic(recorded: list[Evidence]) -> None:
    blind = {f.id for f in REWRITES if not any(touched(evidence, apply(f, evidence)) for evidence in recorded)}
    assert blind <= UNSEEN


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/models", "/health", "/metrics", "/"])
def test_no_fault_stumbles_over_odd_requests(path: str) -> None:
    for value in ODD_BODIES:
        request = Request("POST", path, (), json.dumps(value).encode())
        for fault in [*catalogue().values(), *variations().values()]:
            assert fault.where(request) in (True, False), fault.id
            if isinstance(fault, Question):
                assert isinstance(fault.ask(request), Request), fault.id


def test_every_behaviour_has_an_act() -> None:
    assert [f.id for f in catalogue().values() if isinstance(f, Behaviour) and f.act is None] == []
