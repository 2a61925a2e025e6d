"""A target's server as a context: started, watched, restarted when it dies, stopped, with everything noted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ernie_conformance.launch import causes
from ernie_conformance.launch.farewell import last_words
from ernie_conformance.launch.leftovers import Leftovers, gpu_kept, gpu_memory
from ernie_conformance.launch.logs import History, LogMark, Logs
from ernie_conformance.launch.plan import Plan, Setting, chosen_ports, is_free, read_plan, setting_of
from ernie_conformance.launch.process import Process, listener
from ernie_conformance.launch.ready import NotReady, Start
from ernie_conformance.launch.stop import stop, until
from ernie_conformance.targets import Target
from ernie_conformance.wire.client import Client

RESTARTS = 3
DOUBT = 0.5  # seconds in which a process that dropped its connections is seen to end
TRIES = 2  # a free port may be taken between choosing and binding: once more with others
LOOK_EVERY = 0.2  # seconds between two looks at the sizes of the log files
TAIL = 40  # log lines kept of a failed start


class LaunchFailed(Exception):
    """The server didn't become ready. `facts` is what the deployment knew, with "failure" telling stage and cause:

    {"stage", "cause", "detail", "exit", "log" [line], "remedy" {"en", "zh"}, "holder" (of a taken port) or None}
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        failure = facts["failure"]
        super().__init__(f"{failure['stage']}: {failure['cause']}: {failure['detail']}")
        self.facts = facts


@dataclass
class Deployment:
    """A launched server. `facts` go to the evidence under "launch"; after the context they hold the shutdown too:

    {"command", "cwd", "environment", "ports", "ready" (was it ever), "tries", "starts" [{"seconds", "stages", "health",
    "answers"}], "restarts" [{"at", "during", "cause", "detail", "log"}], "failure" (see LaunchFailed),
    "watched" [kind of leftover], "stale" [thing],
    "shutdown", "second" (each {..., see stop.stop, "names" [thing]}; "second" has "stream", see farewell.last_words),
    "gpu" {"watched", "kept"}}
    """

    target: Target
    plan: Plan
    report_dir: Path
    given: dict[str, Any]  # server_python, model_dir and speed
    api_key: str | None
    progress: Callable[[str], None]
    kind: str
    base_url: str = ""
    metrics_url: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    _process: Process | None = None
    _logs: Logs | None = None
    _history: History | None = None
    _begun: LogMark = field(default_factory=LogMark)  # where the logs stood at the latest start
    _ports: dict[str, int] = field(default_factory=dict)
    _leftovers: Leftovers | None = None

    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    async def lives(self, in_doubt: bool) -> bool:
        """Is the server's process there? `in_doubt`: it dropped a connection, so its end may be about to be told."""
        return not await until(lambda: not self.alive(), DOUBT) if in_doubt else self.alive()

    def memory(self) -> int | None:
        """Bytes of memory that the server's processes hold, None when there are none."""
        return self._process.memory() if self._process and self._process.alive else None

    def log_mark(self) -> LogMark:
        """Where the logs stand now, for `log_between`."""
        return self._logs.mark() if self._logs else LogMark()

    def log_between(self, mark: LogMark, end: LogMark | None = None, lines: int = TAIL) -> list[str]:
        """The last lines written to any log file since `mark` (until `end`)."""
        return self._logs.between(mark, end, lines) if self._logs else []

    def log_since(self, moment: float) -> str | None:
        """The last lines written since `moment` (epoch, to a fifth of a second), None when there are none."""
        if self._history is None:
            return None
        return "\n".join(self.log_between(self._history.mark_at(moment))) or None

    async def watch_logs(self) -> None:
        """Remember where the logs stood when, until cancelled."""
        while True:
            if self._history is not None:
                self._history.look()
            await asyncio.sleep(LOOK_EVERY)

    async def start(self) -> None:
        """Start for the first time, on chosen ports; again on others when one was taken meanwhile. Raises LaunchFailed."""
        self.facts |= {"ready": False, "tries": 0, "starts": [], "restarts": []}
        self.report_dir.mkdir(parents=True, exist_ok=True)
        (self.report_dir / "server.log").write_bytes(b"")
        while True:
            self.facts["tries"] += 1
            with chosen_ports(self.plan.ports) as ports:
                self._ports = ports
            try:
                await self._start()
            except LaunchFailed as failed:
                lost_race = failed.facts["failure"]["cause"] == "port-taken" and 0 in self.plan.ports.values()
                if not lost_race or self.facts["tries"] == TRIES:
                    raise
                del self.facts["failure"]
                await self.end("INT", hurried=True)
            else:
                self.facts["ready"] = True
                return

    async def restart(self, during: str = "") -> None:
        """Start a server that died once more, on the same ports. `during`: the exchange that it didn't survive.

        Raises LaunchFailed when it doesn't come up, and when it died more than three times.
        """
        log = self.log_between(self._begun)
        exit_status = self._process.exit if self._process else None
        cause, detail = causes.of_failure(log, exit_status)
        ending = {"at": time.time(), "during": during, "cause": cause.name, "detail": detail, "log": log}
        self.facts["restarts"].append(ending)
        if len(self.facts["restarts"]) > RESTARTS:
            self._fail("process", cause, f"it ended {RESTARTS + 1} times and isn't started again: {detail}", log=log)
        await self.end("INT", hurried=True)
        self.progress(f"launch: the server ended ({cause.name}), starting it again")
        await self._start()

    async def start_again_to_terminate(self) -> None:
        """Start once more, only to see how SIGTERM ends it, and a stream that runs then; noted under "second"."""
        try:
            await self._start()
        except LaunchFailed:
            self.facts["second"] = {"failure": self.facts.pop("failure")}
            await self.end("TERM")
        else:
            headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
            async with Client(self.base_url, self.target.timeouts, headers) as client:
                ended, stream = await last_words(client, self.target, lambda: self.end("TERM"))
            self.facts["second"] = {**(ended or {}), "stream": stream}

    async def end(self, signal: str, *, hurried: bool = False) -> dict[str, Any] | None:
        """Stop the server if there is one, clear what is provably its own, and say how that went."""
        process, self._process = self._process, None
        if process is None:
            return None
        shutdown = await stop(process, signal, self.plan.waits, self._ports.values(), hurried=hurried)
        names = self._leftovers.clear(process.pid) if self._leftovers else []
        return {**shutdown, "names": names}

    async def _start(self) -> None:
        self._prepare(setting := self._setting())
        assert self._logs
        command = [setting.fill(word) for word in self.plan.command]
        keyed = [word.format(api_key=self.api_key) for word in self.plan.with_api_key] if self.api_key else []
        environment = {name: setting.fill(value) for name, value in self.plan.environment.items()}
        self.facts |= {"command": command, "cwd": str(self._logs.folder), "environment": environment, "ports": self._ports}
        self._refuse_taken_ports()
        self.progress(f"launch: {' '.join(command)}")
        self._begun = self._logs.mark()
        self._process = Process([*command, *keyed], cwd=self._logs.folder, environment=environment, log=self._logs.output)
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        async with Client(self.base_url, self.target.timeouts, headers) as client:
            watched = (self.target, self._process, self.plan.waits, self._logs, self._begun)
            start = Start(*watched, self._ports["port"], client, self.progress)
            self.facts["starts"].append(start.facts)
            try:
                await start.become_ready()
            except NotReady as stuck:
                self._explain(stuck)
            finally:
                start.facts["seconds"] = start.seconds

    def _setting(self) -> Setting:
        return setting_of(self.plan, self._ports, report_dir=self.report_dir, **self.given)

    def _prepare(self, setting: Setting) -> None:
        """Addresses, log files and known leftovers of the coming start."""
        folder = Path(setting.fill(self.plan.cwd) or ".").resolve()
        self._logs = Logs(self.report_dir / "server.log", folder, tuple(map(setting.fill, self.plan.logs)))
        self._history = self._history or History(self._logs)
        self._leftovers = Leftovers(self.plan.leftovers, setting.values)
        self.facts |= {"stale": self._leftovers.stale(), "watched": [left.what for left in self.plan.leftovers]}
        self.base_url = f"http://127.0.0.1:{self._ports['port']}"
        metrics = f"http://127.0.0.1:{self._ports['metrics_port']}" if "metrics_port" in self._ports else self.base_url
        self.metrics_url = f"{metrics}/metrics"

    def _refuse_taken_ports(self) -> None:
        for name, port in self._ports.items():
            if not is_free(port):
                holder = listener(port)
                who = f"{holder['name']} (pid {holder['pid']})" if holder else "a process that we can't see"
                self._fail("process", causes.named("port-taken"), f"{name} {port} is held by {who}", holder)

    def _explain(self, stuck: NotReady) -> NoReturn:
        assert self._process
        log = self.log_between(self._begun)
        cause, detail = causes.of_failure(log, self._process.exit)
        if stuck.cause:
            self._fail(stuck.stage, causes.named(stuck.cause), stuck.detail, stuck.holder, log)
        self._fail(stuck.stage, cause, f"{stuck.detail}: {detail}", None, log)

    def _fail(
        self,
        stage: str,
        cause: causes.Cause,
        detail: str,
        holder: dict[str, Any] | None = None,
        log: Sequence[str] = (),
    ) -> NoReturn:
        remedy = cause.remedy
        if cause.name == "no-program" and self.plan.setup:
            remedy = {"en": f"Run: {self.plan.setup}", "zh": f"请先运行：{self.plan.setup}"}
        self.facts["failure"] = {
            "stage": stage,
            "cause": cause.name,
            "detail": detail,
            "exit": self._process.exit if self._process else None,
            "log": list(log),
            "remedy": remedy,
            "holder": holder,
        }
        raise LaunchFailed(self.facts)


