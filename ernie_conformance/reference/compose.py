"""The "model": puts into sentences what `extract` noticed. The wording has forks, the findings are verbatim."""

from __future__ import annotations

from collections.abc import Sequence

from ernie_conformance.reference import extract
from ernie_conformance.reference.conversation import Conversation, Part, Turn
from ernie_conformance.reference.extract import Finding
from ernie_conformance.reference.sampling import Node
from ernie_conformance.reference.sentences import EN, ZH, Language
from ernie_conformance.reference.vision import Picture
from ernie_conformance.reference.writing import Script

MOST_TOLD = 480  # tokens of findings in one answer; with the sentences around them it stays near 700
_LEAST_PER_TURN = 24
_LINE = 12  # tokens of the words around one turn's findings
_MOST_ROLES = 40  # named one by one
_MOST_GRIDS = 20  # pictures whose colours are told
_LABEL = 24  # characters of a text part that counts as the label of the image after it
_RESULT = 240  # characters of a tool's result that are reported as they are


def script(conversation: Conversation) -> Script:
    """The thought and the answer for a conversation."""
    language = ZH if extract.is_chinese(conversation.last_user) else EN
    told = _told(conversation.turns)
    return Script(thought(conversation), _answer(language, conversation, told), language.more)


def text_script(prompt: str) -> Script:
    """What follows a bare prompt: no roles, no thought."""
    language = ZH if extract.is_chinese(prompt) else EN
    return Script(
        (), _answer(language, Conversation((Turn("prompt", (prompt,)),)), _told((Turn("", (prompt,)),))), language.more
    )


def thought(conversation: Conversation) -> list[Node]:
    """What the model says to itself; it counts what it noticed and quotes nothing."""
    language = ZH if extract.is_chinese(conversation.last_user) else EN
    found = sum(len(extract.findings(part)) for turn in conversation.turns for part in turn.parts if isinstance(part, str))
    noticed = language.noticed.format(turns=len(conversation.turns), tokens=conversation.tokens, found=found)
    seen = [
        language.seen.format(number=number, width=picture.width, height=picture.height)
        for number, picture in enumerate(conversation.pictures[:4], start=1)
    ]
    return [*language.thought, noticed, *seen, *language.conclusion]


def _answer(language: Language, conversation: Conversation, told: list[list[Finding | Picture]]) -> list[Node]:
    nodes: list[Node] = list(language.opening)
    number = extract.count_to(conversation.last_user or conversation.turns[-1].text)
    if number:
        nodes += [language.count, ", ".join(map(str, range(1, number + 1))), language.end]
    nodes += [
        *language.roles,
        language.total.format(turns=len(conversation.turns)),
        _roles(language, conversation),
        language.end,
    ]
    seen = 0
    for place, (turn, items) in enumerate(zip(conversation.turns, told, strict=True), start=1):
        if not items and place < len(conversation.turns):
            continue
        nodes += [language.turn.format(number=place, role=turn.role), language.verbs]
        nodes.append(language.colon)
        for index, item in enumerate(items or [language.plain]):
            seen += isinstance(item, Picture)
            nodes.append(_tell(language, item, seen, first=index == 0))
        nodes.append(language.end)
    return [*nodes, *language.closing]


def _tell(language: Language, item: Finding | Picture | str, number: int, first: bool) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, Picture):
        grid = language.pause + _grid(language, item) if number <= _MOST_GRIDS else ""
        shown = language.picture.format(number=number, width=item.width, height=item.height, grid=grid)
        return shown if first else language.comma + shown
    if item.kind in ("block", "heading"):  # verbatim, on lines of their own
        return f"\n{item.text}\n"
    return item.text if first else language.comma + item.text


def _roles(language: Language, conversation: Conversation) -> str:
    """Every role with its tokens; of a very long conversation, the beginning and the end."""
    told = [language.role.format(role=turn.role, tokens=turn.tokens) for turn in conversation.turns]
    if len(told) > _MOST_ROLES:
        told[_MOST_ROLES // 2 : -_MOST_ROLES // 2] = ["…"]
    return language.comma.join(told)


def _grid(language: Language, picture: Picture) -> str:
    rows = [[language.colours.get(cell, cell) for cell in row] for row in picture.grid]
    if len({cell for row in rows for cell in row}) == 1:
        return rows[0][0]
    told = [
        f"{first}{a[0]}{language.pause}{second}{b[0]}"
        for (first, second), (a, b) in (
            (language.sides[:2], ([row[0] for row in rows], [row[-1] for row in rows])),
            (language.sides[2:], (rows[0], rows[-1])),
        )
        if len(set(a)) == len(set(b)) == 1 and a[0] != b[0]
    ]
    return language.pause.join([" / ".join(" ".join(row) for row in rows), *told])


def _told(turns: Sequence[Turn]) -> list[list[Finding | Picture]]:
    """What is told of each turn. Short turns tell all; long ones share what room is left."""
    found = [[_noticed(turn, index) for index in range(len(turn.parts))] for turn in turns]
    wants = [sum(one.cost for part in turn for one in part) + _LINE * any(turn) for turn in found]
    shares = _shares(wants, MOST_TOLD)
    told: list[list[Finding | Picture]] = []
    for turn, parts, share, want in zip(turns, found, shares, wants, strict=True):
        items: list[Finding | Picture] = []
        for part, noticed in zip(turn.parts, parts, strict=True):
            if isinstance(part, Picture):
                items.append(part)
            elif isinstance(part, str):
                cost = sum(one.cost for one in noticed)
                items += extract.bounded(noticed, part, (share - _LINE) * cost // (want - _LINE) if cost else 0)
        told.append(items)
    return told


def _noticed(turn: Turn, index: int) -> list[Finding]:
    """What is noticed in one part: the label of an image and a tool's result as they are, else its findings."""
    part = turn.parts[index]
    if not isinstance(part, str):
        return []
    text = part.strip()
    if text and turn.role in ("tool", "function"):
        return [Finding("result", text[:_RESULT], 0)]
    following: Part | None = turn.parts[index + 1] if index + 1 < len(turn.parts) else None
    if isinstance(following, Picture) and 0 < len(text) <= _LABEL:
        return [Finding("label", text, 0)]
    return extract.findings(part)


def _shares(wants: Sequence[int], room: int) -> list[int]:
    """Room for each want: the small ones get all they want, the large ones what is left in equal parts."""
    shares = [0] * len(wants)
    waiting = sorted(range(len(wants)), key=lambda index: wants[index])
    for done, index in enumerate(waiting):
        shares[index] = min(wants[index], max(_LEAST_PER_TURN, room // (len(waiting) - done)), room)
        room -= shares[index]
    return shares
