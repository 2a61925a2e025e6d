"""More of area 13: answers that must be JSON, in ways that nobody reported yet."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.catalogue.reasoning import CONTENT, REASONING, holder, holders, moved
from ernie_conformance.faults.edits import answers, before_finish, chain, errors, instead, refused, replies, streams
from ernie_conformance.faults.fault import Fault, Response, question, rewrite
from ernie_conformance.faults.frames import compact, first, has_answer, last, swap
from ernie_conformance.faults.objects import change, find, put, text
from ernie_conformance.faults.questions import body, unset
from ernie_conformance.wire.exchange import Request

with_format = where.asks("response_format")


def _format(kind: str) -> Callable[[Request], bool]:
    return lambda request: bool(find(request.json, "response_format.type") == [kind])


def as_if_right(request: Request, response: Response) -> Response:
    """A refusal becomes an answer in words."""
    message = {"role": "assistant", "content": "Certainly!", "refusal": None}
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    answer = {
        "id": f"chatcmpl-{zlib.crc32(request.body or b''):08x}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.json.get("model"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": usage,
    }
    return instead(200, compact(answer))(request, response)


def _split_at_the_last_tag(message: dict[str, Any]) -> None:
    before, tag, after = (message.get(CONTENT) or "").rpartition("</think>")
    if message.get(REASONING) and tag:
        message[REASONING], message[CONTENT] = message[REASONING] + tag + before, after


FAULTS: tuple[Fault, ...] = (
    rewrite(
        "own-json-fenced",
        "JSON-001",
        chain(
            answers(change("choices.*.message.content", text(lambda said: f"```json\n{said}\n```"))),
            streams(
                swap(first(has_answer), lambda f: [f.saying(f.raw.replace(b'"content":"', b'"content":"```json\\n', 1))])
            ),
            before_finish("\n```"),
        ),
        where=with_format,
        title="JSON comes in a Markdown fence",
        severity="high",
    ),
    rewrite(
        "own-json-prose",
        "JSON-001",
        answers(change("choices.*.message.content", text(lambda said: f"Here is the JSON: {said}"))),
        where=with_format,
        title="prose before the JSON",
        severity="high",
    ),
    rewrite(
        "own-json-in-reasoning",
        "JSON-001",
        replies(moved(CONTENT, REASONING)),
        where=with_format,
        title="JSON lands in the reasoning",
        severity="high",
    ),
    rewrite(
        "own-json-cut",
        "JSON-001",
        answers(change("choices.*.message.content", text(lambda said: said[:-1]))),
        where=with_format,
        title="the closing brace is missing",
        severity="high",
    ),
    rewrite(
        "own-json-cut-in-streams",
        "JSON-001",
        streams(last(has_answer, lambda _: [])),
        where=with_format,
        title="streams lose the end of the JSON",
        severity="high",
    ),
    question(
        "own-json-schema-ignored",
        "JSON-001",
        unset("response_format"),
        where=_format("json_schema"),
        title="json_schema is ignored",
        severity="high",
    ),
    question(
        "own-json-object-ignored",
        "JSON-002",
        unset("response_format"),
        where=_format("json_object"),
        title="json_object is ignored",
        severity="high",
    ),
    question(
        "own-json-schema-as-object",
        "JSON-001",
        body(put("response_format", {"type": "json_object"})),
        where=_format("json_schema"),
        title="json_schema is taken for json_object",
        severity="high",
    ),
    rewrite(
        "own-json-single-quotes",
        "JSON-001",
        answers(change("choices.*.message.content", text(lambda said: said.replace('"', "'")))),
        where=with_format,
        title="JSON with single quotes",
        severity="high",
    ),
    rewrite(
        "own-json-thinking-unshaped",
        "JSON-003",
        replies(change(f"{holders}.{CONTENT}", text(lambda said: said.replace("{", "(").replace("}", ")")))),
        where=where.both(with_format, where.thinking),
        title="after a thought the format is forgotten",
        severity="high",
    ),
    rewrite(
        "own-json-text-refused",
        "JSON-005",
        refused(400, "response_format must be json_object"),
        where=_format("text"),
        title="response_format text is refused",
        severity="medium",
    ),
    rewrite(
        "own-json-unknown-format-taken",
        "JSON-006",
        errors(as_if_right),
        where=_format("xml"),
        title="an unknown response_format is taken",
        severity="medium",
    ),
    rewrite(
        "own-blanks-tidied",
        "JSON-007",
        answers(change("choices.*.message.content", text(lambda said: said.replace(" .", ".").replace(" ,", ",")))),
        title="blanks before stops are tidied away in whole answers, not in streams",
        severity="high",
        shows=", not ",
    ),
    rewrite(
        "own-end-mark-in-text",
        "JSON-007",
        answers(change("choices.*.message.content", text(lambda said: said.partition("</s>")[0]))),
        title="an answer that quotes </s> ends there",
        severity="high",
        shows="no JSON",
    ),
    rewrite(
        "own-default-cap",
        "JSON-008",
        answers(change("choices.*.message.content", text(lambda said: said[:1600]))),
        where=where.lacks(where.either(where.asks("max_tokens"), where.asks("max_completion_tokens"))),
        title="without a limit answers are cut, and called complete",
        severity="high",
        shows="no JSON",
    ),
    rewrite(
        "own-cap-of-two-thousand",
        "JSON-008",
        answers(change("choices.*.message.content", text(lambda said: said[:2048]))),
        title="no answer gets longer than 2,048 tokens, and one that is cut is called complete",
        severity="high",
        shows="no JSON",
    ),
    rewrite(
        "own-last-tag",
        "REASON-020",
        answers(holder(_split_at_the_last_tag)),
        title="the output is divided at its last </think>, so a quoted one takes the answer before it into the reasoning",
        severity="high",
        shows="no JSON",
    ),
)
