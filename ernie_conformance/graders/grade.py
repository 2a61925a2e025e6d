"""What a grader says about one output: findings that name their gate, never a bare score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: One output that trips one of these shows a broken server, not an unlucky sample: it fails its case at once.
HARD = frozenset({"empty", "control", "garbled", "loop"})
#: A thing that the caption claims and the picture doesn't show; counts once a yes/no question confirms it.
INVENTED = "invented"


@dataclass(frozen=True)
class Finding:
    """One breach: the gate's name, why it closed, and for an invented thing the words that claimed it."""

    gate: str
    why: str
    term: str = ""

    def __str__(self) -> str:
        return f"{self.gate}: {self.why}"


@dataclass(frozen=True)
class Grade:
    """The verdict on one output. `notes` tell what was matched (topic -> tier and words), for the report."""

    findings: tuple[Finding, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.findings

    @property
    def hard(self) -> bool:
        return any(finding.gate in HARD for finding in self.findings)

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(str(finding) for finding in self.findings)

    @property
    def suspects(self) -> tuple[str, ...]:
        """The words that claim things not in the picture, each to be confirmed by a question."""
        return tuple(finding.term for finding in self.findings if finding.gate == INVENTED)
