"""Rules about pictures on the wire: what they cost, in which forms they are taken, and what is never fetched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ernie_conformance.gather.asks.vision_scenarios import FILES, FORMS, HEAD_START
from ernie_conformance.gather.pictures import ernie_tokens
from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, NotTestable, expect
from ernie_conformance.judge.rules.sight import LARGE_TAKEN, SEVERAL, told
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import STATUS, TRANSPORT, Answer, EventStream, Stream, view
from ernie_conformance.wire.exchange import ANY, Exchange, NotJson


def tokens(answer: Answer) -> int:
    return answer.count("prompt_tokens")


def counts(more: Answer, less: Answer, least: float, what: str) -> None:
    """The prompt of `more` has at least `least` tokens more than that of `less`. Raises Broken."""
    grown = tokens(more) - tokens(less)
    expect(
        grown >= least, f"{more.name}: {what} adds {grown} tokens to the prompt ({less.name}), not {least:.0f}", more, less
    )


def is_text(typed: Exchange, plain: Answer) -> None:
    """What a user types as a picture's mark costs tokens beside the picture, or is refused with a 4xx. Raises Broken."""
    if typed.error is None and 400 <= (typed.status or 0) < 500:
        return
    expect(typed.status == 200, f"{typed.name}: status {typed.status}: {typed.text[:120]!r}", typed)
    counts(Answer(typed), plain, 1, "a picture's mark that the user typed")


WHOLE = 0.02  # of a picture's cost: what the marks around pictures add to some of them


def seen_or_refused(exchange: Exchange) -> Answer:
    """The answer. Raises NotAsked when the request was refused with a 4xx, as it may be, Broken for any other failure."""
    if exchange.error is None and 400 <= (exchange.status or 0) < 500:
        raise NotAsked(f"{exchange.name}: refused: {exchange.text[:80]!r}")
    if exchange.error is None:
        expect(exchange.status == 200, f"{exchange.name}: status {exchange.status}: {exchange.text[:120]!r}", exchange)
    return Answer(exchange)


def loses_no_picture(many: Exchange, number: int, single: Exchange, none: Answer) -> None:
    """So many pictures don't cost just what some of them cost, or are refused. Raises Broken when some are left out.

    Where all are made smaller to fit, the cost is no multiple of that of one. Blocked by the row that owns large pictures
    where not even one is taken.
    """
    if single.error is None and single.status != 200:
        raise Blocked(LARGE_TAKEN, f"{single.name}: status {single.status}", single)
    each = tokens(Answer(single)) - tokens(none)
    try:
        came = tokens(seen_or_refused(many)) - tokens(none)
    except Blocked as neither:
        raise Broken(f"neither an answer nor a refusal: {neither.detail}", many) from neither
    seen = came / each if each > 0 else number
    left_out = seen < number - 0.5 and abs(seen - round(seen)) < WHOLE
    expect(
        not left_out, f"{many.name}: {number} pictures cost what {seen:.0f} cost: {came} tokens, one {each}", many, single
    )


def counts_alike(pictured: tuple[Answer, Answer], plain: tuple[Answer, Answer], what: str, owner: str) -> None:
    """What is added beside a picture costs at least 0.8 of what it costs alone, for templates differ. Raises Broken.

    Each pair is (with the addition, without it); `owner` is the row of the same without a picture.
    """
    owed = tokens(plain[0]) - tokens(plain[1])
    if owed <= 0:
        raise Blocked(owner, f"{what} adds nothing even where there is no picture", *plain)
    counts(*pictured, 0.8 * owed, what)


def counts_each(basics: Scene, several: Scene) -> None:
    """Every further picture makes the prompt longer. Raises Broken."""
    none, red, big = told(basics, "vis-none"), told(basics, "vis-red"), told(several, "vis-big")
    pair, both = told(several, "vis-pair-rk", SEVERAL), told(several, "vis-big-and-red", SEVERAL)
    three = told(several, "vis-three", SEVERAL)
    counts(red, none, 1, "a picture")
    counts(pair, red, 1, "a second picture")
    counts(both, big, 1, "a second picture")
    counts(three, both, 1, "a third picture")


# The markers around a picture and words such as "Picture 1:" cost a few tokens; sizes may be rounded otherwise by a patch.
MARKERS, SLACK = 12, 0.10


def _costs(answer: Answer, none: Answer, sizes: Sequence[tuple[int, int]]) -> None:
    grown, owed = tokens(answer) - tokens(none), sum(ernie_tokens(*size) for size in sizes)
    held = owed * (1 - SLACK) <= grown <= owed * (1 + SLACK) + MARKERS * len(sizes)
    said_sizes = ", ".join(f"{w}x{h}" for w, h in sizes)
    expect(
        held, f"{answer.name}: pictures of {said_sizes} pixels cost {grown} tokens; ERNIE's processor makes {owed}", answer
    )


