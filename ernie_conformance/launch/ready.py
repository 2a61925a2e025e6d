"""From a started process to the first answer, in stages, each timed and bounded."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ernie_conformance.launch.logs import LogMark, Logs
from ernie_conformance.launch.plan import Waits
from ernie_conformance.launch.process import Process, listener
from ernie_conformance.targets import Target
from ernie_conformance.wire.client import Client
from ernie_conformance.wire.exchange import Request

POLLS = (0.05, 0.5)  # seconds between two looks, at first and after a while: a fast server isn't kept waiting
TOLD_EVERY = 2.0  # seconds between two lines of progress
PROBE = 5.0  # seconds that a health answer may take
HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


class NotReady(Exception):
    """The start stopped at `stage`; `cause` is set where the course of events alone shows it."""

    def __init__(self, stage: str, detail: str, cause: str = "", holder: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.stage, self.detail, self.cause, self.holder = stage, detail, cause, holder


@dataclass
class Start:
    """One start on its way. `facts` gathers stages `{stage, seconds}`, health and first answers `{at, status, error}`."""

    target: Target
    process: Process
    waits: Waits
    logs: Logs
    mark: LogMark
    port: int
    client: Client
    progress: Callable[[str], None]
    facts: dict[str, Any] = field(default_factory=lambda: {"stages": [], "health": [], "answers": []})
    began: float = field(default_factory=time.monotonic)
    _told: tuple[float, object] = field(default_factory=lambda: (time.monotonic(), None))
    _spoke: tuple[float, LogMark] | None = None

    async def become_ready(self) -> None:
        """Go through all stages. Raises NotReady."""
        await self._stage("process", self.waits.process, self._exists)
        await self._stage("port", self.waits.port, self._listens)
        if "health" in self.target.capabilities:
            await self._stage("health", self.waits.health, self._is_healthy)
        await self._stage("answer", self.waits.answer, self._answers)

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.began, 3)

    async def _stage(self, name: str, limit: float, reached: Callable[[float], Awaitable[bool]]) -> None:
        began = time.monotonic()
        pause = POLLS[0]
        while not await reached(max(0.1, limit - (time.monotonic() - began))):
            passed = time.monotonic() - began
            self._must_live(name)
            if passed > limit:
                raise NotReady(name, f"{self._how_far()} within {limit:g} s")
            self._listen_for_silence(name)
            self._tell(name, passed)
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, POLLS[1])
        if name != "process":  # one that began and ended at once did begin: it fails at the next stage
            self._must_live(name)
        self.facts["stages"].append({"stage": name, "seconds": round(time.monotonic() - began, 3)})
        self.progress(f"launch: {name} after {self.seconds:.1f} s")

    def _must_live(self, stage: str) -> None:
        """Whatever answers, it isn't the server when that has ended."""
        if self.process.error:
            raise NotReady(stage, self.process.error, "no-program")
        if self.process.ended:
            raise NotReady(stage, "the process ended")

    async def _exists(self, _left: float) -> bool:
        self.process.look()
        return self.process.pid is not None

    async def _listens(self, _left: float) -> bool:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), 1.0)
        except (OSError, asyncio.TimeoutError):
            return False
        writer.close()
        holder = listener(self.port)
        # Younger strangers are let be: a container's port is held by a proxy that its runtime starts for it.
        if holder and holder["since"] < self.process.since and not self.process.ended:
            raise NotReady("port", f"port {self.port} is held by another process", "port-taken", holder)
        return True

    async def _is_healthy(self, left: float) -> bool:
        return await self._ask("health", Request("GET", "/health"), min(left, PROBE)) == 200

    async def _answers(self, left: float) -> bool:
        body = json.dumps({"model": self.target.model, **HELLO}).encode()
        request = Request("POST", "/v1/chat/completions", (("Content-Type", "application/json"),), body)
        return await self._ask("answers", request, min(left, self.target.timeouts.total)) == 200

    async def _ask(self, kind: str, request: Request, bound: float) -> int | None:
        """The status that came, None for none or for a 200 whose body broke off; noted when it differs from the last."""
        timeouts = replace(self.target.timeouts, first_byte=bound, gap=bound, total=bound)
        at = self.seconds
        got = await self.client.send(f"launch-{kind}", request, timeouts=timeouts)
        status = None if got.error else got.status
        if kind == "answers" and status == 200:
            status = 200 if _has_choices(got.body) else None
        seen = {"status": got.status, "error": got.error or ("" if status else "the answer has no choices")}
        noted = self.facts[kind]
        if not noted or {k: noted[-1][k] for k in seen} != seen:
            noted.append({"at": at, **seen})
        return status

    def _how_far(self) -> str:
        percentage = self.logs.percentage(self.mark)
        return "no progress" if percentage is None else f"weights at {percentage} %, no further"

    def _listen_for_silence(self, stage: str) -> None:
        now, mark = time.monotonic(), self.logs.mark()
        if self._spoke is None or self._spoke[1] != mark:
            self._spoke = (now, mark)
        elif self.waits.silence and now - self._spoke[0] > self.waits.silence:
            raise NotReady(stage, f"{self._how_far()}, and no log line for {self.waits.silence:g} s")

    def _tell(self, stage: str, passed: float) -> None:
        now, percentage = time.monotonic(), self.logs.percentage(self.mark)
        if now - self._told[0] < TOLD_EVERY and percentage == self._told[1]:
            return
        self._told = (now, percentage)
        weights = "" if percentage is None else f", weights {percentage} %"
        self.progress(f"launch: waiting for {stage}, {passed:.0f} s{weights} · {self.logs.last_line(self.mark)[:100]}")


def _has_choices(body: bytes) -> bool:
    try:
        return bool(json.loads(body)["choices"])
    except (ValueError, KeyError, TypeError):
        return False
