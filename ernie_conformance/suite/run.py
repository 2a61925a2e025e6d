"""One run: who gathers, who waits, and where the evidence is found. Works alike with and without xdist workers."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from ernie_conformance.gather import Orders, gather
from ernie_conformance.judge.judge import Terms
from ernie_conformance.suite.items import CASE, needs_of
from ernie_conformance.suite.settings import Settings
from ernie_conformance.tables import UsageError
from ernie_conformance.wire.evidence import Evidence, read_evidence, write_evidence
from ernie_conformance.wire.exchange import Exchange
from ernie_conformance.wire.secrets import masked_bytes

SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
NEEDS: pytest.StashKey[set[str]] = pytest.StashKey()
TRAFFIC: pytest.StashKey[bool] = pytest.StashKey()
FOLDER: pytest.StashKey[FileLock] = pytest.StashKey()  # the report folder is ours while this lives
EVIDENCE: pytest.StashKey[Evidence] = pytest.StashKey()
RUN_VARIABLE = "ERNIE_CONFORMANCE_RUN"
MARK = ".gathered"  # holds the name of the run whose evidence stands beside it

# Longer than any gathering: the lock's holder bounds itself by the target's time-outs.
LOCK_SECONDS = 4 * 3600


def name_the_run() -> None:
    """Give this run a name that its workers inherit, so that all agree on whose evidence is fresh. Controller only."""
    os.environ[RUN_VARIABLE] = uuid.uuid4().hex


def plan(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note what the collected tests need. Every worker collects all items, so each of them knows the union."""
    cases = [item.stash[CASE] for item in items if CASE in item.stash]
    can = config.stash[SETTINGS].target.capabilities
    config.stash[NEEDS] = {name for case in cases if can.issuperset(case.row.needs) for name in needs_of(case)}
    config.stash[TRAFFIC] = any(case.row.part != "env" for case in cases)


def evidence_of(config: pytest.Config) -> Evidence:
    """The run's evidence: replayed, read from the file that another process wrote, or gathered here and now."""
    settings = config.stash[SETTINGS]
    if settings.recorded is not None:
        return settings.recorded
    folder = settings.report_dir
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "evidence.jsonl"
    with FileLock(folder / ".gathering.lock", timeout=LOCK_SECONDS):
        if not has_gathered(folder):
            secrets = [settings.api_key] if settings.api_key else []
            asyncio.run(_gather(config, settings, file, secrets))
            _mask_log(folder / "server.log", secrets)
            config.stash[EVIDENCE] = read_evidence(file)
            write_requests(folder / "requests", config.stash[EVIDENCE].exchanges.values())
            (folder / MARK).write_text(os.environ[RUN_VARIABLE], encoding="utf-8")
    if EVIDENCE not in config.stash:
        config.stash[EVIDENCE] = read_evidence(file)
    return config.stash[EVIDENCE]


def has_gathered(folder: Path) -> bool:
    """Is the evidence in `folder` of this run, or what an earlier one left?"""
    mark = folder / MARK
    return mark.exists() and mark.read_text(encoding="utf-8") == os.environ[RUN_VARIABLE]


async def _gather(config: pytest.Config, settings: Settings, file: Path, secrets: list[str]) -> None:
    """Gather into `file`. From there on the file is the truth: what it doesn't keep, nobody judges.

    (Nothing is returned: asyncio.run takes the repr of a result, which would be all the evidence once more.)
    """
    progress = Progress(config)
    orders = Orders(
        report_dir=settings.report_dir,
        traffic=config.stash[TRAFFIC],
        server_python=settings.server_python,
        model_dir=settings.model_dir,
        api_key=settings.api_key,
        speed=settings.speed,
        profile=settings.terms.profile,
        concurrency=settings.concurrency,
        examples=settings.examples,
        minutes=settings.minutes,
        most_tokens=settings.budget_tokens,
        most_seconds=settings.budget_seconds,
        through=settings.dialect.as_fault() if settings.dialect else None,
        progress=progress,
        announce=progress.announce,
    )
    needs: set[str] = config.stash[NEEDS]
    found = await gather(settings.target, needs, orders)
    write_evidence(file, replace(found, facts={**found.facts, "keyed": bool(secrets)}), secrets)


def write_requests(folder: Path, exchanges: Iterable[Exchange]) -> None:
    """The body of each request as a file of its own, so that a curl line can repeat it."""
    folder.mkdir(parents=True, exist_ok=True)
    for exchange in exchanges:
        if exchange.request.body is not None:
            (folder / f"{exchange.name.replace('/', '_')}.json").write_bytes(exchange.request.body)


def _mask_log(log: Path, secrets: list[str]) -> None:
    """The stopped server's output without secrets; the report folder is handed around."""
    if log.exists():
        log.write_bytes(masked_bytes(log.read_bytes(), secrets))


class Progress:
    """Says on the terminal how far the gathering is; silent where nobody watches."""

    def __init__(self, config: pytest.Config) -> None:
        self._capture = config.pluginmanager.getplugin("capturemanager")

    def announce(self, line: str) -> None:
        """Say a line of its own."""
        with self._capture.global_and_fixture_disabled():
            os.write(2, f"\nbudget: {line}\n".encode())

    def __call__(self, line: str) -> None:
        if not os.isatty(2):
            return
        with self._capture.global_and_fixture_disabled():
            os.write(2, f"\r\x1b[K{line[:100]}".encode())


@pytest.fixture(scope="session")
def evidence(request: pytest.FixtureRequest) -> Iterator[Evidence]:
    """Everything that went over the wire. The first process to need it launches the server once and gathers."""
    try:
        yield evidence_of(request.config)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error
    except OSError as error:  # what servers do is recorded; this is our own host, and one red tells it
        folder = request.config.stash[SETTINGS].report_dir
        told = f"gathering broke off: {error}; if {folder} is full or can't be written, name another with --report-dir"
        request.session.shouldfail = told
        raise pytest.UsageError(told) from error


@pytest.fixture(scope="session")
def terms(pytestconfig: pytest.Config) -> Terms:
    """On what terms this run judges."""
    return pytestconfig.stash[SETTINGS].terms


def is_controller(config: pytest.Config) -> bool:
    """Is this the process that reports: the only one, or the one that has the workers?"""
    return not hasattr(config, "workerinput")


def keep_legible(lang: str) -> None:
    """Messages must not kill a run under a locale without UTF-8, and who asks for Chinese can't read escapes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
            if lang == "zh" and b"\\u" in "放行".encode(stream.encoding, "backslashreplace"):
                stream.reconfigure(encoding="utf-8")
