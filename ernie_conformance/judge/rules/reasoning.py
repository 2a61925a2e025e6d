"""Rules about the two channels: where thinking goes when it is cut, limited, switched off or streamed."""

from __future__ import annotations

from ernie_conformance.gather.ask import NO_THINKING
from ernie_conformance.judge.outcome import Blocked, NotAsked, expect
from ernie_conformance.judge.rules.twins import Pair, damage, difference, squeezed
from ernie_conformance.judge.views import Answer, Reply, Stream

SPLIT, LOST, THINKS, QUIET = "REASON-014", "REASON-012", "REASON-004", "REASON-005"
FEW_TOKENS = 4  # so many may be invisible: markers of the channels, a torn character
LONG_THOUGHT = 40  # characters: a shorter thought shows neither a budget nor a split into letters
NARROW = 0.9  # share of one-letter deltas above which text is sent by the letter; tokens have more letters on average


def doesnt_think(reply: Reply) -> None:
    """No reasoning came. Raises Broken with its start."""
    expect(not reply.reasoning.strip(), f"{reply.name}: reasoning came: {reply.reasoning[:60]!r}", reply)


def thinks(reply: Reply) -> None:
    """Reasoning came. Raises Broken."""
    expect(bool(reply.reasoning.strip()), f"{reply.name}: no reasoning came, content {reply.content[:40]!r}", reply)


def thinks_and_answers(reply: Reply) -> None:
    """Reasoning came, and an answer after it unless max_tokens cut it. Raises Broken."""
    thinks(reply)
    ended = reply.finish_reason == "stop"
    detail = f"{reply.name}: ended by itself, but nothing came as content; the reasoning ends in {reply.reasoning[-40:]!r}"
    expect(bool(reply.content.strip()) or not ended, detail, reply)


def is_within_budget(short: Reply, free: Reply) -> None:
    """The thought under a budget of a few tokens is at most half as long as the free one, and an answer follows.

    Raises Broken; Blocked when the free reply doesn't think; NotAsked when its thought is too short to compare.
    """
    if not free.reasoning.strip():
        raise Blocked(THINKS, f"{free.name}: no reasoning came", free)
    if len(free.reasoning) < LONG_THOUGHT:
        raise NotAsked(f"{free.name} thinks only {len(free.reasoning)} characters")
    seen = f"{len(short.reasoning)} characters of reasoning under a budget of a few tokens, {len(free.reasoning)} without"
    expect(2 * len(short.reasoning) <= len(free.reasoning), f"{short.name}: {seen}", short, free)


def loses_nothing(reply: Reply) -> None:
    """Where tokens were counted, text came. Raises Broken; NotAsked without usage."""
    if not isinstance(reply.usage, dict):
        raise NotAsked(f"{reply.name} carries no usage")
    count = reply.count("completion_tokens")
    expect(bool(reply.text) or count <= FEW_TOKENS, f"{reply.name}: {count} tokens counted, no text in any channel", reply)


def stays_reasoning(reply: Reply) -> None:
    """What was thought before the cut stands in the reasoning. Raises Broken; Blocked when no text came at all."""
    if not reply.text:
        raise Blocked(LOST, f"{reply.name}: no text came", reply)
    detail = f"{reply.name}: cut while thinking, but the text stands in content: {reply.content[:60]!r}"
    expect(bool(reply.reasoning.strip()), detail, reply)


def adds_no_notice(pair: Pair) -> None:
    """Neither mode says more than the other with as many tokens. Raises Broken; Blocked when the modes split differently."""
    one, other = pair.texts
    longer = max(one, other, key=len)
    more = damage(pair) == "characters"
    if (more and not one) or not other:
        raise Blocked(LOST, f"{pair.name}: one mode has no text", pair.whole, pair.stream)
    expect(not more, f"{difference(pair)}: {longer[-60:]!r} ends the longer one", pair.whole, pair.stream)


def split_alike(pair: Pair) -> None:
    """The reasoning ends at the same place in both modes. Raises Broken.

    Where the texts as a whole differ, only the channels used are compared.
    """
    one, other = pair.whole, pair.stream
    channels = pair.channels
    shown = f"{pair.name}: (reasoning, content) is {channels[0]} in the whole answer, {channels[1]} in the stream"
    expect(channels[0] == channels[1], shown, one, other)
    if squeezed(one.text) != squeezed(other.text):
        return
    ends = f"...{one.reasoning[-20:]!r} in the whole answer, ...{other.reasoning[-20:]!r} in the stream"
    same = squeezed(one.reasoning) == squeezed(other.reasoning)
    expect(same, f"{pair.name}: the reasoning ends with {ends}", one, other)


def comes_in_tokens(stream: Stream) -> None:
    """Reasoning in Latin letters isn't sent letter by letter. Raises Broken.

    NotAsked for too little of it, and where the answer comes by the letter too: that is how such a server sends.
    """
    parts = [piece.reasoning for piece in stream.pieces if isinstance(piece.reasoning, str) and piece.reasoning]
    text = "".join(parts)
    latin = sum(letter.isascii() for letter in text)
    if len(text) < LONG_THOUGHT or latin < 0.8 * len(text):
        raise NotAsked(f"{stream.name} has too little reasoning in Latin letters")
    answered = [piece.content for piece in stream.pieces if isinstance(piece.content, str) and piece.content]
    if sum(len(part) == 1 for part in answered) >= NARROW * len(answered) > 0:
        raise NotAsked(f"{stream.name} sends its answer by the letter too")
    single = sum(len(part) == 1 for part in parts)
    expect(
        single < NARROW * len(parts), f"{stream.name}: {single} of {len(parts)} deltas are one letter: {parts[:6]}", stream
    )


def begins_with_text(reply: Reply) -> None:
    """The answer after the reasoning doesn't begin with an empty line. Raises Broken; NotAsked without an answer."""
    if not reply.content.strip() or not reply.reasoning.strip():
        raise NotAsked(f"{reply.name} has no answer after reasoning")
    begins = reply.content[: len(reply.content) - len(reply.content.lstrip())]
    expect("\n" not in begins, f"{reply.name}: content begins with {reply.content[:12]!r}", reply)


def says_it_once(answer: Answer) -> None:
    """The content doesn't begin with all of the reasoning. Raises Broken; NotAsked without reasoning worth the name."""
    for index in answer.indices:
        thought, said = answer.reasoning_of(index).strip(), answer.content_of(index).strip()
        if len(thought) < LONG_THOUGHT // 2:
            raise NotAsked(f"{answer.name} has no reasoning to repeat")
        expect(not said.startswith(thought), f"{answer.name}: content begins with the reasoning: {said[:60]!r}", answer)


def keeps_quiet(reply: Reply, plain: Reply) -> None:
    """With both switches off no reasoning came, whatever else was asked. Raises Broken.

    Blocked when not even a plain question is answered without; NotAsked where thinking isn't switched off.
    """
    switches = [reply.asked.get(name) for name in NO_THINKING]
    if not all(isinstance(switch, dict) and switch.get("enable_thinking") is False for switch in switches):
        raise NotAsked(f"{reply.name} doesn't switch thinking off")
    if plain.reasoning.strip():
        raise Blocked(QUIET, f"{plain.name}: reasoning came", plain)
    doesnt_think(reply)
