"""Rules about pictures: what they cost, and whether the model was shown them. No answer is read, only compared.

A model that is shown the same twice says the same at temperature 0. So where every pair of strongly different pictures gets
one answer, the difference was lost on the way, unless the model says the same whatever it is asked: then nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ernie_conformance.gather.asks.vision import LABELLED, MAP, SIDES, SOLIDS
from ernie_conformance.gather.asks.vision_scenarios import FILES, FORMS
from ernie_conformance.gather.pictures import ernie_tokens
from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, NotTestable, expect
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import STATUS, Answer, EventStream, Stream, view
from ernie_conformance.wire.exchange import ANY, Exchange

# Who owns a picture that isn't answered at all.
SEVERAL, JPEG_TAKEN, ALPHA_TAKEN, LARGE_TAKEN, REPEATED = "VIS-008", "VIS-020", "VIS-022", "VIS-032", "VIS-016"
BLIND, STRUCTURE = "VIS-003", "VIS-005"


def told(scene: Scene, name: str, owner: str = STATUS) -> Answer:
    """The answer called `name`. Raises Blocked by `owner` when the request wasn't answered."""
    exchange = scene.exchanges.get(name)
    if exchange is None:
        raise Blocked(owner, f"{name} wasn't sent", scene.name)
    if exchange.error is None and exchange.status != 200:
        raise Blocked(owner, f"{name}: status {exchange.status}", exchange)
    return Answer(exchange)


def said(answers: Iterable[Answer]) -> list[str]:
    return [answer.text.strip() for answer in answers]


def alike(answers: Sequence[Answer]) -> bool:
    """Is every answer the same?"""
    return len(set(said(answers))) == 1


def shown(answers: Sequence[Answer]) -> str:
    return f"{', '.join(a.name for a in answers)}: {said(answers)[0][:80]!r}"


def is_cached(again: Scene) -> bool:
    """Does each wording get one answer for both pictures, namely that about the picture which came first?"""
    firsts = []
    for number in range(4):
        mine = [told(again, name, REPEATED) for name in again.exchanges if name.startswith(f"again-{number}-")]
        if not alike(mine):
            return False
        firsts.append(said(mine)[0])
    return firsts[0] == firsts[2] != firsts[1] == firsts[3]


def _solids(basics: Scene) -> list[Answer]:
    return [told(basics, f"vis-{name}") for name in SOLIDS]


def _talks(basics: Scene) -> None:
    """Raises NotTestable for a model whose words don't depend on the question."""
    if alike([told(basics, "vis-red"), told(basics, "vis-red-other-question")]):
        raise NotTestable("the model says the same whatever it is asked")


def sees(basics: Scene) -> None:
    """Raises Blocked when the model is blind, NotTestable when nothing can be told."""
    _talks(basics)
    if alike(_solids(basics)):
        raise Blocked(BLIND, "no picture was told from another", *_solids(basics))


def tells_pictures_apart(basics: Scene) -> None:
    """Five solid pictures of one size don't all get one answer. Raises Broken."""
    _talks(basics)
    solids = _solids(basics)
    expect(not alike(solids), f"red, green, blue, black and white get one answer: {shown(solids)}", *solids)


def _all_alike(groups: Sequence[Sequence[Answer]], what: str) -> None:
    """Raises Broken when in each group every answer is the same."""
    if all(alike(group) for group in groups):
        seen = "; ".join(shown(group) for group in groups)
        raise Broken(f"{what}: {seen}", *(a for group in groups for a in group))


def tells_colours(basics: Scene) -> None:
    """Red, green and blue of one brightness get different answers. Raises Broken."""
    sees(basics)
    hues = [told(basics, f"vis-{name}") for name in ("red", "green", "blue")]
    _all_alike([hues], "colours of one brightness get one answer")


def _pairs(details: Scene, stem: str, owner: str = STATUS) -> list[list[Answer]]:
    return [[told(details, f"{stem}-{shape}-{c}", owner) for shape in ("corners", "edges")] for c in "rbk"]


def tells_structure(basics: Scene, details: Scene) -> None:
    """Pictures of one mean colour, painted differently, don't all get one answer. Raises Broken."""
    sees(basics)
    _all_alike(_pairs(details, "vis"), "only the mean colour is seen; cells in the corners and on the edges get one answer")


def tells_structure_of_large(basics: Scene, details: Scene) -> None:
    """The same for large pictures. Raises Broken."""
    sees(basics)
    if all(alike(pair) for pair in _pairs(details, "vis")):
        raise Blocked(STRUCTURE, "not even small pictures show more than their mean colour")
    _all_alike(_pairs(details, "vis-large", LARGE_TAKEN), "large pictures lose their content")


