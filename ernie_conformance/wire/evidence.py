"""The evidence file: JSON Lines, the run's head first, then every exchange and what each scenario noted, then an end line.

An exchange is `{name, phase, sent_at (epoch), request {method, path, headers, body | body_b64}, status,
headers [[k, v]...], pieces [[seconds, text | {"b64": ...}]...], error, log, expects, seconds, notes}`.
Recordings of other tools, which keep status, headers and pieces under `response`, are read too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ernie_conformance.files import whole
from ernie_conformance.tables import UsageError
from ernie_conformance.wire.exchange import ABANDONED, ANY, NOT_TRIED, Exchange, Request
from ernie_conformance.wire.secrets import masked_within, without_secrets

FORMAT = 1
CUT = "the budget ended before it was asked"  # a reason in Evidence.unasked
HUNG_UP = {"aborted_by_client", "client_closed_after_chunks"}  # how recorders say that they closed on purpose


@dataclass(frozen=True)
class Evidence:
    """All that a judge may look at. `notes` are what each scenario noted; `complete` when nothing was cut off."""

    exchanges: dict[str, Exchange]
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    unasked: dict[str, str] = field(default_factory=dict)  # name of an exchange or scenario: why it wasn't put

    @property
    def given_up(self) -> bool:
        """Did the server stop answering, so that the run asked no more?"""
        return any(exchange.error == NOT_TRIED for exchange in self.exchanges.values())

    @cached_property
    def made_by(self) -> dict[str, dict[str, Exchange]]:
        """The exchanges of each scenario, by their own names."""
        found: dict[str, dict[str, Exchange]] = {}
        for name, exchange in self.exchanges.items():
            if scenario := exchange.notes.get("scenario"):
                found.setdefault(scenario, {})[name] = exchange
        return found

    def replaced(self, exchanges: Iterable[Exchange]) -> Evidence:
        """The same run with other exchanges, for asking what a judge would say of a changed answer."""
        return replace(self, exchanges={e.name: e for e in exchanges})


def _text_or_b64(data: bytes) -> Any:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(data).decode("ascii")}


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return str(value).encode("utf-8", errors="surrogatepass")


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    """Headers as pairs; some recorders write them as an object."""
    pairs = value.items() if isinstance(value, dict) else value or ()
    return tuple((str(name), str(text)) for name, text in pairs)


def exchange_to_record(exchange: Exchange) -> dict[str, Any]:
    """The JSON object of one exchange."""
    request: dict[str, Any] = {
        "method": exchange.request.method,
        "path": exchange.request.path,
        "headers": [list(pair) for pair in exchange.request.headers],
    }
    if exchange.request.body is not None:
        body = _text_or_b64(exchange.request.body)
        request["body_b64" if isinstance(body, dict) else "body"] = body["b64"] if isinstance(body, dict) else body
    record = {
        "name": exchange.name,
        "phase": exchange.phase,
        "sent_at": exchange.sent_at,
        "expects": exchange.expects,
        "request": request,
        "status": exchange.status,
        "headers": [list(pair) for pair in exchange.headers],
        "pieces": [[round(at, 5), _text_or_b64(piece)] for at, piece in exchange.pieces],
        "error": exchange.error,
        "log": exchange.log,
        "seconds": round(exchange.seconds, 5),
    }
    return record | ({"notes": exchange.notes} if exchange.notes else {})


def exchange_from_record(record: dict[str, Any]) -> Exchange:
    """The exchange of one line, ours or a recording's. Raises KeyError, TypeError or ValueError when it isn't one."""
    request, response = record["request"], record.get("response", record)
    body = request.get("body")
    if request.get("body_b64") is not None:
        body = base64.b64decode(request["body_b64"])
    elif body is not None:
        body = _bytes(body)
    pieces = tuple((float(at), _bytes(piece)) for at, piece in response.get("pieces") or ())
    return Exchange(
        name=str(record["name"]),
        request=Request(
            request["method"],
            request["path"],
            _headers(request.get("headers")),
            body,
            cut=bool(request.get("body_cut")),
        ),
        status=response.get("status"),
        headers=_headers(response.get("headers")),
        pieces=pieces,
        error=response.get("error"),
        phase=str(record.get("phase", "")),
        sent_at=float(record.get("sent_at", 0.0)),
        expects=ABANDONED if HUNG_UP & set(response) else str(record.get("expects", ANY)),
        log=record.get("log"),
        seconds=float(record.get("seconds", pieces[-1][0] if pieces else 0.0)),
        notes=record.get("notes") or {},
    )


def _lines(evidence: Evidence) -> Iterator[dict[str, Any]]:
    yield {"format": FORMAT, "target": evidence.target, "facts": evidence.facts, "unasked": evidence.unasked}
    yield from map(exchange_to_record, evidence.exchanges.values())
    for scenario, notes in evidence.notes.items():
        yield {"scenario": scenario, "notes": notes}
    yield {"end": len(evidence.exchanges)}


def write_evidence(path: Path, evidence: Evidence, secrets: Iterable[str] = ()) -> None:
    """Write `evidence` in one move (no reader ever sees half of it), with every secret masked."""
    with whole(path) as out:
        for line in _lines(masked_evidence(evidence, secrets)):
            out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
            out.write("\n")


def read_evidence(path: Path) -> Evidence:
    """The evidence at `path`. Raises UsageError, in one sentence, when the file isn't readable evidence."""
    exchanges: dict[str, Exchange] = {}
    notes: dict[str, dict[str, Any]] = {}
    head: dict[str, Any] = {}
    ended = False
    for number, text in enumerate(_texts(path), 1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
            if "format" in record:
                head = record
            elif "scenario" in record:
                notes[record["scenario"]] = record["notes"]
            elif "end" in record:
                ended = record["end"] == len(exchanges)
            else:
                exchange = exchange_from_record(record)
                exchanges[_free_name(exchange.name, exchanges)] = exchange
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"{path} line {number} is no exchange ({error}); name an evidence file") from error
    if not exchanges and not head.get("facts"):
        raise UsageError(f"{path} holds no exchange; name an evidence file of JSON lines")
    if head and head["format"] != FORMAT:
        raise UsageError(f"{path} has format {head['format']!r}, this version reads {FORMAT}; use the matching version")
    if head and not ended:
        raise UsageError(f"{path} ends early, the run that wrote it was cut off; gather again")
    unasked = head.get("unasked") or {}
    return masked_evidence(
        Evidence(exchanges, notes, head.get("facts") or {}, head.get("target") or {}, bool(head), unasked)
    )


def _texts(path: Path) -> Iterator[str]:
    """The file's lines, one by one: a run's evidence has megabytes. Raises UsageError."""
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            yield from lines
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; name an evidence file of JSON lines") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; name an evidence file of JSON lines") from error


def masked_evidence(evidence: Evidence, secrets: Iterable[str] = ()) -> Evidence:
    """`evidence` without `secrets` and without what looks like one: other tools' recordings may hold theirs."""
    secrets = tuple(secrets)
    return replace(
        evidence,
        exchanges={name: without_secrets(exchange, secrets) for name, exchange in evidence.exchanges.items()},
        notes=masked_within(evidence.notes, secrets),
        facts=masked_within(evidence.facts, secrets),
        target=masked_within(evidence.target, secrets),
        unasked=masked_within(evidence.unasked, secrets),
    )


def _free_name(name: str, taken: dict[str, Exchange]) -> str:
    if name not in taken:
        return name
    return next(f"{name}#{n}" for n in range(2, len(taken) + 3) if f"{name}#{n}" not in taken)
