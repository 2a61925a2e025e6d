"""Messages: every role, turn and part reaches the model, in every form that clients send."""

from __future__ import annotations

from ernie_conformance.gather.asks import conversation as asked
from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.outcome import Blocked, expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import conversation as rules
from ernie_conformance.judge.rules.errors import is_taken_or_refused
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, Stream
from ernie_conformance.wire.exchange import Exchange


@row("CHAT-001")
def test_a_system_message_is_in_the_prompt(
    chat_system: Exchange, chat_system_short: Exchange, chat_base_system: Answer, chat_base: Answer
) -> None:
    long, short = (rules.taken(exchange, "a system message") for exchange in (chat_system, chat_system_short))
    rules.counts(long, short, chat_base_system, chat_base, "a system message")


@row("CHAT-002")
def test_an_earlier_turn_is_in_the_prompt(chat_earlier: Answer, chat_base_earlier: Answer, chat_base: Answer) -> None:
    rules.counts(chat_earlier, chat_base, chat_base_earlier, chat_base, "an earlier turn of the user")


@row("CHAT-003")
def test_what_the_assistant_said_is_in_the_prompt(
    chat_replied: Answer, chat_earlier: Answer, chat_base_replied: Answer, chat_base_earlier: Answer, chat_base: Answer
) -> None:
    if rules.earlier_lost(chat_earlier, chat_base_earlier, chat_base):
        raise Blocked("CHAT-002", "the user's earlier turn is lost too", chat_earlier)
    grown = rules.tokens(chat_replied) - rules.tokens(chat_earlier)
    owed = rules.tokens(chat_base_replied) - rules.tokens(chat_base)
    # The shorter history has a reply of one word, whose few tokens the longer one hasn't.
    expect(grown >= rules.KEPT * owed - 4, f"{chat_replied.name}: a reply of {owed} tokens adds {grown}", chat_replied)


@row("CHAT-004")
def test_a_long_history_is_in_the_prompt(
    chat_turns: Answer, chat_base_turns: Answer, chat_earlier: Answer, chat_base_earlier: Answer, chat_base: Answer
) -> None:
    if rules.earlier_lost(chat_earlier, chat_base_earlier, chat_base):
        raise Blocked("CHAT-002", "not even one earlier turn is in the prompt", chat_earlier)
    rules.counts(chat_turns, chat_base, chat_base_turns, chat_base, "a history of twelve turns")


@row("CHAT-005")
def test_content_may_be_a_list(chat_list: Exchange, chat_base: Answer) -> None:
    told = rules.taken(chat_list, f"content as a list ({chat_base.name} as text is)")
    rules.adds_at_least(told, chat_base, -2, "a list instead of a text")  # a template may join them with other white space


@row("CHAT-006")
def test_every_text_part_is_in_the_prompt(
    chat_parts: Exchange, chat_list: Exchange, chat_base_parts: Answer, chat_base: Answer
) -> None:
    rules.answer_or_blocked(chat_list, "CHAT-005")
    told = rules.taken(chat_parts, "a list of text parts")
    rules.counts(told, chat_base, chat_base_parts, chat_base, "a list of text parts")


@row("CHAT-007")
def test_no_words_are_added_to_parts(chat_parts: Exchange, chat_base_parts: Answer) -> None:
    told = rules.answer_or_blocked(chat_parts, "CHAT-006")
    rules.adds_nothing(told, chat_base_parts, len(asked.PARTS))


@row("CHAT-008")
def test_a_long_message_is_in_the_prompt_whole(
    chat_paragraphs_4: Answer, chat_paragraphs_8: Answer, chat_base: Answer
) -> None:
    rules.grows_on(chat_paragraphs_4, chat_paragraphs_8, chat_base)


@row("CHAT-009")
@for_each(signs=asked.SIGNS)
def test_no_script_is_dropped(signs: Answer, chat_base: Answer) -> None:
    text, least = asked.SIGNS[signs.name]
    rules.adds_at_least(signs, chat_base, least, f"the text {text[:12]}...")


@row("CHAT-010")
def test_capitals_are_kept(
    chat_case_0_upper: Answer,
    chat_case_0_lower: Answer,
    chat_case_1_upper: Answer,
    chat_case_1_lower: Answer,
    chat_case_2_upper: Answer,
    chat_case_2_lower: Answer,
) -> None:
    first, second = (chat_case_0_upper, chat_case_0_lower), (chat_case_1_upper, chat_case_1_lower)
    rules.differ_by_case([first, second, (chat_case_2_upper, chat_case_2_lower)])


@row("CHAT-011")
def test_white_space_is_kept(chat_blanks: Answer, chat_no_blanks: Answer) -> None:
    rules.adds_at_least(chat_blanks, chat_no_blanks, 3, "white space of several kinds")


