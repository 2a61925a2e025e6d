"""Makes docs/engines.md: what each engine is known to do otherwise, with the bytes that show it and the upstream thread."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ernie_conformance.judge.rows import load_rows
from ernie_conformance.paths import ROOT, WAIVERS
from ernie_conformance.tables import UsageError, read_table

TABLE, PAGE = ROOT / "docs" / "engines.toml", ROOT / "docs" / "engines.md"
HEAD = """# What engines do otherwise

Each row that an engine is known to break: the exchanges that show it, what the engine does, the bytes, and an upstream
thread where we know of one. Made from engines.toml and waivers/ by `python -m ernie_conformance.programs.engines`.
"""
WAIVED = "\n| row | exchanges | versions | what it does | bytes | thread |\n|---|---|---|---|---|---|\n"
ACCEPTED = """
Can't be waived, only accepted in the open (`--accept-risk`):

| row | what must hold | seen | thread |
|---|---|---|---|
"""


def engines(path: Path = TABLE) -> list[dict[str, Any]]:
    """The engines. Raises UsageError for rows that don't exist, and threads of rows that nothing waives or accepts."""
    found: list[dict[str, Any]] = read_table(path)["engine"]
    known = load_rows()
    for engine in found:
        accepted = engine.get("accepted", {})
        named = {*accepted, *(waiver["row"] for waiver in waivers(engine))}
        unknown = [row for row in (*accepted, *engine.get("threads", {})) if row not in known or row not in named]
        if unknown:
            raise UsageError(f"{path}: {engine['name']} names {', '.join(unknown)}, which it neither waives nor accepts")
    return found


def waivers(engine: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The waivers of an engine, as they stand in its file."""
    found: list[dict[str, Any]] = read_table(WAIVERS / engine["waivers"])["waiver"]
    return found


def page() -> str:
    """The whole of engines.md."""
    text = HEAD
    for engine in engines():
        threads = engine.get("threads", {})
        text += f"\n## {engine['name']}\n\n{engine['seen'].strip()}\n" + WAIVED
        text += "".join(_waived(waiver, threads) for waiver in sorted(waivers(engine), key=lambda waiver: waiver["row"]))
        if accepted := engine.get("accepted"):
            rows = load_rows()
            lines = (_line(row, rows[row].text, seen, threads.get(row, "–")) for row, seen in accepted.items())
            text += ACCEPTED + "".join(lines)
    return text


def _waived(waiver: Mapping[str, Any], threads: Mapping[str, str]) -> str:
    cases = [waiver["case"]] if isinstance(waiver["case"], str) else waiver["case"]
    by_chance = " (in some runs only)" if waiver.get("by_chance") else ""
    return _line(
        waiver["row"],
        ", ".join(f"`{case}`" for case in cases),
        f"`{waiver['versions']}`",
        waiver["reason"] + by_chance,
        waiver["evidence"],
        threads.get(waiver["row"], "–"),
    )


def _line(*cells: str) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |\n"


def _cell(text: str) -> str:
    """`text` as Markdown shows it; what stands between backquotes is shown as it is."""
    text = text.replace("|", "\\|").replace("\n", "⏎")
    return text if text.startswith("`") else text.replace("<", "&lt;")


def main() -> int:
    argparse.ArgumentParser(prog="python -m ernie_conformance.programs.engines", description=__doc__).parse_args()
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
