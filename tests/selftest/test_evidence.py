"""The evidence file: what is written is read back, other tools' recordings are read, and defects are named in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_conformance.paths import FIXTURES
from ernie_conformance.tables import UsageError
from ernie_conformance.wire.evidence import Evidence, exchange_from_record, exchange_to_record, read_evidence, write_evidence
from ernie_conformance.wire.exchange import Exchange, NotJson, Request, strict_json

EXCHANGES = st.builds(
    Exchange,
    name=st.text(min_size=1, max_size=8),
    request=st.builds(
        Request,
        method=st.sampled_from(["GET", "POST"]),
        path=st.just("/v1/chat/completions"),
        headers=st.just((("Content-Type", "application/json"),)),
        body=st.none() | st.binary(max_size=20),
    ),
    status=st.none() | st.integers(100, 599),
    pieces=st.lists(st.tuples(st.sampled_from([0.0, 0.25, 1.5]), st.binary(max_size=12)), max_size=4).map(tuple),
    error=st.none() | st.just("gap: nothing came for 1.0 s"),
)


@given(EXCHANGES)
def test_an_exchange_survives_the_file(exchange: Exchange) -> None:
    assert exchange_from_record(exchange_to_record(exchange)) == exchange


def test_a_run_survives_the_file(tmp_path: Path) -> None:
    exchange = Exchange("a", Request("GET", "/health"), 200, (("x", "y"),), ((0.1, "你\u2028".encode()),))
    evidence = Evidence(
        {"a": exchange}, {"scene": {"n": 1}}, {"host": {}}, {"name": "t"}, unasked={"b": "not declared: tools"}
    )
    write_evidence(tmp_path / "e.jsonl", evidence)
    assert read_evidence(tmp_path / "e.jsonl") == evidence


def test_secrets_are_blanked_everywhere(tmp_path: Path) -> None:
    request = Request("GET", "/?key=s3cr3t", (("Authorization", "Bearer s3cr3t"),))
    evidence = Evidence({"a": Exchange("a", request, 401, pieces=((0.1, b"bad key s3cr3t"),))}, {"n": {"url": "s3cr3t"}})
    write_evidence(tmp_path / "e.jsonl", evidence, ["s3cr3t"])
    assert "s3cr3t" not in (tmp_path / "e.jsonl").read_text()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"hello\n", "line 1 is no exchange"),
        (b'{"name": "a"}\n', "line 1 is no exchange"),
        (b"", "holds no exchange"),
        (b'{"format": 9, "target": {}, "facts": {"host": {}}}\n', "format 9"),
        (b'{"format": 1, "target": {}, "facts": {"host": {}}}\n', "ends early"),
    ],
)
def test_what_is_no_evidence_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "e.jsonl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=says):
        read_evidence(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_evidence(tmp_path / "none.jsonl")


@pytest.mark.parametrize("name", ["fastdeploy-2.0.0", "vllm-0.32.0", "llama.cpp"])
def test_recordings_of_real_servers_are_read(name: str) -> None:
    evidence = read_evidence(FIXTURES / "recordings" / f"{name}.jsonl")
    assert len(evidence.exchanges) > 20
    assert not evidence.complete


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": 1, "a": 2}', "", "{", b"\xff", "[" * 100_000])
def test_lenient_json_is_not_json(text: str | bytes) -> None:
    with pytest.raises(NotJson):
        strict_json(text)
