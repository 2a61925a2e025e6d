"""Suite tests as pytest items: each calls the one judge with its case and takes the ruling as its outcome."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from ernie_conformance.gather.catalogue import catalogue
from ernie_conformance.judge import verdicts
from ernie_conformance.judge.judge import Case, cases_of, rule
from ernie_conformance.judge.subjects import signature_of
from ernie_conformance.judge.verdicts import Ruling

CASE: pytest.StashKey[Case] = pytest.StashKey()
RULING: pytest.StashKey[Ruling] = pytest.StashKey()


def make_items(collector: pytest.Collector, name: str, check: Any) -> list[pytest.Item] | None:
    """The items of one suite test, None for any other object. Raises UsageError for a test that can't be put."""
    if not (name.startswith("test_") and callable(check) and hasattr(check, "__row__")):
        return None
    items: list[pytest.Item] = []
    for case in cases_of(check, name):
        item = pytest.Function.from_parent(collector, name=case.test, callobj=_put(case))
        case = Case(case.row, check, item.nodeid, case.bound)
        item.stash[CASE] = case
        item.obj = _put(case)
        item.add_marker(case.row.part)
        item.add_marker(case.row.area)
        for need in set(case.row.needs) & {"behaviour"}:
            item.add_marker(need)
        if case.row.disruptive:
            item.add_marker("disruptive")
        item.user_properties += [("row", case.row.id), ("part", case.row.part), ("level", case.row.level)]
        items.append(item)
    return items


def _put(case: Case) -> Callable[..., None]:
    """A test function in pytest's eyes: takes the run's evidence and terms, and ends as the ruling says."""

    def put(evidence: Any, terms: Any, request: pytest.FixtureRequest) -> None:
        ruling = rule(case, evidence, terms)
        request.node.stash[RULING] = ruling
        if ruling.verdict in (verdicts.FAIL, verdicts.INCONCLUSIVE, verdicts.ERROR):
            pytest.fail(f"{case.row.id} {ruling.verdict}: {ruling.detail}", pytrace=False)
        if ruling.verdict != verdicts.PASS:
            pytest.skip(f"{ruling.verdict}: {ruling.detail}")

    put.__name__ = case.check.__name__
    put.__doc__ = case.row.text
    put.__wrapped__ = case.check  # type: ignore[attr-defined]  # pytest reports the test's own file and line
    put.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("evidence", "terms", "request")]
    )
    return put


def needs_of(case: Case) -> set[str]:
    """The asks and scenarios that a case needs. Raises pytest.UsageError for a name that no catalogue has."""
    found = set()
    for name in signature_of(case.check).named:
        name = case.bound.get(name.replace("-", "_"), name)
        owner = catalogue().owner(name)
        if owner is None:
            raise pytest.UsageError(f"{case.test} needs {name!r}, which no module in gather/asks has")
        found.add(owner)
    return found
