"""Rules about log probabilities of chat answers and streams."""

from __future__ import annotations

import math
from typing import Any

from ernie_conformance.judge.outcome import Blocked, expect
from ernie_conformance.judge.views import Answer, Reply, Stream

NOISE = 1e-3  # what rounding to four digits or 16-bit arithmetic may add to a logarithm
SUM = 1.01  # alternatives are disjoint; a hundredth for the rounding of twenty of them


COVERED = "PARAM-021"  # the row that owns log probabilities that don't come


def _told(reply: Reply) -> list[Any]:
    """The log probabilities of the first choice, in order; [] when there are none."""
    if isinstance(reply, Stream):
        choices = [piece.choice for piece in reply.pieces_of(0)]
    else:
        assert isinstance(reply, Answer), reply.name
        choices = [reply.choice(0)]
    found = [choice.get("logprobs") for choice in choices]
    return [entry for one in found if isinstance(one, dict) for entry in one.get("content") or ()]


def end_with_the_text(reply: Reply) -> None:
    """No log probability stands for a token that lies behind the text. Raises Broken with those that do.

    The last token may reach over the end, for a stop string cuts text and not tokens.
    """
    tokens, room = [_bytes(entry) for entry in entries(reply)], len(reply.content.encode())
    behind = [token for at, token in enumerate(tokens) if sum(map(len, tokens[:at])) >= room and token]
    detail = f"{reply.name}: behind the text come log probabilities of {b''.join(behind)[:40]!r}"
    expect(not behind, detail, reply)


def come(reply: Reply) -> None:
    """There are log probabilities. Raises Broken."""
    expect(bool(_told(reply)), f"{reply.name}: logprobs were asked for, none came", reply)


def entries(reply: Reply) -> list[dict[str, Any]]:
    """The log probabilities, each with a token and a value. Raises Blocked by the row that owns missing or odd ones."""
    found = _told(reply)
    if not found:
        raise Blocked(COVERED, f"{reply.name}: no log probabilities came", reply)
    for entry in found:
        if not isinstance(entry, dict) or not isinstance(entry.get("token"), str) or not _is_number(entry.get("logprob")):
            raise Blocked(COVERED, f"{reply.name}: a log probability is {entry!r:.80}", reply)
    return found


def tops(reply: Reply) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each entry with its alternatives, which may be absent or null."""
    return [(entry, entry.get("top_logprobs") or []) for entry in entries(reply)]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _bytes(entry: dict[str, Any]) -> bytes:
    given = entry.get("bytes")
    if isinstance(given, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in given):
        return bytes(given)
    return str(entry["token"]).encode("utf-8", errors="surrogatepass")


def cover_the_text(reply: Reply) -> None:
    """The entries' bytes hold the whole answer. Raises Broken. They may hold markers that the answer doesn't show, too."""
    come(reply)
    found = _told(reply)
    odd = [entry for entry in found if not isinstance(entry, dict) or not isinstance(entry.get("token"), str)]
    expect(not odd, f"{reply.name}: a log probability is {odd[:1]!r:.80}", reply)
    valued = all(_is_number(entry.get("logprob")) for entry in found)
    expect(valued, f"{reply.name}: a log probability has no value: {found[0]!r:.80}", reply)
    joined = b"".join(map(_bytes, found))
    text = reply.content.rstrip("\ufffd").encode(errors="surrogatepass")
    expect(
        text in joined,
        f"{reply.name}: the tokens join to {joined[:60].decode(errors='replace')!r}…{len(joined)} bytes, "
        f"the answer is {reply.content[:60]!r}…{len(text)} bytes",
        reply,
    )


def are_logarithms(reply: Reply) -> None:
    """Every value is a logarithm of a probability: finite, at most 0, and alternatives sum to at most 1. Raises Broken."""
    for entry, top in tops(reply):
        for one in (entry, *top):
            value: Any = one.get("logprob")
            sound = _is_number(value) and math.isfinite(value) and value <= NOISE
            expect(sound, f"{reply.name}: the log probability of {one.get('token')!r} is {value!r}", reply)
        total = sum(math.exp(one["logprob"]) for one in top)
        expect(total <= SUM, f"{reply.name}: the alternatives at {entry['token']!r} have {total:.3f} together", reply)


def have_so_many_alternatives(reply: Reply) -> None:
    """Each entry has top_logprobs alternatives, or one more when the sampled token isn't among them. Raises Broken."""
    wanted = reply.asked["top_logprobs"]
    for entry, top in tops(reply):
        right = len(top) in (wanted, wanted + 1)
        expect(right, f"{reply.name}: {len(top)} alternatives at {entry['token']!r}, top_logprobs is {wanted}", reply)


def are_in_order(reply: Reply) -> None:
    """Alternatives stand from the likeliest down. Raises Broken."""
    for entry, top in tops(reply):
        values = [one["logprob"] for one in top if _is_number(one.get("logprob"))]
        expect(values == sorted(values, reverse=True), f"{reply.name}: at {entry['token']!r} stand {values[:6]}", reply)


def tell_the_bytes(reply: Reply) -> None:
    """Where bytes are whole characters, the token is their text. Raises Broken. A token may be part of a character."""
    for entry, top in tops(reply):
        for one in (entry, *top):
            given = one.get("bytes")
            if given is None:
                continue
            try:
                text = bytes(given).decode()
            except (TypeError, ValueError):
                expect(_could_be_bytes(given), f"{reply.name}: the bytes of {one.get('token')!r} are {given!r:.60}", reply)
                continue
            expect(text == one["token"], f"{reply.name}: {one['token']!r} has the bytes of {text!r}", reply)


def _could_be_bytes(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in given)


def took_the_likeliest(reply: Reply) -> None:
    """At temperature 0 the token that came is the likeliest. Raises Broken."""
    for entry, top in tops(reply):
        best = max((one["logprob"] for one in top if _is_number(one.get("logprob"))), default=entry["logprob"])
        expect(
            entry["logprob"] >= best - NOISE,
            f"{reply.name}: {entry['token']!r} came with {entry['logprob']}, the likeliest has {best}",
            reply,
        )
