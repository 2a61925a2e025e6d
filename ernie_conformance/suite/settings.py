"""The operator's options, read once and checked before anything runs."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ernie_conformance import __version__
from ernie_conformance.gather.stage import EXAMPLES
from ernie_conformance.judge.judge import Terms
from ernie_conformance.judge.rows import load_rows
from ernie_conformance.judge.waivers import load_waivers
from ernie_conformance.paths import ROOT
from ernie_conformance.tables import UsageError
from ernie_conformance.targets import Target, Timeouts, load_target, target_names
from ernie_conformance.wire.evidence import Evidence, read_evidence
from ernie_conformance.wire.secrets import masked

if TYPE_CHECKING:
    from ernie_conformance.faults.dialects import Dialect

PROFILES = ("release", "strict", "smoke")
SPEEDS = ("gate", "a800", "full")
TUTORIAL, UNKNOWN = "fastdeploy", "attached"  # the tutorial's deployment; a server of which nothing else is said


def _count(text: str) -> int:
    """A whole number from 1. Raises ValueError, of which pytest makes a usage error."""
    if (count := int(text)) < 1:
        raise ValueError(text)
    return count


def _minutes(text: str) -> float:
    """A number above 0. Raises ValueError."""
    if not 0 < (minutes := float(text)) < 10_000:
        raise ValueError(text)
    return minutes


OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--target", {"default": "auto", "metavar": "NAME[@VERSION]", "help": "a file in targets/ (default: auto)"}),
    ("--base-url", {"metavar": "URL", "help": "attach to this server and launch nothing, e.g. http://127.0.0.1:8180"}),
    ("--metrics-url", {"metavar": "URL", "help": "where the attached server's /metrics is, e.g. http://127.0.0.1:8181"}),
    ("--api-key", {"metavar": "KEY", "help": "sent as a bearer token; never written to a report"}),
    ("--model", {"default": None, "metavar": "NAME", "help": 'the model name to ask for (default: the target\'s, "null")'}),
    ("--model-dir", {"metavar": "DIR", "help": "where the model lies (default: the launch command's)"}),
    ("--server-python", {"metavar": "PATH", "help": "the engine's interpreter (default: the first python3 outside ours)"}),
    ("--profile", {"default": "release", "choices": PROFILES, "help": "strict fails what release warns of; smoke is short"}),
    (
        "--report-dir",
        {"default": "report", "metavar": "DIR", "help": "where verdict.json and the rest go (default: report/)"},
    ),
    ("--replay", {"metavar": "FILE", "help": "judge an evidence file again, with no server"}),
    ("--waivers", {"metavar": "FILE", "help": "known deviations, instead of the target's"}),
    (
        "--accept-risk",
        {"default": "", "metavar": "IDS", "help": "breaches that you accept in the open, by commas: ROW or ROW:EXCHANGE"},
    ),
    ("--dialect", {"metavar": "NAME", "help": "let the reference deviate as this engine does, e.g. fastdeploy-2.0"}),
    ("--disruptive", {"action": "store_true", "help": "put to an attached server what may hang or kill it"}),
    ("--reference-speed", {"default": "gate", "choices": SPEEDS, "help": "how fast the reference server speaks"}),
    ("--concurrency", {"type": int, "metavar": "N", "help": "requests side by side (default: the target's slots)"}),
    (
        "--examples",
        {
            "type": _count,
            "default": EXAMPLES,
            "metavar": "N",
            "help": f"generated requests of each sort (default: {EXAMPLES})",
        },
    ),
    ("--budget-tokens", {"type": _count, "metavar": "N", "help": "ask nothing that could take more completion tokens"}),
    ("--budget-seconds", {"type": _count, "metavar": "N", "help": "ask nothing more after so many seconds of traffic"}),
    ("--minutes", {"type": _minutes, "default": 10.0, "metavar": "N", "help": "how long -m soak lasts (default: 10)"}),
    ("--lang", {"choices": ("en", "zh"), "help": "language of messages (default: from LANG)"}),
)


def add_options(parser: pytest.Parser) -> None:
    """Our options, in a group of their own."""
    group = parser.getgroup("conformance", "conformance of a model server")
    for name, details in OPTIONS:
        group.addoption(name, **details)


@dataclass(frozen=True)
class Settings:
    """What a run is about. `recorded` is the evidence to judge again, None when it is to be gathered."""

    target: Target
    terms: Terms
    report_dir: Path
    lang: str
    api_key: str | None
    server_python: str | None
    model_dir: str | None
    speed: str
    concurrency: int | None
    examples: int
    minutes: float
    budget_tokens: int | None
    budget_seconds: int | None
    recorded: Evidence | None
    dialect: Dialect | None
    chosen_by_default: bool


def read_settings(config: pytest.Config) -> Settings:
    """The options of this run, checked. Raises pytest.UsageError (exit code 4) with one sentence that says what to do."""
    option: Callable[[str], Any] = config.getoption
    try:
        check_mark_expression(config)
        server_python = option("--server-python") or _other_python()
        recorded = read_evidence(Path(option("--replay"))) if option("--replay") else None
        target = _target(option, recorded, server_python)
        spoken = _dialect(option("--dialect"))
        target = as_speaker(target, spoken) if spoken else target
        terms = terms_of(target, option("--profile"), option("--waivers"), option("--accept-risk"))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    return Settings(
        target=target,
        terms=terms,
        report_dir=Path(option("--report-dir")).resolve(),
        lang=option("--lang") or language_of(dict(os.environ)),
        api_key=option("--api-key"),
        server_python=server_python,
        model_dir=option("--model-dir"),
        speed=option("--reference-speed"),
        concurrency=option("--concurrency"),
        examples=option("--examples"),
        minutes=option("--minutes") if soaks(option("markexpr")) else 0.0,
        budget_tokens=option("--budget-tokens"),
        budget_seconds=option("--budget-seconds"),
        recorded=recorded,
        dialect=spoken,
        chosen_by_default=option("--target") == "auto",
    )


def soaks(expression: str | None) -> bool:
    """Does a mark expression ask for the long load? Nothing else brings it: it takes minutes."""
    words = re.findall(r"\w+", expression or "")
    return "soak" in words and "not" not in words


def _dialect(name: str | None) -> Dialect | None:
    if not name:
        return None
    from ernie_conformance.faults.dialects import dialect  # with all faults: half a second that other runs don't pay

    return dialect(name)


def as_speaker(target: Target, spoken: Dialect) -> Target:
    """The reference as the engine whose dialect it speaks: its capabilities, its version, its waivers. Raises UsageError."""
    if target.kind != "reference":
        raise UsageError(f"--dialect is for the reference alone, not for {target.name}; add --target reference")
    engine = load_target(spoken.target)
    capabilities = target.capabilities & engine.capabilities
    # What changes every piece of 32 streams shares our own process: with all slots busy it takes its time.
    slower = replace(target.timeouts, connect=2.5 * target.timeouts.connect, first_byte=2.5 * target.timeouts.first_byte)
    return replace(target, version=engine.version, capabilities=capabilities, waivers=engine.waivers, timeouts=slower)


def terms_of(target: Target, profile: str, waivers: str | None, accept_risk: str) -> Terms:
    """On what terms `target` is judged. `waivers` is a file instead of the target's own; `accept_risk` as the option.

    Raises UsageError.
    """
    rows = load_rows()
    accepted = frozenset(filter(None, re.split(r"[,\s]+", accept_risk)))
    if unknown := sorted(one for one in accepted if one.partition(":")[0] not in rows):
        raise UsageError(f"--accept-risk names {', '.join(unknown)}, which is no row; see rows/")
    paths = (Path(waivers),) if waivers else target.waivers
    return Terms(target, profile, tuple(load_waivers(paths, rows, target.version)), accepted)


def language_of(environment: dict[str, str]) -> str:
    """zh when the locale says so, en otherwise."""
    locale = environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG") or ""
    return "zh" if locale.lower().startswith("zh") else "en"


def check_mark_expression(config: pytest.Config) -> None:
    """Refuse `-m apii` here: under xdist pytest itself would end in an internal error. Raises UsageError."""
    declared = {re.split(r"[:(]", line)[0].strip() for line in config.getini("markers")}
    for word in re.findall(r"[\w-]+", config.getoption("markexpr") or ""):
        if word not in declared | {"and", "or", "not", "True", "False"}:
            raise UsageError(
                f"-m names {word!r}, which is no marker; use env, api, acceptance or an area (pytest --markers)"
            )


def _target(option: Callable[[str], Any], recorded: Evidence | None, server_python: str | None) -> Target:
    named, url = option("--target"), option("--base-url")
    if recorded is not None:
        target = recorded_target(recorded) if named == "auto" else replace(load_target(named), kind="replay")
        target = replace(target, disruptive=True)  # a recording can't be disturbed
    elif url:
        target = load_target(UNKNOWN if named == "auto" else named)
        target = replace(
            target,
            kind="attached",
            base_url=_checked_url("--base-url", url),
            metrics_url=_checked_url("--metrics-url", option("--metrics-url") or ""),
            disruptive=option("--disruptive"),
            capabilities=target.capabilities - {"process"} - (frozenset() if option("--metrics-url") else {"metrics"}),
        )
    else:
        named = named if named != "auto" else _auto(server_python, option("--model-dir"))
        target = load_target(named, option("--reference-speed"))
        target = replace(target, disruptive=True)
    if option("--api-key"):
        target = replace(target, capabilities=target.capabilities | {"api-key"})
    return replace(target, model=option("--model")) if option("--model") else target


def recorded_target(recorded: Evidence) -> Target:
    """The target that a file was gathered from; recordings of other tools are judged as the tutorial's deployment."""
    if not recorded.target:
        return replace(load_target(UNKNOWN), name="recording", kind="replay")
    fields = {**recorded.target, "kind": "replay" if recorded.target["kind"] != "reference" else "reference"}
    fields["timeouts"] = Timeouts(**fields["timeouts"])
    fields["capabilities"] = frozenset(fields["capabilities"])
    named = load_target(fields["name"]) if fields["name"] in target_names() else None
    return Target(**{**fields, "waivers": named.waivers if named else (), "launch": {}})


