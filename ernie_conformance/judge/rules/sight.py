"""Rules about what the model is shown of pictures. No answer is read, only compared.

A model that is shown the same twice says the same at temperature 0. So where every pair of strongly different pictures gets
one answer, the difference was lost on the way, unless the model says the same whatever it is asked: then nothing is known.
The last rule is for models that declare more: a capable one is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ernie_conformance.gather.asks.vision import MIRRORED, REPEATED, SIDES, SOLIDS
from ernie_conformance.gather.asks.vision_corners import PREFIXES
from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, NotTestable, expect
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import STATUS, Answer
from ernie_conformance.wire.exchange import Exchange

# Who owns a picture that isn't answered at all.
SEVERAL, JPEG_TAKEN, ALPHA_TAKEN, LARGE_TAKEN, AGAIN = "VIS-008", "VIS-020", "VIS-022", "VIS-032", "VIS-016"
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
        mine = [told(again, name, AGAIN) for name in again.exchanges if name.startswith(f"again-{number}-")]
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
    return [[told(details, f"{stem}-{shape}-{c}", owner) for shape in ("corners", "edges")] for c in "rBk"]


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


def tells_every_end(basics: Scene, details: Scene, corners: Scene) -> None:
    """The end of a long picture changes the answer. Raises Broken with the end that is lost."""
    sees(basics)
    if all(alike(pair) for pair in _pairs(details, "vis")):
        raise Blocked(STRUCTURE, "pictures show no more than their mean colour")
    _are_taken(corners, "vis-end-")
    ends = {end: [told(corners, f"vis-end-{end}-{c}", "VIS-031") for c in "rBk"] for end in SIDES}
    if all(alike(answers) for answers in ends.values()) and alike([told(basics, "vis-red"), *ends["left"]]):
        raise NotTestable("the model tells no long pictures apart")
    for end, answers in ends.items():
        _all_alike([answers], f"what stands at the {end} end of a long picture isn't seen")


def shows_every_choice(basics: Scene, exchanges: Sequence[Exchange]) -> None:
    """The last choice is about the picture as the first is. Raises Broken when it is one and the same for all pictures."""
    sees(basics)
    if untaken := [exchange for exchange in exchanges if exchange.status != 200]:
        raise NotAsked(f"{untaken[0].name}: status {untaken[0].status}")
    answers = [Answer(exchange) for exchange in exchanges]
    last = [answer.content_of(answer.numbers[-1]) for answer in answers]
    if len({answer.content_of(0) for answer in answers}) < len(answers):
        raise NotTestable("the first choice doesn't tell the pictures apart")
    expect(
        len(set(last)) > 1, f"{answers[0].name}: the last choice is the same for all pictures: {last[0][:60]!r}", *answers
    )


def minds_the_second_picture(basics: Scene, prefixes: Scene) -> None:
    """Pairs that differ in their second picture get different answers behind a kept prefix. Raises Broken when none do.

    NotTestable when pairs that differ in the first, and so share no prefix, are told apart no better.
    """
    sees(basics)
    second = [[told(prefixes, f"prefix-{each}", SEVERAL) for each in pair] for pair in PREFIXES]
    first = [[told(prefixes, f"prefix-turned-{each[::-1]}", SEVERAL) for each in pair] for pair in PREFIXES]
    if any(alike(pair) for pair in first):
        raise NotTestable("the model doesn't tell pairs of pictures before a long text")
    _all_alike(second, "the second picture of an earlier request is seen again")


def tells_each_of_several(basics: Scene, several: Scene) -> None:
    """Each of two pictures changes the answer. Raises Broken with the place that is ignored."""
    sees(basics)
    for place, pattern in (("first", "{}k"), ("second", "k{}")):
        answers = [told(several, f"vis-pair-{pattern.format(c)}", SEVERAL) for c in "rgb"]
        _all_alike([answers], f"the {place} of two pictures isn't seen")


def keeps_repeated_pictures(basics: Scene, several: Scene) -> None:
    """A picture that comes again stands at its place. Raises Broken when it always gets the answer of the one after it.

    NotTestable when the third of four pictures changes no answer at all.
    """
    sees(basics)
    trials = [[told(several, f"vis-four-{letters}", SEVERAL) for letters in trial] for trial in REPEATED]
    if any(alike([after, other]) for _, after, other in trials):
        raise NotTestable("the model doesn't tell the third of four pictures")
    _all_alike([trial[:2] for trial in trials], "a picture that comes again is shown as another")


def tells_history(basics: Scene, answers: Sequence[Answer]) -> None:
    """A picture of an earlier turn changes the answer. Raises Broken."""
    sees(basics)
    _all_alike([answers], "a picture of an earlier turn isn't seen")


def keeps_turns(basics: Scene, mixed: Scene, stem: str = "vis-mixed") -> None:
    """A label before the second picture doesn't always get the answer of one before the third. Raises Broken.

    All of three trials must agree, and in each another label must change the answer.
    """
    sees(basics)
    if stem != "vis-mixed":  # whether a message before it is taken is for others to say
        _are_taken(mixed, stem)
    trials = [[told(mixed, f"{stem}-{n}-{form}", SEVERAL) for form in ("second", "third", "other")] for n in range(3)]
    if any(alike([second, other]) for second, _, other in trials):
        raise NotTestable("the model says the same whatever its pictures are called")
    _all_alike([trial[:2] for trial in trials], "texts and pictures are regrouped before the model sees them")


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


def is_mirrored_as_stored(forms: Scene, basics: Scene) -> None:
    """What a mirrored orientation asks for is done. Raises Broken when each of these pictures is seen as stored.

    Blocked where orientations aren't minded at all.
    """
    sees(basics)
    try:
        is_turned_upright(forms, basics)
    except Broken as ignored:
        raise Blocked("VIS-026", ignored.detail, *ignored.exchanges) from ignored
    true = told(forms, "vis-upright", JPEG_TAKEN)
    pairs = [[told(forms, f"vis-{kind}-{turn}", JPEG_TAKEN) for kind in ("exif", "stored")] for turn in MIRRORED]
    wrong = [seen for seen, as_stored in pairs if looks_wrong(seen, true, as_stored)]
    names = ", ".join(answer.name for answer in wrong)
    expect(
        len(wrong) < len(pairs),
        f"{names}: a mirrored orientation is ignored; the answers are about the stored pixels",
        *wrong,
    )


def sees_behind_a_long_text(basics: Scene, details: Scene, behind: Scene) -> None:
    """The lower part of a picture is seen where the picture lies across a border of prompt parts. Raises Broken.

    NotTestable for a model that doesn't tell such pictures apart where they lie before the border either.
    """
    if not behind.note("units"):
        raise NotAsked(f"{behind.name}: {behind.note('why')}")
    sees(basics)
    if alike([told(details, f"vis-bottom-{c}") for c in "rgb"]):
        raise Blocked("VIS-006", "what stands at the bottom isn't seen without a long text either")
    seen, before = ([told(behind, f"vis-{kind}-{c}", "VIS-081") for c in "rgb"] for kind in ("cut", "uncut"))
    if alike(before):
        raise NotTestable("behind a long text the model tells no such pictures apart")
    place = f"across token {behind.note('border')} of the prompt"
    _all_alike([seen], f"what stands at the bottom of a picture that lies {place} isn't seen")


def _are_taken(corners: Scene, stem: str) -> None:
    """Raises NotAsked where one of these pictures isn't taken, which is for other rows to say."""
    untaken = [e for name, e in corners.exchanges.items() if name.startswith(stem) and e.status != 200]
    if untaken:
        raise NotAsked(f"{untaken[0].name}: status {untaken[0].status}")


