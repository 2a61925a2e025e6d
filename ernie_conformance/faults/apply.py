"""Rewriting faults put to recorded evidence: what a judge would have seen of the same run against a broken server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ernie_conformance.faults.fault import Cut, Piece, Response, Rewrite
from ernie_conformance.wire.evidence import Evidence
from ernie_conformance.wire.exchange import Exchange

BROKEN = "broken: the connection ended before the answer did"


def _read(pieces: Iterable[Piece]) -> tuple[tuple[Piece, ...], bool]:
    """The pieces up to a cut, and whether there was one."""
    found: list[Piece] = []
    try:
        for at, data in pieces:
            if data:
                found.append((at, data))
    except Cut:
        return tuple(found), True
    return tuple(found), False


def _merged(pieces: Iterable[Piece]) -> list[Piece]:
    """The same bytes with what came at one time in one piece: only then do two lists of pieces compare."""
    merged: list[Piece] = []
    for at, data in pieces:
        if merged and merged[-1][0] == at:
            merged[-1] = (at, merged[-1][1] + data)
        else:
            merged.append((at, data))
    return merged


def _seen(exchange: Exchange) -> tuple[object, ...]:
    return exchange.status, exchange.headers, exchange.error, _merged(exchange.pieces)


def rewritten(fault: Rewrite, exchange: Exchange) -> Exchange:
    """One exchange as the fault's edit leaves it; itself, with what the judge made of it, where that changes nothing."""
    if exchange.status is None or not fault.where(exchange.request):
        return exchange
    response = Response(exchange.status, exchange.headers, exchange.pieces)
    try:
        response = fault.edit(exchange.request, response)
    except Cut:
        return replace(exchange, status=None, headers=(), pieces=(), error=BROKEN)
    pieces, cut = _read(response.pieces)
    changed = replace(
        exchange,
        status=response.status,
        headers=response.headers,
        pieces=pieces,
        error=BROKEN if cut else exchange.error,
        seconds=max(exchange.seconds, pieces[-1][0]) if pieces else exchange.seconds,
    )
    return exchange if _seen(changed) == _seen(exchange) else changed


def apply(fault: Rewrite, evidence: Evidence) -> Evidence:
    """The same run with every answer rewritten."""
    return evidence.replaced(rewritten(fault, exchange) for exchange in evidence.exchanges.values())


def touched(before: Evidence, after: Evidence) -> list[str]:
    """The names of the exchanges whose bytes, times or head a fault changed: none, and it can't be seen at all."""
    return [name for name, exchange in before.exchanges.items() if after.exchanges[name] is not exchange]
