"""POST /v1/completions: prompts as text or token ids, no roles and no thought."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from ernie_conformance.reference import compose, delivery, fields, tokenizer
from ernie_conformance.reference.engine import Engine
from ernie_conformance.reference.errors import Refused
from ernie_conformance.reference.options import Options
from ernie_conformance.reference.sampling import Ranked, Sampler, rank
from ernie_conformance.reference.writing import Limits, Piece, Writing

MOST_PROMPTS = 128
FIELDS: Mapping[str, fields.Check] = {
    **fields.SHARED,
    "max_tokens": fields.integer(0),
    "logprobs": fields.integer(0, 5),
    "echo": fields.boolean,
    "suffix": fields.text,
    "best_of": fields.integer(1, 20),
}


@dataclass
class Completion:
    """One checked request: choice i belongs to prompt i // n."""

    model: str
    values: Mapping[str, Any]
    prompts: list[list[bytes]]
    writings: list[Writing]
    limit: int
    id: str = field(default_factory=lambda: f"cmpl-{uuid.uuid4()}")
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def prompt_tokens(self) -> int:
        return sum(map(len, self.prompts))

    def head(self) -> dict[str, Any]:
        return {"id": self.id, "object": "text_completion", "created": self.created, "model": self.model}

    def usage(self) -> dict[str, Any]:
        answer = sum(writing.tokens for writing in self.writings)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": answer,
            "total_tokens": self.prompt_tokens + answer,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    def echoed(self, index: int) -> Piece | None:
        """The prompt of a choice as a piece, where the request wants it back. Its first token has no log probability."""
        if not self.values.get("echo"):
            return None
        tokens = self.prompts[index // self.values.get("n", 1)]
        return Piece("content", tokenizer.decode(tokens), tuple(_with_text(tokens)))

    def logprobs(self, pieces: list[Piece], offset: int = 0) -> dict[str, Any] | None:
        """The four parallel lists of the completions API; `offset` is where these pieces begin in the text."""
        most = self.values.get("logprobs")
        if most is None:
            return None
        told: dict[str, list[Any]] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        for number, (text, one) in enumerate(pair for piece in pieces for pair in piece.ranked):
            first = number == 0 and offset == 0 and bool(self.values.get("echo"))
            told["tokens"].append(text)
            told["token_logprobs"].append(None if first else one.logprob)
            told["top_logprobs"].append(None if first else _top(text, one, most))
            told["text_offset"].append(offset)
            offset += len(text)
        return told


def prepare(body: Mapping[str, Any], options: Options) -> Completion:
    """Check a request completely. Raises Refused."""
    model = fields.check_model(body, options.names)
    values = fields.read(body, FIELDS)
    fields.check_stream(values)
    asked, n = values.get("max_tokens", 16), values.get("n", 1)
    if asked == 0 and not values.get("echo"):
        raise Refused("'max_tokens' must be at least 1 unless 'echo' is true.", "max_tokens")
    if values.get("best_of", n) < n:
        raise Refused(f"'best_of' must be at least 'n' ({n}), got {values['best_of']}.", "best_of")
    if values.get("min_tokens", 0) > asked:
        raise Refused(f"'min_tokens' must be at most 'max_tokens' ({asked}), got {values['min_tokens']}.", "min_tokens")
    prompts = _prompts(body, options.max_model_len)
    writings = []
    for prompt in prompts:
        script = compose.text_script(tokenizer.decode(prompt))
        limits = Limits(
            min(asked, options.max_model_len - len(prompt)),
            0,
            values.get("min_tokens", 0),
            values.get("stop", ()),
            frozenset(values.get("stop_token_ids", ())),
        )
        writings += [Writing(script, limits, Sampler(fields.settings(values), choice)) for choice in range(n)]
    return Completion(model, values, prompts, writings, asked)


async def answer(completion: Completion, engine: Engine) -> dict[str, Any]:
    """The whole answer as one `text_completion` object."""
    said = [[echo] if (echo := completion.echoed(index)) else [] for index in range(len(completion.writings))]
    async with aclosing(engine.run(completion.writings, completion.prompt_tokens, completion.limit)) as steps:
        async for index, pieces in steps:
            if index >= 0:
                said[index] += pieces
    choices = [
        {
            "index": index,
            "text": "".join(piece.text for piece in pieces),
            "logprobs": completion.logprobs(pieces),
            "finish_reason": completion.writings[index].finish,
        }
        for index, pieces in enumerate(said)
    ]
    return {**completion.head(), "choices": choices, "usage": completion.usage()}


async def stream(completion: Completion, engine: Engine) -> AsyncGenerator[bytes, None]:
    """The answer as events: a chunk a token, the prompts first where wanted, usage once at the end, [DONE]."""
    options = completion.values.get("stream_options", {})
    wants_usage, running_usage = options.get("include_usage", False), options.get("continuous_usage_stats", False)
    offsets = [0] * len(completion.writings)

    def chunk(index: int, piece: Piece | None, finish: str | None = None) -> bytes:
        logprobs = completion.logprobs([piece], offsets[index]) if piece else None
        text = piece.text if piece else ""
        offsets[index] += len(text)
        value = {
            **completion.head(),
            "choices": [{"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}],
        }
        if wants_usage or running_usage:
            value["usage"] = completion.usage() if running_usage else None
        return delivery.event(value)

    open_choices = set(range(len(completion.writings)))
    async with aclosing(engine.run(completion.writings, completion.prompt_tokens, completion.limit)) as steps:
        async for index, pieces in steps:
            if index < 0:
                for choice in sorted(open_choices):
                    if echo := completion.echoed(choice):
                        yield chunk(choice, echo)
                continue
            for piece in pieces:
                if piece.text or "logprobs" in completion.values:
                    yield chunk(index, piece)
            finish = completion.writings[index].finish
            if finish and index in open_choices:
                open_choices.remove(index)
                yield chunk(index, None, finish)
    if wants_usage:
        yield delivery.event({**completion.head(), "choices": [], "usage": completion.usage()})
    yield delivery.DONE


def _prompts(body: Mapping[str, Any], most: int) -> list[list[bytes]]:
    prompt = body.get("prompt")
    if prompt is None:
        raise Refused("'prompt' is required.", "prompt", "missing_required_parameter")
    several = prompt if isinstance(prompt, list) and not _is_ids(prompt) else [prompt]
    if not several or len(several) > MOST_PROMPTS:
        raise Refused(f"'prompt' must hold 1 to {MOST_PROMPTS} prompts, got {len(several)}.", "prompt")
    return [_prompt(one, f"prompt[{index}]" if several is prompt else "prompt", most) for index, one in enumerate(several)]


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], int)


def _prompt(value: Any, where: str, most: int) -> list[bytes]:
    if isinstance(value, str):
        if tokenizer.at_least(value) >= most:
            raise _too_long(where, most, f"at least {tokenizer.at_least(value)}")
        tokens = tokenizer.encode(value)
    elif isinstance(value, list):
        try:
            tokens = [tokenizer.from_id(fields.integer(0)(one, f"{where}[{n}]")) for n, one in enumerate(value)]
        except ValueError as error:
            raise Refused(f"'{where}': {error}.", where) from None
    else:
        raise Refused(f"'{where}' must be a string, an array of strings, or token ids.", where, "invalid_type")
    if not tokens:
        raise Refused(f"'{where}' must not be empty.", where)
    if len(tokens) >= most:
        raise _too_long(where, most, str(len(tokens)))
    return tokens


def _too_long(where: str, most: int, found: str) -> Refused:
    return Refused(
        f"This model's maximum context length is {most} tokens, answer included; '{where}' has {found}.",
        "prompt",
        "context_length_exceeded",
    )


def _with_text(tokens: list[bytes]) -> list[tuple[str, Ranked]]:
    """Each token with the text that it completes."""
    pairs, pending = [], b""
    for token in tokens:
        pending += token
        try:
            text, pending = pending.decode(), b""
        except UnicodeDecodeError:
            text = ""
        pairs.append((text, rank(token)))
    return pairs


def _top(text: str, ranked: Ranked, most: int) -> dict[str, float]:
    told = {token.decode(errors="backslashreplace"): share for token, share in ranked.top[:most] if token != ranked.token}
    return {text: ranked.logprob, **told}
