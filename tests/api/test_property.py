"""Generated requests: legal ones get legal answers, and those with one place put wrong are refused."""

from __future__ import annotations

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import generated as rules
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.wire.exchange import Exchange


@row("PROP-001")
def test_legal_requests_are_answered(generated: Scene, plain: Exchange) -> None:
    rules.are_answered(generated, plain)


@row("PROP-002")
def test_legal_requests_are_answered_in_form(generated: Scene) -> None:
    rules.are_answered_in_form(generated)


@row("PROP-003")
def test_wrong_messages_are_refused(generated: Scene) -> None:
    rules.are_refused(generated, structural=True)


@row("PROP-004")
def test_wrong_values_are_refused(generated: Scene) -> None:
    rules.are_refused(generated, structural=False)


@row("PROP-005")
def test_wrong_requests_leave_the_server_alive(generated: Scene) -> None:
    rules.leave_the_server_alive(generated)
