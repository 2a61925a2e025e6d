"""Who may ask: API keys on /v1, and the headers that browsers want."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ernie_conformance.reference.errors import Refused

_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "*",
}


class Access:
    """Wraps the API. Preflights are answered without a key, as browsers send none with them."""

    def __init__(self, app: ASGIApp, keys: tuple[str, ...]) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(status_code=204, headers={**_CORS, "allow": _CORS["access-control-allow-methods"]})(
                scope, receive, send
            )
        elif self._keys and scope["path"].startswith("/v1") and not self._knows(scope):
            refusal = Refused("A valid API key is required: Authorization: Bearer KEY.", None, "invalid_api_key", 401)
            await refusal.response({**_CORS, "www-authenticate": "Bearer"})(scope, receive, send)
        else:
            await self._app(scope, receive, _opened(send))

    def _knows(self, scope: Scope) -> bool:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        fits = [hmac.compare_digest(key.strip().encode(), known.encode()) for known in self._keys]
        return scheme.lower() == "bearer" and any(fits)


def _opened(send: Send) -> Send:
    async def opened(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["access-control-allow-origin"] = "*"
        await send(message)

    return opened
