"""The table of the environment, in the tutorial's form: check, minimum, recommended, measured, verdict."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ernie_conformance.judge import verdicts
from ernie_conformance.judge.rules.env_facts import checks, gigabytes

HEAD = {
    "en": ("check", "minimum", "recommended", "measured", "verdict"),
    "zh": ("检查项目", "最低要求", "推荐配置", "实测", "结论"),
}
VERDICTS = {
    verdicts.PASS: "通过",
    verdicts.FAIL: "不通过",
    verdicts.WARN: "警告",
    verdicts.WAIVED: "已豁免",
    verdicts.BLOCKED: "受阻",
    verdicts.ERROR: "检查出错",
}
VENDOR = {"en": " (vendor {})", "zh": "（厂商 {}）"}
NONE = {"en": "none", "zh": "无"}
WIDEST = 44  # columns of one cell; a path or a holder's name may be long

Host = Mapping[str, Any]


def env_table(facts: Mapping[str, Any], found: Mapping[str, str], lang: str) -> list[str]:
    """Lines for the terminal: one a check that was asked. `found` is the verdict of each row by its id."""
    rows = env_rows(facts, found, lang)
    told = [(*row[:-1], row[-1] if lang == "en" else VERDICTS.get(row[-1], row[-1])) for row in rows]
    return _aligned([HEAD[lang], *told]) if told else []


def env_rows(facts: Mapping[str, Any], found: Mapping[str, str], lang: str) -> list[tuple[str, ...]]:
    """The table's cells, in the order of HEAD; the verdict by its name."""
    if "host" not in facts:
        return []
    rows: list[tuple[str, ...]] = []
    for name, check in checks().items():
        verdict = _worst(check["rows"], found)
        if verdict:
            measured = _measured(name, facts["host"], lang)
            rows.append((check["item"][lang], _minimum(check, lang), _preferred(check, lang), measured, verdict))
    return rows


def _worst(patterns: Iterable[str], found: Mapping[str, str]) -> str:
    """The weightiest verdict of the check's rows, "" when none of them was asked."""
    mine = [v for row, v in found.items() if any(fnmatchcase(row, pattern) for pattern in patterns)]
    asked = [v for v in mine if v not in (verdicts.NOT_ASKED, verdicts.NOT_TESTABLE)]
    return max(asked, key=verdicts.WEIGHT.index, default="")


def _figure(check: Mapping[str, Any], key: str) -> str:
    unit = {"gigabytes": " GB+", "percent": " %", "version": "+", "count": "+"}[check["kind"]]
    return f"{check[key]}{unit}" if key in check else ""


def _minimum(check: Mapping[str, Any], lang: str) -> str:
    if check["kind"] == "text":
        return str(check["minimum"][lang])
    tutorial, vendor = _figure(check, "tutorial"), _figure(check, "vendor")
    return tutorial + VENDOR[lang].format(vendor) if tutorial and vendor else tutorial or vendor


def _preferred(check: Mapping[str, Any], lang: str) -> str:
    return str(check["preferred"][lang]) if check["kind"] == "text" else _figure(check, "recommended")


def _devices(host: Host) -> list[Mapping[str, Any]]:
    devices: list[Mapping[str, Any]] = host["gpu"].get("devices", [])
    return [devices[i] for i in host["gpu"].get("visible", []) if i < len(devices)]


def _each(host: Host, tell: Callable[[Mapping[str, Any]], str]) -> str:
    """What each visible GPU says; said once when all say the same."""
    return ", ".join(dict.fromkeys(tell(device) for device in _devices(host)))


def _package(host: Host, name: str) -> str:
    return str(host["engine"].get("distributions", {}).get(name, ""))


def _model(host: Host) -> str:
    model = host["model"]
    if not model.get("there"):
        return str(model.get("problem", ""))
    return f"{len(model['files'])}, {gigabytes(sum(file['size'] for file in model['files'].values()))}"


