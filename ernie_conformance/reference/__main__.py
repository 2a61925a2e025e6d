"""Starts the server: all ports taken first, opened when everything is ready, closed quickly on SIGINT and SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from ernie_conformance.reference.app import Service, make_app, make_metrics_app, make_service
from ernie_conformance.reference.options import Options, parse

LOG = logging.getLogger("ernie_conformance.reference")
_BACKLOG = 2048
_PATIENCE = 2  # seconds that open connections get to hear of the end


class PortTaken(Exception):
    """A port that something else holds."""


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: it would end the process by the signal, not with code 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main() -> int:
    options = parse()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s", stream=sys.stderr)
    try:
        taken = [_bind(options.host, port) for port in (options.port, options.metrics_port, options.queue_port)]
    except PortTaken as error:
        print(error, file=sys.stderr)
        return 1
    gc.freeze()  # modules stay; a collection needn't walk them
    asyncio.run(_serve(options, *taken))
    return 0


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends without Nagle's delay only on sockets that say that they are TCP; else each answer waits 40 ms.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(_BACKLOG)
    except OSError as error:
        raise PortTaken(
            f"Port {port} on {host} can't be used ({error.strerror}); stop its owner or choose another."
        ) from None
    return taken


async def _serve(options: Options, api: socket.socket, metrics: socket.socket, queue: socket.socket) -> None:
    service = make_service(options)
    servers = [_server(make_app(service)), _server(make_metrics_app(service))]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _end, service, servers)
    async with await asyncio.start_server(_hang_up, sock=queue):
        _announce(options, api, metrics, queue)
        await asyncio.gather(servers[0].serve([api]), servers[1].serve([metrics]))
    LOG.info("Stopped.")


def _server(app: ASGIApp) -> Server:
    return Server(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_PATIENCE,
            log_level="warning",
        )
    )


def _end(service: Service, servers: list[Server]) -> None:
    service.engine.stop()
    for server in servers:
        server.should_exit = True


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def _announce(options: Options, *taken: socket.socket) -> None:
    port, metrics_port, queue_port = (one.getsockname()[1] for one in taken)
    LOG.info("Reference server: it proves the suite, not a deployment. Model %s, speed %s.", options.model, options.speed)
    LOG.info("Holding the port of the engine worker queue at %s:%d", options.host, queue_port)
    LOG.info("Launching metrics service at http://%s:%d/metrics", options.host, metrics_port)
    LOG.info("Launching chat completion service at http://%s:%d/v1/chat/completions", options.host, port)
    LOG.info("Launching completion service at http://%s:%d/v1/completions", options.host, port)


if __name__ == "__main__":
    sys.exit(main())
