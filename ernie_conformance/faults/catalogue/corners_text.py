"""Faults of text that show in one corner only: found, like those of `corners`, by people who hadn't seen this suite."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ernie_conformance.faults import acts, where
from ernie_conformance.faults.catalogue.reasoning import holders
from ernie_conformance.faults.edits import answers, asked, chunks, streams
from ernie_conformance.faults.fault import Edit, Fault, behaviour, question, rewrite
from ernie_conformance.faults.frames import Frame, has_answer
from ernie_conformance.faults.objects import change, put, text
from ernie_conformance.faults.questions import body, messages
from ernie_conformance.faults.upstream import asking
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

CONTENT = "choices.*.message.content"
LINES = str.maketrans("", "", "\u2028\u2029\x85")  # where str.splitlines parts lines, and events don't
ARGUMENTS = f"{holders}.tool_calls.*.function.arguments"


def _sorted_keys(said: str) -> str:
    try:
        found = json.loads(said)
    except ValueError:
        return said
    return json.dumps(found, ensure_ascii=False, sort_keys=True) if isinstance(found, dict) else said


def _doubles(said: str) -> str:
    """Every integer that a double holds exactly is written as one."""
    try:
        found = json.loads(said, parse_int=lambda digits: float(digits) if len(digits) < 16 else int(digits))
    except ValueError:
        return said
    return json.dumps(found, ensure_ascii=False)


def _zeros_empty(frames: Iterator[Frame]) -> Iterator[Frame]:
    """What is empty to some languages isn't sent: "0" is."""
    for frame in frames:
        chunk = frame.chunk
        found = (chunk or {}).get("choices") or [{}]
        if (found[0].get("delta") or {}).get("content") != "0":
            yield frame


def _first_id_again(data: dict[str, Any]) -> None:
    for choice in data.get("choices") or ():
        for number, call in enumerate((choice.get("message") or {}).get("tool_calls") or ()):
            call["id"] = f"call_{number}"


def _copies_of_the_first(data: dict[str, Any]) -> None:
    found = data.get("choices") or []
    for choice in found[1:]:
        choice["message"]["content"] = found[0]["message"]["content"]


def _stop_ranked(request: Request) -> Edit:
    """The tokens of the stop string stay among the log probabilities."""
    stop = request.json.get("stop")
    more = [{"token": token, "logprob": -0.1, "bytes": list(token.encode()), "top_logprobs": []} for token in str(stop)]

    def keep(data: dict[str, Any]) -> None:
        for choice in data.get("choices") or ():
            if choice.get("finish_reason") == "stop" and choice.get("logprobs"):
                choice["logprobs"]["content"] += more

    return answers(keep)


def _parts_unread(found: list[Any]) -> list[Any]:
    """The content of a tool's message is rendered where it is a string."""
    return [{**m, "content": ""} if m.get("role") == "tool" and isinstance(m.get("content"), list) else m for m in found]


def _no_calls_no_text(found: list[Any]) -> list[Any]:
    """A message that has the field is taken for a call."""
    return [{**m, "content": ""} if "tool_calls" in m and not m["tool_calls"] else m for m in found]


async def _seed_stays(visit: Visit) -> None:
    """There is one generator: what comes without a seed goes on from the last one."""
    kept = visit.memory.kept
    kept["seed"] = visit.request.json.get("seed", kept.get("seed"))
    ask = body(put("seed", kept["seed"])) if kept["seed"] is not None else None
    await visit.relay(request=ask(visit.request) if ask else None)


async def _format_stays(visit: Visit) -> None:
    """The grammar of a document that wasn't finished is left in its slot, for the next answer."""
    kept, form = visit.memory.kept, visit.request.json.get("response_format")
    if form is None and "form" in kept:
        await visit.relay(request=body(put("response_format", kept.pop("form")), put("max_tokens", 64))(visit.request))
    elif form and where.streamed(visit.request):
        kept["form"] = form
        await visit.relay()
        kept.pop("form", None)
    else:
        await visit.relay()


async def _id_is_the_key(visit: Visit) -> None:
    """A request with the id of one that runs takes its place."""
    own = dict(visit.request.headers).get("x-request-id") or dict(visit.request.headers).get("X-Request-Id")
    if not own:
        await visit.relay()
        return
    running = visit.memory.kept.setdefault("running", {})
    if own in running:
        running[own].set()
    over = running[own] = asyncio.Event()
    task, ended = asyncio.ensure_future(visit.relay()), asyncio.ensure_future(over.wait())
    await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        visit.wire.reset()


async def _one_writer(visit: Visit) -> None:
    """One writer serves every stream, and waits for each reader."""
    writing: asyncio.Lock = visit.memory.kept.setdefault("writing", asyncio.Lock())
    async with asking(visit.base_url, visit.request) as live:
        await visit.wire.head(live.status, live.headers, visit.request.method)
        async for _, data in live.pieces:
            async with writing:
                await visit.wire.piece(data)
    await visit.wire.end()


