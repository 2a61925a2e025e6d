"""Where a run's own CPU goes: a plugin for one measured pytest process, which charges CPU seconds to stages."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ernie_conformance.judge import schemas
from ernie_conformance.suite import hooks, items, run
from ernie_conformance.wire import sse

# What is timed: where it is looked up, its name there, and the stage that it belongs to.
TIMED: tuple[tuple[Any, str, str], ...] = (
    (run, "evidence_of", "traffic"),
    (run, "write_evidence", "evidence"),
    (run, "read_evidence", "evidence"),
    (run, "write_requests", "evidence"),
    (items, "rule", "judging"),
    (sse, "decode", "SSE"),
    (schemas, "_breach", "schemas"),
    (hooks, "verdict_of", "report"),
    (hooks, "page", "report"),
    (hooks, "summary_lines", "report"),
)
ELSE, START, COLLECTION = "pytest", "start", "collection"


class Stopwatch:
    """Each CPU second is charged to the innermost stage that is under way."""

    def __init__(self) -> None:
        self._charged = {START: time.process_time()}  # the imports so far
        self._stages = [START]
        self._since = time.process_time()

    def told(self) -> dict[str, float]:
        """CPU seconds by stage, the dearest first."""
        self._charge()
        return dict(sorted(self._charged.items(), key=lambda pair: -pair[1]))

    def _charge(self) -> None:
        now = time.process_time()
        self._charged[self._stages[-1]] = self._charged.get(self._stages[-1], 0.0) + now - self._since
        self._since = now

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._charge()
        self._stages.append(name)
        try:
            yield
        finally:
            self._charge()
            self._stages.pop()

    def _timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self._stage(stage):
                return function(*arguments, **named)

        return timed

    def pytest_sessionstart(self) -> None:
        """Put the watch around what is timed: everything is imported by now."""
        for place, name, stage in TIMED:
            setattr(place, name, self._timed(getattr(place, name), stage))

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Any:
        with self._stage(COLLECTION):
            result = yield
        self._charge()
        self._stages[0] = ELSE
        return result