@asynccontextmanager
async def serve(
    target: Target,
    *,
    server_python: str | None,
    model_dir: str | None,
    report_dir: Path,
    speed: str = "gate",
    api_key: str | None = None,
    progress: Callable[[str], None],
) -> AsyncIterator[Deployment]:
    """Launch `target`, give its deployment, and end it whatever happens. Raises LaunchFailed when it doesn't become ready.

    The server's output goes to `report_dir`/server.log. Raises UsageError for a [launch] table that makes no sense.
    """
    given = {"server_python": server_python, "model_dir": model_dir, "speed": speed}
    plan = read_plan(target)
    deployment = Deployment(target, plan, report_dir, given, api_key, progress, kind=target.kind)
    before = gpu_memory() if "gpu" in target.capabilities else []
    watch = asyncio.create_task(deployment.watch_logs())
    hurried = True  # broken off, by Ctrl-C say: the server gets little time to end
    try:
        await deployment.start()
        yield deployment
        hurried = False
    except Exception:
        hurried = False
        raise
    finally:
        watch.cancel()
        if (shutdown := await deployment.end("INT", hurried=hurried)) is not None:
            deployment.facts["shutdown"] = shutdown
        if before:
            await until(lambda: not gpu_kept(before, gpu_memory()), 0 if hurried else plan.waits.grace)
            deployment.facts["gpu"] = {"watched": len(before), "kept": gpu_kept(before, gpu_memory())}
    if plan.second_start:
        try:
            await deployment.start_again_to_terminate()
        finally:
            await deployment.end("TERM", hurried=True)
