"""How the target would be started here: its command with the placeholders filled in, read back into options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ernie_conformance.launch.plan import read_plan
from ernie_conformance.tables import UsageError
from ernie_conformance.targets import Target

CACHE_QUEUE = 8003  # FastDeploy 2.0 to 2.2 bind it without being told; later ones choose a free one
LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}


@dataclass(frozen=True)
class Start:
    """One start: words of the command, ports by name (0: any free one), where the model lies."""

    argv: tuple[str, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    model_dir: str = "work/models"  # where the tutorial puts it
    server_python: str = ""
    is_local: bool = True
    problem: str = ""
    version: str = ""


def start_of(target: Target, *, server_python: str | None, model_dir: str | None, attached: bool) -> Start:
    """How `target` is started on this host. Never raises: what is wrong with its [launch] table is the `problem`."""
    is_local = not attached or (urlsplit(target.base_url).hostname or "") in LOOPBACK
    try:
        plan = read_plan(target)
    except UsageError as error:
        return Start(model_dir=model_dir or Start.model_dir, is_local=is_local, problem=str(error))
    place = model_dir or plan.model_dir or Start.model_dir
    values = {"server_python": server_python or "python3", "model_dir": place}
    words = tuple(
        _filled(word, {**values, **{name: str(port) for name, port in plan.ports.items()}}) for word in plan.command
    )
    ports = dict(plan.ports)
    if target.engine == "fastdeploy":
        given = dict(options_of(words)).get("--cache-queue-port")
        if given and given.isdigit():
            ports["cache_queue_port"] = int(given)
        elif target.version in ("", "2.0", "2.1", "2.2"):
            ports["cache_queue_port"] = CACHE_QUEUE
    return Start(words, ports, place, server_python or "", is_local, version=target.version)


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word


def read(start: Start) -> dict[str, Any]:
    """`argv`, and the `options` read from it as [flag, value] pairs in order (value None for a flag alone)."""
    return {"argv": list(start.argv), "options": options_of(start.argv), "version": start.version}


def options_of(argv: Sequence[str]) -> list[tuple[str, str | None]]:
    """The options of a command as argparse would split them: `--flag value`, `--flag=value`, `--flag` alone."""
    found: list[tuple[str, str | None]] = []
    for word in argv:
        if word.startswith("-") and not _is_number(word) and word != "-m":
            flag, equals, value = word.partition("=")
            found.append((flag, value if equals else None))
        elif found and found[-1][1] is None:
            found[-1] = (found[-1][0], word)
    return found


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
