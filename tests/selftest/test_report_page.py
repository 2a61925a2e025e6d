"""The report page: one self-contained file that says in both languages what the verdict says, for every kind of run."""

from __future__ import annotations

import datetime
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_runs import Outline, chat, run_of

from ernie_conformance.__main__ import main
from ernie_conformance.graders.material import image_specs
from ernie_conformance.judge.schemas import breach
from ernie_conformance.judge.waivers import Waiver
from ernie_conformance.paths import ROOT
from ernie_conformance.report.curl import curl_line, repeat_line
from ernie_conformance.report.html import PAGE, page
from ernie_conformance.report.html_exchange import ends, shown, visible
from ernie_conformance.report.html_pictures import marked
from ernie_conformance.report.plots import histogram, measures
from ernie_conformance.tables import read_table
from ernie_conformance.wire.evidence import Evidence, write_evidence
from ernie_conformance.wire.exchange import ABANDONED, Exchange, Request

GATES = ("open", "closed", "partial", "self-check")
LIMIT = 3_000_000  # bytes of a full gate's page
GOOD = chat("plain", "hi")
BAD = replace(GOOD, name="bad", pieces=((0.1, b'{"object": "chat.completion", "choices": 7}'),))
DEAD = replace(GOOD, name="dead", status=None, pieces=(), headers=(), error="connect: All connection attempts failed")


def evidence(*exchanges: Exchange) -> Evidence:
    return Evidence({exchange.name: exchange for exchange in exchanges})


def waiver(expires: str) -> Waiver:
    added = datetime.date(2026, 1, 1)
    return Waiver(
        "SCHEMA-001", "*", "known <b>gap</b>", "bytes", "owner", ">=0", added, datetime.date.fromisoformat(expires)
    )


def test_a_red_row_shows_what_was_seen_why_it_matters_and_how_to_repeat_it(tmp_path: Path) -> None:
    verdict = run_of(evidence(BAD), tmp_path)
    red = next(row for row in verdict["rows"] if row["verdict"] == "FAIL")
    text = Outline(page(verdict, evidence(BAD), "en")).text
    for part in (red["id"], red["text"], red["detail"], red["hint"]["en"], red["hint"]["zh"], red["source"]):
        assert part in text
    assert "curl -sS -i http://127.0.0.1:8180/v1/chat/completions" in text
    assert '{"object": "chat.completion", "choices": 7}' in text
    assert "Closed: do not release." in text
    assert "不可放行" in text


@pytest.mark.parametrize(
    ("path", "scenario", "says"),
    [
        ("/v1/models", "", 'curl -sS -i http://h:1/v1/models -H "Authorization: Bearer $API_KEY"'),
        ("/v1/models", "keys", "curl -sS -i http://h:1/v1/models"),
        ("/metrics", "", "curl -sS -i http://h:2/metrics"),
    ],
)
def test_a_curl_line_goes_to_the_same_address_and_asks_for_the_key(path: str, scenario: str, says: str) -> None:
    asked = replace(GOOD, request=Request("GET", path), notes={"scenario": scenario})
    run = Evidence({}, facts={"keyed": True}, target={"metrics_url": "http://h:2/metrics"})
    assert repeat_line(asked, run, "http://h:1") == says
    assert "$API_KEY" not in repeat_line(asked, Evidence({}), "http://h:1")


@pytest.mark.parametrize("body", [b"it's {}", b"$(touch x) `id` \\ !", '你"好"'.encode()])
def test_a_curl_line_survives_the_shell(body: bytes) -> None:
    line = curl_line(replace(GOOD, request=Request("POST", "/a b?c=d&e", (), body)), "http://h")
    assert shlex.split(line)[-1].encode() == body
    assert shlex.split(line)[3] == "http://h/a b?c=d&e"


def test_a_long_body_is_read_by_the_shell_which_says_when_it_is_not_there(tmp_path: Path) -> None:
    long = replace(GOOD, name="long", request=Request("POST", "/a", (), b"x" * 999))
    line = curl_line(long, "http://127.0.0.1:9", ".")
    assert line.endswith("--data-binary @- < requests/long.json")
    ended = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, "requests/long.json" in ended.stderr) == (1, True)


