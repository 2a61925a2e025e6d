"""What the reference server refuses, and how: 4xx, one shape of body, a message that names the field; then it goes on."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from reference_client import app_client, ask, body, content, user

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
JSON = {"content-type": "application/json"}


@pytest.fixture
def client() -> httpx.AsyncClient:
    return app_client()


def check_refusal(response: httpx.Response, status: int, param: str | None = None) -> str:
    """The documented error object, and no trace of the inside. Returns the message."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert isinstance(error["code"], str)
    assert "Traceback" not in error["message"]
    assert ".py" not in error["message"]
    if param is not None:
        assert str(error["param"]).startswith(param)
        assert param in error["message"]
    return str(error["message"])


TEXT_PART = {"type": "text", "text": "hi"}
TOOL = {"type": "function", "function": {"name": "f"}}
BAD_FIELDS: list[tuple[str, Any]] = [
    *(("temperature", value) for value in (-0.1, 2.1, "1", True, [], {})),
    *(("top_p", value) for value in (-0.1, 1.1, "0.5", False)),
    *(("max_tokens", value) for value in (0, -1, 5.5, "5", True, [5])),
    *(("max_completion_tokens", value) for value in (0, -1, "5")),
    *(("n", value) for value in (0, -1, 9, 1.5, "1", True)),
    *(("stream", value) for value in ("yes", 1, "true", [])),
    *(("stop", value) for value in (5, "", [""], ["a", ""], [1], ["a", "b", "c", "d", "e"], {})),
    *(("presence_penalty", value) for value in (-2.1, 2.1, "0")),
    *(("frequency_penalty", value) for value in (-2.1, 2.1, "0")),
    *(("repetition_penalty", value) for value in (0, -1, "1")),
    *(("seed", value) for value in (1.5, "7", True, 2**64, -(2**64))),
    *(("logprobs", value) for value in (1, "true")),
    *(("logit_bias", value) for value in ({"x": 1}, {"5": 101}, {"5": "1"}, [], {"999999999999": 1})),
    *(("min_tokens", value) for value in (-1, "1")),
    *(("top_k", value) for value in (-2, "1")),
    *(("min_p", value) for value in (-0.1, 1.1)),
    *(("user", value) for value in (5, [])),
    *(("metadata", value) for value in ("x", [], {"enable_thinking": "no"}, {"reasoning_max_tokens": -1})),
    *(("chat_template_kwargs", value) for value in ("x", {"enable_thinking": 1})),
    *(("reasoning_max_tokens", value) for value in (-1, "5")),
    *(("stop_token_ids", value) for value in (5, ["x"])),
    *(("bad_words", value) for value in ("x", [5])),
    *(("model", value) for value in (5, [])),
    *(("tools", value) for value in ("x", [5], [{}], [{"type": "function"}], [{**TOOL, "type": "x"}])),
    ("tools", [{"type": "function", "function": {"name": "no spaces"}}]),
    *(("tool_choice", value) for value in ("maybe", "required", 5, {"type": "function", "function": {"name": "g"}})),
    *(("response_format", value) for value in ("json", {}, {"type": "yaml"}, {"type": "json_schema"})),
    *(("messages", value) for value in (None, [], "hi", {}, [1], ["hi"], [None])),
]


@pytest.mark.parametrize(
    ("field", "value"), BAD_FIELDS, ids=[f"{name}={json.dumps(value)[-80:]}" for name, value in BAD_FIELDS]
)
async def test_a_bad_field_is_named(client: httpx.AsyncClient, field: str, value: Any) -> None:
    for stream in (False, True):
        response = await client.post(CHAT, json={**body("hi"), "stream": stream, "max_tokens": 3, field: value})
        check_refusal(response, 400, field)
    await ask(client, "hi", max_tokens=1)


GOOD_FIELDS: list[dict[str, Any]] = [
    *({"temperature": value} for value in (0, 2, 1.0, None)),
    *({"top_p": value} for value in (0, 1, None)),
    *({"presence_penalty": value} for value in (-2, 2)),
    *({"frequency_penalty": value} for value in (-2, 2)),
    *({"n": value} for value in (1, 8, None)),
    *({"seed": value} for value in (0, -1, 2**63 - 1, -(2**63))),
    *({"stop": value} for value in ("x", ["a", "b", "c", "d"], [], None)),
    {"logit_bias": {"5": -100, "6": 100}}, {"max_tokens": 10_000_000}, {"stream": None}, {"messages": user("")},
    {"logprobs": True, "top_logprobs": 20}, {"user": "u"}, {"metadata": {"topic": "x"}}, {"surprise": {"deep": [1]}},
    {"repetition_penalty": 1.2}, {"top_k": -1}, {"min_p": 0.5}, {"tools": []}, {"tools": [TOOL], "tool_choice": "none"},
    {"tool_choice": "none"}, {"tool_choice": "auto"}, {"parallel_tool_calls": False}, {"response_format": {"type": "text"}},
    {"stop_token_ids": [1]}, {"bad_words": []}, {"model": None},
    {"tools": [{"type": "function", "function": {"name": f"f{n}", "description": "long " * 200}} for n in range(20)]},
]  # fmt: skip


