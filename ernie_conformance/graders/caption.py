"""The picture case: a caption must name what the picture shows, say enough, and claim nothing that isn't there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ernie_conformance.graders import gates
from ernie_conformance.graders.fold import clauses, fold, han, without_markup
from ernie_conformance.graders.grade import INVENTED, Finding, Grade
from ernie_conformance.graders.terms import affirmed, claimed, found

#: Han characters or words: 蓝天白云下,羊群在草原上吃草 has 13 and says all that is asked.
_LEAST = {"zh": 11, "en": 8}
_MOST = 2500
_BREATH = 60
_JOINTS = re.compile(r"[的着在了上里中有是和与下得过被把从向]")


def grade_caption(
    output: str | None,
    spec: Mapping[str, Any],
    finish_reason: str | None,
    *,
    prompt: str = "",
    reasoning: str | None = None,
) -> Grade:
    """Grades a description against a picture's `spec` (an entry of material.image_specs()).

    Things that the picture doesn't show are findings `invented`, each with the words that claim it: rules.settle drops
    those that a yes/no question denies. `notes` tell which words met each group.
    """
    findings = gates.screen(output, finish_reason, reasoning)
    if output is None or any(finding.gate in {"empty", "error"} for finding in findings):
        return Grade(tuple(findings))
    text = fold(output)
    wanted = gates.wanted_language(prompt)
    checks = [
        gates.language(text, wanted),
        gates.length(text, _LEAST[wanted], _MOST),
        _coherent(text) if wanted == "zh" else None,
    ]
    findings += [finding for finding in checks if finding]

    seen = {group: affirmed(terms, text) for group, terms in spec["must_mention"].items()}
    findings += [Finding("missing", f"nothing on {group}") for group, words in seen.items() if words is None]
    details = {group: found(terms, text) for group, terms in spec.get("should_mention", {}).items()}
    told = sum(words is not None for words in details.values())
    if told < spec.get("should_min", 1):
        findings.append(Finding("details", f"{told} of the details {', '.join(details)}"))
    findings += _invented(text, spec.get("must_not_mention", {}))
    return Grade(tuple(findings), {group: words for group, words in {**seen, **details}.items() if words})


def _invented(text: str, forbidden: Mapping[str, list[str]]) -> list[Finding]:
    """One finding a word, not a group: two groups may forbid the same thing."""
    claims: dict[str, str] = {}
    for group, terms in forbidden.items():
        words = claimed(terms, text)
        if words and words not in claims:
            claims[words] = group
    return [Finding(INVENTED, f"{words!r} isn't in the picture ({group})", words) for words, group in claims.items()]


def _coherent(text: str) -> Finding | None:
    prose = without_markup(text)
    said = [clause for clause in clauses(prose) if han(clause) >= 2]
    if len(said) >= 4 and sum(han(clause) for clause in said) / len(said) < 3.5:
        return Finding("coherence", "a list of words")
    if len(set(_JOINTS.findall(prose))) < 2 and not (len(said) >= 2 and han(text) < 30):
        return Finding("coherence", "words without grammar")
    breath = gates.longest_breath(prose)
    if breath > _BREATH:
        return Finding("coherence", f"{breath} characters without punctuation")
    if len(re.findall(r"[\u3400-\u9fff]\s+(?=[\u3400-\u9fff])", text.replace("\n", ""))) > 0.2 * han(text):
        return Finding("coherence", "words set apart by spaces")
    return None
