"""Recording without asyncio: one connection, one exchange after another, for tools that bring greenlets of their own."""

from __future__ import annotations

import time

import httpx

from ernie_conformance.targets import Timeouts
from ernie_conformance.wire.client import HEADERS, HangUp
from ernie_conformance.wire.exchange import Exchange, Request


class Sender:
    """Sends requests to one server and records bytes with their arrival times. Settings of the environment are ignored."""

    def __init__(self, base_url: str, timeouts: Timeouts, api_key: str = "") -> None:
        self.base_url = base_url.rstrip("/")
        self.timeouts = timeouts
        self._headers = {**HEADERS, **({"Authorization": f"Bearer {api_key}"} if api_key else {})}
        limits = httpx.Timeout(timeouts.gap, connect=timeouts.connect, read=timeouts.first_byte)
        self._client = httpx.Client(trust_env=False, timeout=limits)

    def close(self) -> None:
        self._client.close()

    def send(self, name: str, request: Request, expects: str, hang_up: HangUp | None = None) -> Exchange:
        """Send and record, errors included (as `Exchange.error` says). `hang_up` closes early, on purpose."""
        status: int | None = None
        headers: tuple[tuple[str, str], ...] = ()
        error: str | None = None
        pieces: list[tuple[float, bytes]] = []
        sent_at, begun = time.time(), time.perf_counter()
        try:
            with self._client.stream(
                request.method,
                self.base_url + request.path,
                headers={**self._headers, **dict(request.headers)},
                content=request.body,
            ) as response:
                status = response.status_code
                headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw)
                for piece in response.iter_raw():
                    pieces.append((time.perf_counter() - begun, piece))
                    if hang_up is not None and hang_up(b"".join(data for _, data in pieces)):
                        break
                    if pieces[-1][0] > self.timeouts.total:
                        error = f"total: not ended after {self.timeouts.total:g} s"
                        break
        except (httpx.ConnectError, httpx.ConnectTimeout) as failure:
            error = f"connect: {failure}"
        except httpx.ReadTimeout:
            error = f"{'gap' if pieces else 'first-byte'}: nothing for {self.timeouts.first_byte:g} s"
        except (httpx.HTTPError, OSError) as failure:
            error = f"broken: {type(failure).__name__}: {failure}"
        return Exchange(
            name=name,
            request=request,
            status=status,
            headers=headers,
            pieces=tuple(pieces),
            error=error,
            sent_at=sent_at,
            expects=expects,
            seconds=time.perf_counter() - begun,
        )
