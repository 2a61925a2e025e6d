"""A tokenizer of our own: a token a CJK character, at most four Latin letters, emoji as UTF-8 bytes.

A token is the bytes it stands for. Ids are computed, there is no vocabulary file:

    0 … 65535            one character of the basic plane, counted from the space (so that small ids are printable)
    65536 … 65791        one byte, for characters beyond the basic plane
    65792 …              groups: 2-4 Latin letters, 2-3 digits, 2-4 spaces
"""

from __future__ import annotations

import itertools
import re
import string

_TOKEN = re.compile(r"[A-Za-z]{1,4}|[0-9]{1,3}| {1,4}|[\U00010000-\U0010FFFF]|[\s\S]")
_BYTES = 0x10000
_GROUPS = _BYTES + 256
# alphabet, shortest group, longest group
_KINDS = ((string.ascii_letters, 2, 4), (string.digits, 2, 3), (" ", 2, 4))
VOCABULARY = _GROUPS + sum(len(alphabet) ** size for alphabet, low, high in _KINDS for size in range(low, high + 1))


def encode(text: str) -> list[bytes]:
    """The tokens of a text; joined they are its UTF-8 bytes."""
    return list(itertools.chain.from_iterable(map(_split, _TOKEN.findall(text))))


def count(text: str) -> int:
    """How many tokens a text has."""
    return sum(4 if piece > "\uffff" else 1 for piece in _TOKEN.findall(text))


def at_least(text: str) -> int:
    """A lower bound of `count` that costs nothing."""
    return (len(text) + 3) // 4


def decode(tokens: list[bytes]) -> str:
    """The text of tokens. Bytes that are no UTF-8 (a client may send any ids) are shown escaped."""
    return b"".join(tokens).decode("utf-8", errors="backslashreplace")


def to_id(token: bytes) -> int:
    """The id of a token that `encode` made."""
    if len(token) == 1 and token[0] > 0x7F:
        return _BYTES + token[0]
    text = token.decode("utf-8")
    if len(text) == 1:
        return (ord(text) - 0x20) % _BYTES
    start = _GROUPS
    for alphabet, low, high in _KINDS:
        for size in range(low, high + 1):
            if size == len(text) and text[0] in alphabet:
                for letter in text:  # the digits of a number to the base of the alphabet's length
                    size -= 1
                    start += alphabet.index(letter) * len(alphabet) ** size
                return start
            start += len(alphabet) ** size
    raise ValueError(f"no token: {text!r}")


def from_id(number: int) -> bytes:
    """The token of an id. Raises ValueError for an id that stands for nothing."""
    if 0 <= number < _BYTES:
        letter = chr((number + 0x20) % _BYTES)
        if "\ud800" <= letter <= "\udfff":
            raise ValueError(f"token id {number} is not in use")
        return letter.encode()
    if _BYTES <= number < _GROUPS:
        return bytes([number - _BYTES])
    rest = number - _GROUPS
    for alphabet, low, high in _KINDS:
        for size in range(low, high + 1):
            if 0 <= rest < len(alphabet) ** size:
                return "".join(alphabet[rest // len(alphabet) ** p % len(alphabet)] for p in reversed(range(size))).encode()
            rest -= len(alphabet) ** size
    raise ValueError(f"token id {number} is outside the vocabulary of {VOCABULARY}")


def _split(piece: str) -> list[bytes]:
    data = piece.encode()
    return [bytes([byte]) for byte in data] if piece > "\uffff" else [data]
