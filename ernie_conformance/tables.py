"""Reading TOML tables with errors that name the file and the cure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class UsageError(Exception):
    """The operator asked for something that can't be; the message is one sentence that says what to do (exit code 4)."""


def read_table(path: Path) -> dict[str, Any]:
    """The TOML document at `path`. Raises UsageError when it can't be read or parsed."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}; mend the file") from error
