"""The acceptance pictures on the page: each photograph beside what the model said of it, words matched and missed marked."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape
from PIL import Image

from ernie_conformance.gather.asks.acceptance import grade_description, grade_summary, image_of, reply_of
from ernie_conformance.graders.grade import Grade
from ernie_conformance.graders.material import IMAGES, image_specs
from ernie_conformance.graders.rules import settle
from ernie_conformance.judge.verdicts import printable
from ernie_conformance.report.html_exchange import visible
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange

LANGUAGES = ("en", "zh")
EDGE = 480  # pixels of a picture's longer edge on the page
LONGEST = 3000  # characters shown of one output
UNCONFIRMED = "unconfirmed "  # how rules.settle names what a question didn't confirm


@dataclass(frozen=True)
class Output:
    """One graded output: its text with marks, the topics it met (topic, words) and why it wasn't accepted."""

    name: str
    passed: bool
    text: Markup
    met: list[tuple[str, str]]
    reasons: list[str]


@dataclass(frozen=True)
class Picture:
    """One photograph with what it shows, by language, and every output about it. `source` is a data URI."""

    title: str
    contents: dict[str, str]
    source: str
    outputs: list[Output]


def pictures(evidence: Evidence) -> list[Picture]:
    """Every photograph that was described."""
    described: dict[str, list[Output]] = {}
    doubts = list(_doubts(evidence))
    for exchange in _named(evidence, "photo-"):
        image = image_of(exchange.name)
        if image in image_specs():
            answers = {doubt["term"]: _said(evidence, doubt["asked"]) for doubt in doubts if doubt["run"] == exchange.name}
            described.setdefault(image, []).append(_output(exchange, settle(grade_description(exchange), answers)))
    return [
        Picture(
            image.replace("_", " "),
            {lang: spec[f"contents_{lang}"] for lang in LANGUAGES},
            thumbnail(spec),
            described[image],
        )
        for image, spec in image_specs().items()
        if image in described
    ]


def summaries(evidence: Evidence) -> list[Output]:
    """The runs of the text case."""
    return [_output(exchange, grade_summary(reply_of(exchange))) for exchange in _named(evidence, "text-summary-")]


def _named(evidence: Evidence, prefix: str) -> list[Exchange]:
    return [exchange for name, exchange in evidence.exchanges.items() if name.startswith(prefix)]


def _doubts(evidence: Evidence) -> Iterator[dict[str, Any]]:
    yield from evidence.notes.get("photo-descriptions", {}).get("doubts", ())


def _said(evidence: Evidence, name: str) -> str:
    reply = reply_of(evidence.exchanges[name]) if name in evidence.exchanges else None
    return reply.content if reply else ""


def _output(exchange: Exchange, grade: Grade) -> Output:
    reply = reply_of(exchange)
    said = reply.content if reply else ""
    met = {topic: words for topic, words in grade.notes.items() if not topic.startswith(UNCONFIRMED)}
    doubted = [topic.removeprefix(UNCONFIRMED) for topic in grade.notes if topic.startswith(UNCONFIRMED)]
    bad = [finding.term for finding in grade.findings if finding.term]
    kinds = {**dict.fromkeys(met.values(), "met"), **dict.fromkeys(doubted, "doubt"), **dict.fromkeys(bad, "bad")}
    return Output(
        name=printable(exchange.name, 120),
        passed=grade.passed,
        text=marked(said, kinds),
        met=[(topic, printable(words, 60)) for topic, words in met.items()],
        reasons=[printable(reason, 300) for reason in grade.reasons],
    )


def marked(said: str, words: Mapping[str, str]) -> Markup:
    """`said`, cut and made safe, each of `words` in a mark of its class; what only the folded text has stays bare."""
    left = len(said) - LONGEST
    text = visible(said[:LONGEST].encode("utf-8", "backslashreplace"))
    longest_first = sorted((word for word in words if word), key=len, reverse=True)
    if longest_first:
        known = {word.lower(): kind for word, kind in words.items()}
        parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text, flags=re.IGNORECASE)
        text = Markup("").join(
            Markup('<mark class="{}">{}</mark>').format(known[part.lower()], part) if part.lower() in known else escape(part)
            for part in parts
        )
    return escape(text) + (Markup(" … {}").format(f"+{left}") if left > 0 else Markup(""))


def thumbnail(spec: Mapping[str, Any]) -> str:
    """The photograph as a small JPEG in a data URI."""
    with Image.open(IMAGES / str(spec["file"])) as picture:
        small = picture.convert("RGB")
    small.thumbnail((EDGE, EDGE))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=72, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")
