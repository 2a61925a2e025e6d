"""Read a run's verdict, compare it with the last one, and say by the exit code whether a release may go on.

exit codes: 0 the gate is open and nothing got worse; 1 it is closed, or a row is worse than in the baseline;
4 the call is wrong. A run that is under way or was interrupted is closed. `partial` and `self-check` are closed
too, unless --allow names them.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.schemas import breach
from ernie_conformance.judge.verdicts import CLOSING, printable
from ernie_conformance.judge.waivers import EXPIRED, STALE
from ernie_conformance.report.words import word
from ernie_conformance.suite.settings import language_of
from ernie_conformance.tables import UsageError

SCHEMA = "report/verdict"
SHOWN = 200  # characters of a detail
FACTS = ("name", "kind", "engine", "version")  # of a target; its address may change from run to run

# How bad a verdict is. Rows that weren't put to the server have no place here: they are told apart.
BADNESS = {
    verdicts.PASS: 0,
    verdicts.WAIVED: 1,
    verdicts.WARN: 2,
    verdicts.INCONCLUSIVE: 3,
    verdicts.BLOCKED: 3,
    verdicts.FAIL: 4,
    verdicts.ERROR: 4,
}
SIGNED = verdicts.WAIVED  # someone answers for it, so that it is no regression


@dataclass(frozen=True)
class Change:
    """A row whose verdict changed; "" where a verdict doesn't know the row."""

    row: str
    before: str
    now: str
    detail: str = ""


@dataclass(frozen=True)
class Comparison:
    """What a gate knows: `open` is its decision, `because` the reasons when it is closed."""

    open: bool
    gate: str
    because: list[str]
    regressions: list[Change]
    fixed: list[Change]
    lost: list[Change]  # asked before, not any more
    new: list[Change]  # rows that the baseline doesn't know
    stale_waivers: list[dict[str, str]]
    counts: dict[str, tuple[int, int]]  # verdict -> before, now; those that changed
    targets: dict[str, tuple[str, str]]  # facts of the target that differ


def main(arguments: Sequence[str]) -> int:
    """Run the program. Raises UsageError for files that are no verdict."""
    introduction, _, codes = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m ernie_conformance gate",
        description=introduction,
        epilog=codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verdict", nargs="?", type=Path, default=Path("report/verdict.json"), help="default: %(default)s")
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="the verdict.json of the last release")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=("partial", "self-check"),
        help="count this gate as open; may be repeated",
    )
    parser.add_argument("--lang", choices=("en", "zh"), default=language_of(dict(os.environ)), help="default: from LANG")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the comparison as JSON")
    form.add_argument("--annotations", action="store_true", help="print GitHub annotations (::error ...) too")
    options = parser.parse_args(arguments)
    now = read_verdict(options.verdict)
    before = read_verdict(options.baseline) if options.baseline else None
    if before is not None and before["state"] == "running":
        raise UsageError(f"{options.baseline} is of a run that never ended; name a finished one as the baseline")
    found = compare(now, before, options.allow, options.lang)
    if options.json:
        print(json.dumps(asdict(found), ensure_ascii=False, indent=1))
    else:
        lines = told(found, options.lang) + (github_annotations(now, found) if options.annotations else [])
        print(*lines, sep="\n")
    return 0 if found.open else 1


def read_verdict(path: Path) -> dict[str, Any]:
    """The verdict at `path`. Raises UsageError when it can't be read, or isn't one by the published schema."""
    try:
        verdict = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; name a run's verdict.json") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON; name a run's verdict.json") from error
    if (wrong := breach(SCHEMA, verdict)) is not None:
        raise UsageError(f"{path} is no verdict of this version: {printable(wrong, SHOWN)}; see schemas/{SCHEMA}.json")
    found: dict[str, Any] = verdict
    return found


def compare(
    now: Mapping[str, Any], before: Mapping[str, Any] | None, allowed: Sequence[str] = (), lang: str = "en"
) -> Comparison:
    """The decision on `now`, and what changed since `before` (nothing, without a baseline); reasons in `lang`."""
    rows_now = {row["id"]: row for row in now.get("rows", ())}
    rows_before = {row["id"]: row for row in (before or {}).get("rows", ())}
    both = [(rows_before[name]["verdict"], row) for name, row in rows_now.items() if name in rows_before]
    regressions = [_change(old, row) for old, row in both if _worse(old, row["verdict"])]
    stale = [waiver for waiver in now.get("waivers", ()) if waiver["state"] in (STALE, EXPIRED)]
    because = _reasons(now, regressions, allowed, lang)
    gone = [Change(name, row["verdict"], "") for name, row in rows_before.items() if name not in rows_now]
    return Comparison(
        open=not because,
        gate=now["gate"],
        because=because,
        regressions=regressions,
        fixed=[_change(old, row) for old, row in both if BADNESS.get(old) and row["verdict"] == verdicts.PASS],
        lost=[_change(old, row) for old, row in both if old in BADNESS and row["verdict"] not in BADNESS] + gone,
        new=[_change("", row) for name, row in rows_now.items() if before and name not in rows_before],
        stale_waivers=stale,
        counts=_counts(now, before) if before else {},
        targets=_differences(now, before) if before else {},
    )


