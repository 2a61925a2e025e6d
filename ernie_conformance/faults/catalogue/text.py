"""Area 6: the text itself, whole and in streams."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from ernie_conformance.faults import where
from ernie_conformance.faults.edits import answers, asked, chain, chunks, streams
from ernie_conformance.faults.fault import Edit, Fault, rewrite
from ernie_conformance.faults.frames import Frame, choices, delta_of, first, has_answer, has_text, swap, text_of, without
from ernie_conformance.faults.objects import change, number, rename, text
from ernie_conformance.wire.exchange import Request

CHANNELS = "content|reasoning_content"
WIDE = re.compile(r"[\u4e00-\u9fff\U00010000-\U0010ffff]")
SWAPPED = {"stop": "length", "length": "stop"}
RARE = re.compile(r"[\U00010000-\U0010ffff]")


def in_streams(fn: Callable[[str], str]) -> Edit:
    """Change the text of every delta."""
    return chunks(change(f"choices.*.delta.{CHANNELS}", text(fn)), change("choices.*.text", text(fn)))


def in_answers(fn: Callable[[str], str]) -> Edit:
    """Change the text of whole answers."""
    return answers(change(f"choices.*.message.{CHANNELS}", text(fn)), change("choices.*.text", text(fn)))


def everywhere(fn: Callable[[str], str]) -> Edit:
    return chain(in_streams(fn), in_answers(fn))


def _mojibake(said: str) -> str:
    return WIDE.sub(lambda found: found[0].encode().decode("latin-1"), said)


def _prompt_first(request: Request) -> Edit:
    prompt = where.prompt_text(request)
    fn = text(lambda said: prompt + said)
    return chain(answers(change("choices.*.message.content", fn)), streams(swap(first(has_answer), _with(prompt))))


def _with(said: str) -> Callable[[Frame], Iterable[Frame]]:
    def edit(frame: Frame) -> Iterable[Frame]:
        chunk = frame.chunk or {}
        change("choices.*.delta.content", text(lambda old: said + old))(chunk)
        return [frame.holding(chunk)]

    return edit


def _blank(frame: Frame) -> bool:
    said = text_of(frame.chunk)
    return bool(said) and not said.strip()


def _last_again(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Each delta starts with the last wide character of the one before."""
    carried = ""
    for frame in frames:
        chunk = frame.chunk
        for choice in choices(chunk):
            delta = delta_of(choice)
            said = delta.get("content")
            if isinstance(said, str) and said:
                delta["content"] = carried + said
                carried = said[-1] if WIDE.match(said[-1]) else ""
        yield frame.holding(chunk) if chunk else frame


def _otherwise(frames: Iterator[Frame]) -> Iterator[Frame]:
    """An answer that begins with Sure begins with Fine: another wording, so another count."""
    other = False
    for frame in frames:
        chunk = frame.chunk or {}
        if text_of(chunk, "content").startswith("Sure"):
            other = True
            change("choices.*.delta.content", text(lambda said: said.replace("Sure", "Fine", 1)))(chunk)
        if other:
            change("usage.completion_tokens", number(lambda count: count - 1))(chunk)
            change("usage.total_tokens", number(lambda count: count - 1))(chunk)
        yield frame.holding(chunk) if chunk else frame


def _last_text_lost(frames: Iterator[Frame]) -> Iterator[Frame]:
    """What was held back for the last character is never sent."""
    held: Frame | None = None
    for frame in frames:
        if has_text(frame) and not any(choice.get("finish_reason") for choice in choices(frame.chunk)):
            if held:
                yield held
            held = frame
        elif any(choice.get("finish_reason") for choice in choices(frame.chunk)):
            held = None
            yield frame
        else:
            yield frame


