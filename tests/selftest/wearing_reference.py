"""The reference server, wearing out: each request leaves memory behind. Usage: BYTES, then its own options."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from typing import Any

from ernie_conformance.reference.__main__ import main
from ernie_conformance.reference.engine import Engine

kept: list[bytes] = []
leaving = int(sys.argv.pop(1))
run = Engine.run


async def leaking(self: Engine, *arguments: Any) -> AsyncGenerator[Any, None]:
    kept.append(b"\1" * leaving)
    async for step in run(self, *arguments):
        yield step


Engine.run = leaking  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(main())
