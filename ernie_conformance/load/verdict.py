"""One exchange at a time, put to every row that holds for any exchange."""

from __future__ import annotations

from functools import cache

from ernie_conformance.judge.judge import Case, Terms, rule, suite_cases
from ernie_conformance.judge.subjects import signature_of
from ernie_conformance.judge.verdicts import ERROR, FAIL
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange


@cache
def single_cases() -> tuple[Case, ...]:
    """The tests that quantify over traffic and need nothing else: what they say of a thousand exchanges they say of one."""
    found = []
    for case in suite_cases("api"):
        signature = signature_of(case.check)
        if signature.every and set(signature.names) <= {signature.every, "target"}:
            found.append(case)
    return tuple(found)


def broken_rows(exchange: Exchange, terms: Terms) -> dict[str, str]:
    """Row → what was seen, for each row that `exchange` breaks and no waiver covers."""
    evidence = Evidence({exchange.name: exchange})
    rulings = (rule(case, evidence, terms) for case in single_cases())
    return {ruling.row.id: ruling.detail for ruling in rulings if ruling.verdict in (FAIL, ERROR)}