FAULTS: tuple[Fault, ...] = (
    rewrite("detok-fffd", "STREAM-013", in_streams(lambda said: WIDE.sub("\ufffd\ufffd\ufffd", said))),
    rewrite("detok-prompt-leak", "TWIN-011", asked(_prompt_first), where=where.chat),
    rewrite("stream-first-token-dropped", "TWIN-005", streams(swap(first(has_text), lambda _: []))),
    rewrite("detok-char-duplicated", "TWIN-005", streams(_last_again), where=where.chat),
    rewrite("detok-chars-dropped", "TWIN-005", in_streams(lambda said: RARE.sub("", said))),
    rewrite("detok-mojibake", "TWIN-008", everywhere(_mojibake)),
    rewrite("detok-newline-dropped-by-parser", "TWIN-013", streams(without(_blank))),
    rewrite(
        "detok-text-from-logprobs",
        "TWIN-014",
        everywhere(lambda said: WIDE.sub("\ufffd", said, count=1) if WIDE.search(said) else said[:-1]),
        where=where.asks("logprobs"),
    ),
    rewrite("detok-whitespace-runs", "TWIN-012", everywhere(lambda said: re.sub(r" {2,}", "", said))),
    rewrite(
        "own-fffd-in-answers",
        "STREAM-013",
        in_answers(lambda said: WIDE.sub("\ufffd", said, count=1)),
        title="U+FFFD in whole answers",
        severity="critical",
    ),
    rewrite(
        "own-last-text-lost", "TWIN-005", streams(_last_text_lost), title="the last delta is never sent", severity="critical"
    ),
    rewrite(
        "own-wide-characters-replaced",
        "TWIN-005",
        in_streams(lambda said: WIDE.sub("?", said)),
        title="streams say ? for characters beyond the BMP",
        severity="high",
    ),
    rewrite(
        "own-answers-stripped",
        "TWIN-005",
        in_answers(lambda said: said.rstrip("。.!！🚀")),
        title="whole answers lose their last punctuation or emoji",
        severity="medium",
    ),
    rewrite(
        "own-first-space-lost",
        "TWIN-007",
        in_streams(lambda said: said.removeprefix(" ")),
        title="streams lose the space that starts a token",
        severity="high",
    ),
    rewrite(
        "own-newlines-to-spaces",
        "TWIN-007",
        in_streams(lambda said: said.replace("\n", " ")),
        title="streams lose line ends",
        severity="high",
    ),
    rewrite(
        "own-escaped-twice",
        "TWIN-003",
        in_streams(lambda said: said.encode("unicode_escape").decode("ascii")),
        title="text is escaped twice",
        severity="high",
    ),
    rewrite(
        "own-html-escaped",
        "TWIN-010",
        everywhere(lambda said: said.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")),
        title="text is HTML-escaped",
        severity="high",
    ),
    rewrite(
        "own-stripped-answers",
        "TWIN-007",
        in_answers(lambda said: " ".join(said.split())),
        title="whole answers lose their white space",
        severity="high",
    ),
    rewrite("own-stripped-deltas", "TWIN-007", in_streams(str.strip), title="every delta is stripped", severity="high"),
    rewrite(
        "own-emoji-split",
        "TWIN-012",
        everywhere(lambda said: said.replace("\u200d", "").replace("\ufe0f", "")),
        title="joiners inside emoji are lost",
        severity="medium",
    ),
    rewrite(
        "own-control-bytes",
        "TWIN-009",
        in_streams(lambda said: said + "\x00" if said else said),
        title="NUL characters in the text",
        severity="high",
    ),
    rewrite(
        "own-end-of-text-token",
        "REASON-003",
        in_answers(lambda said: said and said + "<|end_of_sentence|>"),
        title="the model's end token stands in the text",
        severity="high",
    ),
    rewrite(
        "own-byte-tokens",
        "TWIN-009",
        everywhere(lambda said: RARE.sub(lambda found: "".join(f"<0x{byte:02X}>" for byte in found[0].encode()), said)),
        title="byte tokens are written out",
        severity="high",
    ),
    rewrite(
        "own-sentencepiece-marks",
        "TWIN-009",
        in_streams(lambda said: said.replace(" ", "\u2581")),
        title="the tokenizer's space marks stand in the text",
        severity="high",
    ),
    rewrite(
        "own-other-channel-in-streams",
        "TWIN-001",
        chunks(rename("choices.*.delta.content", "reasoning_content")),
        where=where.both(where.chat, where.streamed, where.lacks(where.thinking)),
        title="streams say in the reasoning what whole answers say in the answer",
        severity="critical",
    ),
    rewrite(
        "own-other-finish-in-streams",
        "TWIN-002",
        chunks(change("choices.*.finish_reason", lambda reason: SWAPPED.get(reason, reason))),
        title="streams take one finish_reason for the other",
        severity="high",
    ),
    rewrite(
        "own-other-wording-in-streams",
        "TWIN-004",
        streams(_otherwise),
        where=where.chat,
        title="streams begin with another word and one token less",
        severity="low",
    ),
)
