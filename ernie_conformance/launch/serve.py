"""A target's server as a context: started, watched, restarted when it dies, stopped, with everything noted."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ernie_conformance.launch import causes
from ernie_conformance.launch.logs import LogMark, Logs
from ernie_conformance.launch.plan import Plan, chosen_ports, is_free, read_plan, setting_of
from ernie_conformance.launch.process import Process, listener
from ernie_conformance.launch.ready import NotReady, Start
from ernie_conformance.launch.stop import stop
from ernie_conformance.targets import Target
from ernie_conformance.wire.client import Client

RESTARTS = 3
TRIES = 2  # a free port may be taken between choosing and binding: once more with others
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
    """A launched server. `facts` go to the evidence under "launch"; after the context they hold the shutdown too."""

    target: Target
    plan: Plan
    report_dir: Path
    given: dict[str, Any]  # server_python, model_dir and speed
    api_key: str | None
    progress: Callable[[str], None]
    kind: str = "launched"
    base_url: str = ""
    metrics_url: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    _process: Process | None = None
    _logs: Logs | None = None
    _ports: dict[str, int] = field(default_factory=dict)

    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    def log_mark(self) -> LogMark:
        """Where the logs stand now, for `log_between`."""
        return self._logs.mark() if self._logs else LogMark()

    def log_between(self, mark: LogMark, end: LogMark | None = None, lines: int = 40) -> list[str]:
        """The last lines written to any log file since `mark` (until `end`)."""
        return self._logs.between(mark, end, lines) if self._logs else []

    async def restart(self) -> None:
        """Start the server again, on the same ports, ending what is left of it. Raises LaunchFailed, the fourth time too."""
        restarts = self.facts["restarts"]
        log = self._tail(LogMark())
        cause, detail = causes.of_failure(log, self._process.exit if self._process else None)
        restarts.append({"at": time.time(), "cause": cause.name, "detail": detail, "log": log})
        if len(restarts) > RESTARTS:
            self._fail("process", causes.DIED, f"it died {len(restarts)} times, it isn't started again")
        await self._end("INT", hurried=True)
        self.progress(f"launch: the server died, start {len(restarts) + 1}")
        await self._start(self._ports)

    async def start(self) -> None:
        """Start for the first time, on chosen ports; again on others when one was taken meanwhile. Raises LaunchFailed."""
        self.facts |= {"ready": False, "tries": 0, "restarts": []}
        while True:
            self.facts["tries"] += 1
            with chosen_ports(self.plan.ports) as ports:
                chosen = dict(ports)
            try:
                return await self._start(chosen)
            except LaunchFailed as failed:
                lost_race = failed.facts["failure"]["cause"] == "port-taken" and 0 in self.plan.ports.values()
                if not lost_race or self.facts["tries"] == TRIES:
                    raise
                await self._end("INT", hurried=True)

    async def _start(self, ports: dict[str, int]) -> None:
        self._ports = ports
        setting = setting_of(self.plan, ports, report_dir=self.report_dir, **self.given)
        command = [setting.fill(word) for word in self.plan.command]
        folder = Path(setting.fill(self.plan.cwd) or ".").resolve()
        environment = {name: setting.fill(value) for name, value in self.plan.environment.items()}
        self.report_dir.mkdir(parents=True, exist_ok=True)
        self._logs = Logs(self.report_dir / "server.log", folder, tuple(map(setting.fill, self.plan.logs)))
        self.base_url = self.target.base_url or f"http://127.0.0.1:{ports.get('port', 0)}"
        self.metrics_url = self.target.metrics_url or (
            f"http://127.0.0.1:{ports['metrics_port']}/metrics" if "metrics_port" in ports else f"{self.base_url}/metrics"
        )
        self.facts |= {"command": command, "cwd": str(folder), "environment": environment, "ports": ports, "ready": False}
        for name, port in ports.items():
            if not is_free(port):
                holder = listener(port)
                who = f"by {holder['name']} (pid {holder['pid']})" if holder else "by a process that we can't see"
                self._fail("process", _named("port-taken"), f"{name} {port} is held {who}", holder)
        self.progress(f"launch: {' '.join(command)}")
        mark = self._logs.mark()
        self._process = Process(command, cwd=folder, environment=environment, log=self._logs.output)
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        async with Client(self.base_url, self.target.timeouts, headers) as client:
            start = Start(
                self.target, self._process, self.plan.waits, self._logs, mark, ports["port"], client, self.progress
            )
            try:
                await start.become_ready()
            except NotReady as stuck:
                self._explain(stuck, mark)
            finally:
                self.facts |= {**start.facts, "seconds": start.seconds}
        self.facts["ready"] = True

    def _tail(self, mark: LogMark) -> list[str]:
        return self.log_between(mark, lines=TAIL)

    def _explain(self, stuck: NotReady, mark: LogMark) -> NoReturn:
        assert self._process
        if stuck.cause:
            self._fail(stuck.stage, _named(stuck.cause), stuck.detail, stuck.holder, self._tail(mark))
        cause, detail = causes.of_failure(self._tail(mark), self._process.exit)
        self._fail(stuck.stage, cause, f"{stuck.detail}: {detail}", None, self._tail(mark))

    def _fail(
        self,
        stage: str,
        cause: causes.Cause,
        detail: str,
        holder: dict[str, Any] | None = None,
        log: list[str] | None = None,
    ) -> None:
        exit_status = self._process.exit if self._process else None
        remedy = cause.remedy
        if cause.name == "no-program" and self.plan.setup:
            remedy = {"en": f"Run: {self.plan.setup}", "zh": f"请先运行：{self.plan.setup}"}
        self.facts["failure"] = {
            "stage": stage, "cause": cause.name, "detail": detail, "exit": exit_status, "log": [*log],
            "remedy": remedy, "holder": holder,
        }  # fmt: skip
        raise LaunchFailed(self.facts)

    async def _end(self, signal: str, *, hurried: bool = False) -> dict[str, Any] | None:
        """Stop the server if there is one, and say how that went."""
        process, self._process = self._process, None
        if process is None:
            return None
        return await stop(process, signal, self.plan.waits, self._ports.values(), hurried=hurried)


def _named(name: str) -> causes.Cause:
    every = (*causes.CAUSES, causes.KILLED, causes.DIED, causes.HANG, causes.NO_PROGRAM)
    return next(cause for cause in every if cause.name == name)


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
    deployment = Deployment(target, read_plan(target), report_dir, given, api_key, progress, kind=target.kind)
    hurried = True
    try:
        await deployment.start()
        yield deployment
        hurried = False
    except Exception:
        hurried = False  # a defect or a failed start: the server still gets its time, and its end is noted
        raise
    finally:
        if (shutdown := await deployment._end("INT", hurried=hurried)) is not None:
            deployment.facts["shutdown"] = shutdown