def costs_what_ernie_says(exchange: Exchange, none: Answer) -> None:
    """One picture, its size in the name, costs what ERNIE's processor makes of it, within a tenth. Raises Broken."""
    if exchange.error is None and exchange.status != 200:
        raise Blocked(LARGE_TAKEN if exchange.expects == ANY else STATUS, f"{exchange.name}: {exchange.status}", exchange)
    width, height = map(int, exchange.name.rpartition("-")[2].split("x"))
    _costs(Answer(exchange), none, [(width, height)])


def several_cost_their_sum(basics: Scene, several: Scene) -> None:
    """Several pictures cost what ERNIE's processor makes of them together. Raises Broken."""
    none, big, small = told(basics, "vis-none"), (504, 504), (168, 168)
    for name, sizes in (
        ("vis-pair-rk", [small, small]),
        ("vis-big-and-red", [big, small]),
        ("vis-three", [small, big, small]),
    ):
        _costs(told(several, name, SEVERAL), none, sizes)


def says_as_much(whole: Answer, events: EventStream) -> None:
    """A stream about a picture carries text, and its prompt costs what the whole answer's does. Raises Broken."""
    expect(bool(events.payloads), f"{events.name}: the stream is empty", events)
    stream = Stream(events.exchange)
    expect(bool(stream.text.strip()), f"{stream.name}: the stream says nothing", stream)
    if not isinstance(stream.usage, dict):
        return  # whether usage comes is for another row to say
    owed, seen = tokens(whole), stream.count("prompt_tokens")
    expect(seen == owed, f"{stream.name}: {seen} prompt tokens, unstreamed {owed}", stream, whole)


def are_taken(forms: Scene, basics: Scene, names: Iterable[str]) -> None:
    """Pictures in these forms are answered, as the control is. Raises Broken with those that aren't."""
    told(basics, "vis-red")
    asked = [forms.exchanges[f"vis-{name}"] for name in names]
    refused = [e for e in asked if e.error is not None or e.status != 200]
    seen = "; ".join(f"{e.name}: {e.error or e.status} {e.text[:80]}" for e in refused)
    expect(not refused, f"not taken: {seen}", *refused)


def is_taken(exchange: Exchange, control: Answer) -> None:
    """A picture that clients send is answered, as the control is. Raises Broken."""
    detail = f"{exchange.name}: {exchange.error or exchange.status} {exchange.text[:120]}, though {control.name} is answered"
    expect(exchange.error is None and exchange.status == 200, detail, exchange)


def is_taken_or_refused(exchange: Exchange, none: Answer, what: str) -> None:
    """Answered with the picture counted, or refused with a 4xx: not dropped, no crash. Raises Broken."""
    if exchange.error is not None or exchange.status is None:
        raise Broken(f"{exchange.name}: {what} gets no answer: {exchange.error}", exchange)
    if 400 <= exchange.status < 500:
        return
    expect(exchange.status == 200, f"{exchange.name}: {what} gets status {exchange.status}: {exchange.text[:120]}", exchange)
    counts(Answer(exchange), none, 1, what)


def is_counted_or_refused(exchange: Exchange, none: Answer, pictures: int) -> None:
    """So many pictures are refused with a 4xx, or all counted, and then something is said. Raises Broken."""
    if exchange.status == 200 and exchange.error is None:
        expect(bool(exchange.body.strip()), f"{exchange.name}: {pictures} pictures get an empty answer", exchange)
        reply = view(exchange)
        expect(bool(reply.text.strip()), f"{exchange.name}: {pictures} pictures are answered with nothing", exchange)
        if isinstance(reply.usage, dict):
            grown = reply.count("prompt_tokens") - tokens(none)
            expect(grown >= pictures, f"{exchange.name}: {pictures} pictures add {grown} tokens to the prompt", exchange)
        return
    refused = exchange.error is None and exchange.status is not None and 400 <= exchange.status < 500
    expect(refused, f"{exchange.name}: {pictures} pictures: {exchange.error or exchange.status}", exchange)


def costs_the_same(forms: Scene, basics: Scene, names: Iterable[str]) -> None:
    """The same pixels cost the same in every file format that is taken. Raises Broken."""
    owed = told(basics, "vis-red")
    for name in names:
        exchange = forms.exchanges.get(f"vis-{name}")
        if exchange is not None and exchange.status == 200:
            seen = Answer(exchange)
            detail = f"{seen.name}: {tokens(seen)} prompt tokens, as PNG {tokens(owed)}"
            expect(tokens(seen) == tokens(owed), detail, seen, owed)


