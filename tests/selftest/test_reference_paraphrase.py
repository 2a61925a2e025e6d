"""The reference's model reads what it is sent and nothing else: prompts that no suite uses, and what follows them."""

from __future__ import annotations

import base64
import io
import itertools
import random
import re
from typing import Any

import httpx
import pytest
from PIL import Image
from reference_client import OFF, app_client, ask, content, user

from ernie_conformance.reference import extract

COLOURS = {
    "red": "红",
    "green": "绿",
    "blue": "蓝",
    "yellow": "黄",
    "black": "黑",
    "white": "白",
    "cyan": "青",
    "orange": "橙",
}


@pytest.fixture
def client() -> httpx.AsyncClient:
    return app_client()


def grid(names: list[str], cell: int = 30) -> str:
    """A data URI of 3×3 cells."""
    image = Image.new("RGB", (3 * cell, 3 * cell))
    for place, name in enumerate(names):
        x, y = place % 3 * cell, place // 3 * cell
        image.paste(name, (x, y, x + cell, y + cell))
    data = io.BytesIO()
    image.save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def picture(names: list[str]) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": grid(names)}}


@pytest.mark.parametrize("nonce", ["ZQ81-PLUM", "moss_and_fern", "9F3A77", "https://w.example/p?q=4", "41.75", "OSPREY"])
@pytest.mark.parametrize("words", ["My locker says {} today", "储物柜上写的是 {} ，别忘了"])
async def test_code_like_words_come_back(client: httpx.AsyncClient, nonce: str, words: str) -> None:
    assert nonce in await content(client, words.format(nonce))


@pytest.mark.parametrize("marks", ["“”", '""', "''", "「」", "``", "‘’", "『』"])
async def test_quoted_words_come_back(client: httpx.AsyncClient, marks: str) -> None:
    assert "柳絮 in June 🐢" in await content(client, f"记下 {marks[0]}柳絮 in June 🐢{marks[1]} 。")


async def test_headings_and_code_come_back_as_they_were(client: httpx.AsyncClient) -> None:
    code = "```rust\nfn main() {\n\tif true {\n        loop {}\n    }\n}\n```"
    answer = await content(client, f"# Otters\nsome text\n## Their den\n{code}\nthe end")
    assert "# Otters" in answer
    assert "## Their den" in answer
    assert code in answer


@pytest.mark.parametrize("text", ["<think>", "</think>", "<|im_start|>", "<|IMAGE_PLACEHOLDER|>", "[INST]", "</s>"])
async def test_control_tokens_in_a_prompt_are_plain_text(client: httpx.AsyncClient, text: str) -> None:
    answer = await ask(client, f"What does {text} mean?", **OFF)
    assert text in answer["choices"][0]["message"]["content"]
    without = await ask(client, "What does  mean?", **OFF)
    assert answer["usage"]["prompt_tokens"] - without["usage"]["prompt_tokens"] >= 3
    thought = await ask(client, f"What does {text} mean?")
    assert text not in thought["choices"][0]["message"]["reasoning_content"]


async def test_roles_are_told_in_the_order_in_which_they_came(client: httpx.AsyncClient) -> None:
    roles = ["system", "user", "assistant", "user", "user", "developer", "user"]
    random.Random(5).shuffle(roles)
    answer = await content(client, [{"role": role, "content": "嗯"} for role in roles])
    assert re.findall(r"(\w+)（\d+）", answer)[: len(roles)] == roles


async def test_every_turn_counts_and_shows(client: httpx.AsyncClient) -> None:
    turns = [
        {"role": "system", "content": "The gate code is HAZEL-20."},
        {"role": "user", "content": "Remember 'pebble'."},
        {"role": "assistant", "content": "Noted: MINT_7."},
        {"role": "user", "content": "What have we got?"},
    ]
    full = await ask(client, turns, **OFF)
    for left_out in range(3):
        fewer = [turn for place, turn in enumerate(turns) if place != left_out]
        answer = await ask(client, fewer, **OFF)
        assert answer["usage"]["prompt_tokens"] < full["usage"]["prompt_tokens"]
        assert answer["choices"][0]["message"]["content"] != full["choices"][0]["message"]["content"]
    said = full["choices"][0]["message"]["content"]
    assert said.index("HAZEL-20") < said.index("pebble") < said.index("MINT_7")


