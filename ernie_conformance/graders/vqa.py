"""Short questions on a picture: the first clause that answers decides; yes/no questions are read by their polarity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rapidfuzz import fuzz

from ernie_conformance.graders import gates
from ernie_conformance.graders.fold import clauses, fold
from ernie_conformance.graders.grade import Finding, Grade
from ernie_conformance.graders.terms import affirmed, alternation, pattern

#: Similarity (0-100) from which a prompt is one of the manifest's questions; other questions of a picture stay below 75.
_SAME_QUESTION = 85


def question_of(prompt: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The picture's question that `prompt` asks, in Chinese or English. Raises KeyError when it is none of them."""
    scored = [
        (fuzz.ratio(fold(prompt), fold(asked[key])), number, asked)
        for number, asked in enumerate(spec["vqa"])
        for key in ("q_zh", "q_en")
    ]
    score, _, best = max(scored, key=lambda entry: entry[:2])
    if score < _SAME_QUESTION:
        raise KeyError(f"{prompt!r} is no question on {spec['id']}")
    chosen: Mapping[str, Any] = best
    return chosen


def grade_vqa(
    output: str | None, question: Mapping[str, Any], finish_reason: str | None, *, reasoning: str | None = None
) -> Grade:
    """Grades a short answer to one of the manifest's questions (`q_zh`, `accept`, `reject`)."""
    findings = [finding for finding in gates.screen(output, finish_reason, reasoning) if finding.gate != "context"]
    if output is None or any(finding.gate in {"empty", "error"} for finding in findings):
        return Grade(tuple(findings))
    if not _answered(fold(output), question):
        findings.append(Finding("answer", f"{gates.opening(fold(output))!r} isn't {' or '.join(question['accept'][:3])}"))
    return Grade(tuple(findings))


def says_yes(answer: str) -> bool | None:
    """Whether a yes/no answer says yes; None when it says neither, or both."""
    for clause in clauses(fold(answer)):
        neutral = re.sub(r"有没有|是不是|能不能|是否|有无|不过|不仅|不远|不清晰|不明显", "", clause)
        if alternation("vqa", "unsure").search(neutral):
            return None
        if alternation("vqa", "no").search(neutral):
            return False
        if alternation("vqa", "yes").search(neutral):
            return True
    return None


def _answered(text: str, question: Mapping[str, Any]) -> bool:
    if alternation("vqa", "yes_no").search(fold(question["q_zh"])):
        wanted = says_yes(str(question["accept"][0]).removeprefix("re:^"))
        return says_yes(text) is wanted and not (wanted is False and _takes_back(text, question))
    for clause in clauses(text):
        right = affirmed([_bounded(term) for term in question["accept"]], clause)
        wrong = affirmed([_bounded(term) for term in question["reject"]], clause)
        if right or wrong:
            return bool(right) and not wrong
    return False


def _bounded(term: str) -> str:
    """Digits stand alone: 2 isn't in 12."""
    return rf"re:(?<!\d){term}(?!\d)" if term.isdigit() else term


def _takes_back(text: str, question: Mapping[str, Any]) -> bool:
    """A no whose next sentence shows the thing: 没有。湖面上有一艘小船。"""
    asked = re.search(r"有(?:什么)?([\u3400-\u9fff]{1,4})吗|看到([\u3400-\u9fff]{1,4})吗", fold(question["q_zh"]))
    if not asked:
        return False
    thing = next(group for group in asked.groups() if group)
    shown = rf"re:[有见到一只艘座条]\S{{0,8}}{re.escape(thing)}"
    return any(pattern(shown).search(clause) and says_yes(clause) is not False for clause in clauses(text)[1:])
