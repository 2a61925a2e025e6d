"""The reference server, dying in mid-run: DEATHS AFTER WAY FILE, then its own options.

It ends at its AFTERth completion until it has died DEATHS times (a byte each in FILE), for good or, the WAY being
`restarts`, to begin again at once, as under a service manager.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from itertools import count
from pathlib import Path
from typing import Any

from ernie_conformance.reference.__main__ import main
from ernie_conformance.reference.engine import Engine

command = [sys.executable, *sys.argv]
deaths, after, way, told = sys.argv[1:5]
del sys.argv[1:5]
calls = count(1)
run = Engine.run
lives = Path(told).stat().st_size < int(deaths) if Path(told).exists() else int(deaths) > 0


async def dying(self: Engine, *arguments: Any) -> AsyncGenerator[Any, None]:
    if lives and next(calls) == int(after):
        with Path(told).open("ab") as file:
            file.write(b".")
        if way == "restarts":
            os.execv(command[0], command)
        os._exit(1)
    async for step in run(self, *arguments):
        yield step


Engine.run = dying  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(main())
