"""Area 7: sampling parameters and log probabilities."""

from __future__ import annotations

import math
from typing import Any

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, chain, chunks, instead, refused, replies
from ernie_conformance.faults.fault import Fault, Response, behaviour, question, rewrite
from ernie_conformance.faults.frames import compact
from ernie_conformance.faults.objects import GONE, change, drop, find, put
from ernie_conformance.faults.questions import body, unset
from ernie_conformance.faults.visit import Visit
from ernie_conformance.wire.exchange import Request

TOKENS = "choices.*.logprobs.content"
KNOWN = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "stream",
        "stream_options",
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "n",
        "seed",
        "logprobs",
        "top_logprobs",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "user",
        "metadata",
        "chat_template_kwargs",
        "enable_thinking",
        "min_tokens",
        "echo",
        "best_of",
        "suffix",
        "reasoning_max_tokens",
        "logit_bias",
        "min_p",
        "top_k",
        "bad_words",
        "modalities",
        "prompt_cache_key",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "verbosity",
    }
)


def several(request: Request) -> bool:
    return isinstance(request.json.get("n"), int) and request.json["n"] > 1


def _is_extreme(request: Request) -> bool:
    bounds = {"temperature": 2, "top_p": 1, "frequency_penalty": 2, "presence_penalty": 2, "repetition_penalty": 10}
    values = ((request.json.get(name), most) for name, most in bounds.items())
    return any(isinstance(value, (int, float)) and not -most <= value <= most for value, most in values)


async def _dies_of_extremes(visit: Visit) -> None:
    visit.memory.dead = visit.memory.dead or _is_extreme(visit.request)
    await (visit.stall() if visit.memory.dead else visit.relay())


def _spread(tokens: Any) -> Any:
    """Log probabilities whose alternatives sum to more than one."""
    for token in tokens or ():
        for other in token.get("top_logprobs") or ():
            other["logprob"] = -0.01
    return tokens


def _first_is_probability(tokens: Any) -> Any:
    if tokens:
        tokens[0]["logprob"] = math.exp(tokens[0].get("logprob") or 0.0) * 0.7
    return tokens


def _ids(token: Any) -> Any:
    return f"<{sum(map(ord, token))}>" if isinstance(token, str) else token


def _stop_cut(stop: Any) -> Any:
    return stop[:4] if isinstance(stop, list) else stop


def one_choice(data: dict[str, Any]) -> None:
    """Only choice 0 is left."""
    if isinstance(data.get("choices"), list):
        data["choices"] = [choice for choice in data["choices"] if choice.get("index") == 0]


def answers_without_choices(request: Request, response: Response) -> Response:
    """Status 200, and nothing in it."""
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    answer = {"id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": request.json.get("model")}
    return instead(200, compact({**answer, "choices": [], "usage": usage}))(request, response)


blank = chain(
    answers(put("choices.*.message.content", ""), put("choices.*.message.reasoning_content", "")),
    chunks(put("choices.*.delta.content", ""), put("choices.*.delta.reasoning_content", "")),
)


async def _wavers(visit: Visit) -> None:
    """One in three greedy requests is sampled."""
    hot = visit.request.json.get("temperature") == 0 and visit.memory.visits % 3 == 0
    await visit.relay(request=body(put("temperature", 1.5))(visit.request) if hot else visit.request)


