"""The reference server's chat: objects, streams, limits, stop, thinking, sampling, log probabilities."""

from __future__ import annotations

import asyncio
import json
import math
import time
from typing import Any

import httpx
import pytest
from reference_client import OFF, USAGE, app_client, ask, chunks, content, joined, user

from ernie_conformance.reference import tokenizer

INTRODUCE = "你好，请介绍一下你自己"
MIXED = "请按顺序复述：“龘靐齉”、“😊🚀”、“naïve café”，还有 `if x:\n    return '✓'`。"
COUNT = "Please count from 1 to 120."


@pytest.fixture
def client() -> httpx.AsyncClient:
    return app_client()


async def test_a_whole_answer_has_every_documented_field(client: httpx.AsyncClient) -> None:
    before = int(time.time())
    answer = await ask(client, INTRODUCE)
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    assert before <= answer["created"] <= time.time()
    assert answer["model"] == "null"
    (choice,) = answer["choices"]
    assert set(choice) == {"index", "message", "logprobs", "finish_reason"}
    assert set(choice["message"]) == {"role", "content", "reasoning_content", "refusal"}
    assert choice["logprobs"] is None
    assert choice["message"]["refusal"] is None
    assert choice["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0}
    assert 30 <= usage["completion_tokens_details"]["reasoning_tokens"] <= 80
    assert 60 <= usage["completion_tokens"] - usage["completion_tokens_details"]["reasoning_tokens"] <= 150


async def test_ids_are_unique(client: httpx.AsyncClient) -> None:
    ids = {(await ask(client, "hi", max_tokens=1))["id"] for _ in range(5)}
    assert len(ids) == 5


async def test_a_stream_goes_role_thought_answer_finish_usage(client: httpx.AsyncClient) -> None:
    stream = await chunks(client, INTRODUCE, stream_options={"include_usage": True})
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in stream}) == 1
    assert stream[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    kinds = []
    for chunk in stream[1:-2]:
        (choice,) = chunk["choices"]
        assert choice["finish_reason"] is None
        assert chunk["usage"] is None
        kinds.append("thought" if choice["delta"].get("reasoning_content") else "answer")
        assert bool(choice["delta"].get("reasoning_content")) != bool(choice["delta"]["content"])
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {"thought", "answer"}
    assert stream[-2]["choices"][0]["finish_reason"] == "stop"
    assert stream[-1]["choices"] == []
    assert stream[-1]["usage"]["completion_tokens"] > len(kinds) - 1


@pytest.mark.parametrize(
    ("options", "wanted"), [(None, False), ({}, False), ({"include_usage": False}, False), ({"include_usage": True}, True)]
)
async def test_usage_comes_only_when_asked_for(client: httpx.AsyncClient, options: Any, wanted: bool) -> None:
    stream = await chunks(client, "hi", max_tokens=3, stream_options=options)
    assert [chunk for chunk in stream if not chunk["choices"]] == (stream[-1:] if wanted else [])
    assert all(("usage" in chunk) == wanted for chunk in stream)


async def test_continuous_usage_counts_up(client: httpx.AsyncClient) -> None:
    stream = await chunks(client, "hi", max_tokens=5, stream_options={"include_usage": True, "continuous_usage_stats": True})
    counts = [chunk["usage"]["completion_tokens"] for chunk in stream]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[-1] == 5


@pytest.mark.parametrize("prompt", [INTRODUCE, MIXED, "Write a\n\n```python\ndef f():\n        return '\t'\n```", COUNT])
@pytest.mark.parametrize("thinking", [True, False])
async def test_streamed_or_not_an_answer_is_the_same(client: httpx.AsyncClient, prompt: str, thinking: bool) -> None:
    fields: dict[str, Any] = {"temperature": 0, **({} if thinking else OFF)}
    whole = await ask(client, prompt, **fields)
    stream = await chunks(client, prompt, **fields, **USAGE)
    message = whole["choices"][0]["message"]
    assert joined(stream) == message["content"]
    assert joined(stream, "reasoning_content") == message["reasoning_content"]
    assert stream[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert stream[-1]["usage"] == whole["usage"]
    assert "\ufffd" not in message["content"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 20, 41])
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("thinking", [True, False])
async def test_limits_are_kept_to_the_token(client: httpx.AsyncClient, limit: int, field: str, thinking: bool) -> None:
    fields: dict[str, Any] = {field: limit, **({} if thinking else OFF)}
    answer = await ask(client, COUNT, **fields)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == limit
    thought = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert thought == (max(1, int(0.8 * limit)) if thinking else 0)
    stream = await chunks(client, COUNT, **fields, **USAGE)
    assert stream[-1]["usage"] == answer["usage"]
    assert joined(stream) == answer["choices"][0]["message"]["content"]


async def test_of_two_limits_the_smaller_counts(client: httpx.AsyncClient) -> None:
    answer = await ask(client, COUNT, max_tokens=7, max_completion_tokens=9)
    assert answer["usage"]["completion_tokens"] == 7


@pytest.mark.parametrize("place", ["top", "metadata", "chat_template_kwargs"])
async def test_the_thought_has_a_budget(client: httpx.AsyncClient, place: str) -> None:
    budget = {"reasoning_max_tokens": 6}
    answer = await ask(client, COUNT, **(budget if place == "top" else {place: budget}))
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 6
    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cut_thought_stays_a_thought(client: httpx.AsyncClient, stream: bool) -> None:
    fields = {"max_tokens": 20, "reasoning_max_tokens": 20}
    if stream:
        parts = await chunks(client, INTRODUCE, **fields)
        thought, said, finish = joined(parts, "reasoning_content"), joined(parts), parts[-1]["choices"][0]["finish_reason"]
    else:
        choice = (await ask(client, INTRODUCE, **fields))["choices"][0]
        thought, said = choice["message"]["reasoning_content"], choice["message"]["content"]
        finish = choice["finish_reason"]
    assert (bool(thought), said, finish) == (True, "", "length")


@pytest.mark.parametrize("switch", ["chat_template_kwargs", "metadata"])
async def test_thinking_is_switched_off_in_both_ways(client: httpx.AsyncClient, switch: str) -> None:
    answer = await ask(client, INTRODUCE, **{switch: {"enable_thinking": False}})
    assert answer["choices"][0]["message"]["reasoning_content"] == ""
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


async def test_without_a_parser_there_is_no_thought() -> None:
    answer = await ask(app_client(reasoning_parser=None), INTRODUCE)
    assert answer["choices"][0]["message"]["reasoning_content"] == ""
    assert answer["choices"][0]["message"]["content"]


async def test_a_stop_string_is_never_seen_wherever_it_lies(client: httpx.AsyncClient) -> None:
    full = await content(client, MIXED)
    for start in range(1, len(full) - 6, 5):
        stop = full[start : start + 6]
        before = full[: full.index(stop)]
        assert await content(client, MIXED, stop=stop) == before
        stream = await chunks(client, MIXED, temperature=0, stop=["never there", stop], **OFF)
        assert joined(stream) == before
        assert stream[-1]["choices"][0]["finish_reason"] == "stop"


async def test_what_only_begins_like_a_stop_string_is_sent(client: httpx.AsyncClient) -> None:
    full = await content(client, MIXED)
    stream = await chunks(client, MIXED, temperature=0, stop=[full[-4:] + "x", full[5:9] + "x"], **OFF)
    assert joined(stream) == full


async def test_stop_does_not_reach_into_the_thought(client: httpx.AsyncClient) -> None:
    thought = (await ask(client, INTRODUCE, temperature=0))["choices"][0]["message"]["reasoning_content"]
    answer = await ask(client, INTRODUCE, temperature=0, stop=thought[3:6])
    assert answer["choices"][0]["message"]["reasoning_content"] == thought
    assert answer["choices"][0]["message"]["content"]


async def test_choices_are_numbered_and_counted(client: httpx.AsyncClient) -> None:
    answer = await ask(client, INTRODUCE, n=3, max_tokens=10, **OFF)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["completion_tokens"] == 30
    stream = await chunks(client, INTRODUCE, n=3, max_tokens=10, **OFF, **USAGE)
    assert {choice["index"] for chunk in stream for choice in chunk["choices"]} == {0, 1, 2}
    finishes = [choice["index"] for chunk in stream for choice in chunk["choices"] if choice["finish_reason"]]
    assert sorted(finishes) == [0, 1, 2]


async def test_temperature_zero_repeats_and_heat_varies(client: httpx.AsyncClient) -> None:
    assert len({await content(client, INTRODUCE) for _ in range(4)}) == 1
    assert len({await content(client, INTRODUCE, temperature=1.5) for _ in range(5)}) > 1


async def test_a_seed_repeats_and_another_differs(client: httpx.AsyncClient) -> None:
    texts = [await content(client, INTRODUCE, temperature=1.2, top_p=1, seed=seed) for seed in (7, 7, 7, 8, 9)]
    assert len(set(texts[:3])) == 1
    assert len(set(texts)) == 3


async def test_top_p_zero_and_top_k_one_leave_only_the_likeliest(client: httpx.AsyncClient) -> None:
    best = await content(client, INTRODUCE)
    assert await content(client, INTRODUCE, temperature=2, top_p=0) == best
    assert await content(client, INTRODUCE, temperature=2, top_k=1) == best


@pytest.mark.parametrize("penalty", [{"frequency_penalty": 2}, {"presence_penalty": 2}, {"repetition_penalty": 1.5}])
async def test_penalties_reduce_repetition(client: httpx.AsyncClient, penalty: dict[str, float]) -> None:
    for prompt, word in ((INTRODUCE, "如果"), ("Please introduce yourself", "If ")):
        plain = await content(client, prompt)
        assert plain.count(word) > (await content(client, prompt, **penalty)).count(word)


async def test_words_can_be_forbidden(client: httpx.AsyncClient) -> None:
    assert "如果" in await content(client, INTRODUCE)
    assert "如果" not in await content(client, INTRODUCE, bad_words=["如果"])


async def test_a_bias_moves_the_choice_of_words(client: httpx.AsyncClient) -> None:
    first = tokenizer.encode(await content(client, INTRODUCE))[0]
    bias = {str(tokenizer.to_id(first)): -100}
    assert tokenizer.encode(await content(client, INTRODUCE, logit_bias=bias))[0] != first


async def test_a_least_length_is_reached(client: httpx.AsyncClient) -> None:
    answer = await ask(client, "Say OK", min_tokens=300, max_tokens=400, **OFF)
    assert answer["usage"]["completion_tokens"] == 300


@pytest.mark.parametrize("most", [None, 0, 1, 5, 20])
async def test_log_probabilities_join_to_the_answer(client: httpx.AsyncClient, most: int | None) -> None:
    fields: dict[str, Any] = {"temperature": 0, "logprobs": True, **({} if most is None else {"top_logprobs": most})}
    answer = await ask(client, MIXED, **fields)
    entries = answer["choices"][0]["logprobs"]["content"]
    text = answer["choices"][0]["message"]["content"]
    assert "".join(entry["token"] for entry in entries) == text
    assert bytes(byte for entry in entries for byte in entry["bytes"]).decode() == text
    usage = answer["usage"]
    assert len(entries) == usage["completion_tokens"] - usage["completion_tokens_details"]["reasoning_tokens"]
    for entry in entries:
        assert entry["logprob"] <= 0
        assert len(entry["top_logprobs"]) == (most or 0)
        assert sum(math.exp(one["logprob"]) for one in entry["top_logprobs"]) <= 1
        assert len({tuple(one["bytes"]) for one in entry["top_logprobs"]}) == (most or 0)
        if most:
            assert entry["top_logprobs"][0]["bytes"] == entry["bytes"]
    stream = await chunks(client, MIXED, **fields)
    streamed = [
        entry
        for chunk in stream
        for choice in chunk["choices"]
        if choice["logprobs"]
        for entry in choice["logprobs"]["content"]
    ]
    assert streamed == entries


async def test_log_probabilities_end_where_a_stop_string_cuts(client: httpx.AsyncClient) -> None:
    answer = await ask(client, INTRODUCE, temperature=0, logprobs=True, stop="内容", **OFF)
    entries = answer["choices"][0]["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize("name", ["null", "default", "work/models", "mine"])
async def test_the_model_is_called_as_it_was_asked_for(name: str) -> None:
    client = app_client(served_model_name="mine")
    response = await client.post("/v1/chat/completions", json={"model": name, "messages": user("hi"), "max_tokens": 1})
    assert response.json()["model"] == name


async def test_the_tutorials_full_call_works(client: httpx.AsyncClient) -> None:
    fields = {"temperature": 0.7, "top_p": 0.9, "frequency_penalty": 0.0, "presence_penalty": 0.0, "stop": ["<|endoftext|>"]}
    stream = await chunks(client, INTRODUCE, max_tokens=2048, **fields)
    assert joined(stream)
    # the tutorial's loop prints `delta.content` of every chunk: none may be null
    assert all(isinstance(choice["delta"].get("content"), str) for chunk in stream for choice in chunk["choices"])


async def test_a_prompt_at_the_limit_works_and_one_beyond_is_refused() -> None:
    client = app_client(max_model_len=200)
    base = (await ask(client, "龙", max_tokens=1))["usage"]["prompt_tokens"] - 1
    full = await ask(client, "龙" * (199 - base), max_tokens=50)
    assert full["usage"]["prompt_tokens"] == 199
    assert full["usage"]["completion_tokens"] == 1
    assert full["choices"][0]["finish_reason"] == "length"
    for fields in ({}, {"stream": True}):
        long = {"model": "null", "messages": user("龙" * (200 - base)), **fields}
        refused = await client.post("/v1/chat/completions", json=long)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "context_length_exceeded"
        assert "200" in refused.json()["error"]["message"]
    huge = await client.post("/v1/chat/completions", content=json.dumps({"messages": user("a b " * 10**6)}).encode())
    assert huge.json()["error"]["code"] == "context_length_exceeded"


async def test_who_comes_first_is_served_first() -> None:
    client = app_client(max_num_seqs=1)
    served: list[int] = []

    async def one(number: int) -> None:
        await ask(client, "hi", max_tokens=30 - 5 * number)  # the later, the shorter: it must not overtake
        served.append(number)

    await asyncio.gather(*(one(number) for number in range(5)))
    assert served == [0, 1, 2, 3, 4]
