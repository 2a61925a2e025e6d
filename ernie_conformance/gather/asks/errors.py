"""Wrong requests as data: each differs from one good request in one thing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ernie_conformance.gather.ask import CHAT, COMPLETIONS, MODEL, NO_THINKING, Ask, chat, get, refused, user
from ernie_conformance.wire.exchange import ANY, REFUSAL

GOOD: dict[str, Any] = {"model": MODEL, "messages": user("1+1=?"), "max_tokens": 4, **NO_THINKING}
ABSENT = object()


@dataclass(frozen=True)
class Wrong:
    """One thing put wrong in the good request. `blames`: a helpful message has one of these words."""

    field: str
    value: Any
    blames: tuple[str, ...] = ()

    @property
    def body(self) -> dict[str, Any]:
        changed = {**GOOD, self.field: self.value}
        return {key: value for key, value in changed.items() if value is not ABSENT}


# Refused by every server that reads its requests.
WRONG = {
    "err-no-messages": Wrong("messages", ABSENT, ("messages",)),
    "err-messages-null": Wrong("messages", None),
    "err-messages-text": Wrong("messages", "1+1=?"),
    "err-messages-object": Wrong("messages", {"role": "user", "content": "1+1=?"}),
    "err-messages-empty": Wrong("messages", []),
    "err-message-is-text": Wrong("messages", ["1+1=?"]),
    "err-message-is-null": Wrong("messages", [None]),
    "err-no-role": Wrong("messages", [{"content": "1+1=?"}]),
    "err-role-number": Wrong("messages", [{"role": 5, "content": "1+1=?"}]),
    "err-no-content": Wrong("messages", [{"role": "user"}]),
    "err-content-number": Wrong("messages", user(5)),
    "err-content-object": Wrong("messages", user({"type": "text", "text": "1+1=?"})),
    "err-part-is-null": Wrong("messages", user([None])),
    "err-part-unknown": Wrong("messages", user([{"type": "hologram", "hologram": "1+1=?"}])),
    "err-part-untyped": Wrong("messages", user([{"text": "1+1=?"}])),
    "err-text-missing": Wrong("messages", user([{"type": "text"}])),
    "err-text-number": Wrong("messages", user([{"type": "text", "text": 5}])),
    "err-temperature-text": Wrong("temperature", "hot", ("temperature",)),
    "err-temperature-list": Wrong("temperature", [0.5], ("temperature",)),
    "err-max-tokens-text": Wrong("max_tokens", "ten", ("max_tokens", "max_completion_tokens")),
    "err-max-tokens-object": Wrong("max_tokens", {"limit": 4}, ("max_tokens", "max_completion_tokens")),
    "err-stream-text": Wrong("stream", "perhaps"),
}
# Lenient servers take these, and no client is hurt.
LENIENT = {
    "err-role-unknown": Wrong("messages", [{"role": "alien", "content": "1+1=?"}]),
    "err-temperature-high": Wrong("temperature", 3),
    "err-max-tokens-quoted": Wrong("max_tokens", "4"),
    "err-stop-number": Wrong("stop", 5),
    "err-model-number": Wrong("model", 5),
    "err-user-number": Wrong("user", 5),
}
STREAMED = ("err-messages-empty", "err-no-role", "err-part-unknown", "err-temperature-text", "err-max-tokens-text")


def _streamed(wrong: Wrong) -> dict[str, Any]:
    return {**wrong.body, "stream": True, "stream_options": {"include_usage": True}}


def _raw(name: str, body: bytes | None, kind: str = "application/json", **rest: Any) -> Ask:
    return Ask(name, body, headers=(("Content-Type", kind),), **{"expects": REFUSAL, **rest})


_TEXT = json.dumps({k: v for k, v in GOOD.items() if v is not MODEL}, ensure_ascii=False).encode()
BODIES = {
    "err-malformed": _TEXT[:-1] + b",]",
    "err-cut": _TEXT[: len(_TEXT) // 2],
    "err-empty": b"",
    "err-array": b"[" + _TEXT + b"]",
    "err-string": b'"1+1=?"',
    "err-number": b"5",
    "err-null": b"null",
    "err-form": b"model=null&messages=1",
    "err-latin-1": _TEXT[:-1] + ', "user": "naïve"}'.encode("latin-1"),
}
# JSON that RFC 8259 doesn't allow or leaves open, or a label that isn't true: taken or refused, both are right.
STRANGE = {
    "err-nan": _TEXT[:-1] + b', "temperature": NaN}',
    "err-surrogate": _TEXT.replace(b"1+1=?", b"1+1=? \\ud83d"),
    "err-large-number": _TEXT[:-1] + b', "temperature": 1e400}',
    "err-twice": _TEXT[:-1] + b', "max_tokens": 5}',
}
LABELS = {"err-label-text": "text/plain", "err-label-form": "application/x-www-form-urlencoded"}

# Sent one by one at the end: servers have hung or died of them.
MEGABYTES = 4
HEAVY = {
    "err-nested": _TEXT.replace(b'"1+1=?"', b"[" * 50_000 + b"]" * 50_000),
    "err-nested-open": b"[" * 100_000,
    "err-huge": json.dumps({"messages": user("x " * (MEGABYTES * 2**19)), "max_tokens": 4}).encode(),
}
EMPTY_PROMPTS = {"err-prompt-empty": "", "err-prompts-empty": [""], "err-prompts-with-empty": ["1+1=", ""]}

ROUTES = {"err-route": "/v1/no/such/route", "err-route-near": "/v1/chat/completion", "err-route-root": "/no-such-page"}
METHODS = {"err-get-chat": "GET", "err-put-chat": "PUT", "err-delete-chat": "DELETE"}

ASKS = (
    chat("err-good", "1+1=?", max_tokens=4),
    chat("err-good-stream", "1+1=?", max_tokens=4, stream=True, stream_options={"include_usage": True}),
    chat("err-good-alone", "1+1=?", max_tokens=4, alone=True),
    refused("err-wrong-alone", WRONG["err-no-messages"].body, alone=True),
    *(refused(name, wrong.body) for name, wrong in WRONG.items()),
    *(refused(f"{name}-stream", _streamed(WRONG[name])) for name in STREAMED),
    *(Ask(name, wrong.body, expects=ANY) for name, wrong in LENIENT.items()),
    *(_raw(name, body) for name, body in BODIES.items()),
    *(_raw(name, body, expects=ANY) for name, body in STRANGE.items()),
    *(_raw(name, _TEXT, kind, expects=ANY) for name, kind in LABELS.items()),
    *(_raw(name, body, expects=ANY, disruptive=True) for name, body in HEAVY.items()),
    *(
        Ask(
            name,
            {"model": MODEL, "prompt": p, "max_tokens": 4},
            COMPLETIONS,
            expects=ANY,
            needs=("completions",),
            disruptive=True,
        )
        for name, p in EMPTY_PROMPTS.items()
    ),
    Ask("err-model", {**GOOD, "model": "no-such-model-7f3a"}, expects=ANY, alone=True),
    *(get(name, path, expects=ANY) for name, path in ROUTES.items()),
    Ask("err-route-post", GOOD, "/v1/no/such/route", expects=ANY),
    *(Ask(name, None, CHAT, method, (), expects=ANY) for name, method in METHODS.items()),
)
