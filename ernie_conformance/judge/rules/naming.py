"""Rules about what answers name: colours, sides, the order of pictures. They convict only on a pattern.

How well a model describes is its own affair. But a model that names colours wrongly, always by the same exchange of
channels, was shown other pixels; one that says right whenever left was painted, and left whenever right was, was shown a
mirrored picture. So each rule tries the ways in which pictures are known to be corrupted, and is red where one of them
explains the answers and the truth does not. Answers that fit neither say nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import TypeVar

from ernie_conformance.judge.outcome import NotTestable, expect
from ernie_conformance.judge.rules.sight import AGAIN, SEVERAL, alike, sees, told
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer

Channels = tuple[int, int, int]

# The first that matches wins: 品红 is no 红. A model may call cyan blue and magenta pink or purple.
COLOURS: dict[str, str] = {
    "magenta": r"品红|洋红|紫红|粉|紫|magenta|fuchsia|pink|purple|violet",
    "cyan": r"青|蓝绿|水蓝|cyan|turquoise|teal|aqua",
    "grey": r"灰|gr[ae]y",
    "red": r"红|\bred",
    "green": r"绿|green",
    "blue": r"蓝|blue",
    "yellow": r"黄|yellow",
    "black": r"黑|black",
    "white": r"白|white",
}
NAMED = re.compile("|".join(f"(?P<{name}>{words})" for name, words in COLOURS.items()), re.IGNORECASE)
PAINTED: dict[str, Channels] = {
    "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "cyan": (0, 1, 1), "magenta": (1, 0, 1),
    "black": (0, 0, 0), "white": (1, 1, 1),
}  # fmt: skip
NAME = {channels: name for name, channels in PAINTED.items()}
# Which answer is about which colour.
SOLID = {
    "red": "vis-red", "green": "vis-green", "blue": "vis-pure-B", "yellow": "vis-pure-Y", "cyan": "vis-pure-C",
    "magenta": "vis-pure-M", "black": "vis-black", "white": "vis-white",
}  # fmt: skip


def colours(text: str) -> list[str]:
    """The colours named, in order."""
    return [str(match.lastgroup) for match in NAMED.finditer(text)]


def colour(answer: Answer) -> str | None:
    """The colour that the answer names most, None when it names none or two as often."""
    most = Counter(colours(answer.content)).most_common(2)
    return None if not most or (len(most) > 1 and most[0][1] == most[1][1]) else most[0][0]


def _corruptions() -> dict[str, Callable[[Channels], Channels]]:
    """Every exchange of channels, with and without inversion, but the identity."""

    def corrupted(order: Sequence[int], inverted: bool) -> Callable[[Channels], Channels]:
        def apply(shown: Channels) -> Channels:
            r, g, b = (shown[place] ^ inverted for place in order)
            return r, g, b

        return apply

    return {
        "".join("RGB"[place] for place in order) + " inverted" * inverted: corrupted(order, inverted)
        for order in permutations(range(3))
        for inverted in (False, True)
        if inverted or order != (0, 1, 2)
    }


Key = TypeVar("Key")


def explained(said: Mapping[Key, str | None], true: Mapping[Key, str], corrupted: Mapping[Key, str]) -> list[Key]:
    """The answers that show a corruption; none where it doesn't explain them.

    It does when all that it moves is named as it would be, but for one in six or, of few, one; when nothing of that is named
    rightly; and when two thirds of what it leaves alone are. A model that guesses names as much rightly as it names so.
    """
    moved = [key for key in said if corrupted[key] != true[key]]
    unmoved = [key for key in said if corrupted[key] == true[key]]
    shown = [key for key in moved if said[key] == corrupted[key]]
    missed = len(moved) - len(shown)
    right = any(said[key] == true[key] for key in moved)
    calm = sum(said[key] == true[key] for key in unmoved) >= len(unmoved) * 2 / 3
    return shown if len(shown) >= 3 and missed <= max(1, len(moved) // 6) and not right and calm else []


def names_colours_that_were_sent(forms: Scene, basics: Scene) -> None:
    """No exchange of channels explains the named colours better than the truth. Raises Broken, NotTestable."""
    sees(basics)
    answers = {name: told(basics if ask in basics.exchanges else forms, ask) for name, ask in SOLID.items()}
    said, true = {name: colour(answer) for name, answer in answers.items()}, {name: name for name in answers}
    for kind, corrupted in _corruptions().items():
        shown = explained(said, true, {name: NAME[corrupted(PAINTED[name])] for name in said})
        detail = ", ".join(f"{answers[name].name}: {said[name]}" for name in shown)
        expect(not shown, f"colours are named as if the channels were {kind}: {detail}", *(answers[n] for n in shown))
    if sum(said[name] == name for name in said) < len(said) - 2:
        raise NotTestable(f"the model's names of colours say nothing: {said}")


PLACES = {"left": r"左|\bleft", "right": r"右|\bright", "top": r"上|顶|\btop|\bupper", "bottom": r"下|底|\bbottom|\blower"}
PLACE = re.compile("|".join(f"(?P<{name}>{words})" for name, words in PLACES.items()), re.IGNORECASE)
CLAUSE = re.compile(r"[，,；;。.、：:\n!！]|\band\b|而|则")
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
# Where each side is seen in a picture that was mirrored or turned.
TURNS: dict[str, Mapping[str, str]] = {
    "mirrored": {"left": "right", "right": "left"},
    "flipped": {"top": "bottom", "bottom": "top"},
    "turned by 180°": OPPOSITE,
    "turned by 90°": {"left": "top", "top": "right", "right": "bottom", "bottom": "left"},
    "turned by 270°": {"left": "bottom", "bottom": "right", "right": "top", "top": "left"},
    "transposed": {"left": "top", "top": "left", "right": "bottom", "bottom": "right"},
    "transposed the other way": {"left": "bottom", "bottom": "left", "right": "top", "top": "right"},
}


def side(answer: Answer, painted: str) -> str | None:
    """Where the answer says that this colour stands, None when it doesn't say: the side named most beside it."""
    found: Counter[str] = Counter()
    for clause in CLAUSE.split(answer.content):
        places = {str(match.lastgroup) for match in PLACE.finditer(clause)}
        one_sided = not any(OPPOSITE[place] in places for place in places)
        if set(colours(clause)) == {painted} and one_sided:
            found.update(places)
    most = found.most_common(2)
    return None if not most or (len(most) > 1 and most[0][1] == most[1][1]) else most[0][0]