def _checked_url(option: str, url: str) -> str:
    if not url:
        return ""
    parts = urlsplit(url)
    try:
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise UsageError(f"{option} {masked(url)!r} is not a base URL; write it like http://127.0.0.1:8180")
    path = parts.path.rstrip("/")
    if path == "/v1":
        path = ""  # the tutorial's clients write it so; our requests carry /v1 themselves
    return f"{parts.scheme}://{parts.netloc}{path}"


def _other_python() -> str | None:
    """The first python3 on PATH that isn't the suite's own environment."""
    own = Path(sys.prefix).resolve()
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which("python3", path=folder)
        if found and own not in Path(found).absolute().parents:
            return found
    return None


def _auto(server_python: str | None, model_dir: str | None) -> str:
    """The tutorial's deployment where engine and model are present, else the embedded reference."""
    from ernie_conformance.probe import engine_present

    return TUTORIAL if engine_present(server_python, model_dir or str(ROOT / "work" / "models")) else "reference"


def header(settings: Settings) -> list[str]:
    """The lines of pytest's header: what is being judged, on what terms."""
    target = settings.target
    version = f" {target.version}" if target.version else ""
    where = masked(target.base_url) or ("a file" if settings.recorded else "to be launched")
    lines = [
        f"conformance {__version__}: target {target.name} ({target.kind}), engine {target.engine}{version}, at {where}",
        f"profile {settings.terms.profile}, {len(settings.terms.waivers)} waivers, report in {settings.report_dir}",
    ]
    if target.kind == "reference":
        lines.append(BANNER[settings.lang])
    return lines


BANNER = {
    "en": "*** This is the embedded reference server: the run judges the suite, NOT a deployment. ***",
    "zh": "*** 这是内置的参考服务器：本次运行检验的是测试套件本身，不是任何部署。***",
}
