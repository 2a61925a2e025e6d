"""The [launch] table of a target, given meaning: what to run, where, how long to wait, what it is known to leave behind."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

from ernie_conformance.paths import ROOT
from ernie_conformance.tables import UsageError
from ernie_conformance.targets import Target

ANY_ADDRESS = ""  # servers may bind every interface, so a port is free only when all of it is


@dataclass(frozen=True)
class Waits:
    """Seconds: until the process exists, the port opens, health says 200, a request is answered; to end when told to;
    for children, ports and memory to follow the process. `silence` ends a start whose log stands still that long (0: never).
    """

    process: float = 10.0
    port: float = 30.0
    health: float = 30.0
    answer: float = 30.0
    silence: float = 0.0
    stop: float = 20.0
    grace: float = 5.0


@dataclass(frozen=True)
class Leftover:
    """Something an engine is known to leave behind: files by a glob, or a System V message queue by its ftok.

    A name with {pid} or a port in it proves whose it is: it is removed when it is new. Any other is reported.
    """

    what: str
    clear: str  # the command that removes it, {path} or {id} filled in
    glob: str = ""
    queue: tuple[str, str] = ("", "")  # the path and the placeholder of the number that ftok takes


@dataclass(frozen=True)
class Plan:
    """How one target is launched. `command`, `environment` and `leftovers` may hold placeholders (see `Setting`)."""

    command: tuple[str, ...]
    ports: Mapping[str, int] = field(default_factory=dict)  # 0: any free one
    cwd: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    waits: Waits = Waits()
    logs: tuple[str, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    model_dir: str = ""
    with_api_key: tuple[str, ...] = ()  # further words of the command when the run has a key, {api_key} in them
    setup: str = ""  # the command that installs the engine, for people who haven't
    second_start: bool = False  # cheap enough to be started once more, to be stopped by SIGTERM


def read_plan(target: Target) -> Plan:
    """The target's [launch] table. Raises UsageError for one that lacks a command or has an unknown field."""
    table = dict(target.launch)
    if not table.get("command"):
        raise UsageError(f"target {target.name} has no [launch] command; attach to it with --base-url")
    if "port" not in table.get("ports", {}):
        raise UsageError(f"target {target.name}, [launch]: ports must say `port`; 0 means any free one")
    try:
        table["waits"] = Waits(**table.get("waits", {}))
        table["leftovers"] = tuple(
            Leftover(**{**left, "queue": tuple(left.get("queue", ("", "")))}) for left in table.get("leftovers", ())
        )
        table |= {name: tuple(table.get(name, ())) for name in ("command", "logs", "with_api_key")}
        return Plan(**table)
    except TypeError as error:
        known = ", ".join(f.name for f in fields(Plan))
        raise UsageError(f"target {target.name}, [launch]: {error}; known fields: {known}") from error


@dataclass(frozen=True)
class Setting:
    """What the placeholders of one start stand for."""

    values: Mapping[str, str]

    def fill(self, text: str) -> str:
        """`text` with its placeholders filled in. Raises UsageError for an unknown one."""
        try:
            return text.format(**self.values)
        except (KeyError, IndexError, ValueError) as error:
            raise UsageError(f"unknown placeholder in {text!r}; known: {', '.join(sorted(self.values))}") from error


def engine_python() -> str:
    """The first python3 on PATH outside our own environment. Raises UsageError when there is none."""
    own = Path(sys.prefix).resolve()
    for folder in (os.environ.get("PATH") or "").split(os.pathsep):
        found = shutil.which("python3", path=folder)
        if found and own not in Path(found).absolute().parents:
            return found
    raise UsageError("no python3 outside our own environment is on PATH; name the engine's with --server-python")


@contextmanager
def chosen_ports(ports: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """The ports of one start. Free ones are held until the block ends, so two starts side by side choose differently."""
    held: list[socket.socket] = []
    chosen = {}
    try:
        for name, number in ports.items():
            if number == 0:
                holder = socket.socket()
                held.append(holder)
                holder.bind((ANY_ADDRESS, 0))
                number = holder.getsockname()[1]
            chosen[name] = number
        yield chosen
    finally:
        for holder in held:
            holder.close()


def is_free(port: int) -> bool:
    """Could a server bind this port now? Connections in TIME_WAIT don't count, as servers ignore them too."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ANY_ADDRESS, port))
        except OSError:
            return False
    return True


def setting_of(
    plan: Plan, ports: Mapping[str, int], *, server_python: str | None, model_dir: str | None, report_dir: Path, speed: str
) -> Setting:
    """Placeholders of one start: the ports by name, interpreters, model directory, speed, report directory, root."""
    needed = any("{server_python}" in word for word in plan.command)
    return Setting(
        {
            **{name: str(number) for name, number in ports.items()},
            "suite_python": sys.executable,
            "server_python": server_python or (engine_python() if needed else ""),
            "model_dir": model_dir or plan.model_dir,
            "speed": speed,
            "report_dir": str(report_dir.resolve()),
            "root": str(ROOT),
        }
    )
