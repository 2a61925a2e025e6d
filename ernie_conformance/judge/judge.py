"""The one judge: a test, put to evidence, gives a ruling. Pytest, replay, comparison and the kill matrix all come here."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.outcome import Blocked, Broken, Inconclusive, NotAsked, NotTestable, Outcome, Warned
from ernie_conformance.judge.rows import Row, load_rows
from ernie_conformance.judge.subjects import TRAFFIC, Subjects, calls
from ernie_conformance.judge.verdicts import Finding, Ruling
from ernie_conformance.judge.views import STATUS, TRANSPORT
from ernie_conformance.judge.waivers import Waiver, accepts, covering
from ernie_conformance.paths import ROOT, TESTS
from ernie_conformance.tables import UsageError
from ernie_conformance.targets import Target
from ernie_conformance.wire.evidence import Evidence


@dataclass(frozen=True)
class Case:
    """One test of the suite, or one parameter set of it. `bound` maps a parameter to the exchange it stands for."""

    row: Row
    check: Callable[..., None]
    test: str
    bound: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Terms:
    """On what terms evidence is judged. `accepted` are risks that the operator accepts in the open: ROW or ROW:PATTERN."""

    target: Target
    profile: str = "release"
    waivers: tuple[Waiver, ...] = ()
    accepted: frozenset[str] = frozenset()


def for_each(**cases: Iterable[str]) -> Callable[[Any], Any]:
    """Put a test once for each exchange name: `@for_each(refused=BAD_REQUESTS)` binds the parameter `refused`."""
    ((parameter, names),) = cases.items()

    def mark(check: Any) -> Any:
        check.__cases__ = (parameter, list(names))
        return check

    return mark


def cases_of(check: Any, test: str) -> Iterator[Case]:
    """The cases of one test function. Raises UsageError when its row isn't in rows/, or its parameter means traffic."""
    name = check.__row__
    rows = load_rows()
    if name not in rows:
        raise UsageError(f"{test} asks row {name}, which no file in rows/ has; add it there")
    parameter, values = getattr(check, "__cases__", ("", []))
    if parameter in TRAFFIC:
        raise UsageError(f"{test} binds {parameter!r}, which means every exchange of that kind; call it something else")
    if not parameter:
        yield Case(rows[name], check, test)
    for value in values:
        yield Case(rows[name], check, f"{test}[{value}]", {parameter: value})


def rule(case: Case, evidence: Evidence, terms: Terms, among: Collection[str] | None = None) -> Ruling:
    """Put one test to the evidence. Never raises: a defect of the test itself is an ERROR ruling.

    `among`: the exchanges that a test of every one of a kind is put to; None for all.
    """
    row, target = case.row, terms.target
    missing = [need for need in row.needs if need not in target.capabilities]
    if missing:
        return Ruling(row, case.test, verdicts.NOT_TESTABLE, (Finding(f"not declared: {', '.join(missing)}"),))
    if row.disruptive and not target.disruptive:
        return Ruling(row, case.test, verdicts.NOT_ASKED, (Finding("may disturb the server; allow it with --disruptive"),))
    endings: list[Outcome] = []
    asked = 0
    try:
        for arguments in calls(case.check, Subjects(evidence, target, among), case.bound):
            try:
                case.check(**arguments)
                asked += 1
            except Outcome as outcome:
                endings.append(_reached(outcome, row, evidence))
                asked += isinstance(endings[-1], (Broken, Warned))
    except Outcome as outcome:
        endings.append(_reached(outcome, row, evidence))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"the suite itself failed: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        return Ruling(row, case.test, verdicts.ERROR, (Finding(detail),), asked)
    return _ruling(case, endings, asked, terms)


def _reached(outcome: Outcome, row: Row, evidence: Evidence) -> Outcome:
    """`outcome`, blocked by the transport where all that shows it never reached a server that had stopped answering."""
    shown = [evidence.exchanges[name] for name in outcome.exchanges if name in evidence.exchanges]
    if row.id == TRANSPORT or not shown:
        return outcome
    if isinstance(outcome, Blocked):  # no status isn't a wrong one
        silent = outcome.by == STATUS and all(exchange.status is None for exchange in shown)
    else:
        unsent = all((exchange.error or "").startswith("connect:") for exchange in shown)
        silent = isinstance(outcome, (Broken, Warned)) and unsent and evidence.given_up
    return Blocked(TRANSPORT, outcome.detail, *outcome.exchanges) if silent else outcome


def _ruling(case: Case, endings: list[Outcome], asked: int, terms: Terms) -> Ruling:
    row = case.row

    def found(kind: type[Outcome]) -> tuple[Finding, ...]:
        return tuple(_finding(row, ending, terms) for ending in endings if isinstance(ending, kind))

    if broken := found(Broken):
        open_ones = tuple(f for f in broken if not f.waived)
        verdict = _red(row, terms.profile) if open_ones else verdicts.WAIVED
        return Ruling(row, case.test, verdict, open_ones + tuple(f for f in broken if f.waived), asked)
    if unclear := found(Inconclusive):
        return Ruling(row, case.test, verdicts.INCONCLUSIVE, unclear, asked)
    if warned := found(Warned):
        verdict = verdicts.WAIVED if all(f.waived for f in warned) else verdicts.WARN
        return Ruling(row, case.test, verdict, warned, asked)
    if asked:  # what blocked it for some exchanges is another row's red; it was exercised by the others
        return Ruling(row, case.test, verdicts.PASS, (), asked)
    for kind, verdict in (
        (Blocked, verdicts.BLOCKED),
        (NotTestable, verdicts.NOT_TESTABLE),
        (NotAsked, verdicts.NOT_ASKED),
    ):
        if put_off := found(kind):
            verdict = verdicts.WAIVED if all(f.waived for f in put_off) else verdict
            return Ruling(row, case.test, verdict, put_off, asked)
    raise AssertionError(f"{case.test} ended without a ruling")


def _finding(row: Row, outcome: Outcome, terms: Terms) -> Finding:
    waivers = covering(terms.waivers, row.id, outcome.exchanges)
    accepted = accepts(terms.accepted, row.id, outcome.exchanges)
    waived = "accepted risk" if accepted else waivers[0].reason if waivers else ""
    by = outcome.by if isinstance(outcome, Blocked) else ""
    return Finding(outcome.detail, outcome.exchanges, by, waived if isinstance(outcome, (Broken, Warned, Blocked)) else "")


def _red(row: Row, profile: str) -> str:
    strict = profile == "strict" and row.layer == "openai"
    return verdicts.FAIL if row.level == "MUST" or strict else verdicts.WARN


def _module(path: Path) -> ModuleType:
    name = ".".join(("suite", *path.relative_to(TESTS).with_suffix("").parts))
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@cache
def suite_cases(*parts: str) -> tuple[Case, ...]:
    """Every case of the named parts (all when none is named), as pytest would collect them."""
    found: list[Case] = []
    for part in parts or ("env", "api", "acceptance"):
        for path in sorted((TESTS / part).glob("test_*.py")):
            for name, check in vars(_module(path)).items():
                if name.startswith("test_") and hasattr(check, "__row__"):
                    found.extend(cases_of(check, f"{path.relative_to(ROOT).as_posix()}::{name}"))
    return tuple(found)


def judge(evidence: Evidence, terms: Terms, cases: Iterable[Case] | None = None) -> list[Ruling]:
    """Rulings of every case over one run's evidence."""
    return [rule(case, evidence, terms) for case in (suite_cases() if cases is None else cases)]
