"""The one way to refuse a request: an exception that knows its status and its OpenAI-shaped body."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse


class Refused(Exception):
    """A request that is not served. `status` is the HTTP status, `param` the field that is to blame, if any."""

    def __init__(self, message: str, param: str | None = None, code: str = "invalid_value", status: int = 400) -> None:
        super().__init__(message)
        self.message, self.param, self.code, self.status = message, param, code, status

    def body(self) -> dict[str, Any]:
        """`{"error": {"message", "type", "param", "code"}}` as the OpenAI API reference has it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self, headers: dict[str, str] | None = None) -> JSONResponse:
        return JSONResponse(self.body(), self.status, headers)


def stopping() -> Refused:
    """What a request gets that a shutdown cuts short."""
    return Refused("The server is shutting down; the answer is incomplete.", code="server_shutting_down", status=503)
