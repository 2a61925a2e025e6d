"""The report page: index.html beside verdict.json, one file that opens from a disk without a network."""

from __future__ import annotations

import base64
import datetime
import hashlib
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ernie_conformance.files import whole
from ernie_conformance.judge import verdicts
from ernie_conformance.judge.verdicts import printable
from ernie_conformance.report.curl import repeat_line
from ernie_conformance.report.env_table import HEAD, env_rows
from ernie_conformance.report.html_exchange import Shown, shown
from ernie_conformance.report.html_pictures import LANGUAGES, pictures, summaries
from ernie_conformance.report.plots import UNITS, histogram, measures
from ernie_conformance.tables import read_table
from ernie_conformance.wire.evidence import Evidence

NAME = "index.html"
PAGE = Path(__file__).parent / "page"
RED = (verdicts.ERROR, verdicts.FAIL, verdicts.INCONCLUSIVE, verdicts.BLOCKED, verdicts.WARN, verdicts.WAIVED)
LEFT_OUT = (verdicts.NOT_TESTABLE, verdicts.NOT_ASKED)

# Bytes of answers: of one exchange, and of all of them together, so that a page of nothing but red stays small.
LARGEST, LEAST, ALL_TOGETHER = 6000, 500, 500_000
DETAIL = 800  # characters of what was seen
AGAIN = "--report-dir report/again"  # this report stays as it is
# Exchanges shown of one row; the others are named. Nobody reads hundreds of red rows: of those behind the worst, one.
SHOWN_EACH, WORST = 2, 100


def write_page(folder: Path, verdict: Mapping[str, Any], evidence: Evidence, lang: str) -> Path:
    """Make the page, write it into the report folder in one move, and return its path."""
    return keep_page(folder, page(verdict, evidence, lang))


def keep_page(folder: Path, text: str) -> Path:
    """Write a page that was made into the report folder."""
    with whole(folder / NAME) as out:
        out.write(text)
    return folder / NAME


def forget_page(folder: Path) -> None:
    """Remove the page of an earlier run: whatever becomes of the one that begins, it must not be taken for its page."""
    if (folder / NAME).is_file():
        (folder / NAME).unlink()


def page(verdict: Mapping[str, Any], evidence: Evidence, lang: str) -> str:
    """The page of one run, in both languages, `lang` first. Its curl lines find request bodies beside it."""
    rows = verdict["rows"]
    text: str = template("report.html.j2").render(
        verdict=verdict,
        lang=lang,
        **embedded(),
        started=_moment(verdict["started"]),
        cards=list(_cards(rows, evidence, verdict["target"]["base_url"])),
        again=_again(verdict["target"]),
        blocked=_grouped(rows, (verdicts.BLOCKED,), "blocked_by"),
        left_out=_grouped(rows, LEFT_OUT, "detail"),
        areas=_areas(rows),
        counts=[(kind, verdict["counts"][kind]) for kind in (verdicts.PASS, *RED, *LEFT_OUT) if kind in verdict["counts"]],
        environment=_environment(rows, evidence),
        environment_head=HEAD,
        command=" ".join((evidence.facts.get("launch") or {}).get("command", ())),
        plots=[
            (name, len(values), Markup(histogram(values, UNITS[name])))
            for name, values in measures(evidence).items()
            if values
        ],
        pictures=pictures(evidence),
        summaries=summaries(evidence),
        waivers=[(waiver, _days_left(waiver)) for waiver in verdict["waivers"]],
        red=RED,
    )
    return text


def embedded() -> dict[str, Markup | str]:
    """Style and script of a page, and the policy that lets the browser run these alone."""
    return {"style": _source("report.css"), "script": _source("report.js"), "policy": _policy()}


@cache
def _source(name: str) -> Markup:
    return Markup((PAGE / name).read_text(encoding="utf-8"))


@cache
def _words() -> dict[str, dict[str, str]]:
    return read_table(PAGE / "words.toml")


def _policy() -> str:
    """What the browser may run: our own script and style and nothing that a server said, even if an escape failed."""

    def digest(name: str) -> str:
        return base64.b64encode(hashlib.sha256(_source(name).encode()).digest()).decode("ascii")

    script, style = digest("report.js"), digest("report.css")
    return f"default-src 'none'; img-src data:; script-src 'sha256-{script}'; style-src 'sha256-{style}'"


@cache
def template(name: str) -> Any:
    """A template of page/, with the filters and words that pages share."""
    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["class"] = lambda verdict: "v-" + verdict.lower().replace(" ", "-")
    environment.filters["shell"] = shlex.quote
    environment.filters["cut"] = lambda text: printable(text, DETAIL)
    environment.globals["w"] = _both
    environment.globals["said"] = _said
    return environment.get_template(name)


def _both(key: str) -> Markup:
    """One of the page's words in both languages; the style sheet hides the one that isn't wanted."""
    return _said(_words()[key])


def _said(texts: Mapping[str, str]) -> Markup:
    return Markup("").join(Markup('<span lang="{}">{}</span>').format(lang, texts[lang]) for lang in LANGUAGES)


def _moment(epoch: float | None) -> str:
    return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC") if epoch else ""


def _cards(
    rows: list[dict[str, Any]], evidence: Evidence, base_url: str
) -> Iterator[tuple[dict[str, Any], list[Shown]]]:
    """Each red row, the worst first, with the exchanges that show it. What another row blocks is told with that row."""
    told = [row for kind in RED if kind != verdicts.BLOCKED for row in rows if row["verdict"] == kind]
    limit = max(LEAST, min(LARGEST, ALL_TOGETHER // (SHOWN_EACH * max(1, len(told)))))
    for number, row in enumerate(told):
        names = [name for name in row["exchanges"] if name in evidence.exchanges]
        exchanges = [evidence.exchanges[name] for name in names[: SHOWN_EACH if number < WORST else 1]]
        yield row, [shown(one, repeat_line(one, evidence, base_url, "."), limit) for one in exchanges]


def _again(target: Mapping[str, Any]) -> str:
    """How a test is put again to the same target, without its name: "" for one that isn't there any more."""
    if target["kind"] == "attached":
        return f"pytest {AGAIN} --base-url {shlex.quote(target['base_url'])}"
    return "" if target["kind"] == "replay" else f"pytest {AGAIN} --target {shlex.quote(target['name'])}"


def _grouped(rows: list[dict[str, Any]], kinds: tuple[str, ...], key: str) -> dict[tuple[str, str], list[str]]:
    """Ids of the rows of some verdicts, by verdict and what they give as `key`."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["verdict"] in kinds:
            groups.setdefault((row["verdict"], row[key]), []).append(row["id"])
    return groups


def _areas(rows: list[dict[str, Any]]) -> list[tuple[str, str, list[dict[str, Any]]]]:
    names = dict.fromkeys((row["part"], row["area"]) for row in rows)
    return [(part, area, [row for row in rows if (row["part"], row["area"]) == (part, area)]) for part, area in names]


def _environment(rows: list[dict[str, Any]], evidence: Evidence) -> dict[str, list[tuple[str, ...]]]:
    found = {row["id"]: row["verdict"] for row in rows}
    return {lang: env_rows(evidence.facts, found, lang) for lang in LANGUAGES}


def _plots(evidence: Evidence) -> list[tuple[str, int, Markup]]:
    """Name, number of values and drawing of each measure that has any."""
    found = measures(evidence).items()
    return [(name, len(values), Markup(histogram(values, UNITS[name]))) for name, values in found if values]


def _days_left(waiver: Mapping[str, str]) -> int:
    return (datetime.date.fromisoformat(waiver["expires"]) - datetime.date.today()).days
