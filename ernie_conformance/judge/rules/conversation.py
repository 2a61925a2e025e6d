"""Rules about messages: each reaches the model. Shown by what it costs, and by the relation between answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ernie_conformance.gather.asks.conversation import JOINTS, NAMES
from ernie_conformance.judge.outcome import Blocked, Broken, NotAsked, NotTestable, expect
from ernie_conformance.judge.rules.sight import told
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import STATUS, TRANSPORT, Answer
from ernie_conformance.wire.exchange import Exchange

# The same words in another place: a template puts a few tokens around them, and tokens may join at the seams.
FORM = 4  # tokens that another form of the same message may save
KEPT = 0.8


def tokens(answer: Answer) -> int:
    return answer.count("prompt_tokens")


def taken(exchange: Exchange, what: str) -> Answer:
    """The answer. Raises Broken when the request was refused, Blocked when nothing came."""
    if exchange.error is not None or exchange.status is None:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error}", exchange)
    detail = f"{exchange.name}: {what} isn't taken: status {exchange.status}: {exchange.text[:120]!r}"
    expect(exchange.status == 200, detail, exchange)
    return Answer(exchange)


def taken_if_any(exchange: Exchange, what: str) -> Answer:
    """The answer. Raises NotAsked when the request was refused, as it may be."""
    if exchange.error is None and 400 <= (exchange.status or 0) < 500:
        raise NotAsked(f"{exchange.name}: {what} are refused: {exchange.text[:80]!r}")
    return answer_or_blocked(exchange)


def answer_or_blocked(exchange: Exchange, owner: str = STATUS) -> Answer:
    """The answer. Raises Blocked by `owner` when the request was refused."""
    if exchange.error is None and exchange.status != 200:
        raise Blocked(owner, f"{exchange.name}: status {exchange.status}", exchange)
    return Answer(exchange)


def counts(more: Answer, less: Answer, joined: Answer, base: Answer, what: str) -> None:
    """What `more` has beyond `less` costs about what it costs when joined to the question. Raises Broken."""
    grown, owed = tokens(more) - tokens(less), tokens(joined) - tokens(base)
    detail = f"{more.name}: {what} adds {grown} tokens to the prompt; joined to the question the same words add {owed}"
    expect(grown >= KEPT * owed and grown > 0, detail, more, less)


def costs_no_less(other: Answer, usual: Answer, what: str) -> None:
    """The prompt of `other` is as long as that of `usual`, but for a few tokens of its form. Raises Broken."""
    lost = tokens(usual) - tokens(other)
    detail = f"{other.name}: {what} is lost: {tokens(other)} prompt tokens, {usual.name} has {tokens(usual)}"
    expect(lost <= FORM, detail, other, usual)


def earlier_lost(earlier: Answer, joined: Answer, base: Answer) -> bool:
    """Is the user's earlier turn not in the prompt?"""
    return tokens(earlier) - tokens(base) < KEPT * (tokens(joined) - tokens(base))


def adds_nothing(parts: Answer, joined: Answer, number: int) -> None:
    """Parts cost what their text costs, joined by line breaks: at most two tokens more a part. Raises Broken."""
    extra = tokens(parts) - tokens(joined)
    detail = f"{parts.name}: {number} parts cost {extra} tokens more than their joined text: words nobody sent are added"
    expect(extra <= 2 * number + 8, detail, parts, joined)


def grows_on(four: Answer, eight: Answer, base: Answer) -> None:
    """A message twice as long costs about twice as much. Raises Broken."""
    first, second = tokens(four) - tokens(base), tokens(eight) - tokens(four)
    detail = f"{eight.name}: four paragraphs add {first} tokens, four more {second}: long messages are cut"
    expect(second >= KEPT * first and first > 0, detail, four, eight)


def adds_at_least(with_it: Answer, without: Answer, least: int, what: str) -> None:
    """`what` makes the prompt longer. Raises Broken."""
    grown = tokens(with_it) - tokens(without)
    expect(grown >= least, f"{with_it.name}: {what} adds {grown} tokens to the prompt, at least {least} are owed", with_it)


