"""Runs in the engine's interpreter, whatever its version: lists distributions, or imports one module and asks it.

Standard library only, and nothing newer than Python 3.8.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
from typing import Any

SERVER_FILE = "fastdeploy/entrypoints/openai/api_server.py"


def inventory() -> dict[str, Any]:
    versions: dict[str, str] = {}
    fastdeploy, requires = [], []
    for distribution in importlib.metadata.distributions():
        name = (distribution.metadata["Name"] or "").lower().replace("_", "-")
        if name in versions:
            continue  # the first on the path is the one that is imported
        versions[name] = distribution.version
        if "fastdeploy" in name:
            files = {str(file).replace("\\", "/") for file in distribution.files or []}
            fastdeploy.append((name, distribution.version, SERVER_FILE in files))
            requires = distribution.requires or []
    fastdeploy.sort(key=lambda found: not found[2])
    name, version, has_server = fastdeploy[0] if fastdeploy else ("", "", False)
    return {
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "distributions": versions,
        "fastdeploy": {
            "name": name,
            "version": version,
            "has_server": has_server,
            "all": sorted(found[0] for found in fastdeploy),
            "requires": requires,
        },
    }


def of_paddle(paddle: Any) -> dict[str, Any]:
    compiled = paddle.is_compiled_with_cuda()
    return {
        "version": paddle.__version__,
        "compiled_with_cuda": compiled,
        "cuda": paddle.version.cuda(),
        "cudnn": paddle.version.cudnn(),
        "devices": paddle.device.cuda.device_count() if compiled else 0,
    }


def of_fastdeploy(fastdeploy: Any) -> dict[str, Any]:
    return {name: hasattr(fastdeploy, name) for name in ("LLM", "SamplingParams")}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        module = importlib.import_module(sys.argv[1])
        print(json.dumps({"paddle": of_paddle, "fastdeploy": of_fastdeploy}[sys.argv[1]](module)))
    else:
        print(json.dumps(inventory()))
