"""A client that asks and doesn't read: what it does to a server that waits for it is seen by others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from ernie_conformance.wire.client import Client
from ernie_conformance.wire.exchange import Request

LITTLE = 4096  # bytes that the system reads for us
SEGMENT = 536  # bytes of a TCP segment, as over the worst of networks: on a loopback a server's system takes megabytes else


@asynccontextmanager
async def unread(client: Client, request: Request) -> AsyncIterator[None]:
    """Send `request` to the client's server over a connection of its own, and read nothing of the answer meanwhile.

    A server that can't be reached so (https, or nobody there) isn't asked; other exchanges say what is wrong with it.
    """
    place = urlsplit(client.base_url)
    if place.scheme != "http" or place.hostname is None:
        yield
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
        yield
    finally:
        if connection is not None:
            connection.close()


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