FAULTS: tuple[Fault, ...] = (
    behaviour("samp-extreme-crash", "PARAM-009", _dies_of_extremes),
    rewrite("samp-logprobs-wrong-values", "PARAM-022", replies(change(TOKENS, _first_is_probability))),
    question("samp-n-ignored", "PARAM-017", unset("n")),
    question(
        "samp-temp0-nondeterministic",
        "PARAM-011",
        body(put("temperature", 1.5), drop("seed")),
        where=lambda request: request.json.get("temperature") == 0,
    ),
    question(
        "samp-temperature-ignored", "PARAM-013", body(put("temperature", 0), drop("top_p")), where=where.asks("temperature")
    ),
    rewrite("samp-logprobs-null", "PARAM-021", replies(put("choices.*.logprobs", None)), where=where.asks("logprobs")),
    rewrite(
        "samp-logprobs-token-ids",
        "PARAM-021",
        replies(
            change(f"{TOKENS}.*.token", _ids),
            change(f"{TOKENS}.*.top_logprobs.*.token", _ids),
            put(f"{TOKENS}.*.bytes", None),
        ),
    ),
    question("samp-penalty-ignored", "PARAM-016", unset("presence_penalty", "frequency_penalty", "repetition_penalty")),
    question("samp-seed-ignored", "PARAM-014", unset("seed")),
    rewrite(
        "samp-toplogprobs-count", "PARAM-023", replies(change(f"{TOKENS}.*.top_logprobs", lambda found: (found or [])[:-1]))
    ),
    rewrite(
        "samp-logprobs-needs-top",
        "PARAM-027",
        refused(400, "logprobs requires top_logprobs"),
        where=lambda request: request.json.get("logprobs") is True and request.json.get("top_logprobs") is None,
    ),
    question("samp-min-tokens-ignored", "PARAM-020", unset("min_tokens")),
    question("samp-stop-truncated-to-4", "LIMIT-016", body(change("stop", _stop_cut))),
    rewrite(
        "own-n-repeats-one",
        "PARAM-018",
        answers(change("choices", lambda found: [{**found[0], "index": i} for i in range(len(found))])),
        where=several,
        title="n choices are copies of one although sampled",
        severity="medium",
    ),
    rewrite(
        "own-n-one-index",
        "PARAM-017",
        replies(put("choices.*.index", 0)),
        where=several,
        title="all n choices have index 0",
        severity="high",
    ),
    rewrite(
        "own-n-lost-in-streams",
        "PARAM-017",
        chunks(one_choice),
        where=several,
        title="streams carry one of n choices",
        severity="high",
    ),
    rewrite(
        "own-logprobs-lag",
        "PARAM-021",
        answers(change(TOKENS, lambda found: (found or [])[:-1])),
        title="the last token has no log probability",
        severity="medium",
    ),
    rewrite(
        "own-logprobs-positive",
        "PARAM-022",
        replies(change(f"{TOKENS}.*.logprob", lambda value: -value if isinstance(value, (int, float)) and value else 0.5)),
        title="log probabilities are positive",
        severity="high",
    ),
    rewrite(
        "own-logprobs-sum",
        "PARAM-022",
        replies(change(TOKENS, _spread)),
        title="alternatives sum to more than one",
        severity="medium",
    ),
    rewrite(
        "own-toplogprobs-unsorted",
        "PARAM-024",
        replies(change(f"{TOKENS}.*.top_logprobs", lambda found: list(reversed(found or [])))),
        title="alternatives stand from the least to the most likely",
        severity="low",
    ),
    rewrite(
        "own-logprobs-bytes-wrong",
        "PARAM-025",
        replies(put(f"{TOKENS}.*.bytes", [63])),
        title="bytes aren't those of the token",
        severity="medium",
    ),
    rewrite(
        "own-logprobs-none-in-streams",
        "PARAM-021",
        chunks(put("choices.*.logprobs", None)),
        where=where.asks("logprobs"),
        title="streams carry no log probabilities",
        severity="medium",
    ),
    question(
        "own-seed-constant",
        "PARAM-015",
        body(put("seed", 1)),
        where=where.asks("seed"),
        title="every seed gives the same answer",
        severity="low",
    ),
    rewrite(
        "own-top-p-refused",
        "PARAM-004",
        refused(400, "top_p must be smaller than 1"),
        where=lambda request: request.json.get("top_p") == 1,
        title="a legal top_p is refused",
        severity="medium",
    ),
    rewrite(
        "own-null-parameter-refused",
        "PARAM-005",
        refused(422, "none is not an allowed value"),
        where=lambda request: any(value is None for value in request.json.values()),
        title="null for an optional parameter is refused",
        severity="medium",
    ),
    rewrite(
        "own-unknown-field-500",
        "PARAM-010",
        refused(500, "unexpected keyword argument"),
        where=lambda request: bool(request.json) and not KNOWN.issuperset(request.json),
        title="an unknown field is a server error",
        severity="medium",
    ),
    question(
        "own-range-unchecked",
        "PARAM-006",
        body(
            change("temperature", lambda value: min(max(value, 0), 1) if isinstance(value, (int, float)) else value),
            change("top_p", lambda value: min(max(value, 0.01), 1) if isinstance(value, (int, float)) else value),
        ),
        title="values outside the range are bent instead of refused",
        severity="medium",
    ),
    rewrite(
        "own-tutorial-call-blank",
        "PARAM-001",
        blank,
        where=where.asks("stop", "top_p", "temperature", "frequency_penalty", "presence_penalty", "max_tokens"),
        title="the tutorial's full call gets no text",
        severity="high",
    ),
    rewrite(
        "own-penalty-blank",
        "PARAM-002",
        blank,
        where=lambda request: request.json.get("presence_penalty") == 0.0 and "top_p" not in request.json,
        title="one parameter of the tutorial empties the answer",
        severity="medium",
    ),
    rewrite(
        "own-model-required",
        "PARAM-003",
        refused(500, "'NoneType' object has no attribute 'lower'"),
        where=where.both(where.chat, lambda request: bool(request.json) and "model" not in request.json),
        title="a missing model breaks the server",
        severity="low",
    ),
    rewrite(
        "own-top-p-zero-refused",
        "PARAM-029",
        refused(400, "top_p must be greater than 0"),
        where=lambda request: request.json.get("top_p") == 0,
        title="a top_p of 0 is refused",
        severity="low",
    ),
    question(
        "own-types-unchecked",
        "PARAM-007",
        body(change("temperature|top_p|seed|n", lambda value: GONE if isinstance(value, (str, list, dict)) else value)),
        title="values of a wrong type are dropped instead of refused",
        severity="medium",
    ),
    question(
        "own-top-p-ignored",
        "PARAM-031",
        unset("top_p"),
        where=lambda request: request.json.get("temperature") == 1,
        title="top_p is ignored",
        severity="medium",
    ),
    rewrite(
        "own-standard-field-refused",
        "PARAM-030",
        refused(400, "Unrecognized request argument supplied: store"),
        where=where.asks("store"),
        title="a field of the API reference is refused because the server has no use for it",
        severity="medium",
    ),
    rewrite(
        "own-label-refused",
        "PARAM-030",
        refused(422, "metadata.ticket: extra fields not permitted"),
        where=lambda request: bool(find(request.json, "metadata.ticket")),
        title="a client's own labels are refused",
        severity="medium",
    ),
    question(
        "own-options-unchecked",
        "PARAM-032",
        unset("stream_options"),
        where=lambda request: not request.json.get("stream"),
        title="stream_options without stream are dropped",
        severity="low",
    ),
    rewrite(
        "own-no-choices",
        "PARAM-006",
        answers_without_choices,
        where=lambda request: request.json.get("n") in (0, -1),
        title="n 0 is answered without choices",
        severity="medium",
    ),
    rewrite(
        "own-long-stop-refused",
        "PARAM-004",
        refused(400, "stop must not be longer than 8 tokens"),
        where=lambda request: len(str(request.json.get("stop"))) > 60,
        title="a stop string of a sentence's length is refused",
        severity="medium",
    ),
    behaviour("own-greedy-wavers", "PARAM-012", _wavers, title="temperature 0 wavers now and then", severity="medium"),
    rewrite(
        "own-logprobs-of-others",
        "PARAM-026",
        replies(change(f"{TOKENS}.*.logprob", lambda value: value - 3 if isinstance(value, (int, float)) else value)),
        title="log probabilities of the chosen tokens are those of others",
        severity="medium",
    ),
    question(
        "own-top-logprobs-bent",
        "PARAM-028",
        body(change("top_logprobs", lambda value: min(max(value, 0), 20) if isinstance(value, int) else value)),
        title="top_logprobs out of range are bent instead of refused",
        severity="low",
    ),
)