def is_turned_upright_though_large(corners: Scene, basics: Scene) -> None:
    """The same for pictures that are made smaller. Raises Broken when all are seen as stored."""
    sees(basics)
    _are_taken(corners, "vis-large-")
    true = told(corners, "vis-large-upright", LARGE_TAKEN)
    seen = {turn: [told(corners, f"vis-large-{kind}-{turn}", LARGE_TAKEN) for kind in ("exif", "stored")] for turn in (6, 8)}
    wrong = [exif for exif, as_stored in seen.values() if looks_wrong(exif, true, as_stored)]
    names = ", ".join(a.name for a in wrong)
    expect(len(wrong) < len(seen), f"{names}: the orientation is ignored; the answers are about the stored pixels", *wrong)


def keeps_transparent_ground(forms: Scene, basics: Scene, others: Scene | None = None, kind: str = "clear") -> None:
    """Black shapes on a transparent ground stay visible. Raises Broken when wherever they are the answer is the same.

    `others` holds those of another `kind`, named vis-KIND-SIDE.
    """
    sees(basics)
    sides = ("left", "middle", "right")
    opaque = [told(forms, f"vis-opaque-{side}") for side in sides]
    if alike(opaque):
        raise NotTestable("the model tells no such shapes apart on white either")
    if others is not None:
        _are_taken(others, f"vis-{kind}-")
    shapes = [told(others or forms, f"vis-{kind}-{side}", ALPHA_TAKEN) for side in sides]
    _all_alike([shapes], "a black shape on a transparent ground is lost")


