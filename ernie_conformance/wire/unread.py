"""A client that asks and doesn't read: what it does to a server that waits for it is seen by others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from ernie_conformance.wire.client import Client
from ernie_conformance.wire.exchange import Request

LITTLE = 4096  # bytes that the system reads for us
SEGMENT = 536  # bytes of a TCP segment, as over the worst of networks: on a loopback a server's system takes megabytes else


@asynccontextmanager
async def unread(client: Client, request: Request) -> AsyncIterator[Callable[[], int | None]]:
    """Send `request` to the client's server over a connection of its own, and read nothing of the answer meanwhile.

    What it gives tells the answer's status, to be called when the others are done, for it reads the first bytes: None where
    nothing came, as from a server that can't be asked so (https, or nobody there).
    """
    place = urlsplit(client.base_url)
    if place.scheme != "http" or place.hostname is None:
        yield lambda: None
        return
    fields = {
        **client.headers,
        **dict(request.headers),
        "Host": place.netloc,
        "Content-Length": str(len(request.body or b"")),
    }
    path = place.path.rstrip("/") + request.path
    head = f"{request.method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    data = f"{head}\r\n".encode("latin-1") + (request.body or b"")
    connection: socket.socket | None = None
    try:
        connection = await asyncio.to_thread(_asked, (place.hostname, place.port or 80), data, client.timeouts.connect)
        yield lambda: _status(connection)
    finally:
        if connection is not None:
            connection.close()


def _status(connection: socket.socket | None) -> int | None:
    if connection is None:
        return None
    connection.setblocking(False)
    try:
        words = connection.recv(LITTLE).split(maxsplit=2)
    except OSError:
        return None
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


def _asked(address: tuple[str, int], data: bytes, seconds: float) -> socket.socket | None:
    for family, kind, protocol, _, where in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
            connection.settimeout(seconds)
            connection.connect(where)
            connection.sendall(data)
            return connection
        except OSError:
            connection.close()
    return None
