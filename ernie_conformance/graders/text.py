"""The text case: a summary of the deployment guide must name its three steps, in prose, in order, grounded in it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from ernie_conformance.graders import gates
from ernie_conformance.graders.copying import copied, fingerprint, known_sources
from ernie_conformance.graders.fold import clauses, fold, han, without_blocks, without_code
from ernie_conformance.graders.grade import Finding, Grade
from ernie_conformance.graders.material import guide, table
from ernie_conformance.graders.order import inverted
from ernie_conformance.graders.terms import affirmed, alternation, found, pattern

#: Han characters and Latin words. A sentence that names three steps with a detail each has 40; 4,000 is no summary.
_LEAST, _MOST = 36, 4000
#: Han characters between two punctuation marks: beyond it it's a heap of words, not a clause.
_BREATH = 60
#: Of the windows of 14 characters; commands, names and table heads alone reach 0.25.
_COPIED = 0.40
#: Share of two-character pairs that the guide has too: summaries in any style reach 0.3, other subjects 0.2.
_SHARED = 0.22
_TIERS = ("literal", "synonym", "paraphrase")


def grade_text(
    output: str | None,
    finish_reason: str | None,
    *,
    prompt: str = "",
    source: str | None = None,
    reasoning: str | None = None,
) -> Grade:
    """Grades a summary of `source` (default: our guide; copying from the tutorial is known too).

    `prompt` sets the language; `finish_reason` None says nothing. `notes` tell each topic's tier and words.
    """
    findings = gates.screen(output, finish_reason, reasoning)
    if output is None or any(finding.gate in {"empty", "error"} for finding in findings):
        return Grade(tuple(findings))
    text = _plain(output)
    wanted = gates.wanted_language(prompt)
    notes = {topic: _evidence(topic, text) for topic in table("text")["topics"]}
    findings += [Finding("missing", f"nothing on {topic} ({_name(topic)})") for topic, seen in notes.items() if not seen]
    checks = [
        gates.language(text, wanted),
        gates.length(text, _LEAST, _MOST),
        _foreign(text),
        _ports(text, source or guide()),
    ]
    checks += [_grounded(text, wanted), _copying(output, source), _order(text)]
    if wanted == "zh":
        checks += [_coherent(text), _on_subject(text, source or guide())]
    findings += [finding for finding in checks if finding]
    return Grade(tuple(findings), {topic: seen for topic, seen in notes.items() if seen})


def grade_canary(output: str | None, finish_reason: str | None) -> Grade:
    """The answer to the question on the guide's last section: it must quote the code that only that section holds."""
    canary = table("text")["canary"]
    findings = gates.screen(output, finish_reason)
    if not any(finding.gate == "empty" for finding in findings) and canary["code"].lower() not in fold(output or "").lower():
        findings.append(Finding("canary", f"the code {canary['code']} of the guide's last section isn't in the answer"))
    return Grade(tuple(findings))


def _plain(output: str) -> str:
    """Folded, without the module path that names OpenAI and entry points without calling anything."""
    return re.sub(r"fastdeploy\.entrypoints\.openai\.api_server", "fastdeploy api_server", fold(output))


def _evidence(topic: str, text: str) -> str:
    """`tier: words` of the strongest tier in which the topic is affirmed, or nothing."""
    tiers = table("text")["topics"][topic]
    return next((f"{tier}: {seen}" for tier in _TIERS if (seen := affirmed(tiers[tier], text))), "")


def _name(topic: str) -> str:
    return str(table("text")["topics"][topic]["literal"][0])


def _foreign(text: str) -> Finding | None:
    """Another engine or another model is deployed in the place of ours."""
    words = table("text")
    own_engine, own_model = found(words["own_engine"], text), found(words["own_model"], text)
    engines = [engine for engine in words["foreign_engines"] if affirmed([engine], text)]
    models = affirmed(words["foreign_models"], text)
    if len(engines) >= 2 or (engines and not own_engine):
        return Finding("grounding", f"another stack: {', '.join(engines)}")
    if models and not own_model:
        return Finding("grounding", f"another model: {models}")
    return None


def _ports(text: str, source: str) -> Finding | None:
    """A port that the source doesn't name is made up."""
    for match in alternation("text", "ports").finditer(text):
        number = next(group for group in match.groups() if group)
        if number not in source:
            return Finding("grounding", f"port {number} isn't in the guide")
    return None


def _grounded(text: str, wanted: str) -> Finding | None:
    words = table("text")
    specific = [anchor for anchor in words["anchors"] if pattern(anchor).search(text)]
    general = [anchor for anchor in words["general_anchors"] if pattern(anchor).search(text)]
    if len(specific) >= 1 and len(specific) + len(general) >= 3:
        return None
    # Without a name of its own a summary may still be ours when it is rich in the subject's words.
    if wanted == "zh" and len(general) >= 5:
        return None
    return Finding("grounding", f"{len(specific)} facts of the guide and {len(general)} general ones")


def _copying(output: str, source: str | None) -> Finding | None:
    share = copied(without_blocks(output), known_sources() if source is None else (fingerprint(source),))
    return Finding("copying", f"{share:.0%} is copied") if share > _COPIED else None


def _order(text: str) -> Finding | None:
    wrong = inverted(without_code(text), _topics_of_step)
    return Finding("order", wrong) if wrong else None


def _topics_of_step(step: str) -> set[str]:
    topics = table("text")["topics"]
    return {topic for topic, tiers in topics.items() if affirmed([*tiers["literal"], *tiers["synonym"]], step)}


def _coherent(text: str) -> Finding | None:
    prose = without_code(text)
    joints = {match.group(0) for match in alternation("text", "joints").finditer(_without(prose, "stuffing"))}
    if len(joints) < 3:
        return Finding("coherence", f"keywords without grammar: {len(joints)} joining words")
    if len([clause for clause in clauses(prose) if han(clause) >= 3]) < 3:
        return Finding("coherence", "fewer than three clauses")
    breath = gates.longest_breath(text)
    return Finding("coherence", f"{breath} characters without punctuation") if breath > _BREATH else None


def _without(text: str, key: str) -> str:
    return alternation("text", key).sub(" ", text)


def _on_subject(text: str, source: str) -> Finding | None:
    """Salads of words and other subjects share few pairs of characters with the guide, whatever keywords they drop."""
    pairs = _pairs(_without(without_code(text), "stuffing"))
    if len(pairs) < 20:
        return None
    shared = len(pairs & _source_pairs(source)) / len(pairs)
    return Finding("coherence", f"{shared:.0%} of its words are the guide's") if shared < _SHARED else None


@cache
def _source_pairs(source: str) -> frozenset[str]:
    return _pairs(fold(source))


def _pairs(text: str) -> frozenset[str]:
    runs: Iterable[str] = re.findall(r"[\u3400-\u9fff]{2,}", text)
    return frozenset(run[start : start + 2] for run in runs for start in range(len(run) - 1))
