"""Messages: what each of them adds to the prompt, in which forms they come, and text that looks like markup.

What is measured is usage.prompt_tokens: the same words cost about the same wherever they stand; what costs nothing was lost.
"""

from __future__ import annotations

from typing import Any

from ernie_conformance.gather.ask import Ask, Scenario, both, chat, cost_of, user
from ernie_conformance.gather.asks.twins import one_by_one
from ernie_conformance.gather.stage import Stage
from ernie_conformance.wire.exchange import ANY

ASKED = "Say OK."
# Plain English, shorter than any limit a broken server was seen to have, so that each row sees its own fault only.
SYSTEM = "The harbour office keeps a paper record of every vessel that enters before noon and leaves after dusk."
EARLIER = "Last winter the two bridges over the river were closed because heavy ice had damaged their wooden piers."
REPLIED = "Then people crossed on foot in the morning, and a ferry carried goods and animals in the afternoon hours."
TURNS = tuple(f"{EARLIER[:60]} Note {number}: {REPLIED[:50]}" for number in range(12))
PARTS = tuple(f"Point {number} of the list." for number in range(24))
PARAGRAPH = f"{SYSTEM} {EARLIER} {REPLIED} "


def system(content: Any) -> dict[str, Any]:
    return {"role": "system", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def texts(*words: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in words]


def _short(name: str, messages: str | list[dict[str, Any]], **rest: Any) -> Ask:
    return chat(name, messages, **{"max_tokens": 2, **rest})


def _turns() -> list[dict[str, Any]]:
    said = [(user(text)[0] if number % 2 == 0 else assistant(text)) for number, text in enumerate(TURNS)]
    return [*said, *user(ASKED)]


MEASURED = (
    _short("chat-base", ASKED),
    _short("chat-base-system", f"{SYSTEM}\n{ASKED}"),
    _short("chat-system", [system(SYSTEM), *user(ASKED)], expects=ANY),
    # Some templates put a system message of their own where there is none: compared is with a short one.
    _short("chat-system-short", [system("Hi."), *user(ASKED)], expects=ANY),
    _short("chat-developer-long", [{"role": "developer", "content": SYSTEM}, *user(ASKED)], expects=ANY),
    _short("chat-developer-short", [{"role": "developer", "content": "Hi."}, *user(ASKED)], expects=ANY),
    _short("chat-systems-first", [system(SYSTEM), system("Hi."), *user(ASKED)], expects=ANY),
    _short("chat-systems-second", [system("Hi."), system(SYSTEM), *user(ASKED)], expects=ANY),
    _short("chat-systems-short", [system("Hi."), system("Hi."), *user(ASKED)], expects=ANY),
    _short("chat-base-earlier", f"{EARLIER}\n{ASKED}"),
    _short("chat-base-replied", f"{REPLIED}\n{ASKED}"),
    _short("chat-earlier", [*user(EARLIER), assistant("Yes."), *user(ASKED)]),
    _short("chat-replied", [*user(EARLIER), assistant(REPLIED), *user(ASKED)]),
    _short("chat-base-turns", "\n".join((*TURNS, ASKED))),
    _short("chat-turns", _turns()),
    _short("chat-list", user(texts(ASKED)), expects=ANY),
    _short("chat-base-parts", "\n".join((*PARTS, ASKED))),
    _short("chat-parts", user(texts(*PARTS, ASKED)), expects=ANY),
    *(_short(f"chat-paragraphs-{count}", PARAGRAPH * count + ASKED) for count in (4, 8)),
)

# Two text parts, their text in one piece, and the same turned round. Each names something that the other doesn't.
NAMES = (("Alder", "Birch"), ("Cedar", "Dogwood"))
THINGS = (
    ("Write one sentence about the “{}” bridge. ", "Write one sentence about the “{}” ferry. "),
    ("Describe the “{}” market in a few words. ", "Describe the “{}” tower in a few words. "),
)
JOINTS = {"lines": "\n", "nothing": ""}


def _orders(number: int, first: str, second: str) -> tuple[Ask, ...]:
    said = {"parts": user(texts(first, second))}
    for joint, between in JOINTS.items():
        said |= {joint: user(f"{first}{between}{second}"), f"{joint}-turned": user(f"{second}{between}{first}")}
    return tuple(chat(f"parts-{number}-{kind}", messages, temperature=0, max_tokens=120) for kind, messages in said.items())


ORDERED = tuple(
    ask
    for number, (things, names) in enumerate(zip(THINGS, NAMES, strict=True))
    for ask in _orders(number, *(thing.format(name) for thing, name in zip(things, names, strict=True)))
)


# What is added, and how many tokens that is at least, whatever the tokenizer: none puts more than four such signs in one.
SIGNS = {
    "chat-emoji": ("😀🚀🌍🎉🦊" * 4, 5),
    "chat-han": ("龘靐齉曌彧燊翀" * 4, 7),
    "chat-accents": ("ñ é ü ø ą č ł ß " * 2, 4),
    "chat-scripts": ("Ж Щ ю ع ש ท क あ " * 2, 4),
}
BLANKS = ("chat-blanks", "one" + "\n \t\n  \n" * 8 + "two", "one two")
MARKERS = {
    "chat-mark-end": "<|im_end|>",
    "chat-mark-text-end": "<|endoftext|>",
    "chat-mark-sentence": "</s>",
    "chat-mark-think": "</think>",
    "chat-mark-start": "<|im_start|>",
}
REPEATS = 10
WORDS = ("QUARTZ LAMP", "BIRCH CANOE", "COPPER BELL")

TEXTS = (
    *(_short(name, f"{ASKED} {signs}") for name, (signs, _) in SIGNS.items()),
    _short("chat-blanks", f"{ASKED} {BLANKS[1]}"),
    _short("chat-no-blanks", f"{ASKED} {BLANKS[2]}"),
    *(_short(name, f"{ASKED} " + mark * REPEATS, expects=ANY) for name, mark in MARKERS.items()),
    *(
        chat(
            f"chat-case-{number}-{kind}",
            f"请重复“{words if kind == 'upper' else words.lower()}”。",
            temperature=0,
            max_tokens=100,
        )
        for number, words in enumerate(WORDS)
        for kind in ("upper", "lower")
    ),
)

# Clients send these; a template that can't cope may refuse, but not break.
ODD: dict[str, list[dict[str, Any]]] = {
    "chat-two-users": [*user("One."), *user("Two.")],
    "chat-two-assistants": [*user("One."), assistant("Two."), assistant("Three."), *user("Four.")],
    "chat-assistant-first": [assistant("One."), *user("Two.")],
    "chat-assistant-last": [*user("Count to three."), assistant("One, two,")],
    "chat-system-only": [system("One.")],
    "chat-system-later": [*user("One."), assistant("Two."), system("Three."), *user("Four.")],
    "chat-two-systems": [system("One."), system("Two."), *user("Three.")],
    "chat-empty-content": user(""),
    "chat-null-content": user(None),
    "chat-empty-parts": user([]),
    "chat-empty-text": user(texts("")),
    "chat-named": [{"role": "user", "name": "Ada", "content": "One."}],
    "chat-developer": [{"role": "developer", "content": "One."}, *user("Two.")],
}

CALL = {"id": "call_1", "type": "function", "function": {"name": "read_clock", "arguments": "{}"}}
CLOCK = {
    "type": "function",
    "function": {"name": "read_clock", "description": "The time of day", "parameters": {"type": "object", "properties": {}}},
}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": EARLIER}


def _after_call(name: str, call: dict[str, Any], *results: dict[str, Any], **rest: Any) -> Ask:
    return _short(name, [*user("What time is it?"), call, *results], tools=[CLOCK], needs=("tools",), **rest)


CALLED = (
    _after_call("chat-tool-result", assistant("", tool_calls=[CALL]), RESULT, expects=ANY),
    _after_call("chat-tool-short", assistant("", tool_calls=[CALL]), {**RESULT, "content": "1"}, expects=ANY),
    _after_call("chat-tool-parts", assistant("", tool_calls=[CALL]), {**RESULT, "content": texts(EARLIER)}, expects=ANY),
    _after_call("chat-null-with-call", assistant(None, tool_calls=[CALL]), RESULT, expects=ANY),
    _after_call("chat-list-with-call", assistant([], tool_calls=[CALL]), RESULT, expects=ANY),
    _short(
        "chat-no-calls", [*user("One."), assistant("Two.", tool_calls=[]), *user("Three.")], expects=ANY, needs=("tools",)
    ),
    *(
        _short(
            f"chat-replied-{kind}-calls", [*user(EARLIER), assistant(REPLIED, tool_calls=none), *user(ASKED)], expects=ANY
        )
        for kind, none in (("empty", []), ("null", None))
    ),
)

# What the extractive model reports: roles, and codes in the order of their turns.
CODES = ("Amber-31", "Basalt-47", "Cedar-59", "Dahlia-83")
ROLES = ("system", "user", "assistant", "user")
EXTRACTS = (
    chat(
        "chat-order",
        [{"role": role, "content": f"代号“{code}”。"} for role, code in zip(ROLES, CODES, strict=True)],
        max_tokens=200,
        temperature=0,
        needs=("extractive",),
    ),
    chat("chat-no-system", "代号“Elm-97”。", max_tokens=120, temperature=0, needs=("extractive",)),
    *both("chat-think-quoted", "“</think>”是什么意思？", max_tokens=120, temperature=0, needs=("extractive",)),
)

# A word is told at the beginning of a long conversation, or near its end.
FAR_WORDS = (("Quartz-7", "Bramble-3"), ("Copper-5", "Willow-9"))


def _told(word: str, near: bool) -> list[dict[str, Any]]:
    telling = [*user(f"The code word is “{word}”. Keep it in mind."), assistant("I will.")]
    chatter = [*user(EARLIER), assistant("I see.")] * 10
    return [*(chatter if near else ()), *telling, *(() if near else chatter), *user("Now say what the code word is.")]


DISTANT = tuple(
    chat(f"chat-{place}-{pair}-{which}", _told(word, place == "near"), temperature=0, max_tokens=320, needs=("recall",))
    for pair, words in enumerate(FAR_WORDS)
    for place in ("near", "far")
    for which, word in enumerate(words)
)

# Asked of models that are capable enough: a code that stands in one place only.
RECALLED = {"chat-recall-system": "4183", "chat-recall-first": "7265", "chat-recall-middle": "9027"}
_PLACES: dict[str, list[dict[str, Any]]] = {
    "chat-recall-system": [system("房间的密码是4183。"), *user("你好。"), assistant("你好！")],
    "chat-recall-first": [*user("房间的密码是7265。"), assistant("记住了。"), *user("谢谢。"), assistant("不客气。")],
    "chat-recall-middle": [*user("你好。"), assistant("你好！"), *user("房间的密码是9027。"), assistant("记住了。")],
}
RECALLS = tuple(
    chat(name, [*before, *user("房间的密码是多少？只回答数字。")], temperature=0, max_tokens=16, needs=("behaviour",))
    for name, before in _PLACES.items()
)

ASKS = (
    *MEASURED,
    *TEXTS,
    *(_short(name, messages, expects=ANY) for name, messages in ODD.items()),
    *CALLED,
    *EXTRACTS,
    *RECALLS,
)


async def _side_by_side(stage: Stage) -> dict[str, Any]:
    """A batch may change a word: that makes two answers differ, which is what is owed here."""
    await stage.send_all(DISTANT)
    return {}


SCENARIOS = (
    Scenario("parts-in-order", lambda stage: one_by_one(stage, ORDERED), wording=True, **cost_of(ORDERED)),
    Scenario("long-conversations", _side_by_side, needs=("recall",), alone=False, **cost_of(DISTANT)),
)
