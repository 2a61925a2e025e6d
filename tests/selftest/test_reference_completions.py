"""The reference server's text completions: prompts in every form, echo, log probabilities, streams."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest
from reference_client import app_client, events

PATH = "/v1/completions"
PROMPT = "The gate number is 'K 55' and the café 😊 is open"


@pytest.fixture
def client() -> httpx.AsyncClient:
    return app_client()


async def complete(client: httpx.AsyncClient, prompt: Any, **fields: Any) -> dict[str, Any]:
    response = await client.post(PATH, json={"model": "null", "prompt": prompt, "temperature": 0, **fields})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def stream(client: httpx.AsyncClient, prompt: Any, **fields: Any) -> list[dict[str, Any]]:
    body = {"model": "null", "prompt": prompt, "temperature": 0, "stream": True, **fields}
    response = await client.post(PATH, json=body)
    assert response.status_code == 200, response.text
    return events(response.content)


async def test_the_object_is_complete_and_short_by_default(client: httpx.AsyncClient) -> None:
    answer = await complete(client, PROMPT)
    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    (choice,) = answer["choices"]
    assert set(choice) == {"index", "text", "logprobs", "finish_reason"}
    assert choice["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 16
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + 16


async def test_it_ends_by_itself_when_there_is_room(client: httpx.AsyncClient) -> None:
    answer = await complete(client, PROMPT, max_tokens=1000)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert "K 55" in answer["choices"][0]["text"]


@pytest.mark.parametrize(
    ("prompt", "choices"),
    [("one", 1), (["one", "two"], 2), ([1, 2, 3], 1), ([[1, 2], [3], [70000 - 1]], 3), (["龙"], 1), ([65536 + 65], 1)],
)
async def test_every_form_of_prompt(client: httpx.AsyncClient, prompt: Any, choices: int) -> None:
    answer = await complete(client, prompt, n=2, max_tokens=3)
    assert [choice["index"] for choice in answer["choices"]] == list(range(2 * choices))
    assert answer["usage"]["completion_tokens"] == 6 * choices


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"prompt": None}, {"prompt": ""}, {"prompt": []}, {"prompt": ["a", ""]}, {"prompt": ["a", 1]}, {"prompt": 5},
        {"prompt": [1, "a"]}, {"prompt": [-1]}, {"prompt": [10**9]}, {"prompt": [[]]}, {"prompt": [True]}, {"prompt": {}},
        {"prompt": "a", "logprobs": 6}, {"prompt": "a", "logprobs": True}, {"prompt": "a", "echo": "yes"},
        {"prompt": "a", "n": 3, "best_of": 2}, {"prompt": "a", "max_tokens": 0}, {"prompt": "a", "suffix": {}},
        {"prompt": "a", "stop": ""}, {"prompt": "a", "n": 0},
    ],
)  # fmt: skip
async def test_bad_requests_are_refused(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    for streamed in (False, True):
        response = await client.post(PATH, json={"model": "null", "stream": streamed, **fields})
        assert response.status_code == 400, response.text
        assert response.json()["error"]["param"]
    assert (await complete(client, "a"))["choices"]


async def test_a_prompt_that_is_too_long_is_refused() -> None:
    client = app_client(max_model_len=50)
    response = await client.post(PATH, json={"prompt": "龙" * 50})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"
    answer = await complete(client, "龙" * 49)
    assert answer["usage"]["completion_tokens"] == 1


async def test_echo_puts_the_prompt_in_front(client: httpx.AsyncClient) -> None:
    plain = await complete(client, PROMPT)
    echoed = await complete(client, PROMPT, echo=True)
    assert echoed["choices"][0]["text"] == PROMPT + plain["choices"][0]["text"]
    parts = await stream(client, PROMPT, echo=True)
    assert parts[0]["choices"][0]["text"] == PROMPT


async def test_echo_without_generation(client: httpx.AsyncClient) -> None:
    answer = await complete(client, PROMPT, echo=True, max_tokens=0, logprobs=1)
    assert answer["choices"][0]["text"] == PROMPT
    assert len(answer["choices"][0]["logprobs"]["tokens"]) == answer["usage"]["prompt_tokens"]


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("most", [0, 1, 5])
async def test_log_probabilities_are_parallel_lists(client: httpx.AsyncClient, echo: bool, most: int) -> None:
    answer = await complete(client, PROMPT, echo=echo, logprobs=most, max_tokens=30)
    (choice,) = answer["choices"]
    told = choice["logprobs"]
    assert "".join(told["tokens"]) == choice["text"]
    usage = answer["usage"]
    assert len(told["tokens"]) == usage["completion_tokens"] + (usage["prompt_tokens"] if echo else 0)
    assert len({len(column) for column in told.values()}) == 1
    assert (told["token_logprobs"][0] is None) == echo
    for token, offset, top in zip(told["tokens"], told["text_offset"], told["top_logprobs"], strict=True):
        assert choice["text"][offset:].startswith(token)
        if top is not None:
            assert token in top
            assert sum(map(math.exp, top.values())) <= 1
    parts = await stream(client, PROMPT, echo=echo, logprobs=most, max_tokens=30)
    for key, column in told.items():
        streamed = [one for part in parts for c in part["choices"] if c["logprobs"] for one in c["logprobs"][key]]
        assert streamed == column


async def test_a_stream_says_the_same_and_ends(client: httpx.AsyncClient) -> None:
    whole = await complete(client, ["a 'cat'", "ein 'Hund'"], max_tokens=400)
    parts = await stream(client, ["a 'cat'", "ein 'Hund'"], max_tokens=400, stream_options={"include_usage": True})
    assert {part["object"] for part in parts} == {"text_completion"}
    assert parts[-1]["choices"] == []
    assert parts[-1]["usage"] == whole["usage"]
    for index in (0, 1):
        mine = [c for part in parts for c in part["choices"] if c["index"] == index]
        assert "".join(c["text"] for c in mine) == whole["choices"][index]["text"]
        assert [c["finish_reason"] for c in mine if c["finish_reason"]] == ["stop"]


async def test_stop_cuts(client: httpx.AsyncClient) -> None:
    text = (await complete(client, PROMPT, max_tokens=400))["choices"][0]["text"]
    stop = text[20:26]
    answer = await complete(client, PROMPT, max_tokens=400, stop=[stop])
    assert answer["choices"][0]["text"] == text[: text.index(stop)]
    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_usage_only_when_asked_for(client: httpx.AsyncClient) -> None:
    assert all("usage" not in part for part in await stream(client, "a"))
