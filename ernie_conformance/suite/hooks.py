"""The hooks that carry rulings from items to the verdict file and the terminal."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from _pytest.junitxml import xml_key  # no public way leads to suite-wide properties from the controller

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.judge.verdicts import Finding, Ruling, printable
from ernie_conformance.paths import TESTS
from ernie_conformance.report.env_table import env_table
from ernie_conformance.report.html import forget_page, write_page
from ernie_conformance.report.terminal import summary_lines
from ernie_conformance.report.verdict import Run, begin, finish
from ernie_conformance.report.words import word
from ernie_conformance.suite import run
from ernie_conformance.suite.items import CASE, RULING
from ernie_conformance.suite.settings import header, read_settings
from ernie_conformance.wire.evidence import Evidence, read_evidence

SHOWN_AS_EXPECTED = {verdicts.WARN, verdicts.WAIVED}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class Conformance:
    """The plugin of one pytest process. In the controller it also gathers rulings and writes the verdict."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.settings = config.stash[run.SETTINGS]
        self.controller = run.is_controller(config)
        self._rulings: list[Ruling] = []
        self._rows: dict[str, str] = {}  # node id -> row, for an item whose worker crashed
        self._selftest_only = _selftest_only(config) or config.option.collectonly
        self._ruled_out = _ruled_out(config.getoption("markexpr") or "")
        self.result: dict[str, Any] | None = None
        self._read = Evidence({})  # what the result was made from
        self._page = ""  # where the page for people is, or why there is none

    def pytest_report_header(self) -> list[str]:
        return [] if self._selftest_only else header(self.settings)

    def pytest_sessionstart(self) -> None:
        if self.controller and not self._selftest_only:
            begin(self.settings.report_dir)
            forget_page(self.settings.report_dir)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        cases = [i for i in items if CASE in i.stash]
        left_out = {i for i in cases if i.stash[CASE].row.area == "soak" and not self.settings.minutes}
        if self.settings.terms.profile == "smoke":
            left_out |= {i for i in cases if not i.stash[CASE].row.smoke}
        if left_out:
            items[:] = [i for i in items if i not in left_out]
            self.config.hook.pytest_deselected(items=list(left_out))

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out folders that the mark expression rules out: collecting the proofs costs more than a whole env run."""
        return True if collection_path.parent == TESTS and collection_path.name in self._ruled_out else None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        run.plan(self.config, session.items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report: Any = yield
        if CASE not in item.stash:
            return report
        report.row = item.stash[CASE].row.id
        ruling = item.stash.get(RULING, None)
        if report.when == "call" and ruling is not None:
            report.ruling = {
                "verdict": ruling.verdict,
                "asked": ruling.asked,
                "findings": [asdict(f) for f in ruling.findings],
            }
            if ruling.verdict in SHOWN_AS_EXPECTED:
                report.wasxfail = f"{ruling.verdict}: {ruling.detail}"
        return report

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep rulings; an item that broke off without one is the suite's own error."""
        if not self.controller:
            return
        if hasattr(report, "row"):
            self._rows[report.nodeid] = report.row
        row = load_rows().get(self._rows.get(report.nodeid, ""))
        if row is None:
            return
        if hasattr(report, "ruling"):
            kept = report.ruling
            findings = tuple(Finding(**{**f, "exchanges": tuple(f["exchanges"])}) for f in kept["findings"])
            self._rulings.append(Ruling(row, report.nodeid, kept["verdict"], findings, kept["asked"]))
        elif report.failed:
            detail = f"the suite itself failed in {report.when}: {str(report.longrepr).strip().splitlines()[-1:]}"
            self._rulings.append(Ruling(row, report.nodeid, verdicts.ERROR, (Finding(detail),)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if not self.controller or self._selftest_only:
            return
        if not self._rulings and exitstatus in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
            return  # the running verdict stays closed
        evidence = self._read = self._evidence()
        narrowed = _narrowed(self.config) or exitstatus == pytest.ExitCode.INTERRUPTED
        outcome = Run(self.settings.terms, self._rulings, evidence, narrowed, exitstatus == pytest.ExitCode.INTERRUPTED)
        self.result = finish(self.settings.report_dir, outcome)
        self._tell_junit(self.result)
        self._page = self._write_page(self.result, evidence)
        if self.result["gate"] == "closed" and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _evidence(self) -> Evidence:
        if self.settings.recorded is not None:
            return self.settings.recorded
        if run.EVIDENCE in self.config.stash:
            return self.config.stash[run.EVIDENCE]
        path: Path = self.settings.report_dir / "evidence.jsonl"
        return read_evidence(path) if path.exists() and self._rulings else Evidence({})

    def _tell_junit(self, verdict: dict[str, Any]) -> None:
        """Facts of the whole run for --junitxml; workers' own properties of the suite would be lost."""
        junit = self.config.stash.get(xml_key, None)
        if junit is not None:
            facts = {f"target.{name}": text for name, text in verdict["target"].items()}
            facts |= {name: verdict[name] for name in ("gate", "state", "profile", "suite")}
            for name, text in facts.items():
                junit.add_global_property(name, str(text))

    def _write_page(self, verdict: dict[str, Any], evidence: Evidence) -> str:
        """Write the page for people and say where it is. The verdict stands already: a defect here doesn't change it."""
        folder, lang = self.settings.report_dir, self.settings.lang
        try:
            if self.settings.recorded is not None:
                red = {name for row in verdict["rows"] for name in row["exchanges"]}
                run.write_requests(folder / "requests", (e for name, e in evidence.exchanges.items() if name in red))
            return f"{word('report', lang)}: {_near(write_page(folder, verdict, evidence, lang))}"
        except Exception as defect:
            return f"! the report page couldn't be written: {printable(f'{type(defect).__name__}: {defect}', 300)}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.result is None:
            return
        evidence, lang = self._read, self.settings.lang
        found = {row["id"]: row["verdict"] for row in self.result["rows"]}
        *summary, gate = summary_lines(self.result, evidence, lang, _near(self.settings.report_dir))
        for line in (*env_table(evidence.facts, found, lang), *summary, self._page, gate):
            terminalreporter.write_line(line)


def _near(path: Path) -> str:
    """`path` as the operator would type it here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _selftest_only(config: pytest.Config) -> bool:
    arguments = [Path(a.split("::")[0]) for a in config.args]
    return (bool(arguments) and all("selftest" in a.parts for a in arguments)) or config.getoption("markexpr") == "selftest"


def _ruled_out(expression: str) -> set[str]:
    """Folders of tests/ in which nothing can carry the marks asked for. Whatever says `not` rules nothing out."""
    words = set(re.findall(r"[\w-]+", expression)) - {"or", "and"}
    if not words or "not" in words or words & {"selftest", "slow"}:
        return set()
    parts = {row.part for row in load_rows().values() if words & {row.part, row.area, "disruptive", "behaviour"}}
    return {"selftest", "env", "api", "acceptance"} - parts


def _narrowed(config: pytest.Config) -> bool:
    """Was the selection narrowed beyond whole parts?"""
    option = config.getoption
    whole = {"", "env", "api", "acceptance"}
    parts = {part.strip() for part in (option("markexpr") or "").split(" or ")}
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS and not set(config.args) <= {"tests"}
    return bool(option("keyword") or option("lf", False) or option("deselect", None) or not parts <= whole or chosen)


def configure(config: pytest.Config) -> None:
    """Check the options, and register the hooks. Raises pytest.UsageError."""
    run.keep_stderr_utf8()
    if run.is_controller(config):
        run.name_the_run()
        signal.signal(signal.SIGTERM, _interrupt)
    config.stash[run.SETTINGS] = read_settings(config)
    config.pluginmanager.register(Conformance(config), "conformance")
