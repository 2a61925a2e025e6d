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
from filelock import FileLock

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.judge.verdicts import Finding, Ruling, printable
from ernie_conformance.paths import TESTS
from ernie_conformance.report.env_table import env_table
from ernie_conformance.report.html import keep_page, page
from ernie_conformance.report.terminal import summary_lines
from ernie_conformance.report.verdict import Run, keep_verdict, verdict_of
from ernie_conformance.report.words import word
from ernie_conformance.suite import run
from ernie_conformance.suite.folder import hear_no_signals, take, unwritable
from ernie_conformance.suite.items import CASE, RULING
from ernie_conformance.suite.settings import header, language_of, read_settings
from ernie_conformance.tables import UsageError
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
        self._judges = judges(config)
        self._ruled_out = _ruled_out(config.getoption("markexpr") or "")
        self.result: dict[str, Any] | None = None
        self._read = Evidence({})  # what the result was made from
        self._page = ""  # where the page for people is, or why there is none

    def pytest_report_header(self) -> list[str]:
        return header(self.settings) if self._judges else []

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
        if not self.controller or not self._judges:
            return
        if not self._rulings and exitstatus in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
            return  # the running verdict stays closed
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        try:
            self._conclude(interrupted)
        except KeyboardInterrupt:  # while the report was made, so that the verdict stands nowhere yet
            session.exitstatus = pytest.ExitCode.INTERRUPTED
            hear_no_signals()
            self._conclude(interrupted=True)
        if self.result and self.result["gate"] == "closed" and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _conclude(self, interrupted: bool) -> None:
        """Write the verdict and the page for people. What takes long comes first, for it may be interrupted."""
        folder, narrowed = self.settings.report_dir, _narrowed(self.config) or interrupted
        evidence = self._read = self._evidence()
        verdict = verdict_of(Run(self.settings.terms, self._rulings, evidence, narrowed, interrupted))
        made = self._make_page(verdict, evidence)
        hear_no_signals()
        try:
            keep_verdict(folder, verdict)
        except OSError as error:
            verdict["gate"], made = "closed", ""  # as the file has said since the run began
            verdict["problems"].append(unwritable(folder, error))
        self.result = verdict
        self._tell_junit(verdict)
        if made:
            self._keep_page(made)

    def _evidence(self) -> Evidence:
        if self.settings.recorded is not None:
            return self.settings.recorded
        if run.EVIDENCE in self.config.stash:
            return self.config.stash[run.EVIDENCE]
        folder = self.settings.report_dir
        return read_evidence(folder / "evidence.jsonl") if run.has_gathered(folder) else Evidence({})

    def _tell_junit(self, verdict: dict[str, Any]) -> None:
        """Facts of the whole run for --junitxml; workers' own properties of the suite would be lost."""
        junit = self.config.stash.get(xml_key, None)
        if junit is not None:
            facts = {f"target.{name}": text for name, text in verdict["target"].items()}
            facts |= {name: verdict[name] for name in ("gate", "state", "profile", "suite")}
            for name, text in facts.items():
                junit.add_global_property(name, str(text))

    def _make_page(self, verdict: dict[str, Any], evidence: Evidence) -> str:
        """The page for people, "" when it can't be made: a defect here doesn't change the verdict."""
        folder, lang = self.settings.report_dir, self.settings.lang
        try:
            if self.settings.recorded is not None:
                red = {name for row in verdict["rows"] for name in row["exchanges"]}
                run.write_requests(folder / "requests", (e for name, e in evidence.exchanges.items() if name in red))
            return page(verdict, evidence, lang)
        except Exception as defect:
            self._page = _no_page(defect)
            return ""

    def _keep_page(self, made: str) -> None:
        try:
            self._page = f"{word('report', self.settings.lang)}: {_near(keep_page(self.settings.report_dir, made))}"
        except OSError as defect:
            self._page = _no_page(defect)

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


def _no_page(defect: Exception) -> str:
    return f"! the report page couldn't be written: {printable(f'{type(defect).__name__}: {defect}', 300)}"


def judges(config: pytest.Config) -> bool:
    """Is this a run that comes to a verdict? Not the suite's own tests, nor a call that pytest only tells something."""
    tells = ("help", "markers", "collectonly", "showfixtures", "show_fixtures_per_test", "cacheshow")
    return not _selftest_only(config) and not any(config.getoption(name, False) for name in tells)


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


def _taken(folder: Path) -> FileLock:
    try:
        return take(folder)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


def configure(config: pytest.Config) -> None:
    """Take the report folder, check the options, and register the hooks. Raises pytest.UsageError."""
    run.keep_legible(config.getoption("lang") or language_of(dict(os.environ)))
    if run.is_controller(config):
        run.name_the_run()
        signal.signal(signal.SIGTERM, _interrupt)
        if judges(config):
            config.stash[run.FOLDER] = _taken(Path(config.getoption("report_dir")).resolve())
    config.stash[run.SETTINGS] = read_settings(config)
    config.pluginmanager.register(Conformance(config), "conformance")
