"""Request bodies: read up to a limit, parsed strictly. JSON in UTF-8, an object, no NaN, no lone surrogates."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request

from ernie_conformance.reference.errors import Refused

MOST_BYTES = 64 * 2**20
_HEARD_OUT = 4 * MOST_BYTES
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


async def read(request: Request) -> dict[str, Any]:
    """The body of a request as a JSON object. Raises Refused: 400, 413 or 415."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Refused(f"Send JSON as application/json, not as '{kind[:80]}'.", code="unsupported_media_type", status=415)
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= MOST_BYTES:
            pieces.append(piece)
        elif size > _HEARD_OUT:
            break
    if size > MOST_BYTES:  # said at the end of the body, as a client that still sends sees a reset instead of a refusal
        raise _too_large()
    return parse(b"".join(pieces))


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object from bytes. Raises Refused."""
    if not data.strip():
        raise _invalid("it is empty")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _invalid("a string holds half of a surrogate pair") from None
    except UnicodeDecodeError as error:
        raise _invalid(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _invalid(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise _invalid("it is nested too deeply") from None
    except ValueError as error:  # a constant such as NaN, or a number of thousands of digits
        raise _invalid(str(error)[:80]) from None
    if not isinstance(value, dict):
        raise _invalid("it must be a JSON object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _invalid(why: str) -> Refused:
    return Refused(f"The request body is not valid: {why}.", code="invalid_json")


def _too_large() -> Refused:
    return Refused(f"The request body is too large; the limit is {MOST_BYTES} bytes.", code="request_too_large", status=413)
