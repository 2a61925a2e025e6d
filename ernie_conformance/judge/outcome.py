"""How a check ends when it doesn't simply hold."""

from __future__ import annotations

from typing import Protocol


class Named(Protocol):
    """Anything that stands for one exchange."""

    @property
    def name(self) -> str: ...


class Outcome(Exception):
    """A check's end, with the exchanges that show it."""

    def __init__(self, detail: str, *exchanges: Named | str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.exchanges = tuple(e if isinstance(e, str) else e.name for e in exchanges)


class Broken(Outcome, AssertionError):
    """The row was exercised and didn't hold: FAIL for a MUST, WARN for a SHOULD."""


class Warned(Outcome):
    """What must hold holds, and a weaker figure of the same row doesn't: WARN, even for a MUST."""


class Blocked(Outcome):
    """The exchange is unusable for a reason that row `by` owns: no second red for one cause."""

    def __init__(self, by: str, detail: str, *exchanges: Named | str) -> None:
        super().__init__(detail, *exchanges)
        self.by = by


class NotTestable(Outcome):
    """The target doesn't declare what this row is about."""


class NotAsked(Outcome):
    """The question wasn't put: disruptive and not allowed, or absent from the evidence at hand."""


class Inconclusive(Outcome, AssertionError):
    """The budget ended before statistics could decide."""


def expect(held: bool, detail: str, *exchanges: Named | str) -> None:
    """Raise Broken with `detail` (what was seen, and what was owed) unless `held`."""
    if not held:
        raise Broken(detail, *exchanges)