def tells_every_side(basics: Scene, details: Scene) -> None:
    """A third of a picture on any side changes the answer. Raises Broken with the side that is lost."""
    sees(basics)
    if all(alike(pair) for pair in _pairs(details, "vis")):
        raise Blocked(STRUCTURE, "pictures show no more than their mean colour")
    for side in SIDES:
        _all_alike([[told(details, f"vis-{side}-{c}") for c in "rgb"]], f"what stands on the {side} isn't seen")


def tells_each_of_several(basics: Scene, several: Scene) -> None:
    """Each of two pictures changes the answer. Raises Broken with the place that is ignored."""
    sees(basics)
    for place, pattern in (("first", "{}k"), ("second", "k{}")):
        answers = [told(several, f"vis-pair-{pattern.format(c)}", SEVERAL) for c in "rgb"]
        _all_alike([answers], f"the {place} of two pictures isn't seen")


def tells_history(basics: Scene, answers: Sequence[Answer]) -> None:
    """A picture of an earlier turn changes the answer. Raises Broken."""
    sees(basics)
    _all_alike([answers], "a picture of an earlier turn isn't seen")


def tokens(answer: Answer) -> int:
    return answer.count("prompt_tokens")


def counts(more: Answer, less: Answer, least: float, what: str) -> None:
    """The prompt of `more` has at least `least` tokens more than that of `less`. Raises Broken."""
    grown = tokens(more) - tokens(less)
    expect(
        grown >= least, f"{more.name}: {what} adds {grown} tokens to the prompt ({less.name}), not {least:.0f}", more, less
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


def looks_wrong(seen: Answer, true: Answer, corrupted: Answer) -> bool:
    """Does `seen` say what is said of the corrupted picture, and not what is said of the true one?"""
    one, owed, wrong = said([seen, true, corrupted])
    return one == wrong != owed


def keeps_colours(forms: Scene, basics: Scene, kind: str, corrupted: Sequence[str]) -> None:
    """Red and blue in a format don't both look like the corrupted colours. Raises Broken. `corrupted`: of red, of blue."""
    sees(basics)
    untaken = [name for name in (f"vis-{kind}", f"vis-{kind}-blue") if forms.exchanges[name].status != 200]
    if untaken:
        raise NotAsked(f"{untaken[0]} isn't taken, which is for another row to say")
    red, blue = told(basics, "vis-red"), told(forms, "vis-pure-B")
    known = {"vis-red": red, "vis-pure-B": blue}
    wrongs = [known.get(name) or told(forms, name) for name in corrupted]
    seen = [told(forms, f"vis-{kind}"), told(forms, f"vis-{kind}-blue")]
    both = all(looks_wrong(s, t, w) for s, t, w in zip(seen, (red, blue), wrongs, strict=True))
    expect(not both, f"{kind}: red and blue look like {' and '.join(corrupted)}: {said(seen)}", *seen)


def is_turned_upright(forms: Scene, basics: Scene) -> None:
    """A picture that EXIF asks to turn is seen as a viewer shows it. Raises Broken when two of three are seen as stored."""
    sees(basics)
    true = told(forms, "vis-upright", JPEG_TAKEN)
    wrong = []
    for turn in (3, 6, 8):
        seen, as_stored = (told(forms, f"vis-{kind}-{turn}", JPEG_TAKEN) for kind in ("exif", "stored"))
        if looks_wrong(seen, true, as_stored):
            wrong.append(seen)
    names = ", ".join(a.name for a in wrong)
    expect(len(wrong) < 2, f"{names}: the orientation is ignored; the answers are those about the stored pixels", *wrong)


def keeps_transparent_ground(forms: Scene, basics: Scene) -> None:
    """Black shapes on a transparent ground stay visible. Raises Broken when wherever they are the answer is the same."""
    sees(basics)
    sides = ("left", "middle", "right")
    opaque = [told(forms, f"vis-opaque-{side}") for side in sides]
    if alike(opaque):
        raise NotTestable("the model tells no such shapes apart on white either")
    _all_alike(
        [[told(forms, f"vis-clear-{side}", ALPHA_TAKEN) for side in sides]], "a black shape on a transparent ground is lost"
    )


def answers_about_this_picture(again: Scene, basics: Scene) -> None:
    """No answer is about an earlier picture. Raises Broken when wordings or files that begin alike get one answer."""
    _talks(basics)
    firsts = [told(again, name, REPEATED) for name in ("again-0-0-red", "again-0-1-blue", "again-1-0-blue", "again-1-1-red")]
    expect(not is_cached(again), f"the answer about the earlier picture comes again: {shown(firsts[:2])}", *firsts)
    sees(basics)
    expect(
        not (alike(firsts[:2]) and alike(firsts[2:])),
        f"red and blue, asked in turns, get one answer: {shown(firsts[:2])}",
        *firsts,
    )
    tails = [told(again, f"again-tail-{turn}", REPEATED) for turn in range(3)]
    expect(not alike(tails), f"files that begin alike get one answer: {shown(tails)}", *tails)


def keeps_pictures_apart(again: Scene, basics: Scene) -> None:
    """Side by side, no answer is that about the other picture. Raises Broken when two are: one may be a slip."""
    sees(basics)
    red, blue = told(again, "again-0-0-red", REPEATED), told(again, "again-0-1-blue", REPEATED)
    if alike([red, blue]):
        raise Blocked("VIS-015", "red and blue get one answer even one after the other", red, blue)
    beside = {name: told(again, name, REPEATED) for name in again.exchanges if name.startswith("beside-")}
    swapped = [a for name, a in beside.items() if looks_wrong(a, *((red, blue) if name.endswith("red") else (blue, red)))]
    expect(len(swapped) < 2, f"{len(swapped)} of {len(beside)} answers are about the other picture", *swapped)


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
    """Status and text, without the path and what differs from answer to answer."""
    return exchange.status, _VARIES.sub("#", exchange.text.replace(path, "PATH").replace(path.rpartition("/")[2], "NAME"))


def opens_no_file(files: Scene, none: Answer) -> None:
    """Nothing tells whether a file is there, and no picture is read from disk. Raises Broken."""
    for form in FORMS:
        there, missing = (files.exchanges[f"file-{form}-{state}"] for state in ("there", "missing"))
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
        raise Blocked("VIS-051", "the addresses were fetched")
    for exchange in loopback.exchanges.values():
        dropped = exchange.error is None and exchange.status == 200
        expect(not dropped, f"{exchange.name}: answered without the picture: {exchange.text[:120]!r}", exchange)


def gives_up(note: dict[str, Any], patience: float) -> None:
    """A picture on a silent host ends in a refusal. Raises Broken."""
    detail = f"unreachable-picture: {note['error'] or note['status']} after {note['seconds']} s of {patience:g} allowed"
    expect(note["error"] is None and note["status"] is not None and note["status"] >= 400, detail, "unreachable-picture")


def blocks_nobody(others: dict[str, dict[str, Any]]) -> None:
    """Who asks for something else meanwhile is answered. Raises Broken."""
    for name, note in others.items():
        held = note["error"] is None and note["status"] == 200
        expect(held, f"{name}: while a picture was fetched: {note['error'] or note['status']}", name)


_NAMES = {"r": "红", "B": "蓝", "Y": "黄", "k": "黑", "w": "白"}


def reports(answer: Answer, wanted: Sequence[str], what: str) -> None:
    """The words stand in the answer in this order, and no others of their kind between them. Raises Broken."""
    kind = re.compile("|".join(sorted({*_NAMES.values(), *wanted})))
    found = kind.findall(answer.content)
    held = found[: len(wanted)] == list(wanted)
    expect(held, f"{answer.name}: {what} is reported as {' '.join(found)}, was {' '.join(wanted)}", answer)


def map_words() -> list[str]:
    """The map's colours, row by row."""
    return [_NAMES[letter] for letter in MAP.replace("/", "")]


def label_words() -> list[str]:
    """Each label with its picture's colour."""
    return [word for label, letter in LABELLED for word in (label, _NAMES[letter])]


def mostly(answers: Sequence[tuple[Exchange, str]], what: str) -> None:
    """At most one of the answers misses its word: a slip is no verdict. Raises Broken. `word` may list several with |."""
    wrong = []
    for exchange, words in answers:
        if exchange.status != 200 or exchange.error is not None:
            raise Blocked(SEVERAL if "which" in exchange.name else STATUS, f"{exchange.name}: {exchange.status}", exchange)
        text = Answer(exchange).content
        if not any(word in text.lower() for word in words.split("|")):
            wrong.append(f"{exchange.name}: {text.strip()[:40]!r}, owed {words}")
    expect(len(wrong) < 2, f"{what}: {'; '.join(wrong)}", *(e for e, _ in answers))