def _worse(before: str, now: str) -> bool:
    if before not in BADNESS or now not in BADNESS or now == SIGNED:
        return False
    return BADNESS[now] > BADNESS[before]


def _change(before: str, row: Mapping[str, Any]) -> Change:
    return Change(row["id"], before, row["verdict"], printable(row["detail"], SHOWN))


def _reasons(now: Mapping[str, Any], regressions: list[Change], allowed: Sequence[str], lang: str) -> list[str]:
    """Why the gate isn't open, in sentences; empty when it is."""
    if now["state"] == "running":
        return [word("run_running", lang)]
    reasons = [word("run_interrupted", lang)] if now["state"] == "interrupted" else []
    closing = [row["id"] for row in now["rows"] if row["verdict"] in CLOSING]
    if closing:
        reasons.append(word("rows_close", lang).format(len(closing), _some(closing)))
    reasons += [printable(problem, SHOWN) for problem in now["problems"]]
    if regressions:
        reasons.append(word("rows_worse", lang).format(len(regressions), _some([change.row for change in regressions])))
    gate = now["gate"]
    if gate != "open" and gate not in allowed and not reasons:
        reasons.append(word("verdict_is" if gate == "closed" else "allow_it", lang).format(gate, gate))
    return reasons


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + " …" * (len(names) > 8)


def _counts(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    then, today = before["counts"], now.get("counts", {})
    pairs = {kind: (then.get(kind, 0), today.get(kind, 0)) for kind in sorted({*then, *today})}
    return {kind: pair for kind, pair in pairs.items() if pair[0] != pair[1]}


def _differences(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    pairs = {fact: (before["target"][fact], now.get("target", before["target"])[fact]) for fact in FACTS}
    return {fact: pair for fact, pair in pairs.items() if pair[0] != pair[1]}


def told(found: Comparison, lang: str) -> list[str]:
    """The comparison in lines; the last one is the decision."""
    changed = word("target_changed", lang)
    lines = [changed.format(fact, old or "-", new or "-") for fact, (old, new) in found.targets.items()]
    lines += [f"{kind}: {old} -> {new}" for kind, (old, new) in found.counts.items()]
    for title in ("regressions", "fixed", "lost", "new"):
        name = word(title.removesuffix("s"), lang)
        for change in getattr(found, title):
            detail = f": {change.detail}" if change.detail else ""
            lines.append(f"{name}: {change.row} {change.before or '-'} -> {change.now or '-'}{detail}")
    for waiver in found.stale_waivers:
        lines.append(f"{word('waiver_' + waiver['state'], lang)}: {waiver['row']} ({waiver['case']})")
    lines += [f"{word('because', lang)} {reason}" for reason in found.because]
    return [*lines, f"{word('gate', lang)}: {'open' if found.open else 'closed'}"]


def github_annotations(verdict: Mapping[str, Any], found: Comparison) -> list[str]:
    """GitHub workflow commands: an error for each cause that closes the gate, a warning for each row that warns."""
    worse = {change.row: change.before for change in found.regressions}
    lines, held_up = [], dict[str, list[str]]()
    for row in sorted(verdict.get("rows", ()), key=lambda row: -BADNESS.get(row["verdict"], 0)):
        closing = row["verdict"] in CLOSING or row["id"] in worse
        if row["verdict"] == verdicts.BLOCKED:
            held_up.setdefault(row["blocked_by"], []).append(row["id"])
        elif closing or row["verdict"] == verdicts.WARN:
            since = f" (was {worse[row['id']]})" if row["id"] in worse else ""
            text = f"{row['text']} {row['detail']}"
            lines.append(_command("error" if closing else "warning", f"{row['verdict']} {row['id']}{since}", text))
    lines += [_command("error", f"blocked by {owner}", _some(names)) for owner, names in held_up.items()]
    lines += [_command("error", "waiver", f"{w['state']}: {w['row']} ({w['case']})") for w in found.stale_waivers]
    if not found.open and not lines:
        lines.append(_command("error", "gate", "; ".join(found.because)))
    return lines


def _command(kind: str, title: str, text: str) -> str:
    """One workflow command; what would end it or begin another is escaped as GitHub's runner reads it."""
    escaped = printable(text, 2 * SHOWN).replace("%", "%25")
    name = printable(title, SHOWN).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={name}::{escaped}"