def is_answered_again(again: Scene) -> None:
    """The same picture is answered each time, at one price. Raises Broken."""
    for exchange in again.exchanges.values():
        detail = f"{exchange.name}: status {exchange.status}, {exchange.error or exchange.text[:120]}"
        expect(exchange.error is None and exchange.status == 200, detail, exchange)
    mine = [Answer(e) for name, e in again.exchanges.items() if name.startswith("again-0-")]
    prices = {a.name: tokens(a) for a in mine}
    expect(len(set(prices.values())) == 1, f"one question about pictures of one size costs differently: {prices}", *mine)


_VARIES = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|\d+", re.IGNORECASE)


def _gist(exchange: Exchange, path: str) -> tuple[int | None, str]:
    """Status and text, without the path, the order of keys and what differs from answer to answer."""
    try:
        text = json.dumps(exchange.json, ensure_ascii=False, sort_keys=True)
    except NotJson:
        text = exchange.text
    return exchange.status, _VARIES.sub("#", text.replace(path, "PATH").replace(path.rpartition("/")[2], "NAME"))


def opens_no_file(files: Scene, none: Answer) -> None:
    """Nothing tells whether a file is there, and no picture is read from disk. Raises Broken."""
    for form in FORMS:
        there, missing = (files.exchanges[f"file-{form}-{state}"] for state in ("there", "missing"))
        for exchange in (there, missing):
            if exchange.error is not None:
                raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error}", exchange)
        gists = [_gist(e, path) for e, path in zip((there, missing), FILES, strict=True)]
        detail = f"a file that is there and one that isn't are answered differently: {gists[0]} and {gists[1]}"
        expect(gists[0] == gists[1], f"{there.name}: {detail:.400}", there, missing)
        real = files.exchanges.get(f"file-{form}-picture")
        if real is not None and real.status == 200:
            read = tokens(Answer(real)) > tokens(none)
            expect(not read, f"{real.name}: a picture of the server's disk was opened and counted", real)


def knocks_nowhere(loopback: Scene) -> None:
    """No request for a picture reached a web server inside. Raises Broken with what was heard."""
    if not loopback.note("listened"):
        raise NotTestable("the server runs on another host: we can't listen inside its network")
    knocks = loopback.note("knocks")
    expect(not knocks, f"the server fetched addresses of its own host: {knocks[:3]}", *loopback.exchanges)


def drops_no_address(loopback: Scene) -> None:
    """A picture at an address that wasn't fetched isn't answered as if it had been seen. Raises Broken."""
    if loopback.notes.get("knocks"):
        raise Blocked("VIS-051", "the addresses were fetched", *loopback.exchanges)
    for exchange in loopback.exchanges.values():
        dropped = exchange.error is None and exchange.status == 200
        expect(not dropped, f"{exchange.name}: answered without the picture: {exchange.text[:120]!r}", exchange)


def still_sees(burst: Scene, control: Answer) -> None:
    """A good picture is answered after many broken ones. Raises Broken."""
    after = burst.exchanges["burst-after"]
    broken = len(burst.exchanges) - 1
    came = after.error is None and after.status == 200
    ended = after.error or f"status {after.status}"
    expect(came, f"{after.name}: after {broken} broken pictures a good one got: {ended}", after, control)


def gives_up(note: dict[str, Any], patience: float) -> None:
    """A picture on a silent host ends in a refusal. Raises Broken."""
    detail = f"unreachable-picture: {note['error'] or note['status']} after {note['seconds']} s of {patience:g} allowed"
    expect(note["error"] is None and note["status"] is not None and note["status"] >= 400, detail, "unreachable-picture")


# Others that are done only when the fetch is given up have waited for it, if that took this long at least.
LONG_FETCH = 2.0  # seconds


def blocks_nobody(unreachable: Scene) -> None:
    """Who asks for something else meanwhile is answered, and not only after the fetch was given up. Raises Broken."""
    fetched = unreachable.note("picture")["seconds"] - HEAD_START
    for name, note in unreachable.note("others").items():
        late = fetched > LONG_FETCH and note["seconds"] > 0.9 * fetched
        expect(not late, f"{name}: waited {note['seconds']} s, as long as a picture was fetched", name)
        held = note["error"] is None and note["status"] == 200
        expect(held, f"{name}: while a picture was fetched: {note['error'] or note['status']}", name)