def differ_by_case(pairs: Sequence[tuple[Answer, Answer]]) -> None:
    """Words in capitals and in small letters don't always get one answer. Raises Broken."""
    said = [(upper.text.strip(), lower.text.strip()) for upper, lower in pairs]
    if len({upper for upper, _ in said}) == 1:
        raise NotTestable("the model says the same whatever it is asked")
    lost = all(upper == lower for upper, lower in said)
    detail = f"{pairs[0][0].name} and its like: capitals and small letters always get one answer: {said[0][0][:60]!r}"
    expect(not lost, detail, *(answer for pair in pairs for answer in pair))


def _first_named(answer: Answer, names: Sequence[str]) -> str | None:
    """Which of the names the answer comes to first, None when it doesn't come to all of them."""
    places = {name: answer.text.find(name) for name in names}
    return None if min(places.values()) < 0 else min(places, key=lambda name: places[name])


def keep_their_order(scene: Scene) -> None:
    """Of two parts the second isn't taken first. Raises Broken when in every trial the second name comes first.

    NotTestable unless the names of the same text, in one piece, come in its order, and turned round in the other.
    """
    turned = []
    for number, (first, second) in enumerate(NAMES):
        told_first = {
            kind: _first_named(told(scene, f"parts-{number}-{kind}"), (first, second))
            for kind in ("parts", *JOINTS, *(f"{joint}-turned" for joint in JOINTS))
        }
        parts = told_first.pop("parts")
        if parts == first:
            return
        if parts is None or any(name != (second if "turned" in kind else first) for kind, name in told_first.items()):
            raise NotTestable(f"parts-{number}: the answers don't follow the order of their prompts")
        turned.append(told(scene, f"parts-{number}-parts"))
    raise Broken(f"{turned[0].name}: comes to {NAMES[0][1]!r} first, the second part's: {turned[0].text[:80]!r}", *turned)


_ROLE = re.compile(r"\b(system|developer|user|assistant|tool)\b", re.ASCII)


def reports_roles(answer: Answer, roles: Sequence[str]) -> None:
    """The extractive model was shown these turns and no others. Raises Broken."""
    told = re.search(r"角色[^。]*。", answer.content)
    if told is None:
        raise Broken(f"{answer.name}: no roles are reported: {answer.content[:80]!r}", answer)
    seen = _ROLE.findall(told[0])
    expect(
        seen == list(roles), f"{answer.name}: the model was shown {', '.join(seen)}, sent were {', '.join(roles)}", answer
    )


def reports_in_order(answer: Answer, codes: Sequence[str]) -> None:
    """Every code is reported, letter for letter, in the order of its turn. Raises Broken."""
    places = [answer.content.find(code) for code in codes]
    missing = [code for code, place in zip(codes, places, strict=True) if place < 0]
    expect(not missing, f"{answer.name}: {', '.join(missing)} isn't reported: {answer.content[:160]!r}", answer)
    expect(places == sorted(places), f"{answer.name}: the turns are out of order: {answer.content[:200]!r}", answer)


def recalls(answers: Sequence[tuple[Answer, str]]) -> None:
    """At most one code isn't recalled: a slip is no verdict. Raises Broken."""
    wrong = [
        f"{answer.name}: {answer.content.strip()[:40]!r}, owed {code}"
        for answer, code in answers
        if code not in answer.content
    ]
    expect(len(wrong) < 2, "; ".join(wrong), *(answer for answer, _ in answers))


def keeps_the_beginning(scene: Scene) -> None:
    """A word told at the beginning of a long conversation changes the answer. Raises Broken when it never does.

    NotTestable when a word told near the end changes nothing either: such a model gives nothing away.
    """
    pairs = {
        place: [[Answer(scene.exchanges[f"chat-{place}-{pair}-{which}"]) for which in range(2)] for pair in range(2)]
        for place in ("near", "far")
    }
    if any(one.text == other.text for one, other in pairs["near"]):
        raise NotTestable("the model says the same whatever it was just told")
    lost = [pair for pair in pairs["far"] if pair[0].text == pair[1].text]
    seen = f"{lost[0][0].name}, {lost[0][1].name}: {lost[0][0].text[:60]!r}" if lost else ""
    shown = [answer for pair in lost for answer in pair]
    expect(len(lost) < len(pairs["far"]), f"what was told 22 messages before changes no answer: {seen}", *shown)
