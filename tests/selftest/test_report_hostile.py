"""What a hostile server says stays text: it can't break or inject into the terminal, JUnit or the page, nor flood them."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report_runs import HOSTILE, Outline, chat, run_of

from ernie_conformance.graders.material import image_specs
from ernie_conformance.judge.verdicts import LONGEST, Finding, printable
from ernie_conformance.paths import ROOT
from ernie_conformance.report.html import page, write_page
from ernie_conformance.report.terminal import summary_lines
from ernie_conformance.wire.evidence import Evidence, write_evidence

LIMIT = 120  # seconds for a run or a browser on a loaded machine
HUGE = "<b>\x1b[31m" * 1_250_000  # 10 MB
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069]")


def exchanges(said: str) -> Evidence:
    """Every way in which a server's text reaches a report: answers, streams, refusals, errors, headers, logs."""
    plain = chat("plain", said)
    body = plain.pieces[0][1]
    streaming = replace(plain.request, body=b'{"stream": true, "messages": [{"role": "user", "content": "hi"}]}')
    found = [
        plain,
        chat("typed", {said[:100]: said}),
        chat("refused", said, status=400),
        chat("broken", said, error=f"broken: RemoteProtocolError: {said[:3000]}"),
        replace(plain, name="bytes", pieces=((0.1, said.encode("utf-8", "surrogatepass")),)),
        replace(plain, name="streamed", request=streaming, headers=(("Content-Type", "text/event-stream"),)),
        replace(
            plain,
            name="events",
            request=streaming,
            headers=(("Content-Type", "text/event-stream"),),
            pieces=((0.1, b"data: " + body + b"\n\n"), (0.2, b"data: " + said.encode("utf-8", "surrogatepass") + b"\n\n")),
        ),
        chat(f"photo-{next(iter(image_specs()))}-1", said[:100_000]),
    ]
    return Evidence({exchange.name: exchange for exchange in found})


@pytest.fixture(params=[pytest.param(HOSTILE, id="hostile"), pytest.param(HUGE, id="10 MB", marks=pytest.mark.slow)])
def said(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_page_has_the_same_elements_whatever_was_said(said: str, tmp_path: Path) -> None:
    evidence = exchanges(said)
    verdict = run_of(evidence, tmp_path)
    assert verdict["counts"]["FAIL"] > 3
    found = page(verdict, evidence, "en")
    outline = Outline(found)
    assert outline.unclosed == []
    assert outline.handlers == []
    assert outline.elements.count("script") == 1
    assert outline.elements.count("img") == 1  # the photograph that was described
    assert {*outline.elements} <= {*Outline(page(verdict, exchanges("hi"), "en")).elements, "mark"}
    assert CONTROLS.findall(found) == []
    assert len(found.encode()) < 1_000_000
    assert said[:3] in outline.text  # it is shown, as text


def test_the_terminal_gets_single_printable_lines(said: str, tmp_path: Path) -> None:
    evidence = exchanges(said)
    lines = summary_lines(run_of(evidence, tmp_path), evidence, "zh")
    assert any(line.startswith("FAIL") for line in lines)
    assert all(line.isprintable() and len(line) < 1200 for line in lines)
    assert not any(line.lstrip().startswith("::") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_whole_run_over_a_hostile_recording(said: str, workers: str, tmp_path: Path) -> None:
    write_evidence(tmp_path / "e.jsonl", exchanges(said))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", workers, "-m", "wire or schema or streaming"]
    options = [
        "--replay",
        str(tmp_path / "e.jsonl"),
        "--report-dir",
        str(tmp_path / "r"),
        "--junitxml",
        str(tmp_path / "j.xml"),
    ]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "ERNIE", "COV"))}
    done = subprocess.run([*command, *options], cwd=ROOT, env=clean, capture_output=True, timeout=LIMIT, check=False)
    printed = done.stdout.decode("utf-8")
    assert done.returncode == 1, printed[-2000:]
    assert CONTROLS.findall(printed) == []
    assert len(printed) < 100_000
    assert not re.search(r"^\s*::", printed, re.MULTILINE)
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()[0]
    facts = {one.get("name"): one.get("value") for one in suite.findall("properties/property")}
    assert (facts["gate"], facts["target.kind"]) == ("closed", "replay")
    failed = [case for case in suite.findall("testcase") if case.find("failure") is not None]
    assert failed
    for case in failed:
        properties = {one.get("name"): one.get("value") for one in case.findall("properties/property")}
        assert {"row", "part", "level"} <= set(properties)
        message = str(case.find("failure").get("message"))  # type: ignore[union-attr]
        assert message.replace("\n[truncated; ", "").isprintable()  # pytest's own words after what it cuts
        assert len(message) < LONGEST + 100
    assert (tmp_path / "r" / "index.html").stat().st_size < 1_000_000


