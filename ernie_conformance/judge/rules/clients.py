"""Rules about what the tutorial's client programs print."""

from __future__ import annotations

import json
import re
from typing import Any

from ernie_conformance.judge.outcome import Blocked, NotAsked, expect
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import TRANSPORT

SHORTCUT = re.compile(r"Error decoding line: (?::|(?:data|event|id|retry):).*\nError: .*\n?")


def printed(scene: Scene, program: str) -> str:
    """What a program printed. Raises Broken when it failed, NotAsked when it wasn't there, Blocked when nobody answers."""
    ran: dict[str, Any] | None = scene.note(program)
    if ran is None:
        raise NotAsked(f"there is no {program} on this machine")
    if any(e.error for e in scene.exchanges.values()):
        raise Blocked(TRANSPORT, f"{scene.name}: the server didn't answer our own request beside it", *scene.exchanges)
    last = (ran["err"].strip().splitlines() or ["nothing on stderr"])[-1]
    expect(ran["exit"] == 0, f"{scene.name}: the {program} program ended with {ran['exit']}: {last}")
    return str(ran["out"])


def prints_an_answer(scene: Scene, program: str) -> None:
    """The program printed an answer, unbroken by None and by decode errors. Raises Broken.

    Two shortcuts of the tutorial's programs are not the server's fault and are taken out first: they print None for a
    delta without content (role, reasoning and finish may come so), and they can't read comments, other fields or a
    missing space, which the event stream format allows.
    """
    out = printed(scene, program)
    kept = SHORTCUT.sub("", out)
    expect("Error decoding line" not in kept, f"{scene.name}: the {program} program couldn't decode: {kept[-200:]!r}")
    if kept != out and not kept:
        return  # every line was of a form that this program can't read, and none was broken
    answer = re.sub(r"^(None)+|(None)+$", "", kept.strip())
    expect(bool(answer), f"{scene.name}: the {program} program printed no answer: {out[:80]!r}")
    expect("None" not in answer, f"{scene.name}: the {program} program printed None inside the answer: {answer[:80]!r}")


def curl_gets_content(scene: Scene) -> None:
    """The curl call's output is an answer with content. Raises Broken."""
    out = printed(scene, "curl")
    try:
        content = json.loads(out)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        content = None
    expect(isinstance(content, str) and bool(content.strip()), f"{scene.name}: curl printed no answer: {out[:200]!r}")
