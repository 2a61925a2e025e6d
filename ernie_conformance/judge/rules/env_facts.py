"""What env rows share: reaching a host's facts, and comparing a figure with the tutorial's and the vendor's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ernie_conformance.judge.outcome import Broken, NotAsked, NotTestable, Warned
from ernie_conformance.paths import FIXTURES
from ernie_conformance.tables import read_table

Facts = Mapping[str, Any]
GB = 10**9


def host(facts: Facts) -> Facts:
    """The host's record. Raises NotAsked when the evidence has none (recordings of other tools)."""
    if "host" not in facts:
        raise NotAsked("the evidence has no facts of a host")
    found: Facts = facts["host"]
    return found


def part(facts: Facts, name: str) -> Facts:
    """What one probe found. Raises RuntimeError when the probe itself failed: nothing is known, so nothing is green."""
    found: Facts = host(facts)[name]
    if "error" in found:
        raise RuntimeError(f"the probe of {name} failed: {found['error']}")
    return found


def server_here(facts: Facts) -> None:
    """Raises NotTestable when these facts may be of another machine than the server's."""
    target = host(facts)["target"]
    if target["elsewhere"] or (target["attached"] and not host(facts)["gpu"].get("devices")):
        raise NotTestable("attached to a server that may run on another host; these are the facts of this one")


def before_launch(facts: Facts) -> None:
    """Raises NotTestable when the server ran already while the facts were read."""
    if host(facts)["target"]["attached"]:
        raise NotTestable("attached to a server that runs already; this can only be seen before a launch")


@cache
def checks() -> dict[str, dict[str, Any]]:
    """The checks of fixtures/env/checks.toml by name."""
    return read_table(FIXTURES / "env" / "checks.toml")


def version_key(text: str) -> tuple[int, ...]:
    """Numbers of a version for comparing, without trailing zeros: "520.61.05" is (520, 61, 5), "12.0" is (12,)."""
    numbers = [int(n) for n in re.findall(r"\d+", text.split("+")[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def gigabytes(size: float) -> str:
    """Bytes as people write them: 10^9 with one decimal, less than 1 GB in MB."""
    return f"{size / GB:.1f} GB" if size >= GB else f"{size / 10**6:.0f} MB"


def reaches(check: str, found: Any, about: str = "") -> None:
    """Compare `found` (a version, or bytes, or a count) with the minima of `check`.

    Raises Broken when the vendor's isn't reached, or the tutorial's where the vendor has none; Warned when only the
    tutorial's isn't reached. The details say both figures.
    """
    figures = checks()[check]
    kind = figures["kind"]

    def key(value: Any) -> Any:
        if kind == "version":
            return version_key(value)
        return value * GB * (1 - figures.get("slack", 0)) if kind == "gigabytes" else value

    def show(value: Any) -> str:
        return f"{value} GB" if kind == "gigabytes" else str(value)

    value = version_key(found) if kind == "version" else found
    short = [who for who in ("vendor", "tutorial") if who in figures and value < key(figures[who])]
    if not short:
        return
    wanted = ", ".join(f"{who} {show(figures[who])}" for who in ("tutorial", "vendor") if who in figures)
    shown = gigabytes(found) if kind == "gigabytes" else str(found)
    detail = f"{about or figures['item']['en']}: found {shown}, required at least: {wanted}"
    raise Broken(detail) if "vendor" in short or "vendor" not in figures else Warned(detail)
