"""Remembers prompts as an engine's prefix cache does: in whole blocks of tokens, the oldest forgotten first."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import Any

BLOCK = 64  # tokens; the rest of a prompt is never cached
MOST = 512  # prompts remembered


class PromptCache:
    """Knows a prompt again only when it comes word for word; that is all that a client can count on."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def hit(self, messages: Any, tokens: int) -> int:
        """How many of the prompt's tokens were in the cache; from now on it is."""
        key = hashlib.sha256(json.dumps(messages).encode("utf-8", errors="surrogatepass")).digest()
        known = key in self._known
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return (tokens - 1) // BLOCK * BLOCK if known else 0
