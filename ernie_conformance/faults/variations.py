"""Harmless variations: legal ways to say the same, which every row must leave green."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from ernie_conformance.faults import acts, where
from ernie_conformance.faults.edits import (
    answers,
    bodies,
    chain,
    chunks,
    documents,
    errors,
    header,
    headers,
    pieces,
    replies,
    streams,
)
from ernie_conformance.faults.fault import Act, Behaviour, Edit, Fault, Rewrite, anywhere
from ernie_conformance.faults.frames import compact, every, first, has_answer, swap
from ernie_conformance.faults.harmless import (
    also_called,
    anything,
    as_unprocessable,
    as_uuid,
    before_all,
    before_each,
    by_bytes,
    by_eights,
    can_be_halved,
    chunked,
    close_delimited,
    error_code,
    error_fields,
    extra,
    extra_in_chunk,
    finish_with_text,
    halved,
    idle,
    merged,
    more_models,
    more_of_models,
    named,
    new_id,
    numbered,
    other_words,
    pairs,
    pretty,
    reversed_keys,
    role_alone,
    role_with_text,
    said,
    shifted,
    slower,
    spaced_arguments,
    unevenly,
    with_key,
    with_nulls,
    written,
)
from ernie_conformance.faults.objects import GONE, change, drop, number, put


def _harmless(id: str, reason: str, edit: Edit, **given: Any) -> Rewrite:
    return Rewrite(id=f"benign-{id}", row="", title=reason, severity="none", area="variation", edit=edit, **given)


CROWDS = (
    "crowd",
    "queue",
    "health-beside",
    "long-beside",
    "beside-bad",
    "neighbour",
    "departing-streams",
    "departing-clients",
    "kept",
    "vitals",
)


def _borne(id: str, reason: str, act: Act, **given: Any) -> Behaviour:
    """A way of dealing with many at once that clients bear."""
    given = {"speed": "gate", "needs": ("queue",), "where": where.method("POST"), **given}
    return Behaviour(id=f"benign-{id}", row="", title=reason, severity="none", area="variation", act=act, **given)


VARIATIONS: tuple[Fault, ...] = (
    _harmless("crlf", "line ends may be CRLF (WHATWG)", said(b"\n", b"\r\n")),
    _harmless("no-space", "the space after data: is optional (WHATWG)", said(b"data: ", b"data:")),
    _harmless("comments", "comments between events are ignored (WHATWG)", before_each(b": keep-alive\n\n")),
    _harmless("ping-first", "a comment may come first (WHATWG)", before_all(b": ping\n\n")),
    _harmless("comment-in-block", "a comment may stand in an event's block", before_each(b":\n")),
    _harmless("event-ids", "id lines don't change the data", streams(numbered)),
    _harmless("retry", "a retry line is a hint for reconnecting", before_all(b"retry: 3000\n\n")),
    _harmless("event-message", "message is the name that events have without one", before_each(b"event: message\n")),
    _harmless("own-field", "fields that nobody knows are passed over (WHATWG)", before_each(b"x-note: none\n")),
    _harmless("blank-lines", "more than one blank line dispatches nothing", before_each(b"\n")),
    _harmless("key-order", "objects have no order", documents(lambda _, value: reversed_keys(value))),
    _harmless(
        "key-order-in-chunks",
        "objects have no order",
        streams(
            swap(
                every(lambda f: f.chunk is not None),
                lambda f: [f.saying(b"data: " + compact(reversed_keys(f.chunk)) + b"\n\n")],
            )
        ),
    ),
    _harmless(
        "extra-fields",
        "clients ignore what they don't know",
        chain(documents(lambda _, v: extra(v)), streams(swap(anything, extra_in_chunk))),
    ),
    _harmless(
        "escaped", "\\u escapes are the same characters (RFC 8259)", written(ensure_ascii=True, separators=(",", ":"))
    ),
    _harmless("spaced-json", "white space in JSON means nothing", written(ensure_ascii=False, separators=(", ", " : "))),
    _harmless(
        "one-byte-pieces",
        "TCP has no borders",
        by_bytes(1),
        where=where.chat,
    ),
    _harmless("small-pieces", "TCP has no borders", by_bytes(7)),
    _harmless("shifted-pieces", "a piece may end within an event", pieces(shifted), where=where.streamed),
    _harmless("paired-pieces", "two events may come in one segment", pieces(pairs), where=where.streamed),
    _harmless("merged-deltas", "a delta may hold several tokens", streams(merged)),
    _harmless("split-deltas", "a delta may hold part of a token", streams(swap(every(can_be_halved), halved))),
    _harmless("empty-deltas", "an empty delta adds nothing", streams(swap(first(has_answer), idle)), where=where.chat),
    _harmless("role-alone", "the first delta may have no content", streams(role_alone), where=where.chat),
    _harmless("role-with-text", "role and text may come together", streams(role_with_text), where=where.chat),
    _harmless("finish-with-text", "the last text may carry the finish reason", streams(finish_with_text)),
    _harmless("other-ids", "ids have no form", replies(change("id", new_id)), where=where.method("POST")),
    _harmless(
        "long-ids", "ids have no form", replies(change("id", lambda found: f"cmpl_{found}_é")), where=where.method("POST")
    ),
    _harmless("upper-headers", "header names have no case", named("title")),
    _harmless("lower-headers", "header names have no case", named("lower")),
    _harmless(
        "more-headers",
        "unknown headers are ignored",
        headers(lambda found: (*found, ("X-Request-Id", "7"), ("Via", "1.1 proxy"))),
    ),
    _harmless(
        "no-server-date",
        "neither header is needed",
        headers(lambda found: tuple(p for p in found if p[0].lower() not in ("server", "date"))),
    ),
    _harmless(
        "charset",
        "UTF-8 may be said",
        headers(
            lambda found: tuple(
                (
                    k,
                    f"{v}; charset=utf-8"
                    if k.lower() == "content-type" and "charset" not in v and "text/plain" not in v
                    else v,
                )
                for k, v in found
            )
        ),
    ),
    _harmless(
        "charset-upper",
        "media types have no case",
        headers(
            lambda found: tuple(
                (k, v.replace("application/json", "application/JSON") if k.lower() == "content-type" else v)
                for k, v in found
            )
        ),
    ),
    _harmless("chunked-bodies", "a body may be chunked", chunked),
    _harmless("close-delimited", "a body may end with the connection", headers(close_delimited)),
    _harmless("connection-close", "a server may close after each answer", header("connection", "close")),
    _harmless(
        "usage-null-absent",
        "usage may be absent where it would be null",
        chunks(change("usage", lambda v: GONE if v is None else v), only=lambda _: True),
    ),
    _harmless("usage-null", "usage may be null where it would be absent", chunks(lambda c: c.setdefault("usage", None))),
    _harmless(
        "logprobs-absent", "logprobs may be absent in chunks", chunks(change("choices.*.logprobs", lambda v: v or GONE))
    ),
    _harmless(
        "fingerprint",
        "a fingerprint and a tier may be told",
        replies(put("system_fingerprint", "fp_1"), put("service_tier", "default")),
    ),
    _harmless("annotations", "annotations may be there", answers(put("choices.*.message.annotations", []))),
    _harmless("refusal-null", "refusal may be null", answers(put("choices.*.message.refusal", None))),
    _harmless(
        "reasoning-null",
        "no reasoning may be said as null",
        replies(change("choices.*.delta|message.reasoning_content", lambda v: v or None)),
    ),
    _harmless(
        "reasoning-absent",
        "no reasoning may be left out",
        replies(change("choices.*.delta|message.reasoning_content", lambda v: v or GONE)),
    ),
    _harmless(
        "reasoning-empty",
        "no reasoning may be said as empty text",
        with_key("choices.*.delta|message.reasoning_content", ""),
    ),
    _harmless(
        "usage-details-absent",
        "the details of usage are optional",
        replies(drop("usage.prompt_tokens_details"), drop("usage.completion_tokens_details")),
    ),
    _harmless(
        "usage-details-null",
        "the details of usage may be null",
        replies(put("usage.prompt_tokens_details", None), put("usage.completion_tokens_details", None)),
    ),
    _harmless("stop-reason", "vLLM tells the stop reason too", replies(put("choices.*.stop_reason", None))),
    _harmless("matched-stop", "SGLang tells what matched", replies(put("choices.*.matched_stop", None))),
    _harmless("error-fields", "errors may tell more", errors(documents(error_fields))),
    _harmless("error-code", "error codes may be null or a word", errors(documents(error_code))),
    _harmless("more-models", "a server may list several models", documents(more_models), where=where.path("/models")),
    _harmless("slower", "everything takes half as long again", slower(1.5)),
    _harmless(
        "trailing-space",
        "white space after a JSON text means nothing, FastDeploy sends some",
        streams(swap(first(lambda f: f.chunk is not None), lambda f: [f.saying(f.raw.rstrip() + b" \n\n")])),
    ),
    _harmless("eights", "a delta may hold many tokens", streams(by_eights), where=where.chat),
    _harmless("uneven", "networks hold pieces up", pieces(unevenly), where=where.streamed),
    _harmless("status-422", "422 refuses as well as 400", errors(as_unprocessable)),
    _harmless("pretty", "white space around and in JSON means nothing", bodies(pretty)),
    _harmless("uuids", "ids have no form", replies(change("id", as_uuid)), where=where.method("POST")),
    _harmless(
        "call-ids",
        "ids of calls have no form",
        answers(change("choices.*.message.tool_calls.*.id", as_uuid)),
        where=where.chat,
    ),
    _harmless("created-later", "clocks differ by a second", replies(change("created", number(lambda at: at + 1)))),
    _harmless(
        "reasoning-twice", "the thought under a second name too", replies(also_called("reasoning_content", "reasoning"))
    ),
    _harmless("nulls", "objects may be dumped whole", replies(with_nulls("refusal", "function_call", "audio"))),
    _harmless("spaced-arguments", "a call's arguments are JSON in any style", documents(spaced_arguments), where=where.chat),
    _harmless(
        "browsers",
        "browsers may be let in",
        headers(
            lambda found: (
                *(p for p in found if p[0].lower() != "access-control-allow-origin"),
                ("Access-Control-Allow-Origin", "*"),
            )
        ),
    ),
    _harmless(
        "logprob-bytes", "bytes of log probabilities may be null", replies(put("choices.*.logprobs.content.*.bytes", None))
    ),
    _harmless(
        "model-fields",
        "models may tell more",
        documents(more_of_models),
        where=where.path("/models"),
    ),
    _harmless("error-words", "errors may say it in other words", errors(documents(other_words))),
    _harmless(
        "no-buffering", "proxies are told to pass streams on", header("x-accel-buffering", "no"), where=where.streamed
    ),
    _borne("full-429", "what doesn't fit may be refused for now", acts.when_full(acts.turned_away(429))),
    _borne("full-503", "what doesn't fit may be refused for now", acts.when_full(acts.turned_away(503))),
    _borne("late", "a busy server begins later", acts.a_little_late, needs=CROWDS, where=anywhere),
    _borne("closing", "a connection may be closed after each answer", acts.closing, needs=("kept",)),
)


@cache
def variations() -> Mapping[str, Fault]:
    """All harmless variations by id."""
    return MappingProxyType({variation.id: variation for variation in VARIATIONS})