def names_sides_that_were_painted(basics: Scene, details: Scene) -> None:
    """No turn or mirror explains the named sides of red, green and blue. Raises Broken; NotTestable when nothing does."""
    sees(basics)
    seen = {(place, name): told(details, f"vis-{place}-{name[0]}") for place in PLACES for name in ("red", "green", "blue")}
    said, true = {key: side(answer, key[1]) for key, answer in seen.items()}, {key: key[0] for key in seen}
    for kind, turn in TURNS.items():
        shown = explained(said, true, {key: turn.get(key[0], key[0]) for key in said})
        detail = ", ".join(f"{seen[key].name}: {said[key]}" for key in shown[:4])
        expect(not shown, f"sides are named as if the picture were {kind}: {detail}", *(seen[key] for key in shown))
    if sum(said[key] == key[0] for key in said) < len(said) / 2:
        raise NotTestable("the model doesn't say on which side a colour stands")


def names_pictures_in_order(basics: Scene, several: Scene, kind: str = "pair", hues: str = "rgb") -> None:
    """Of two pictures the first is not named second throughout. Raises Broken; NotTestable when no order is told.

    `kind`: in one message (pair) or in two turns (turns); `hues`: the colours that were shown beside black.
    """
    sees(basics)
    order: dict[str, list[str]] = {}
    answers: dict[str, Answer] = {}
    shown: dict[str, str] = {}
    for letter, name in ((c, {"r": "red", "g": "green", "b": "blue"}[c]) for c in hues):
        for pair, owed in ((f"{letter}k", [name, "black"]), (f"k{letter}", ["black", name])):
            answers[pair] = told(several, f"vis-{kind}-{pair}", SEVERAL)
            shown[pair] = f"{answers[pair].name} (first {owed[0]}, then {owed[1]})"
            found = [c for c in dict.fromkeys(colours(answers[pair].content)) if c in owed]
            order[pair] = found if len(found) < 2 else ["right" if found == owed else "reversed"]
    told_order = [found for found in order.values() if found in (["right"], ["reversed"])]
    if len(told_order) < len(order) - 1:
        raise NotTestable("the model doesn't name the colours of two pictures one after the other")
    reversed_ = [pair for pair, found in order.items() if found == ["reversed"]]
    names = ", ".join(shown[pair] for pair in reversed_)
    held = len(reversed_) < len(order) - 1
    expect(held, f"of two pictures the second is described first: {names}", *(answers[pair] for pair in reversed_))


def keeps_named_colours(forms: Scene, basics: Scene, kinds: Mapping[str, str]) -> None:
    """A picture in another file format isn't given another colour's name. Raises Broken. `kinds`: form -> its colour."""
    sees(basics)
    references = {name: told(basics if ask in basics.exchanges else forms, ask) for name, ask in SOLID.items()}
    for kind, owed in kinds.items():
        if forms.exchanges[f"vis-{kind}"].status != 200:
            continue  # whether it is taken is for another row to say
        seen = told(forms, f"vis-{kind}")
        others = [other for name, other in references.items() if name != owed and colour(other) == name]
        if colour(references[owed]) != owed or not others:
            raise NotTestable("the model doesn't name the colours of PNG")
        wrong = colour(seen)
        twins = [a for a in others if alike([a, seen])] or [a for a in others if colour(a) == wrong]
        held = wrong == owed or not twins or owed in colours(seen.content)
        expect(held, f"{seen.name}: {owed} is named {wrong}", seen, *twins[:1])


def sees_its_own(left: Scene, basics: Scene) -> None:
    """After a refusal and after a stream that was left, a picture is seen as itself. Raises Broken.

    Judged by colours that the model names, where it names red and black rightly.
    """
    sees(basics)
    right = {"red": told(basics, "vis-red"), "black": told(basics, "vis-black")}
    if any(colour(answer) != name for name, answer in right.items()):
        raise NotTestable("the model doesn't name red and black")
    for name in ("left-field-after", "left-other-after", "left-stream-after"):
        seen = told(left, name, AGAIN)
        expect(colour(seen) in ("red", None), f"{name}: red is named {colour(seen)}: {seen.content[:80]!r}", seen)