def test_who_left_on_purpose_is_no_server_that_is_silent() -> None:
    left = replace(GOOD, status=None, error="first-byte: nothing came for 0.4 s", expects=ABANDONED, seconds=0.41)
    assert shown(left, "", 999).outcome == "left on purpose after 0.41 s"
    heard = replace(left, status=200, error=None)
    assert shown(heard, "", 999).outcome == "HTTP 200, 0.41 s"


def test_a_card_says_how_its_row_is_put_again(tmp_path: Path) -> None:
    verdict = run_of(evidence(BAD), tmp_path)
    assert "<code>pytest " not in page(verdict, evidence(BAD), "en")  # of a replay there is nothing to ask again
    verdict["target"] |= {"kind": "attached", "base_url": "http://h:1"}
    found = page(verdict, evidence(BAD), "en")
    again = "<code>pytest --report-dir report/again --base-url http://h:1 "
    assert re.search(again + r"\S*tests/api/test_[a-z_]+\.py::test_\w+", found)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_language_asked_for_comes_first_and_the_other_is_there(lang: str, tmp_path: Path) -> None:
    found = page(run_of(evidence(GOOD), tmp_path), evidence(GOOD), lang)
    assert f'<html lang="{lang}" data-lang="{lang}">' in found
    both = re.findall(r'<span lang="en">[^<]+</span><span lang="zh">[^<]+</span>', found)
    assert len(both) > 20


@pytest.mark.parametrize("exchanges", [(GOOD,), (BAD,), (DEAD,), ()])
def test_every_page_is_well_formed_and_loads_nothing(exchanges: tuple[Exchange, ...], tmp_path: Path) -> None:
    outline = Outline(page(run_of(evidence(*exchanges), tmp_path), evidence(*exchanges), "en"))
    assert outline.unclosed == []
    assert outline.handlers == []
    assert (outline.elements.count("script"), outline.elements.count("link")) == (1, 0)
    assert all(link.startswith(("#", "data:image/jpeg")) for link in outline.links)
    assert {link[1:] for link in outline.links if link.startswith("#")} <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_every_row_of_the_verdict_stands_under_its_area(tmp_path: Path) -> None:
    verdict = run_of(evidence(GOOD), tmp_path)
    ids = Outline(page(verdict, evidence(GOOD), "en")).ids
    assert {f"row-{row['id']}" for row in verdict["rows"]} <= set(ids)


def test_blocked_rows_are_told_once_with_the_row_that_owns_the_cause(tmp_path: Path) -> None:
    verdict = run_of(evidence(DEAD), tmp_path)
    found = page(verdict, evidence(DEAD), "en")
    assert 'href="#card-WIRE-001"' in found
    assert 'id="card-SCHEMA-001"' not in found
    assert next(row["verdict"] for row in verdict["rows"] if row["id"] == "SCHEMA-001") == "BLOCKED"


def test_waivers_show_their_reason_and_days_left_and_accepted_risks_their_ids(tmp_path: Path) -> None:
    soon = (datetime.date.today() + datetime.timedelta(days=9)).isoformat()
    verdict = run_of(evidence(BAD), tmp_path, (waiver(soon),), frozenset({"STREAM-001"}))
    found = page(verdict, evidence(BAD), "en")
    assert "known &lt;b&gt;gap&lt;/b&gt;" in found
    assert re.search(r"\(9 <span", found)
    assert "STREAM-001" in Outline(found).text
    assert 'class="card v-waived"' in found


def test_what_was_not_asked_is_told_with_its_reason(tmp_path: Path) -> None:
    verdict = run_of(evidence(GOOD), tmp_path)
    text = Outline(page(verdict, evidence(GOOD), "en")).text
    unasked = next(row for row in verdict["rows"] if row["verdict"] in ("NOT ASKED", "NOT TESTABLE"))
    assert unasked["detail"] in text


