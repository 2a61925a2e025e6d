"""The routes. Every error, whoever finds it, leaves as the same JSON object."""

from __future__ import annotations

from dataclasses import dataclass
from time import time

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

import ernie_conformance
from ernie_conformance.reference import bodies, chat, completions, delivery
from ernie_conformance.reference.access import Access
from ernie_conformance.reference.cache import PromptCache
from ernie_conformance.reference.engine import Engine
from ernie_conformance.reference.errors import Refused
from ernie_conformance.reference.metrics import CONTENT_TYPE, Metrics
from ernie_conformance.reference.options import Options

_CLIENT_CLOSED = 499  # never reaches anyone: the client is gone


@dataclass(frozen=True)
class Service:
    """Everything that lives as long as the server."""

    options: Options
    metrics: Metrics
    engine: Engine
    started: int
    cache: PromptCache

    async def chat(self, request: Request) -> Response:
        body = await bodies.read(request)
        prepared = await chat.prepare(body, self.options)
        prepared.cached_tokens = self.cache.hit(body.get("messages"), prepared.prompt_tokens)
        if prepared.values.get("stream"):
            return delivery.Events(chat.stream(prepared, self.engine))
        return JSONResponse(await delivery.whole(request, chat.answer(prepared, self.engine)))

    async def completions(self, request: Request) -> Response:
        prepared = completions.prepare(await bodies.read(request), self.options)
        if prepared.values.get("stream"):
            return delivery.Events(completions.stream(prepared, self.engine))
        return JSONResponse(await delivery.whole(request, completions.answer(prepared, self.engine)))

    async def models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._model(name) for name in self.options.names]})

    async def one_model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.options.names:
            raise Refused(f"The model '{name[:80]}' does not exist.", "model", "model_not_found", status=404)
        return JSONResponse(self._model(name))

    def _model(self, name: str) -> dict[str, object]:
        return {
            "id": name,
            "object": "model",
            "created": self.started,
            "owned_by": "ernie-conformance",
            "root": self.options.model,
            "max_model_len": self.options.max_model_len,
        }

    async def health(self, _: Request) -> Response:
        return Response(status_code=200)

    async def load(self, _: Request) -> Response:
        paths = ("/v1/chat/completions", "/v1/completions", "/v1/models")
        methods = {"/v1/models": ["GET"]}
        return JSONResponse({"routes": [{"path": p, "methods": methods.get(p, ["POST"]), "tags": []} for p in paths]})

    async def version(self, _: Request) -> Response:
        return JSONResponse({"version": ernie_conformance.__version__, "engine": "reference"})

    async def exposition(self, _: Request) -> Response:
        return Response(self.metrics.text(), headers={"content-type": CONTENT_TYPE})


def make_service(options: Options) -> Service:
    metrics = Metrics()
    return Service(options, metrics, Engine(options.max_num_seqs, options.speed, metrics), int(time()), PromptCache())


def make_app(service: Service) -> ASGIApp:
    """The API."""
    routes = [
        Route("/v1/chat/completions", service.chat, methods=["POST"]),
        Route("/v1/completions", service.completions, methods=["POST"]),
        Route("/v1/models", service.models),
        Route("/v1/models/{name:path}", service.one_model),
        Route("/health", service.health),
        Route("/ping", service.health, methods=["GET", "POST"]),
        Route("/load", service.load),
        Route("/version", service.version),
    ]
    return Access(_application(routes), service.options.api_keys)


def make_metrics_app(service: Service) -> ASGIApp:
    """What stands on the metrics port."""
    return _application([Route("/metrics", service.exposition)])


def _application(routes: list[Route]) -> ASGIApp:
    handlers = {Refused: _refused, HTTPException: _no_route, delivery.Gone: _gone, Exception: _mistake}
    app = Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]  # each takes its own class
    app.router.redirect_slashes = False
    return app


async def _refused(_: Request, error: Refused) -> Response:
    return error.response()


async def _gone(_: Request, __: delivery.Gone) -> Response:
    return Response(status_code=_CLIENT_CLOSED)


async def _no_route(request: Request, error: HTTPException) -> Response:
    what = f"{request.method} {request.url.path[:120]}"
    if error.status_code == 405:
        refusal = Refused(f"The method is not allowed: {what}.", code="method_not_allowed", status=405)
    else:
        refusal = Refused(f"There is no such route: {what}.", code="not_found", status=error.status_code)
    return refusal.response(dict(error.headers or {}))


async def _mistake(_: Request, __: Exception) -> Response:
    """An error of ours: uvicorn logs it, and its trace is told to nobody else."""
    return Refused("The server made a mistake.", code="internal_error", status=500).response()