def answers_about_this_picture(again: Scene, basics: Scene) -> None:
    """No answer is about an earlier picture. Raises Broken when wordings or files that begin alike get one answer."""
    _talks(basics)
    firsts = [told(again, name, AGAIN) for name in ("again-0-0-red", "again-0-1-blue", "again-1-0-blue", "again-1-1-red")]
    expect(not is_cached(again), f"the answer about the earlier picture comes again: {shown(firsts[:2])}", *firsts)
    sees(basics)
    expect(
        not (alike(firsts[:2]) and alike(firsts[2:])),
        f"red and blue, asked in turns, get one answer: {shown(firsts[:2])}",
        *firsts,
    )
    tails = [told(again, f"again-tail-{turn}", AGAIN) for turn in range(3)]
    expect(not alike(tails), f"files that begin alike get one answer: {shown(tails)}", *tails)


def keeps_pictures_apart(again: Scene, basics: Scene) -> None:
    """Side by side, no answer is that about the other picture. Raises Broken when two are: one may be a slip."""
    sees(basics)
    red, blue = told(again, "again-0-0-red", AGAIN), told(again, "again-0-1-blue", AGAIN)
    if alike([red, blue]):
        raise Blocked("VIS-015", "red and blue get one answer even one after the other", red, blue)
    beside = {name: told(again, name, AGAIN) for name in again.exchanges if name.startswith("beside-")}
    swapped = [a for name, a in beside.items() if looks_wrong(a, *((red, blue) if name.endswith("red") else (blue, red)))]
    expect(len(swapped) < 2, f"{len(swapped)} of {len(beside)} answers are about the other picture", *swapped)


def keeps_unlike_apart(unlike: Scene, again: Scene, basics: Scene) -> None:
    """Beside requests with two pictures, no answer about one is about theirs. Raises Broken when two are."""
    sees(basics)
    blue = told(basics, "vis-blue")
    others = [told(again, "again-0-0-red", AGAIN), told(basics, "vis-red"), told(basics, "vis-black")]
    ones = [told(unlike, name, AGAIN) for name in unlike.exchanges if name.startswith("unlike-one-")]

    def begins(answer: Answer, other: Answer) -> bool:
        return other.content.startswith(answer.content) or answer.content.startswith(other.content)

    wrong = [one for one in ones if not begins(one, blue) and any(begins(one, other) for other in others)]
    expect(len(wrong) < 2, f"{len(wrong)} of {len(ones)} answers about a blue picture are about a neighbour's", *wrong)


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
