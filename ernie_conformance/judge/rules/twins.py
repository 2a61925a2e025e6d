"""Rules about twins: one request asked whole and as a stream.

On a GPU two runs of one prompt may part ways at temperature 0, so "the texts differ" is no defect by itself. Text that was
lost, doubled or moved on its way is told from another wording by the count of tokens: as many tokens, other characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, expect
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, Stream
from ernie_conformance.wire.exchange import Exchange

CHANNELS, IDENTICAL, CHARACTERS, WHITESPACE = "TWIN-001", "TWIN-003", "TWIN-005", "TWIN-007"
NOTICE = "REASON-013"  # what is added to an answer that was cut
INDEX, FINISH = "STREAM-009", "STREAM-005"


@dataclass(frozen=True)
class Pair:
    """A whole answer and the stream of the same request."""

    whole: Answer
    stream: Stream

    @property
    def name(self) -> str:
        return self.whole.name

    @property
    def texts(self) -> tuple[str, str]:
        return self.whole.text, self.stream.text

    @property
    def same(self) -> bool:
        return self.whole.reasoning == self.stream.reasoning and self.whole.content == self.stream.content

    @property
    def channels(self) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
        """For the whole answer and the stream: is there reasoning, is there content?"""
        one, other = ((bool(reply.reasoning.strip()), bool(reply.content.strip())) for reply in (self.whole, self.stream))
        return one, other

    @property
    def counts(self) -> tuple[object, object]:
        """completion_tokens of both, None where there is no usage."""
        one, other = (
            reply.usage.get("completion_tokens") if isinstance(reply.usage, dict) else None
            for reply in (self.whole, self.stream)
        )
        return one, other

    @property
    def calls_a_tool(self) -> bool:
        return bool(self.whole.tool_calls_of()) or any(piece.delta.get("tool_calls") for piece in self.stream.pieces)


def pair(scene: Scene, name: str) -> Pair:
    """The twins `name` and `name`-stream. Raises Blocked when either is unusable or the stream scatters its text."""
    stream = Stream(_made(scene, f"{name}-stream"))
    if stream.indices != [0]:
        raise Blocked(INDEX, f"{stream.name}: choices {stream.indices[:5]} where one was asked for", stream)
    return Pair(Answer(_made(scene, name)), stream)


def _made(scene: Scene, name: str) -> Exchange:
    if name not in scene.exchanges:
        raise NotAsked(f"{scene.name} has no {name}")
    return scene.exchanges[name]


def pairs(scene: Scene) -> list[Pair]:
    """Every pair of a scene. Raises Blocked as `pair` does."""
    return [pair(scene, name) for name in scene.exchanges if f"{name}-stream" in scene.exchanges]


def squeezed(text: str) -> str:
    """The text without white space."""
    return "".join(text.split())


def is_part(short: str, long: str) -> bool:
    """Can `short` be made from `long` by leaving characters out?"""
    rest = iter(long)
    return all(letter in rest for letter in short)


LOST = "?\ufffd"  # what decoders put in the place of what they can't show


def is_damaged(one: str, other: str) -> bool:
    """Is one text the other with characters lost, moved or replaced by a mark?"""
    short, long = sorted((one, other), key=len)
    if is_part(short, long) or sorted(short) == sorted(long):
        return True
    unmarked = [text.translate(dict.fromkeys(map(ord, LOST))) for text in (one, other)]
    short, long = sorted(unmarked, key=len)
    return unmarked != [one, other] and 2 * len(short) >= len(long) and is_part(short, long)


def damage(pair: Pair) -> str:
    """What the way did to one twin: "" (nothing that shows), "white space" or "characters"."""
    one, other = pair.texts
    short, long = sorted((one, other), key=len)
    ended_early = pair.whole.finish_reason == "length" and long.startswith(short) and len(long) - len(short) <= 1
    if one == other or ended_early:  # a limit may fall inside a character, which then may be shown or not
        return ""
    here, there = pair.counts
    if here is not None and there is not None and here != there:
        return ""  # the model said something else
    if squeezed(one) == squeezed(other):
        return "white space"
    return "characters" if is_damaged(squeezed(one), squeezed(other)) else ""


def difference(pair: Pair, width: int = 24) -> str:
    """Where the twins part, for a reader."""
    one, other = pair.texts
    at = next((n for n, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))  # noqa: B905
    start = max(0, at - width // 2)
    return f"{pair.name}: at {at} whole {one[start : at + width]!r}, stream {other[start : at + width]!r}"


def use_the_same_channels(pair: Pair) -> None:
    """Reasoning and content are there in both or in neither. Raises Broken."""
    one, other = pair.channels
    words = {True: "some", False: "no"}
    shown = " but ".join(
        f"{mode}: {words[thought]} reasoning, {words[said]} content"
        for mode, (thought, said) in (("whole", one), ("stream", other))
    )
    expect(one == other, f"{pair.name}: {shown}", pair.whole, pair.stream)


def is_undamaged(pair: Pair, kind: str) -> None:
    """The way did no damage of this kind. Raises Broken with the place."""
    expect(damage(pair) != kind, f"{kind} differ, the tokens don't: {difference(pair)}", pair.whole, pair.stream)


def _owner(pair: Pair) -> str:
    """The row that owns the difference of a pair; "" when none does."""
    one, other = pair.channels
    if one != other:
        return CHANNELS
    return {"white space": WHITESPACE, "characters": CHARACTERS}.get(damage(pair), "")


def one_is_identical(found: Iterable[Pair]) -> None:
    """At least one pair agrees to the character. Raises Broken; Blocked when other rows own the differences."""
    differing = list(found)
    if any(pair.same for pair in differing):
        return
    owned = next((owner for pair in differing if (owner := _owner(pair))), "")
    if owned:
        raise Blocked(owned, f"no pair is identical: {difference(differing[0])}", differing[0].whole, differing[0].stream)
    expect(False, f"no pair is identical: {difference(differing[0])}", differing[0].whole, differing[0].stream)


def is_identical(pair: Pair) -> None:
    """The pair agrees to the character. Raises Broken; Blocked when another row owns the difference."""
    if not pair.same and (owner := _owner(pair)):
        raise Blocked(owner, difference(pair), pair.whole, pair.stream)
    expect(pair.same, difference(pair), pair.whole, pair.stream)


def finish_alike(found: Iterable[Pair]) -> None:
    """Pairs with the same text have the same finish_reason. Raises Broken; Blocked when no pair has the same text."""
    same = [pair for pair in found if pair.same]
    if not same:
        raise Blocked(IDENTICAL, "no pair is identical")
    for pair in same:
        if pair.stream.finish_reason is None:
            raise Blocked(FINISH, f"{pair.stream.name}: no finish_reason came", pair.stream)
        one, other = pair.whole.finish_reason, pair.stream.finish_reason
        expect(one == other, f"{pair.name}: whole finishes with {one!r}, stream with {other!r}", pair.whole, pair.stream)


def count_alike(found: Iterable[Pair]) -> None:
    """The same prompt_tokens in each pair, and the same completion_tokens where the texts agree. Raises Broken."""
    for pair in found:
        if not isinstance(pair.stream.usage, dict):
            raise Blocked("STREAM-010", f"{pair.stream.name}: no usage came", pair.stream)
        for what in ("prompt_tokens", "completion_tokens"):
            one, other = pair.whole.count(what), pair.stream.count(what)
            owed = what == "prompt_tokens" or (pair.same and pair.whole.finish_reason == pair.stream.finish_reason)
            detail = f"{pair.name}: {what} is {one} in the whole answer, {other} in the stream"
            expect(one == other or not owed, detail, pair.whole, pair.stream)


def match_with_logprobs(plain: Pair, probed: Pair) -> None:
    """Asking for logprobs changes no character of an answer that is said alike in both modes. Raises Broken.

    With logprobs both modes must say another text, and the same one, or one of them lost characters: else it was chance.
    """
    modes = ((plain.whole, probed.whole), (plain.stream, probed.stream))
    other = all(one.text != found.text for one, found in modes)
    if plain.same and other and (probed.same or any(is_damaged(one.text, found.text) for one, found in modes)):
        one, found = modes[0]
        raise Broken(f"{found.name}: {found.text[:60]!r} with logprobs, {one.text[:60]!r} without", one, found)
