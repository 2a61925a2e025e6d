"""The client that records. Everything HTTP stands behind this module: it never raises for what a server does."""

from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

import httpx

from ernie_conformance.targets import Timeouts
from ernie_conformance.wire.exchange import ANY, Exchange, Request

T = TypeVar("T")
HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
    "User-Agent": "ernie-conformance",
}
# Servers close idle connections after 5 s (uvicorn, llama.cpp); one that they are just closing isn't used again.
_ONE = httpx.Limits(max_keepalive_connections=1, keepalive_expiry=2.0)
HangUp = Callable[[bytes], bool]  # given all the bytes so far: shall we close the connection now?


@cache
def _trusted() -> ssl.SSLContext:
    """Whom TLS connections trust: read once, for it takes as long as twenty exchanges."""
    return httpx.create_ssl_context(trust_env=False)


def _credentials(url: str) -> dict[str, str]:
    """The header that `http://USER:PASSWORD@host` stands for."""
    user, found, _ = urlsplit(url).netloc.rpartition("@")
    name, _, password = user.partition(":")
    credentials = b64encode(unquote_to_bytes(f"{name}:{password}")).decode("ascii")
    return {"Authorization": f"Basic {credentials}"} if found else {}


class _Late(Exception):
    """A wait ended; the text says which and after how long."""


class Client:
    """Sends requests to one server over kept-alive connections, and records bytes with their arrival times.

    Proxies and other settings of the environment are ignored: traffic goes where the operator said and nowhere else.
    """

    def __init__(self, base_url: str, timeouts: Timeouts, headers: dict[str, str] | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeouts = timeouts
        self.headers = {**HEADERS, **(headers or {}), **_credentials(self.base_url)}
        self.broken_reuses = 0  # requests that a kept connection didn't survive
        self._limits = {"timeout": httpx.Timeout(None, connect=timeouts.connect).as_dict()}
        self._free: list[httpx.AsyncHTTPTransport] = []  # connections that nobody uses now, the latest used last

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        for lane in self._free:
            await lane.aclose()

    @asynccontextmanager
    async def _lane(self) -> AsyncIterator[httpx.AsyncHTTPTransport]:
        """A connection of one's own. (In a common pool every request and answer looks at all connections.)"""
        lane = self._free.pop() if self._free else httpx.AsyncHTTPTransport(verify=_trusted(), trust_env=False, limits=_ONE)
        try:
            yield lane
        finally:
            self._free.append(lane)

    async def send(
        self,
        name: str,
        request: Request,
        *,
        phase: str = "",
        expects: str = ANY,
        timeouts: Timeouts | None = None,
        hang_up: HangUp | None = None,
    ) -> Exchange:
        """Send `request` and record what comes back, errors included. `hang_up` closes early, on purpose."""
        bounds = timeouts or self.timeouts
        taken = _Taken()
        try:
            while not await self._converse(request, bounds, taken, hang_up):
                taken = _Taken()  # a kept connection that the server had closed meanwhile, as it may: take another
        except _Late as late:
            taken.error = str(late)
        except httpx.ConnectTimeout:
            taken.error = f"connect: no connection within {bounds.connect:g} s"
        except httpx.ConnectError as error:
            taken.error = f"connect: {error}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError, zlib.error) as error:
            taken.error = f"broken: {type(error).__name__}: {error}"
        return Exchange(
            name=name,
            request=request,
            status=taken.status,
            headers=taken.headers,
            pieces=tuple(taken.pieces),
            error=taken.error,
            phase=phase,
            sent_at=taken.sent_at,
            expects=expects,
            seconds=taken.elapsed(),
        )

    async def _converse(self, request: Request, bounds: Timeouts, taken: _Taken, hang_up: HangUp | None) -> bool:
        """Fill `taken`; False when a kept connection turned out to be closed before any answer."""
        headers = {**self.headers, **dict(request.headers)}
        url = self.base_url + request.path
        extensions = {**self._limits, "trace": taken.trace}
        built = httpx.Request(request.method, url, headers=headers, content=request.body, extensions=extensions)
        async with self._lane() as lane:
            return await self._exchange(lane, built, bounds, taken, hang_up)

    async def _exchange(
        self, lane: httpx.AsyncHTTPTransport, built: httpx.Request, bounds: Timeouts, taken: _Taken, hang_up: HangUp | None
    ) -> bool:
        """One request over one lane, as for `_converse`."""
        try:
            response = await _within(bounds.first_byte, "first-byte", lane.handle_async_request(built))
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if taken.fresh:
                raise
            self.broken_reuses += 1
            return False
        try:
            taken.status = response.status_code
            taken.headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw)
            pieces = response.aiter_raw()
            read = _reader_of(built, response)
            wait, what = bounds.first_byte, "first-byte"
            while True:
                left = bounds.total - taken.elapsed()
                piece = await _within(min(wait, left), what if wait <= left else "total", anext(pieces, b""))
                if not piece:
                    return True
                taken.pieces += [(taken.elapsed(), text)] if (text := read(piece)) else []
                wait, what = bounds.gap, "gap"
                if hang_up is not None and hang_up(b"".join(p for _, p in taken.pieces)):
                    return True
        finally:
            await response.aclose()


@dataclass
class _Taken:
    """What has come so far of one answer."""

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    error: str | None = None
    sent_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)

    fresh: bool = False  # was a connection opened for this request?

    async def trace(self, event: str, _: object) -> None:
        """httpcore's events: note when a connection is opened."""
        self.fresh = self.fresh or event == "connection.connect_tcp.started"

    def elapsed(self) -> float:
        """Seconds since sending."""
        return time.perf_counter() - self.started


def _reader_of(request: httpx.Request, response: httpx.Response) -> Callable[[bytes], bytes]:
    """What a client reads of each piece: all of it, or what can be unpacked of it where the request allowed gzip."""
    allowed = "gzip" in request.headers.get("accept-encoding", "")
    if not (allowed and response.headers.get("content-encoding", "").lower() == "gzip"):
        return lambda piece: piece
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress


async def _within(seconds: float, what: str, waiting: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(waiting, max(seconds, 0.001))
    except asyncio.TimeoutError as error:
        raise _Late(f"{what}: nothing came for {seconds:.1f} s") from error
