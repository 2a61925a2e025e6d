"""Whether a summary that numbers its steps puts them upside down: calls before the service runs, set-up last."""

from __future__ import annotations

import re
from collections.abc import Callable

#: A cue opens a step; what stands before the first cue is introduction. 首先 and 先 open one, 最后 closes the sequence.
_CUE = re.compile(
    r"(?:^|\n)\s*(?:#+\s*)?(?:\*\*)?(?:\d+[.、)]|[一二三四五六七八九十]、|第[一二三四五六七八九十\d]+[步,:、。]?|步骤[一二三四五六七八九十\d]+)"
    r"|第[一二三四五六七八九十\d]+步?[,:、]?|其[一二三四五][,是:]?|首先|其次|随后|接下来|接着|紧接着|最后|最终|末了|然后|之后|以后|(?<![首优事原预])先(?=[把将做进调配启部安装准检下要来用搞弄运])|[,;。、](?:再|才|后)(?=[把将做进调配启部安装准检下去来用搞弄运])"
)
_BEFORE = (("call", "env"), ("call", "serve"), ("serve", "env"))


def inverted(folded: str, topics: Callable[[str], set[str]]) -> str | None:
    """What comes too early, or None. `topics` tells which of env, serve and call a stretch of text is about.

    Only explicit steps count, and only steps about one topic: introductions name everything in any order.
    """
    marks = [match.end() for match in _CUE.finditer(folded)]
    if len(marks) < 2:
        return None
    steps = [topics(folded[start:end]) for start, end in zip(marks, [*marks[1:], len(folded)], strict=True)]
    for early, late in _BEFORE:
        first_early = next((place for place, step in enumerate(steps) if step == {early}), None)
        first_late = next((place for place, step in enumerate(steps) if late in step), None)
        if (
            first_early is not None
            and first_late is not None
            and first_early < first_late
            and steps[first_late] <= {late, "env"}
        ):
            return f"{early} comes before {late}"
    return None
