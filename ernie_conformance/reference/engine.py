"""Slots, pace and abort: lets requests generate, at most so many at once, the others in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

from ernie_conformance.reference.errors import stopping
from ernie_conformance.reference.metrics import Metrics
from ernie_conformance.reference.writing import Piece, Writing

Step = tuple[int, list[Piece]]  # which choice, and what it may send


class Pace:
    """Seconds until the first token, and between tokens when `running` requests generate."""

    def __init__(self, speed: str) -> None:
        self._speed = speed
        self.first = 0.35 if speed == "a800" else 0.0

    def between(self, running: int) -> float:
        if self._speed == "full":
            return 0.0
        if self._speed == "gate":
            return 1 / 300
        crowd = min(running - 1, 31) / 31  # the tutorial's card: 60 tokens/s alone, 20 with 32 streams
        return 1 / (60 - 40 * crowd)


class Engine:
    """One request takes one slot, however many choices it asks for; its choices advance side by side."""

    def __init__(self, slots: int, speed: str, metrics: Metrics) -> None:
        self._slots, self._pace, self._metrics = slots, Pace(speed), metrics
        self._running = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._stopped = False

    def stop(self) -> None:
        """End what runs and waits: each gets an error that it can see."""
        self._stopped = True
        while self._queue:
            self._wake(self._queue.popleft())

    async def run(self, writings: Sequence[Writing], prompt_tokens: int, asked: int) -> AsyncGenerator[Step, None]:
        """Generate. The first step, with no pieces, says that a slot was found.

        Cancelling the consumer frees the slot at once. Raises Refused (503) when the server stops.
        """
        came = monotonic()
        async with self._slot():
            started = monotonic()
            self._metrics.queue.observe(started - came)
            self._metrics.prompt_tokens.inc(prompt_tokens)
            self._metrics.prompt_size.observe(prompt_tokens)
            self._metrics.asked_size.observe(asked)
            yield -1, []
            first = last = 0.0
            async for step in self._paced(writings, started):
                now = monotonic()
                if not first:
                    first = now
                    self._metrics.first_token.observe(now - came)
                    self._metrics.prefill.observe(now - started)
                else:
                    self._metrics.per_token.observe(now - last)
                last = now
                yield step
            done = monotonic()
            self._metrics.success.inc()
            self._metrics.answer_size.observe(sum(writing.tokens for writing in writings))
            self._metrics.latency.observe(done - came)
            self._metrics.inference.observe(done - started)
            self._metrics.decode.observe(done - (first or done))

    async def _paced(self, writings: Sequence[Writing], started: float) -> AsyncIterator[Step]:
        due = started + self._pace.first
        going = [(index, writing, writing.steps()) for index, writing in enumerate(writings)]
        while going:
            await asyncio.sleep(max(0.0, due - monotonic()))
            if self._stopped:
                raise stopping()
            for entry in list(going):
                index, writing, steps = entry
                before = writing.tokens
                pieces = next(steps, None)
                self._metrics.generation_tokens.inc(writing.tokens - before)
                if pieces is None:
                    going.remove(entry)
                yield index, pieces or []
            due += self._pace.between(self._running)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._stopped:
            raise stopping()
        if self._running >= self._slots or self._queue:
            await self._wait()
        else:
            self._count(+1)
        try:
            if self._stopped:
                raise stopping()
            yield
        finally:
            self._leave()

    async def _wait(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._metrics.waiting.inc()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # the slot came at the very moment when the client went
            elif turn in self._queue:
                self._queue.remove(turn)
            raise
        finally:
            self._metrics.waiting.dec()

    def _leave(self) -> None:
        self._count(-1)
        while self._queue and self._running < self._slots:
            self._wake(self._queue.popleft())

    def _wake(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self._count(+1)
            turn.set_result(None)

    def _count(self, change: int) -> None:
        self._running += change
        self._metrics.running.set(self._running)
        self._metrics.cache.set(min(1.0, self._running / self._slots))
