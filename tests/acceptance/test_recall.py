"""What a capable model recalls of a conversation."""

from __future__ import annotations

from ernie_conformance.gather.asks.conversation import RECALLED
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules.conversation import recalls
from ernie_conformance.judge.views import Answer


@row("CHAT-030")
def test_a_code_is_recalled(chat_recall_system: Answer, chat_recall_first: Answer, chat_recall_middle: Answer) -> None:
    recalls([(answer, RECALLED[answer.name]) for answer in (chat_recall_system, chat_recall_first, chat_recall_middle)])
