"""What is tested: one TOML file a target in targets/, read into frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ernie_conformance.paths import TARGETS
from ernie_conformance.tables import UsageError, read_table

CAPABILITIES = {
    "chat": "chat completions",
    "completions": "text completions",
    "models": "a model list",
    "metrics": "Prometheus metrics on a port of their own",
    "health": "a health route",
    "reasoning": "a reasoning channel beside the answer",
    "thinking-switch": "a request field that turns thinking off",
    "vision": "image parts",
    "ernie-vision": "pictures that cost what ERNIE's own processor makes of them",
    "tools": "tool calls",
    "json": "JSON mode and JSON schemas",
    "logprobs": "token log probabilities",
    "several-choices": "n > 1",
    "seed": "repeatable sampling",
    "echo": "echo of the prompt in text completions",
    "min-tokens": "a least number of tokens",
    "prefix-cache": "a cache of prompts, told in usage",
    "cors": "answers to browsers of other origins",
    "api-key": "an API key that the suite knows",
    "gpu": "a GPU host",
    "behaviour": "a model capable enough to be judged by what it says",
    "recall": "a model that says what it was told, however long ago",
    "extractive": "a model that reports what it was shown",
    "process": "a server process that the suite launched",
}


@dataclass(frozen=True)
class Timeouts:
    """Seconds: to connect, to the first byte, between two bytes, for a whole exchange, for a disruptive one."""

    connect: float = 1.0
    first_byte: float = 2.0
    gap: float = 1.0
    total: float = 10.0
    disruptive: float = 3.0


@dataclass(frozen=True)
class Target:
    """One deployment to be judged. `capabilities` are declared here, never guessed from a failing answer."""

    name: str
    kind: str  # launched, attached, reference or replay
    engine: str
    version: str = ""
    base_url: str = ""
    metrics_url: str = ""
    model: str = "null"
    slots: int = 32
    max_model_len: int = 32768
    tokens_per_second: float = 60.0
    batch_invariant: bool = False  # are its answers the same whatever is generated beside them?
    capabilities: frozenset[str] = frozenset()
    timeouts: Timeouts = Timeouts()
    waivers: tuple[Path, ...] = ()
    launch: Mapping[str, Any] = field(default_factory=dict)  # the [launch] table as written; launch/ gives it meaning
    disruptive: bool = False  # may rows that can hang or kill a server be asked?

    @property
    def is_ours(self) -> bool:
        """Did the suite start this server, so that it may be disturbed and its counters are ours alone?"""
        return self.kind in ("launched", "reference")


def target_names() -> list[str]:
    return sorted(path.stem for path in TARGETS.glob("*.toml"))


def load_target(spec: str, speed: str = "") -> Target:
    """The target `NAME[@VERSION]`, at one of its speeds if it has several.

    Raises UsageError for an unknown name, version, field or capability.
    """
    name, _, version = spec.partition("@")
    path = TARGETS / f"{name}.toml"
    if name not in target_names():
        raise UsageError(f"there is no target {name!r}; choose one of: {', '.join(target_names())}")
    table = read_table(path)
    versions, speeds = table.pop("versions", {}), table.pop("speeds", {})
    table |= speeds.get(speed, {})
    if version:
        if version not in versions:
            known = ", ".join(versions) or "none"
            raise UsageError(f"target {name!r} has no version {version!r}; known versions: {known}")
        table = {**table, **versions[version], "version": version}
    return _target(table, path)


def _target(table: dict[str, Any], path: Path) -> Target:
    timeouts = Timeouts(**_known(table.pop("timeouts", {}), Timeouts, path))
    capabilities = frozenset(table.pop("capabilities", ()))
    if unknown := sorted(capabilities - set(CAPABILITIES)):
        raise UsageError(f"{path} declares unknown capabilities {unknown}; known: {', '.join(CAPABILITIES)}")
    waivers = tuple(path.parent.parent / "waivers" / name for name in table.pop("waivers", ()))
    launch = table.pop("launch", {})
    return Target(
        **_known(table, Target, path), timeouts=timeouts, capabilities=capabilities, waivers=waivers, launch=launch
    )


def _known(table: Mapping[str, Any], record: type, path: Path) -> dict[str, Any]:
    if unknown := sorted(set(table) - set(record.__dataclass_fields__)):  # type: ignore[attr-defined]
        raise UsageError(f"{path} has unknown fields {unknown}; remove them")
    return dict(table)
