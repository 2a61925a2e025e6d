"""What a server writes: its captured output and its log files, read in bounded pieces, whatever bytes stand in them."""

from __future__ import annotations

import glob
import os
import re
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PIECE = 64 * 1024  # bytes read at most of one file: enough for a traceback, little enough when a log floods
MARKS = 2000  # moments kept of a history; older ones are of exchanges long done
WEIGHTS = re.compile(r"Loading (?:Weights|Layers|safetensors checkpoint shards): +(\d{1,3})%")
NOT_PRINTABLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class LogMark:
    """How long each log file was at some moment, bytes by path."""

    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass
class History:
    """Where the logs stood when: what an exchange needs that learns only afterwards that it should have looked."""

    logs: Logs
    marks: deque[tuple[float, LogMark]] = field(default_factory=lambda: deque(maxlen=MARKS))

    def look(self) -> None:
        """Note where the logs stand now, if they moved."""
        mark = self.logs.mark()
        if not self.marks or self.marks[-1][1] != mark:
            self.marks.append((time.time(), mark))

    def mark_at(self, moment: float) -> LogMark:
        """Where they stood at `moment` (epoch), by the last look before it."""
        earlier = [mark for at, mark in self.marks if at <= moment]
        return earlier[-1] if earlier else self.marks[0][1] if self.marks else LogMark()


@dataclass(frozen=True)
class Logs:
    """The files a server writes to: `output`, and whatever matches the globs `patterns` in `folder` now or later."""

    output: Path
    folder: Path
    patterns: tuple[str, ...] = ()

    def mark(self) -> LogMark:
        return LogMark({str(path): path.stat().st_size for path in self._files()})

    def between(self, start: LogMark, end: LogMark | None = None, lines: int = 40) -> list[str]:
        """The last `lines` lines written between two marks (up to now without `end`), file after file.

        Lines of log files other than the captured output begin with the file's name.
        """
        found: list[str] = []
        for path in self._files():
            first = start.sizes.get(str(path), 0)
            last = end.sizes.get(str(path), first) if end else None
            name = "" if path == self.output.resolve() else f"{path.name}: "
            found += [f"{name}{line}" for line in _read(path, first, last)[-lines:]]
        return found

    def last_line(self, start: LogMark) -> str:
        lines = _read(self.output.resolve(), start.sizes.get(str(self.output.resolve()), 0), None)
        return lines[-1] if lines else ""

    def percentage(self, start: LogMark) -> int | None:
        """How much of the weights is loaded, by the engine's own progress bar; None when it shows none."""
        shown = WEIGHTS.findall("\n".join(self.between(start, lines=400)))
        return int(shown[-1]) if shown else None

    def _files(self) -> list[Path]:
        matching = (p for pattern in self.patterns for p in glob.glob(str(self.folder / pattern)))
        files = {
            Path(os.path.realpath(p)): None for p in [str(self.output), *sorted(matching)]
        }  # a link and its file are one
        return [path for path in files if path.is_file()]


def _read(path: Path, first: int, last: int | None) -> list[str]:
    """The lines of the last PIECE bytes of `path` within [first, last). Bytes that are no UTF-8 are shown escaped."""
    try:
        with path.open("rb") as file:
            end = min(file.seek(0, os.SEEK_END), last if last is not None else 1 << 62)
            begin = max(first if first <= end else 0, end - PIECE)  # a file that shrank was begun anew
            file.seek(begin)
            data = file.read(max(0, end - begin))
    except OSError:
        return []
    return list(printable(data.decode("utf-8", errors="backslashreplace").replace("\r", "\n").split("\n")))


def printable(lines: Iterable[str]) -> Iterable[str]:
    """Lines without colours, control characters and empty ones, each cut to 400 characters."""
    cleaned = (NOT_PRINTABLE.sub("", line).rstrip()[:400] for line in lines)
    return (line for line in cleaned if line)