@pytest.mark.parametrize("fields", GOOD_FIELDS, ids=lambda fields: json.dumps(fields)[-60:])
async def test_the_whole_legal_range_is_taken(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    response = await client.post(CHAT, json={**body("hi", max_tokens=3), **fields})
    assert response.status_code == 200, response.text


BAD_MESSAGES: list[dict[str, Any]] = [
    {},
    {"content": "hi"},
    {"role": "alien", "content": "hi"},
    {"role": 5, "content": "hi"},
    {"role": "user"},
    {"role": "user", "content": None},
    {"role": "user", "content": 5},
    {"role": "user", "content": []},
    {"role": "user", "content": ["hi"]},
    {"role": "user", "content": [{}]},
    {"role": "user", "content": [{"type": "audio"}]},
    {"role": "user", "content": [{"type": "text"}]},
    {"role": "user", "content": [{"type": "text", "text": 5}]},
    {"role": "assistant", "content": None},
    {"role": "tool", "content": "no id"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "x"}]},
]


@pytest.mark.parametrize("message", BAD_MESSAGES, ids=lambda message: json.dumps(message)[:50])
async def test_a_bad_message_is_named_with_its_place(client: httpx.AsyncClient, message: dict[str, Any]) -> None:
    response = await client.post(CHAT, json=body([*user("hi"), message]))
    check_refusal(response, 400, "messages[1]")


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
GOOD_TURNS: list[list[dict[str, Any]]] = [
    [{"role": "system", "content": "s"}, *user("u")],
    [*user("u"), *user("u")],
    [*user("u"), {"role": "assistant", "content": "Sure, "}],
    [*user("u"), {"role": "system", "content": "late"}],
    [{"role": "developer", "content": "d"}, *user([TEXT_PART, TEXT_PART])],
    [
        *user("u"),
        {"role": "assistant", "content": [], "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ],
    [*user("u"), {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "c", "content": [TEXT_PART]}],
    [*user("u"), {"role": "assistant", "content": "a", "tool_calls": []}, *user("u")],
    [*user("u"), {"role": "function", "name": "f", "content": "r"}],
]


@pytest.mark.parametrize("turns", GOOD_TURNS, ids=lambda turns: json.dumps(turns)[-90:])
async def test_every_legal_order_of_turns_is_answered(client: httpx.AsyncClient, turns: list[dict[str, Any]]) -> None:
    assert await content(client, turns)


def raw(text: str) -> bytes:
    return b'{"model": "null", "messages": [{"role": "user", "content": "hi"}], ' + text.encode() + b"}"


BAD_BODIES = {
    "empty": b"", "blank": b"  \n", "cut": b'{"model": "null", "mess', "array": b"[]", "string": b'"hi"', "number": b"5",
    "null": b"null", "not utf-8": b'{"model": "\xff\xfe"}', "utf-16": '{"model": "null"}'.encode("utf-16"), "two": b"{} {}",
    "NaN": raw('"temperature": NaN'), "NaN unread": raw('"surprise": [NaN]'),
    "Infinity": raw('"top_p": Infinity'), "huge float": raw('"temperature": 1e999'),
    "huge integer": raw('"max_tokens": 1' + "0" * 5000), "single quotes": b"{'model': 'null'}",
    "comma": b'{"model": "null",}',
    "half a surrogate": raw('"user": "\\ud83d"'), "half a surrogate as key": raw('"\\udc00": 1'),
    "deep arrays": b"[" * 200_000, "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("data", BAD_BODIES.values(), ids=BAD_BODIES)
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_a_body_that_is_no_json_object_is_refused(client: httpx.AsyncClient, path: str, data: bytes) -> None:
    check_refusal(await client.post(path, content=data, headers=JSON), 400)
    await ask(client, "hi", max_tokens=1)


async def test_deep_nesting_in_an_unknown_field_does_no_harm(client: httpx.AsyncClient) -> None:
    response = await client.post(CHAT, content=raw('"max_tokens": 1, "x": ' + "[" * 300 + "]" * 300), headers=JSON)
    assert response.status_code == 200


async def test_a_body_of_more_than_64_mib_is_refused(client: httpx.AsyncClient) -> None:
    check_refusal(await client.post(CHAT, content=b" " * (64 * 2**20 + 1), headers=JSON), 413)


@pytest.mark.parametrize(("kind", "status"), [("text/plain", 415), ("application/xml", 415), ("multipart/form-data", 415)])
async def test_a_foreign_content_type_is_refused(client: httpx.AsyncClient, kind: str, status: int) -> None:
    check_refusal(await client.post(CHAT, content=raw('"max_tokens": 1'), headers={"content-type": kind}), status)


@pytest.mark.parametrize("kind", [None, "application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_json_is_taken_with_or_without_a_content_type(client: httpx.AsyncClient, kind: str | None) -> None:
    headers = {} if kind is None else {"content-type": kind}
    assert (await client.post(CHAT, content=raw('"max_tokens": 1'), headers=headers)).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_an_unknown_model_is_not_found(client: httpx.AsyncClient, stream: bool) -> None:
    response = await client.post(CHAT, json={**body("hi"), "model": "no-such-model", "stream": stream})
    check_refusal(response, 404, "model")
    assert response.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", CHAT, 405), ("PUT", COMPLETIONS, 405), ("DELETE", "/v1/models", 405), ("POST", "/v1/models", 405),
        ("POST", "/health", 405), ("GET", "/v1/nothing", 404), ("POST", "/v1/chat", 404), ("GET", "/", 404),
        ("POST", CHAT + "/", 404), ("GET", "/metrics", 404), ("GET", "/v1/models/none", 404),
    ],
)  # fmt: skip
async def test_unknown_routes_and_methods_answer_in_json(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    check_refusal(response, status)
    assert ("allow" in response.headers) == (status == 405)


async def test_options_that_belong_together(client: httpx.AsyncClient) -> None:
    for fields, named in (
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": "yes"}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": "yes"}}, "stream_options"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": -1}, "top_logprobs"),
        ({"min_tokens": 9, "max_tokens": 5}, "min_tokens"),
    ):
        check_refusal(await client.post(CHAT, json={**body("hi"), **fields}), 400, named)


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [("temperature", 3, "2"), ("n", 99, "8"), ("stop", list("abcde"), "4"), ("max_tokens", 0, "1")],
)
async def test_the_message_names_the_limit(client: httpx.AsyncClient, field: str, value: Any, limit: str) -> None:
    assert limit in check_refusal(await client.post(CHAT, json={**body("hi"), field: value}), 400, field)


@pytest.mark.parametrize("key", [None, "Bearer wrong", "Bearer", "Basic right", "right"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", CHAT), ("POST", COMPLETIONS), ("GET", "/v1/models"), ("GET", "/v1/no")]
)
async def test_without_the_key_nothing_is_served(key: str | None, method: str, path: str) -> None:
    client = app_client(api_keys=("right", "other"))
    response = await client.request(method, path, headers={} if key is None else {"authorization": key})
    check_refusal(response, 401)
    assert "right" not in response.text


async def test_each_key_opens_and_health_needs_none() -> None:
    client = app_client(api_keys=("right", "other"))
    for key in ("right", "other"):
        response = await client.get("/v1/models", headers={"authorization": f"Bearer {key}"})
        assert response.status_code == 200
    assert (await client.get("/health")).status_code == 200


async def test_browsers_may_ask(client: httpx.AsyncClient) -> None:
    headers = {
        "origin": "http://page",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    for path in (CHAT, COMPLETIONS, "/health"):
        response = await client.options(path, headers=headers)
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == "*"
        assert "POST" in response.headers["access-control-allow-methods"]
    answer = await client.post(CHAT, json=body("hi", max_tokens=1), headers={"origin": "http://page"})
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_health_and_the_small_routes(client: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/health"), ("HEAD", "/health"), ("GET", "/ping"), ("POST", "/ping")):
        response = await client.request(method, path)
        assert (response.status_code, response.content) == (200, b"")
    assert (await client.get("/version")).json()["engine"] == "reference"
    assert CHAT in (await client.get("/load")).text
    models = (await client.get("/v1/models")).json()
    assert models["object"] == "list"
    for model in models["data"]:
        assert (await client.get(f"/v1/models/{model['id']}")).json() == model
        assert (await client.post(CHAT, json={**body("hi", max_tokens=1), "model": model["id"]})).status_code == 200