def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    verdict = run_of(evidence(GOOD), tmp_path) | {"state": "interrupted", "gate": "closed"}
    assert "The run was interrupted" in page(verdict, evidence(GOOD), "en")


def test_pictures_stand_beside_what_was_said_of_them(tmp_path: Path) -> None:
    image = next(iter(image_specs()))
    said = chat(f"photo-{image}-1", "蓝天白云下，绿色的草原上有一群羊正在吃草，远处是山丘，还有摩天大楼。")
    found = page(run_of(evidence(said), tmp_path), evidence(said), "en")
    outline = Outline(found)
    assert [link[:22] for link in outline.links if link.startswith("data:")] == ["data:image/jpeg;base64"]
    assert image_specs()[image]["contents_zh"] in outline.text
    assert '<mark class="met">羊</mark>' in found
    other = chat(f"photo-{image}-1", "一只猫坐在红色的沙发上，旁边放着一本打开的书，房间里很安静。")
    assert "missing: nothing on sheep" in page(run_of(evidence(other), tmp_path), evidence(other), "en")


def test_marks_keep_the_text_and_escape_it() -> None:
    assert marked("<b>羊</b>羊", {"羊": "met"}) == (
        '&lt;b&gt;<mark class="met">羊</mark>&lt;/b&gt;<mark class="met">羊</mark>'
    )
    assert str(marked("x" * 4000, {})).endswith("x … +1000")


def stream(name: str, times: list[float], tokens: int) -> Exchange:
    usage = f',"usage":{{"prompt_tokens":1,"completion_tokens":{tokens},"total_tokens":{tokens + 1}}}'
    chunk = 'data: {{"choices":[{{"index":0,"delta":{{"content":"x"}},"finish_reason":null}}]{}}}\n\n'
    pieces = [(at, chunk.format(usage if at == times[-1] else "").encode()) for at in times]
    request = replace(GOOD.request, body=b'{"stream": true}')
    return replace(GOOD, name=name, request=request, headers=(("Content-Type", "text/event-stream"),), pieces=tuple(pieces))


def test_times_are_measured_from_the_arrival_of_the_pieces() -> None:
    found = measures(evidence(stream("s", [0.5, 1.0, 1.5, 2.5], 20), GOOD))
    assert found == {"first": [0.5], "gaps": [0.5, 0.5, 1.0], "speed": [10.0]}


@pytest.mark.parametrize("values", [[1.0], [0.001, 5.0], [0.3] * 50, [1e-4, 1e4]])
def test_a_histogram_draws_every_value_inside_its_frame(values: list[float]) -> None:
    drawing = histogram(values, "s")
    places = [float(x) for x in re.findall(r' x1?="(-?[\d.]+)"', drawing)]
    assert places
    assert all(-1 <= x <= 361 for x in places)
    assert "nan" not in drawing
    assert "p50" in drawing


def test_a_long_answer_is_cut_in_the_middle_and_its_size_is_told() -> None:
    long = replace(GOOD, pieces=(*((i / 10, b"x" * 100) for i in range(1000)), (100.0, b"THE END")))
    found = shown(long, "curl", 2000)
    assert (found.size, len(found.answer) < 5000) == (100_007, True)
    assert found.answer.endswith("THE END")
    assert f"… {found.left_out} B …" in found.answer


@pytest.mark.parametrize("limit", [1, 10, 99, 100, 101, 5000])
def test_what_is_shown_and_what_is_left_out_make_the_whole(limit: int) -> None:
    pieces = [(0.0, b"a" * 60), (1.0, b"b" * 40), (2.0, b"")]
    head, tail, left = ends(pieces, limit)
    assert sum(len(data) for _, data in head + tail) + left == 100
    assert sum(len(data) for _, data in head + tail) <= max(limit, 0)


def test_bytes_that_cannot_be_printed_are_shown_as_escapes() -> None:
    assert visible("a\r\n\x1b\u202e\x00你\n".encode() + b"\xff") == "a\\r\n\\x1b\\u202e\\x00你\n\\xff"


