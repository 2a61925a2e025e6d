"""How to repeat an exchange from a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange

KEY = '"Authorization: Bearer $API_KEY"'  # in double quotes: the shell puts the key in
FROM = "<"
SHORT = 400  # bytes of a body that are still readable on a command line


def repeat_line(exchange: Exchange, evidence: Evidence, base_url: str, report_dir: str = "report") -> str:
    """The curl line of an exchange of this run: metrics may have an address of their own, and the run may have had a key."""
    metrics = str(evidence.target.get("metrics_url") or "")
    at_metrics = bool(metrics) and exchange.request.path == "/metrics"
    asks_for_keys = exchange.notes.get("scenario") == "keys"  # that scenario leaves the key out on purpose
    keyed = bool(evidence.facts.get("keyed")) and not at_metrics and not asks_for_keys
    return curl_line(exchange, metrics.removesuffix("/metrics") if at_metrics else base_url, report_dir, keyed)


def curl_line(exchange: Exchange, base_url: str, report_dir: str = "report", keyed: bool = False) -> str:
    """A curl command that sends the same request; a long body is read from the folder `requests` in `report_dir`.

    It is read through the shell, which says when the file isn't there; curl would send an empty body instead.
    No key is ever shown: with `keyed`, it is read from the variable API_KEY of whoever repeats it.
    """
    request = exchange.request
    words = ["curl", "-sS", "-i"]
    if exchange.wants_stream:
        words.append("-N")
    if request.method == "HEAD":
        words.append("-I")
    elif request.method not in ("GET", "POST") or (request.method == "POST" and request.body is None):
        words += ["-X", request.method]
    words.append((base_url.rstrip("/") or "$BASE_URL") + request.path)
    for name, value in request.headers:
        words += ["-H", f"{name}: {'***' if name.lower() == 'authorization' else value}"]
    if keyed and not any(name.lower() == "authorization" for name, _ in request.headers):
        words += ["-H", KEY]
    if request.body is not None:
        words += ["--data-binary", *_body(exchange, report_dir)]
    bare = (KEY, FROM)
    return " ".join(word if word in bare or word.startswith("$BASE_URL") else shlex.quote(word) for word in words)


def _body(exchange: Exchange, report_dir: str) -> list[str]:
    body = exchange.request.body or b""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and len(body) <= SHORT and text.isprintable() and not text.startswith("@"):
        return [text]
    return ["@-", FROM, (Path(report_dir) / "requests" / f"{exchange.name.replace('/', '_')}.json").as_posix()]
