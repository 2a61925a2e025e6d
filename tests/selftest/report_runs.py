"""Small runs for the tests of reports: made-up exchanges, judged by the one judge, and what a hostile server may say."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from ernie_conformance.judge.judge import Terms, judge, suite_cases
from ernie_conformance.judge.waivers import Waiver
from ernie_conformance.report.verdict import Run, finish
from ernie_conformance.targets import load_target
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import ANSWER, Exchange, Request

JSON = (("Content-Type", "application/json"),)
# What breaks out of a page, a terminal, an XML file or a workflow's log when it is copied there as it is.
HOSTILE = (
    "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}"
    "\x1b[2J\x1b]0;owned\x07\x00\x08\u202e\u2028]]>&lt;\r\n::error::forged\n::stop-commands::x\n"
)


def chat(name: str, message: Any, *, status: int | None = 200, error: str | None = None, **more: Any) -> Exchange:
    """An exchange with a whole answer; `message` stands in every place where a server puts text."""
    request = {"model": "null", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    choice = {"index": 0, "message": {"role": "assistant", "content": message}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    answer = {"id": message, "object": "chat.completion", "created": 1, "model": "null", "choices": [choice], "usage": usage}
    return Exchange(
        name,
        Request("POST", "/v1/chat/completions", JSON, json.dumps(request).encode()),
        status,
        (("Content-Type", "application/json"), ("X-Said", str(message)[:80].replace("\n", " "))),
        ((0.1, json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogatepass")),),
        error=error,
        expects=ANSWER,
        log=str(message)[:5000],
        seconds=0.1,
        **more,
    )


def run_of(
    evidence: Evidence, folder: Path, waivers: tuple[Waiver, ...] = (), accepted: frozenset[str] = frozenset()
) -> Any:
    """The verdict of the api part over `evidence`, written to `folder`."""
    target = replace(load_target("attached"), kind="replay", base_url="http://127.0.0.1:8180", disruptive=True)
    terms = Terms(target, "release", waivers, accepted)
    rulings = judge(evidence, terms, suite_cases("api"))
    return finish(folder, Run(terms, rulings, evidence))


class Outline(HTMLParser):
    """The elements of a page, its text, and every attribute that could load or run something."""

    VOID = frozenset({"meta", "img", "br", "input", "link"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.unclosed: list[str] = []
        self.said: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(page)
        self.close()

    @property
    def text(self) -> str:
        return "".join(self.said)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag not in self.VOID and tag not in ("rect", "line"):
            self.unclosed.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("src", "href", "action", "data", "xlink:href"):
                self.links.append(value or "")
            elif name.startswith("on") or name in ("style", "srcdoc"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("rect", "line"):
            return
        assert self.unclosed, f"</{tag}> closes nothing"
        assert self.unclosed.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)