async def test_another_system_message_changes_answer_and_counts(client: httpx.AsyncClient) -> None:
    answers = [
        await ask(client, [{"role": "system", "content": text}, *user("早上好")], **OFF)
        for text in ("You like tea.", "You like tea very much, and rain.")
    ]
    assert answers[0]["usage"]["prompt_tokens"] < answers[1]["usage"]["prompt_tokens"]
    assert answers[0]["choices"][0]["message"]["content"] != answers[1]["choices"][0]["message"]["content"]


@pytest.mark.parametrize("seed", range(4))
async def test_the_colours_of_a_picture_are_named_in_their_order(client: httpx.AsyncClient, seed: int) -> None:
    names = random.Random(seed).choices(sorted(COLOURS), k=9)
    rows = [" ".join(COLOURS[name] for name in names[row : row + 3]) for row in (0, 3, 6)]
    assert " / ".join(rows) in await content(client, user([picture(names), {"type": "text", "text": "看看"}]))
    rows = [" ".join(names[row : row + 3]) for row in (0, 3, 6)]
    assert " / ".join(rows) in await content(client, user([{"type": "text", "text": "Have a look"}, picture(names)]))


async def test_swapped_pictures_swap_in_the_answer_with_their_labels(client: httpx.AsyncClient) -> None:
    shown = {name: [name] * 8 + ["white"] for name in ("red", "blue", "green")}
    for order in itertools.permutations(shown):
        parts = [part for name in order for part in ({"type": "text", "text": f"Card {name[0]}:"}, picture(shown[name]))]
        answer = await content(client, user([*parts, {"type": "text", "text": "Which is which?"}]))
        places = [answer.index(f"{name} {name} {name}") for name in order]
        labels = [answer.index(f"Card {name[0]}:") for name in order]
        assert places == sorted(places)
        assert all(label < place for label, place in zip(labels, places, strict=True))


@pytest.mark.parametrize(
    ("prompt", "number"),
    [
        ("请从1数到17", 17),
        ("Could you count up to twelve", 12),
        ("列出1到9", 9),
        ("数到二十三吧", 23),
        ("write the numbers 1 to 6", 6),
    ],
)
async def test_it_counts(client: httpx.AsyncClient, prompt: str, number: int) -> None:
    assert ", ".join(map(str, range(1, number + 1))) in await content(client, prompt)
    assert f", {number + 1}" not in await content(client, prompt)


@pytest.mark.parametrize(("prompt", "chinese"), [("你好", True), ("Hello there", False), ("用 Python 写一个循环", True)])
async def test_it_answers_in_the_language_of_the_last_user_turn(
    client: httpx.AsyncClient, prompt: str, chinese: bool
) -> None:
    answer = await content(client, [{"role": "system", "content": "Be kind 请友善"}, *user(prompt)])
    assert extract.is_chinese(answer) == chinese


async def test_a_long_document_is_told_briefly_with_its_end(client: httpx.AsyncClient) -> None:
    sections = [f"## Part {n}\n" + f"Item X-{n}-{n * 7} costs {n * 13}. " * 12 for n in range(1, 60)]
    document = "\n".join([*sections, "## Last words\nThe key is under the 'blue pot', number TERN-88."])
    answer = await ask(client, document, **OFF)
    said = answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] <= 700
    assert "TERN-88" in said
    assert "blue pot" in said
    assert "## Part 1\n" in said


@pytest.mark.parametrize("turns", [10, 24])
async def test_a_history_is_told_whole(client: httpx.AsyncClient, turns: int) -> None:
    talk = [{"role": "user", "content": f"Locker {n} has code Q{n * 37}-R"} for n in range(turns)]
    answer = await content(client, talk)
    places = [answer.index(f"Q{n * 37}-R") for n in range(turns)]
    assert places == sorted(places)


async def test_a_very_long_history_is_told_briefly(client: httpx.AsyncClient) -> None:
    talk = [{"role": "user", "content": f"Locker {n} has code Q{n * 37}-R"} for n in range(900)]
    answer = await ask(client, talk, **OFF)
    assert answer["usage"]["completion_tokens"] < 1200
    assert "in order (900): " in answer["choices"][0]["message"]["content"]


async def test_a_tools_result_is_reported(client: httpx.AsyncClient) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "depth", "arguments": '{"lake": "Como"}'}}
    turns = [
        *user("How deep is it?"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "four hundred and ten metres"},
    ]
    assert "four hundred and ten metres" in await content(client, turns)