def _ports(host: Host) -> str:
    return ", ".join(
        f"{p['number']}{'' if p['free'] else ' ' + (p['holder'] or p['problem'])}" for p in host["ports"].values()
    )


def _paddle(host: Host) -> str:
    cuda = (host["engine"].get("paddle") or {}).get("cuda")
    return (_package(host, "paddlepaddle-gpu") + (f" (CUDA {cuda})" if cuda else "")).strip()


def _fastdeploy(host: Host) -> str:
    found = host["engine"].get("fastdeploy", {})
    return f"{found.get('name', '')} {found.get('version', '')}".strip()


def _library(host: Host, name: str) -> str:
    told = (host["engine"].get("paddle") or {}).get(name)
    pip = next((v for n, v in host["engine"].get("distributions", {}).items() if n.startswith(f"nvidia-{name}-cu")), "")
    return str(told or pip or (host["cuda"]["libraries"][name] or {}).get("version", ""))


MEASURED: dict[str, Callable[[Host], str]] = {
    "driver": lambda host: host["gpu"]["driver"],
    "driver_cuda": lambda host: host["gpu"]["cuda"],
    "toolkit": lambda host: (host["cuda"]["toolkit"] or {}).get("full", ""),
    "capability": lambda host: _each(host, lambda d: f"{d['name']} (SM{''.join(map(str, d['capability']))})"),
    "gpus": lambda host: f"{len(_devices(host))}/{len(host['gpu']['devices'])}",
    "gpu_memory": lambda host: _each(host, lambda d: gigabytes(d["memory"]["total"])),
    "gpu_free": lambda host: _each(host, lambda d: gigabytes(d["memory"]["free"])),
    "gpu_use": lambda host: _each(host, lambda d: "?" if d["utilization"] is None else f"{d['utilization']:g} %"),
    "gpu_errors": lambda host: _each(host, lambda d: "?" if d["ecc"]["errors"] is None else str(d["ecc"]["errors"])),
    "cudnn": lambda host: _library(host, "cudnn"),
    "nccl": lambda host: _library(host, "nccl"),
    "memory": lambda host: gigabytes(host["memory"]["effective"]),
    "disk": lambda host: gigabytes(host["disk"]["free"] + host["model"].get("allocated", 0)),
    "shm": lambda host: gigabytes(host["shm"]["total"]),
    "open_files": lambda host: str(host["system"]["limits"]["open_files"][0]),
    "cpu": lambda host: " ".join(host["system"]["cpu"]["flags"] or []),
    "os": lambda host: f"{host['system']['os']} {host['system']['machine']}, {host['system']['libc']}",
    "suite_memory": lambda host: gigabytes(min(host["memory"]["available"], host["memory"]["effective"])),
    "scratch": lambda host: gigabytes(host["scratch"]["free"]),
    "python": lambda host: host["system"]["python"],
    "engine_python": lambda host: host["engine"].get("python", ""),
    "paddle": _paddle,
    "fastdeploy": _fastdeploy,
    "openai": lambda host: _package(host, "openai"),
    "model": _model,
    "ports": _ports,
    "command": lambda host: " ".join(flag for flag, _ in host["command"]["options"]),
}


def _measured(name: str, host: Host, lang: str) -> str:
    try:
        text = MEASURED[name](host)
    except (KeyError, TypeError, AttributeError):  # the probe failed; its row says how
        return "?"
    return _cut(text) if text else NONE[lang]


def _cut(text: str) -> str:
    safe = "".join(c if c.isprintable() else "?" for c in text)
    if width(safe) <= WIDEST:
        return safe
    while width(safe) >= WIDEST:
        safe = safe[:-1]
    return safe + "…"


def width(text: str) -> int:
    """Columns that `text` takes on a terminal: two for a Chinese character or its punctuation."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widest = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell + " " * (w - width(cell)) for cell, w in zip(row, widest, strict=True)).rstrip() for row in rows]
    return [lines[0], "-" * (sum(widest) + 2 * (len(widest) - 1)), *lines[1:]]
