"""The fields that chat and completions share: JSON type, range, and the words of a refusal. Tables before code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ernie_conformance.reference import tokenizer
from ernie_conformance.reference.errors import Refused
from ernie_conformance.reference.sampling import Settings

Check = Callable[[Any, str], Any]
INT64 = 2**63
MOST_CHOICES = 8
MOST_STOPS = 4


def integer(low: int | None = None, high: int | None = None) -> Check:
    def check(value: Any, name: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(name, "an integer", value)
        _within(value, name, low, high)
        return value

    return check


def number(low: float | None = None, high: float | None = None, above: float | None = None) -> Check:
    def check(value: Any, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _wrong_type(name, "a number", value)
        if abs(value) > 1e300 or not math.isfinite(value):
            raise Refused(f"'{name}' must be a finite number.", name)
        if above is not None and not value > above:
            raise Refused(f"'{name}' must be greater than {above}, got {value}.", name)
        _within(value, name, low, high)
        return float(value)

    return check


def boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(name, "a boolean", value)
    return value


def text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type(name, "a string", value)
    return value


def mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(name, "an object", value)
    return value


def one_of(*allowed: str) -> Check:
    def check(value: Any, name: str) -> str:
        if text(value, name) not in allowed:
            raise Refused(f"'{name}' must be one of {', '.join(allowed)}; got '{value[:40]}'.", name)
        return str(value)

    return check


def list_of(check_item: Check, most: int | None = None) -> Check:
    def check(value: Any, name: str) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong_type(name, "an array", value)
        if most is not None and len(value) > most:
            raise Refused(f"'{name}' takes at most {most} entries, got {len(value)}.", name)
        return [check_item(item, f"{name}[{index}]") for index, item in enumerate(value)]

    return check


def stop_strings(value: Any, name: str) -> tuple[str, ...]:
    """A string, or up to four; none may be empty."""
    strings = [value] if isinstance(value, str) else value
    if not isinstance(strings, list):
        raise _wrong_type(name, "a string or an array of strings", value)
    if len(strings) > MOST_STOPS:
        raise Refused(f"'{name}' takes at most {MOST_STOPS} strings, got {len(strings)}.", name)
    for one in strings:
        if not text(one, name):
            raise Refused(f"'{name}' must not hold an empty string.", name)
    return tuple(strings)


def logit_bias(value: Any, name: str) -> dict[int, float]:
    """Token ids as strings, biases from -100 to 100."""
    bias = {}
    for key, amount in mapping(value, name).items():
        if not (key.isascii() and key.isdigit() and int(key) < tokenizer.VOCABULARY):
            raise Refused(f"'{name}' has the key '{key[:40]}', which is no token id below {tokenizer.VOCABULARY}.", name)
        bias[int(key)] = number(-100, 100)(amount, name)
    return bias


def stream_options(value: Any, name: str) -> dict[str, bool]:
    options = mapping(value, name)
    return {key: boolean(options.get(key) or False, f"{name}.{key}") for key in ("include_usage", "continuous_usage_stats")}


# name → check, for both generating routes; a null is the same as an absent field
SHARED: Mapping[str, Check] = {
    "max_tokens": integer(1),
    "n": integer(1, MOST_CHOICES),
    "stream": boolean,
    "stream_options": stream_options,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "top_k": integer(-1),
    "min_p": number(0, 1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "repetition_penalty": number(above=0),
    "seed": integer(-INT64, INT64 - 1),
    "stop": stop_strings,
    "stop_token_ids": list_of(integer(0)),
    "bad_words": list_of(text),
    "logit_bias": logit_bias,
    "min_tokens": integer(0),
    "user": text,
}


def read(body: Mapping[str, Any], table: Mapping[str, Check]) -> dict[str, Any]:
    """The checked values of the fields that are present and not null. Unknown fields are ignored."""
    return {name: check(body[name], name) for name, check in table.items() if body.get(name) is not None}


def settings(values: Mapping[str, Any]) -> Settings:
    """The sampling parameters among checked values."""
    known = {name: values[name] for name in Settings.__dataclass_fields__ if name in values}
    if "top_k" in known:
        known["top_k"] = max(known["top_k"], 0)  # -1 and 0 both mean: no such limit
    if "bad_words" in known:
        known["bad_words"] = tuple(known["bad_words"])
    return Settings(**known)


def check_stream(values: Mapping[str, Any]) -> None:
    """`stream_options` belong to streams."""
    if "stream_options" in values and not values.get("stream"):
        raise Refused("'stream_options' is only allowed when 'stream' is true.", "stream_options")


def check_model(body: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """What the request calls the model. 404 for a name that isn't served."""
    asked = body.get("model")
    if asked is None:
        return "default"
    if text(asked, "model") not in names:
        raise Refused(
            f"The model '{asked[:80]}' does not exist; served: {', '.join(names)}.", "model", "model_not_found", status=404
        )
    return str(asked)


def _within(value: float, name: str, low: float | None, high: float | None) -> None:
    if (low is not None and value < low) or (high is not None and value > high):
        limits = [f"at least {low}"] if low is not None else []
        limits += [f"at most {high}"] if high is not None else []
        raise Refused(f"'{name}' must be {' and '.join(limits)}, got {str(value)[:40]}.", name)


def _wrong_type(name: str, wanted: str, value: Any) -> Refused:
    return Refused(f"'{name}' must be {wanted}, got {_json_type(value)}.", name, "invalid_type")


def _json_type(value: Any) -> str:
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array", dict: "an object"}
    return names.get(type(value), "null")
