"""Rules about text that any reply may break: signs that bytes or tokens were turned into text the wrong way."""

from __future__ import annotations

import re

from ernie_conformance.judge.outcome import Broken, NotAsked, expect
from ernie_conformance.judge.rules.text import asked_text, channels
from ernie_conformance.judge.views import Answer, Reply

# Three bytes of UTF-8 and more, read as Latin-1. Two are left out: "Ã©" stands in honest prose about encodings.
MOJIBAKE = re.compile(r"[\u00e0-\u00ef][\u0080-\u00bf]{2}|[\u00f0-\u00f4][\u0080-\u00bf]{3}")
# Control characters, byte tokens written out, and SentencePiece's mark before a word (alone it may be part of a drawing).
ARTEFACT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]|<0x[0-9A-F]{2}>|\u2581(?=[A-Za-z\u4e00-\u9fff])")
ENTITY = re.compile(r"&(?:amp|lt|gt|quot|#39|#x27);")
RAW = re.compile(r"[<\"]|&(?!(?:amp|lt|gt|quot|#39|#x27);)")
JOINERS = re.compile(r"[\s\u200d\ufe0f]+")
ENOUGH = 5  # replies to different prompts that all begin with them: one may quote its prompt, five don't by chance


def is_read_as_utf8(reply: Reply) -> None:
    """No channel holds UTF-8 that was read as Latin-1. Raises Broken; NotAsked where the model was driven off its text."""
    _is_plain(reply)
    prompt = asked_text(reply)
    for name, text in channels(reply):
        found = next((m for m in MOJIBAKE.finditer(text) if m[0] not in prompt and _decodes(m[0])), None)
        meant = found[0].encode("latin-1").decode("utf-8") if found else ""
        expect(found is None, f"{reply.name}: {name} holds {found[0] if found else ''!r} for {meant!r}", reply)


def _decodes(text: str) -> bool:
    try:
        text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def holds_no_artefact(reply: Reply) -> None:
    """No channel holds what only a tokenizer writes. Raises Broken; NotAsked as `is_read_as_utf8`."""
    _is_plain(reply)
    prompt = asked_text(reply)
    for name, text in channels(reply):
        found = next((m for m in ARTEFACT.finditer(text) if m[0] not in prompt), None)
        expect(found is None, f"{reply.name}: {name} holds {found[0] if found else ''!r}", reply)


def _is_plain(reply: Reply) -> None:
    """Hot sampling and ignored ends may make a model write rubbish itself."""
    heat = reply.asked.get("temperature")
    if reply.asked.get("ignore_eos") or (isinstance(heat, (int, float)) and heat > 1):
        raise NotAsked(f"{reply.name} drives the model off its own text")


def are_not_html(replies: list[Reply]) -> None:
    """Where entities stand, raw quotes and brackets stand somewhere too. Raises Broken."""
    said = [(reply, text) for reply in replies for _, text in channels(reply) if text]
    escaped = [(r, m[0]) for r, text in said if (m := ENTITY.search(text)) and m[0] not in asked_text(r)]
    if not escaped:
        return
    reply, entity = escaped[0]
    raw = any(RAW.search(text) for _, text in said)
    expect(raw, f"{reply.name}: the text is HTML-escaped ({entity}), no reply has a raw quote or bracket", reply)


def do_not_begin_with_their_prompts(replies: list[Reply]) -> None:
    """Not all contents begin with the text of their own prompt. Raises Broken; NotAsked for too few different prompts."""
    prompts: dict[str, bool] = {}
    shown: Reply | None = None
    for reply in replies:
        prompt = _prompt(reply)
        if len(prompt) >= 6 and len(reply.content) > len(prompt):
            prompts[prompt] = prompts.get(prompt, True) and reply.content.lstrip().startswith(prompt)
            shown = reply if prompts[prompt] else shown
    if len(prompts) < ENOUGH:
        raise NotAsked(f"only {len(prompts)} different prompts have longer answers")
    if shown is not None and all(prompts.values()):
        raise Broken(f"{shown.name}: this and all other answers begin with their prompts: {shown.content[:40]!r}", shown)


def _prompt(reply: Reply) -> str:
    """All text of the messages."""
    messages = reply.asked.get("messages")
    contents = [m.get("content") for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
    return "\n".join(content for content in contents if isinstance(content, str)).strip()


def comes_back_whole(completion: Answer) -> None:
    """The echoed prompt is there character by character. Raises Broken; NotAsked where there is no echo."""
    prompt, text = str(completion.asked["prompt"]), completion.content
    if text.startswith(prompt):
        return
    bare = JOINERS.sub("", text).startswith(JOINERS.sub("", prompt))
    at = next((n for n, (a, b) in enumerate(zip(prompt, text)) if a != b), len(text))  # noqa: B905
    shown = f"{completion.name}: at {at} owed {prompt[at : at + 12]!r}, got {text[at : at + 12]!r}"
    expect(not bare, f"white space or joiners are lost: {shown}", completion)
    raise NotAsked(f"{completion.name} has no echo that could be compared")