def test_a_detail_is_one_printable_line_of_bounded_length() -> None:
    assert Finding("a\nb\x1b[0m\u202ec").detail == "a\\nb\\x1b[0m\\u202ec"
    assert len(Finding(HUGE).detail) == LONGEST
    assert Finding(Finding(HOSTILE).detail) == Finding(HOSTILE)
    assert printable("\ud800") == "\\ud800"


needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here, a developer's extra")


def seen_by_a_browser(file: Path, width: int) -> str:
    """The page's elements after its script ran."""
    profile = file.parent / "profile"
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", *quiet, f"--user-data-dir={profile}"]
    drawn = [f"--window-size={width},2000", f"--screenshot={file.with_suffix('.png')}", "--dump-dom", file.as_uri()]
    done = subprocess.run([*command, *drawn], capture_output=True, timeout=LIMIT, check=False, start_new_session=True)
    return done.stdout.decode("utf-8")


@pytest.mark.slow
@needs_chromium
def test_a_browser_runs_our_script_and_nothing_that_was_said(tmp_path: Path) -> None:
    evidence = exchanges(HOSTILE)
    dom = seen_by_a_browser(write_page(tmp_path, run_of(evidence, tmp_path), evidence, "zh"), 1200)
    pressed = re.findall(r'<button[^>]*data-choose="(\w+)"[^>]*aria-pressed="(\w+)"', dom)
    assert pressed == [("en", "false"), ("zh", "true")]  # only our script writes that
    assert re.findall(r"<img (?!src=\"data:)", dom) == []
    assert dom.count("<script") == 1


# What a reader does, done by a script: filter, search, change the language; and how wide the page gets.
PROBE = """<script>
const shown = () => [...document.querySelectorAll("#rows .row:not([hidden])")].map(row => row.dataset.verdict);
const told = {width: document.documentElement.scrollWidth, window: window.innerWidth, all: shown().length};
document.querySelector('[data-filter="FAIL"]').click();
told.filtered = [...new Set(shown())];
document.querySelector('[data-filter=""]').click();
const search = document.getElementById("search");
search.value = "wire-001";
search.dispatchEvent(new Event("input"));
told.found = shown().length;
document.querySelector('[data-choose="en"]').click();
told.hidden = getComputedStyle(document.querySelector('h1 [lang="zh"]')).display;
document.title = JSON.stringify(told);
</script></body>"""


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("width", [500, 1200])
def test_the_page_filters_searches_and_fits_its_window(width: int, tmp_path: Path) -> None:
    evidence = exchanges(HOSTILE)
    verdict = run_of(evidence, tmp_path)
    file = tmp_path / "probed.html"
    probed = page(verdict, evidence, "zh").replace("</body>", PROBE)
    file.write_text(re.sub(r"<meta http-equiv[^>]*>", "", probed), encoding="utf-8")  # or the probe would be refused
    title = re.search(r"<title>(.*?)</title>", seen_by_a_browser(file, width))
    assert title is not None
    told = json.loads(html.unescape(title.group(1)))
    assert told["width"] <= told["window"] <= width
    assert told["all"] == len(verdict["rows"])
    assert (told["filtered"], told["hidden"]) == (["FAIL"], "none")
    assert 1 <= told["found"] < told["all"]
