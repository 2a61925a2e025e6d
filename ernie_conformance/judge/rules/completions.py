"""Rules about text completions."""

from __future__ import annotations

from typing import Any

from ernie_conformance.judge.outcome import Blocked, NotAsked, expect
from ernie_conformance.judge.rules.limits import Stopped
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import TRANSPORT, Answer, Reply, view
from ernie_conformance.wire.exchange import Exchange

LISTS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


# Tokens that a server may put around a prompt of ids: text begins, a role, text ends.
MARKS = 3


def has_a_choice_for_each(reply: Reply, count: int) -> None:
    """Choices 0 to count-1, each once. Raises Broken."""
    expect(reply.numbers == list(range(count)), f"{reply.name}: {count} choices are owed, {reply.numbers} came", reply)


def honours_or_refuses(exchange: Exchange) -> None:
    """A request for several choices gets them, or a 4xx. Raises Broken."""
    if exchange.status is None:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error}", exchange)
    if exchange.status != 200:
        status = exchange.status
        expect(400 <= status < 500, f"{exchange.name}: status {status}: {exchange.text[:120]}", exchange)
        return
    has_a_choice_for_each(Answer(exchange), exchange.request.json["n"])


def are_not_swapped(several: Reply, first: Reply, second: Reply) -> None:
    """Choices stand in the order of their prompts. Raises Broken when each is the other prompt's continuation."""
    if len(several.indices) != 2:
        raise Blocked("COMP-006", f"{several.name}: {len(several.indices)} choices", several)
    due = (first.content, second.content)
    if due[0] == due[1]:
        raise NotAsked(f"{first.name} and {second.name} go on alike")
    came = (several.content_of(0), several.content_of(1))
    expect(came != due[::-1], f"{several.name}: the choices are swapped: {came[0][:40]!r}, {came[1][:40]!r}", several)


def stand_by_prompt(several: Exchange) -> None:
    """Choices of several prompts come prompt by prompt, as their echo shows: i belongs to prompt i // n. Raises Broken.

    NotAsked where such a request is refused.
    """
    if several.status is None:
        raise Blocked(TRANSPORT, f"{several.name}: {several.error}", several)
    if 400 <= several.status < 500:
        raise NotAsked(f"{several.name}: refused with {several.status}")
    reply, prompts, n = Answer(several), several.request.json["prompt"], several.request.json["n"]
    has_a_choice_for_each(reply, n * len(prompts))
    for index in reply.numbers:
        said, owed = reply.content_of(index), prompts[index // n]
        echoed = [number for number, prompt in enumerate(prompts) if said.startswith(prompt)]
        if not echoed:
            raise NotAsked(f"{reply.name}: choice {index} begins with no prompt")
        detail = (
            f"{reply.name}: choice {index} belongs to prompt {index // n}, and answers prompt {echoed[0]}: {said[:30]!r}"
        )
        expect(said.startswith(owed), detail, reply)


def counts_every_prompt(several: Reply, first: Reply, second: Reply) -> None:
    """prompt_tokens are those of all prompts. Raises Broken."""
    count = several.count("prompt_tokens")
    due = first.count("prompt_tokens") + second.count("prompt_tokens")
    expect(count == due, f"{several.name}: {count} prompt_tokens, the prompts alone have {due} together", several)


def takes_token_ids(exchange: Exchange) -> None:
    """A prompt of token ids is answered and counted by them; marks of the beginning may come on top. Raises Broken."""
    if exchange.status is None:
        raise Blocked(TRANSPORT, f"{exchange.name}: {exchange.error}", exchange)
    expect(exchange.status == 200, f"{exchange.name}: status {exchange.status}: {exchange.text[:120]}", exchange)
    count, due = Answer(exchange).count("prompt_tokens"), len(exchange.request.json["prompt"])
    expect(due <= count <= due + MARKS, f"{exchange.name}: {count} prompt_tokens for {due} ids", exchange)


def begins_with_the_prompt(reply: Reply) -> None:
    """The echo is there, and text after it. Raises Broken."""
    prompt = reply.asked["prompt"]
    expect(
        reply.content.startswith(prompt), f"{reply.name}: the text begins {reply.content[:60]!r}, not with the prompt", reply
    )


def is_not_echoed(reply: Reply) -> None:
    """Two tokens can't hold the whole prompt. Raises Broken."""
    prompt = reply.asked["prompt"]
    echoed = prompt in reply.content
    expect(not echoed, f"{reply.name}: the prompt was echoed, though echo wasn't asked for: {reply.content[:60]!r}", reply)


def _lists(reply: Reply) -> dict[str, list[Any]]:
    """The four parallel lists. Raises Broken when they aren't there."""
    assert isinstance(reply, Answer)
    found = reply.choice(0).get("logprobs")
    expect(isinstance(found, dict), f"{reply.name}: logprobs were asked for, {found!r:.40} came", reply)
    assert isinstance(found, dict)
    lists = {name: found.get(name) for name in LISTS}
    missing = [name for name, value in lists.items() if not isinstance(value, list)]
    expect(not missing, f"{reply.name}: logprobs has no list {', '.join(missing)}", reply)
    return {name: value for name, value in lists.items() if isinstance(value, list)}


def has_parallel_lists(reply: Reply) -> None:
    """tokens, token_logprobs, top_logprobs and text_offset are lists of one length, and join to the text. Raises Broken."""
    lists = _lists(reply)
    lengths = {name: len(value) for name, value in lists.items()}
    expect(len(set(lengths.values())) == 1, f"{reply.name}: the lists of logprobs have the lengths {lengths}", reply)
    expect(bool(lists["tokens"]), f"{reply.name}: the lists of logprobs are empty", reply)
    joined = "".join(map(str, lists["tokens"]))
    expect(
        reply.content.rstrip("\ufffd") in joined,
        f"{reply.name}: the tokens join to {joined[:60]!r}, the text is {reply.content[:60]!r}",
        reply,
    )


def tells_the_prompts_logprobs(reply: Reply) -> None:
    """With echo, the prompt's tokens are told too, the first without a probability. Raises Broken."""
    lists = _lists(reply)
    joined, prompt = "".join(map(str, lists["tokens"])), reply.asked["prompt"]
    expect(joined.startswith(prompt), f"{reply.name}: the tokens begin {joined[:60]!r}, not with the prompt", reply)
    first = lists["token_logprobs"][:1]
    expect(first == [None], f"{reply.name}: nothing comes before the first token, its log probability is {first}", reply)


def ends_at_its_stop_string(stops: Scene) -> None:
    """The text ends where the stop string would stand, whole or streamed. Raises Broken; NotAsked when it wasn't met."""
    if not stops.note("stop"):
        raise NotAsked(f"{stops.name}: the model said too little: {stops.note('text')!r:.60}")
    found = [
        Stopped(view(stops.exchanges[name]), stops.note("text")) for name in ("completion-stop", "completion-stop-stream")
    ]
    met = [one for one in found if one.comparable]
    if not met:
        raise NotAsked(f"{stops.name}: with the stop string the model said something else")
    for one in met:
        one.sends_no_more()
        one.keeps_what_came_before()
