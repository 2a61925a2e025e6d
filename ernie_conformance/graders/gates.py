"""Gates that every kind of output passes: each returns the finding that closes it, or None."""

from __future__ import annotations

import json
import re

from ernie_conformance.graders.fold import fold, han, sentences, without_blocks, without_code, words
from ernie_conformance.graders.garbling import garbled
from ernie_conformance.graders.grade import Finding
from ernie_conformance.graders.material import table
from ernie_conformance.graders.repetition import repetition
from ernie_conformance.graders.terms import alternation
from ernie_conformance.graders.truncation import truncated

_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_OTHER_SCRIPT = re.compile(r"[\u0370-\u1fff\ua640-\ua69f]")
_QUOTED = re.compile(r"“[^”\n]*”|「[^」\n]*」|\"[^\"\n]*\"")
#: A refusal is said at the beginning, in characters of the folded output.
_HEAD = 160


def screen(output: str | None, finish_reason: str | None, reasoning: str | None = None) -> list[Finding]:
    """What is wrong with an output whatever was asked; nothing else is looked at when there's no output to look at."""
    barren = empty(output, reasoning) or error_body(output or "")
    if barren or output is None:
        return [barren] if barren else []
    folded = fold(output)
    found = [
        control(output),
        garbled(output),
        thinking(folded),
        refusal(folded),
        repetition(folded),
        truncated(output, folded, finish_reason),
    ]
    return [finding for finding in found if finding]


def empty(output: str | None, reasoning: str | None = None) -> Finding | None:
    """Nothing was said, or the repr of nothing."""
    bare = (output or "").strip()
    if bare.lower() not in {"none", "null", "nan", "undefined", "[]", "{}", '""'} and re.search(
        r"\w|\S[\ufe0f\U0001f300-\U0001faff]?", bare
    ):
        return None if re.search(r"[^\W_]", bare) else Finding("empty", "the output holds no letter and no digit")
    if reasoning and reasoning.strip():
        return Finding("empty", "no answer after the reasoning; max_tokens may have been used up by it")
    return Finding("empty", f"the output is {bare!r}" if bare else "no output")


def error_body(output: str) -> Finding | None:
    """An error page, a JSON body or a Python repr stands where prose belongs."""
    if alternation("gates", "error_body").search(output[:400]):
        return Finding("error", "an error or a response body stands where prose belongs")
    try:
        body = json.loads(output)
    except ValueError:
        return None
    if isinstance(body, dict | list):
        return Finding("error", "a JSON document stands where prose belongs")
    return None


def control(output: str) -> Finding | None:
    """A control token or the next turn of the dialogue leaked into the text."""
    text = output
    for quoted in table("gates")["control_quoted"]:
        text = re.sub(rf"(?<=[\"'`]){re.escape(quoted)}(?=[\"'`])", "", text)
    match = alternation("gates", "control").search(text)
    if match:
        return Finding("control", f"control token {match.group(0)!r} in the text")
    match = alternation("gates", "turns").search(without_blocks(fold(text)))
    if match:
        return Finding("control", f"the text runs on into another turn: {match.group(0).strip()!r}")
    return None


def thinking(folded: str) -> Finding | None:
    """The answer begins with the model's thinking: the reasoning parser is off, or cut in the wrong place."""
    match = alternation("gates", "thinking").search(folded[:_HEAD])
    return Finding("reasoning", f"thinking stands in the answer: {match.group(0).strip()!r}") if match else None


def refusal(folded: str) -> Finding | None:
    """The task is refused, or handed back with a request for the material."""
    head = _QUOTED.sub(" ", alternation("gates", "hedge").sub(" ", folded[:_HEAD]))
    match = alternation("gates", "refusal").search(head)
    if match:
        return Finding("refusal", f"the task is refused: {match.group(0)!r}")
    match = alternation("gates", "context").search(head)
    # A long answer may close its first paragraph with an invitation; a request for material is short.
    if match and han(folded) + words(folded) < 160:
        return Finding("context", f"the answer asks for the material: {match.group(0)!r}")
    return None


def wanted_language(prompt: str) -> str:
    """`zh` or `en`: the language of the prompt, unless it asks for the other."""
    folded = fold(prompt)
    if re.search(r"用英[文语]|\bin English\b", folded, re.IGNORECASE):
        return "en"
    if re.search(r"用中文|\bin Chinese\b", folded, re.IGNORECASE):
        return "zh"
    return "zh" if han(folded) or not folded.strip() else "en"


def language(folded: str, wanted: str) -> Finding | None:
    """The answer is in another language than wanted, or drifts into one."""
    prose = without_code(folded)
    spoken = _language(prose)
    if spoken != wanted:
        return Finding("language", f"the answer is in {spoken}, wanted {wanted}")
    if wanted == "zh":
        drift = next((part for part in re.split(r"[\n。]", prose) if not han(part) and _english_words(part) >= 5), None)
        if drift:
            return Finding("language", f"the answer drifts into English: {drift.strip()[:60]!r}")
    elif han(prose) > 12:
        return Finding("language", "the answer drifts into Chinese")
    return None


def length(folded: str, least: int, most: int) -> Finding | None:
    """Too little or too much was said; a Han character and a Latin word count alike."""
    size = han(folded) + words(without_blocks(folded))
    if size < least:
        return Finding("length", f"{size} characters and words, at least {least} wanted")
    if size > most:
        return Finding("length", f"{size} characters and words, at most {most} wanted")
    return None


def longest_breath(folded: str) -> int:
    """The most Han characters between two punctuation marks, code aside."""
    return max((han(part) for part in re.split(r"[。!?;,、:|\n()\"“”《》·—-]+|\s{2,}", without_code(folded))), default=0)


def _language(prose: str) -> str:
    characters, latin = han(prose), words(prose)
    kana, hangul, other = (len(script.findall(prose)) for script in (_KANA, _HANGUL, _OTHER_SCRIPT))
    if kana >= 5 and kana > 0.1 * (characters + kana):
        return "Japanese"
    if hangul >= 5 and hangul > characters:
        return "Korean"
    if other >= 10 and other > characters:
        return "another script"
    if characters >= 0.8 * latin and characters:
        return "zh"
    if latin and _english_words(prose) >= max(2, latin // 12):
        return "en"
    return "another language"


def _english_words(text: str) -> int:
    known = set(table("gates")["english"])
    return sum(word in known for word in re.findall(r"[a-z]+", text.lower()))


def opening(folded: str) -> str:
    """The first sentence, for messages."""
    return next(iter(sentences(folded)), "")[:60]
