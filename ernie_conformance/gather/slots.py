"""How many requests go side by side, and which of those that wait goes next."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class Slots:
    """So many requests at once. Of those that wait, the longest goes first, so that no long one is left at the end."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._came = count()  # equally long ones go in the order in which they came

    @asynccontextmanager
    async def one(self, length: float) -> AsyncIterator[None]:
        """Hold a slot for something that takes about so long (any unit, the same for all)."""
        if self._free:
            self._free -= 1
        else:
            await self._turn(length)
        try:
            yield
        finally:
            self._pass_on()

    async def _turn(self, length: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-length, next(self._came), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # the slot came at the very moment when the wait was given up
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