@row("CHAT-012")
@for_each(marked=asked.MARKERS)
def test_text_like_markup_is_not_dropped(marked: Exchange, chat_base: Answer) -> None:
    told = rules.taken(marked, f"{asked.MARKERS[marked.name]} in a text")
    rules.adds_at_least(told, chat_base, asked.REPEATS, f"{asked.MARKERS[marked.name]}, ten times,")


@row("CHAT-013")
@for_each(marked=asked.MARKERS)
def test_text_like_markup_is_text(marked: Exchange, chat_base: Answer) -> None:
    told = rules.answer_or_blocked(marked, "CHAT-012")
    if rules.tokens(told) - rules.tokens(chat_base) < asked.REPEATS:
        raise Blocked("CHAT-012", f"{marked.name} is dropped", told)
    what = f"{asked.MARKERS[marked.name]}, ten times, read as text and not as a control token,"
    rules.adds_at_least(told, chat_base, 3 * asked.REPEATS // 2, what)  # a control token is one; such text is two or more


@row("CHAT-014")
@for_each(odd=asked.ODD)
def test_odd_turns_are_answered_or_refused(odd: Exchange) -> None:
    is_taken_or_refused(odd)


@row("CHAT-015")
def test_null_content_beside_a_call_is_taken(chat_null_with_call: Exchange, chat_tool_result: Exchange) -> None:
    rules.answer_or_blocked(chat_tool_result, "CHAT-017")
    rules.taken(chat_null_with_call, "content null beside tool_calls")


@row("CHAT-016")
@for_each(listed=("chat-list-with-call", "chat-no-calls"))
def test_empty_lists_are_taken(listed: Exchange, chat_tool_result: Exchange) -> None:
    rules.answer_or_blocked(chat_tool_result, "CHAT-017")
    rules.taken(listed, "an empty list")


@row("CHAT-017")
def test_a_tool_result_is_in_the_prompt(
    chat_tool_result: Exchange, chat_tool_short: Exchange, chat_base_earlier: Answer, chat_base: Answer
) -> None:
    result, short = (rules.taken(e, "a tool's result") for e in (chat_tool_result, chat_tool_short))
    rules.counts(result, short, chat_base_earlier, chat_base, "a tool's result")


@row("CHAT-031")
def test_a_tool_result_in_parts_is_in_the_prompt(
    chat_tool_parts: Exchange, chat_tool_short: Exchange, chat_base_earlier: Answer, chat_base: Answer
) -> None:
    parts = rules.taken_if_any(chat_tool_parts, "text parts of a tool")
    rules.counts(parts, rules.taken(chat_tool_short, "a tool's result"), chat_base_earlier, chat_base, "a tool's result")


@row("CHAT-032")
@for_each(bare=("chat-replied-empty-calls", "chat-replied-null-calls"))
def test_a_reply_with_no_calls_keeps_its_text(bare: Exchange, chat_replied: Answer) -> None:
    rules.costs_no_less(rules.taken_if_any(bare, "replies without calls"), chat_replied, "the reply")


@row("CHAT-018")
@for_each(both=("chat-systems-first", "chat-systems-second"))
def test_each_of_two_system_messages_is_in_the_prompt(
    both: Exchange, chat_systems_short: Exchange, chat_base_system: Answer, chat_base: Answer
) -> None:
    one, short = (rules.taken_if_any(exchange, "two system messages") for exchange in (both, chat_systems_short))
    rules.counts(one, short, chat_base_system, chat_base, "one of two system messages")


@row("CHAT-023")
def test_a_developer_message_is_in_the_prompt(
    chat_developer_long: Exchange, chat_developer_short: Exchange, chat_base_system: Answer, chat_base: Answer
) -> None:
    long, short = (rules.taken_if_any(e, "developer messages") for e in (chat_developer_long, chat_developer_short))
    rules.counts(long, short, chat_base_system, chat_base, "a developer message")


@row("CHAT-019")
def test_text_parts_keep_their_order(parts_in_order: Scene) -> None:
    rules.keep_their_order(parts_in_order)


@row("CHAT-020")
def test_roles_are_what_was_sent(chat_order: Answer, chat_no_system: Answer) -> None:
    rules.reports_roles(chat_order, asked.ROLES)
    rules.reports_roles(chat_no_system, ["user"])


@row("CHAT-021")
def test_turns_keep_their_order_and_letters(chat_order: Answer) -> None:
    rules.reports_in_order(chat_order, asked.CODES)


@row("CHAT-025")
def test_the_beginning_of_a_long_conversation_reaches_the_model(long_conversations: Scene) -> None:
    rules.keeps_the_beginning(long_conversations)


@row("CHAT-022")
def test_a_quoted_think_tag_is_text(chat_think_quoted: Answer, chat_think_quoted_stream: Stream) -> None:
    for reply in (chat_think_quoted, chat_think_quoted_stream):
        expect("</think>" in reply.content, f"{reply.name}: the quoted </think> is cut away: {reply.content[:80]!r}", reply)