async def _leaver_takes_a_token(visit: Visit) -> None:
    """When a client leaves, one token of the stream that began last is lost."""
    kept = visit.memory.kept

    def lose(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            if kept.get("lost") and kept.get("last") is visit and has_answer(frame):
                kept["lost"] = False
            else:
                yield frame

    kept["last"] = visit
    try:
        await visit.relay(edit=streams(lose))
    except (asyncio.CancelledError, ConnectionError):
        kept["lost"] = True
        raise


async def _compressed_at_the_end(visit: Visit) -> None:
    """Streams for clients that take gzip are held until the compressor is full."""
    if "gzip" not in {k.lower(): v for k, v in visit.request.headers}.get("accept-encoding", ""):
        await visit.relay()
        return
    whole = await visit.fetch()
    await visit.send(replace(whole, pieces=[(0.0, b"".join(data for _, data in whole.pieces))]))


async def _thought_of_the_batch(visit: Visit) -> None:
    """Whether a thought is parted from its answer is asked of the request that came last."""
    kept = visit.memory.kept
    thinks = kept["thinks"] = where.thinking(visit.request)

    def joined(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            chunk = frame.chunk
            delta = ((chunk or {}).get("choices") or [{}])[0].get("delta") or {}
            if chunk is not None and not kept["thinks"] and delta.get("content"):
                delta["reasoning_content"] = delta.pop("content")
                frame = frame.holding(chunk)
            yield frame

    await visit.relay(edit=streams(joined) if thinks else None)


FAULTS: tuple[Fault, ...] = (
    rewrite(
        "own-lines-parted",
        "JSON-007",
        chunks(change("choices.*.delta.content", text(lambda said: said.translate(LINES)))),
        title="streams lose the line separators of Unicode",
        severity="medium",
        shows="json-separated-stream",
    ),
    rewrite(
        "own-zero-is-empty",
        "JSON-007",
        streams(_zeros_empty),
        title="deltas that are exactly 0 aren't sent",
        severity="high",
        shows="json-separated-stream",
    ),
    rewrite(
        "own-keys-sorted",
        "JSON-009",
        answers(change(CONTENT, text(_sorted_keys))),
        title="the keys of documents come in alphabetical order",
        severity="medium",
    ),
    rewrite(
        "own-integers-as-doubles",
        "TOOL-022",
        answers(change(ARGUMENTS, text(_doubles))),
        title="integers in arguments are written as doubles",
        severity="medium",
    ),
    rewrite(
        "own-call-ids-anew",
        "TOOL-025",
        answers(_first_id_again),
        title="the ids of calls start anew in each answer",
        severity="medium",
    ),
    rewrite(
        "own-seeded-choices-copied",
        "PARAM-034",
        answers(_copies_of_the_first),
        where=where.asks("seed"),
        title="with a seed all choices are copies of the first",
        severity="medium",
    ),
    rewrite(
        "own-stop-among-logprobs",
        "LIMIT-021",
        asked(_stop_ranked),
        where=where.both(where.asks("stop"), where.asks("logprobs")),
        title="the tokens of a stop string stay among the log probabilities",
        severity="low",
    ),
    question(
        "own-tool-parts-unread",
        "CHAT-031",
        messages(_parts_unread),
        title="a tool's result in parts is rendered as nothing",
        severity="high",
    ),
    question(
        "own-empty-calls-empty-text",
        "CHAT-032",
        messages(_no_calls_no_text),
        title="a reply whose list of calls is empty loses its text",
        severity="high",
    ),
    behaviour(
        "own-seed-stays",
        "PARAM-033",
        _seed_stays,
        where=acts.posted,
        title="a seed stays for requests that send none",
        severity="high",
    ),
    behaviour(
        "own-format-stays",
        "CONC-019",
        _format_stays,
        where=acts.posted,
        speed="gate",
        title="the format of a stream whose client left shapes the next answer",
        severity="high",
    ),
    behaviour(
        "own-request-id-is-the-key",
        "CONC-020",
        _id_is_the_key,
        where=acts.posted,
        speed="gate",
        title="a request with the id of one that runs ends that one",
        severity="high",
    ),
    behaviour(
        "own-one-writer",
        "CONC-021",
        _one_writer,
        where=where.streamed,
        speed="gate",
        title="a client that doesn't read stops every stream",
        severity="critical",
    ),
    behaviour(
        "own-leaver-takes-a-token",
        "CONC-016",
        _leaver_takes_a_token,
        where=where.streamed,
        speed="gate",
        title="a client that leaves costs another stream a token",
        severity="high",
    ),
    behaviour(
        "own-gzip-holds-streams",
        "STREAM-018",
        _compressed_at_the_end,
        where=where.streamed,
        speed="gate",
        title="streams for clients that take gzip come at their end",
        severity="high",
    ),
    behaviour(
        "own-thought-of-the-batch",
        "REASON-017",
        _thought_of_the_batch,
        where=where.chat,
        speed="gate",
        title="a thought isn't parted from its answer while somebody asks without thinking",
        severity="critical",
    ),
)