def test_a_page_of_nothing_but_red_stays_small(tmp_path: Path) -> None:
    big = {
        f"e{n}": replace(BAD, name=f"e{n}", pieces=((0.1, b'{"choices": "' + b"<&\x01" * 100_000 + b'"}'),))
        for n in range(9)
    }
    verdict: dict[str, Any] = run_of(Evidence(big), tmp_path)
    verdict["rows"] = [{**row, "verdict": "FAIL", "exchanges": list(big), "detail": "<" * 2000} for row in verdict["rows"]]
    assert len(verdict["rows"]) > 150
    assert len(page(verdict, Evidence(big), "en").encode()) < LIMIT


@pytest.mark.slow
def test_the_page_of_everything_stays_small(golden: Evidence, tmp_path: Path) -> None:
    assert len(page(run_of(golden, tmp_path), golden, "en").encode()) < LIMIT


def test_the_page_can_be_made_again_from_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_of(evidence(BAD), tmp_path)
    write_evidence(tmp_path / "evidence.jsonl", evidence(BAD))
    assert main(["html", str(tmp_path), "--lang", "zh"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "index.html")
    assert 'data-lang="zh"' in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("kind", ["clean", "red", "waived", "blocked", "empty"])
def test_every_kind_of_verdict_keeps_the_published_schema(kind: str, tmp_path: Path) -> None:
    seen = {"clean": (GOOD,), "red": (BAD,), "waived": (BAD,), "blocked": (DEAD,), "empty": ()}[kind]
    waivers = (waiver("2999-01-01"),) if kind == "waived" else ()
    run_of(evidence(*seen), tmp_path, waivers)
    verdict = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))
    assert breach("report/verdict", verdict) is None
    expected = {"red": "FAIL", "waived": "WAIVED", "blocked": "BLOCKED"}.get(kind)
    assert expected is None or expected in verdict["counts"]


@pytest.mark.slow
def test_a_run_that_comes_to_nothing_leaves_no_old_page(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("open")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "api and env", "--target", "reference"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "ERNIE", "COV"))}
    done = subprocess.run([*command, "--report-dir", str(tmp_path)], cwd=ROOT, env=clean, timeout=120, check=False)
    assert done.returncode == 5
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["verdict.json"]


@pytest.mark.slow
def test_a_page_that_cannot_be_written_is_told_and_changes_no_verdict(tmp_path: Path) -> None:
    write_evidence(tmp_path / "e.jsonl", evidence(GOOD))
    (tmp_path / "r" / "index.html" / "in the way").mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "wire", "--replay", str(tmp_path / "e.jsonl")]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "ERNIE", "COV"))}
    ran = {"cwd": ROOT, "env": clean, "text": True, "capture_output": True, "timeout": 120, "check": False}
    blocked = subprocess.run([*command, "--report-dir", str(tmp_path / "r")], **ran)  # type: ignore[call-overload]
    free = subprocess.run([*command, "--report-dir", str(tmp_path / "free")], **ran)  # type: ignore[call-overload]
    assert blocked.returncode == free.returncode
    assert blocked.stdout.count("the report page couldn't be written: IsADirectoryError") == 1
    assert "report: " in free.stdout
    gates = [json.loads((tmp_path / name / "verdict.json").read_text())["gate"] for name in ("r", "free")]
    assert gates[0] == gates[1]
    assert [path.name for path in (tmp_path / "r").glob(".index*")] == []


def test_every_word_that_the_page_asks_for_comes_in_both_languages() -> None:
    words, template = read_table(PAGE / "words.toml"), (PAGE / "report.html.j2").read_text(encoding="utf-8")
    made = {*GATES, *(f"{gate}_why" for gate in GATES), *(f"mark_{kind}" for kind in ("met", "bad", "doubt"))}
    made |= {"running", "interrupted", "done", "first", "gaps", "speed", "used", "unused", "stale", "expired"}
    asked = set(re.findall(r'w\("([\w-]+)"\)', template))
    assert asked | made <= set(words)
    assert all(set(texts) == {"en", "zh"} and all(texts.values()) for texts in words.values())
