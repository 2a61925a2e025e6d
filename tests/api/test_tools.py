"""Tool calls and structured output: calls that come when demanded, that programs can read, and answers in JSON.

Where a test takes an exchange that it doesn't use, it is so that it is sent.
"""

from __future__ import annotations

from ernie_conformance.gather.asks import tools as asked
from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.outcome import NotAsked
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import documents
from ernie_conformance.judge.rules import tools as rules
from ernie_conformance.judge.rules.conversation import answer_or_blocked
from ernie_conformance.judge.rules.parameters import is_refused, is_taken
from ernie_conformance.judge.views import Answer, Reply, Stream, view
from ernie_conformance.wire.exchange import Exchange


@row("TOOL-001")
@for_each(called=[ask.name for ask in (*asked.CALLED, *asked.THINKING)])
def test_a_demanded_call_comes(called: Reply) -> None:
    rules.demanded_calls(called)


@row("TOOL-002")
@for_each(called=[ask.name for ask in asked.NAMED])
def test_the_named_function_is_called(called: Reply) -> None:
    rules.names_the_chosen(called)


@row("TOOL-003")
@for_each(uncalled=[ask.name for ask in asked.UNCALLED])
def test_nothing_is_called_where_nothing_may_be(uncalled: Exchange, tool_few: Exchange) -> None:
    is_taken(uncalled, tool_few)
    rules.calls_nothing(view(uncalled))


@row("TOOL-004")
def test_no_tools_need_no_choice(tool_none_without_tools: Exchange, plain: Exchange) -> None:
    is_taken(tool_none_without_tools, plain)


@row("TOOL-005")
def test_a_demanded_call_names_an_offered_function(reply: Reply) -> None:
    rules.names_a_tool(reply)


@row("TOOL-006")
def test_arguments_are_a_json_object(reply: Reply) -> None:
    rules.has_json_arguments(reply)


@row("TOOL-007")
def test_arguments_follow_the_parameters(reply: Reply) -> None:
    rules.follows_its_schema(reply)


@row("TOOL-008")
def test_a_streamed_call_tells_its_id_and_name_once(stream: Stream) -> None:
    rules.tells_each_call_once(stream)


@row("TOOL-009")
def test_indices_count_the_calls(stream: Stream) -> None:
    rules.counts_its_calls(stream)


@row("TOOL-010")
def test_calls_have_ids_of_their_own(reply: Reply) -> None:
    rules.has_own_ids(reply)


@row("TOOL-011")
def test_a_reply_with_calls_says_so(reply: Reply, tool_auto: Reply, tool_auto_stream: Reply) -> None:  # noqa: ARG001
    rules.finishes_with_calls(reply)


@row("TOOL-012")
def test_a_reply_without_calls_announces_none(reply: Reply, tool_idle: Reply, tool_idle_stream: Reply) -> None:  # noqa: ARG001
    rules.finishes_without_calls(reply)


@row("TOOL-013")
def test_no_call_is_left_in_the_text(reply: Reply) -> None:
    rules.has_no_markup(reply)


@row("TOOL-013")
def test_no_call_is_left_in_the_thoughts(tool_auto_thinking: Answer, tool_auto_thinking_stream: Stream) -> None:
    rules.has_no_markup(tool_auto_thinking)
    rules.has_no_markup(tool_auto_thinking_stream)


@row("TOOL-014")
def test_tools_leave_no_answer_empty(reply: Reply) -> None:
    rules.says_something(reply)


@row("TOOL-015")
@for_each(bare=("tool-bare", "tool-bare-stream"))
def test_no_parameters_are_an_empty_object(bare: Reply) -> None:
    rules.gives_empty_object(bare)


@row("TOOL-016")
def test_many_tools_are_taken(tool_many: Exchange, tool_few: Exchange) -> None:
    is_taken(tool_many, tool_few)


@row("TOOL-020")
def test_tools_are_in_the_prompt(tool_many: Exchange, tool_few: Answer) -> None:
    rules.are_in_the_prompt(answer_or_blocked(tool_many, "TOOL-016"), tool_few)


@row("TOOL-024")
def test_descriptions_are_in_the_prompt(tool_told_at_length: Answer, tool_told_briefly: Answer) -> None:
    rules.are_described_in_the_prompt(tool_told_at_length, tool_told_briefly)


@row("TOOL-017")
def test_both_modes_call_the_same_function(tool_required: Answer, tool_required_stream: Stream) -> None:
    rules.call_the_same(tool_required, tool_required_stream)


@row("TOOL-018")
def test_both_modes_make_the_same_call(tool_required: Answer, tool_required_stream: Stream) -> None:
    rules.call_alike(tool_required, tool_required_stream)


@row("TOOL-018")
def test_both_modes_make_the_same_calls(tool_parallel: Answer, tool_parallel_stream: Stream) -> None:
    rules.call_alike(tool_parallel, tool_parallel_stream)


@row("TOOL-021")
@for_each(single=[ask.name for ask in asked.SINGLE])
def test_at_most_one_call_comes_where_no_more_are_wanted(single: Reply) -> None:
    rules.calls_at_most_once(single)


@row("TOOL-019")
@for_each(wrong=asked.BAD_TOOLS)
def test_unreadable_tools_are_refused(wrong: Exchange, tool_few: Exchange) -> None:
    is_refused(wrong, tool_few)


@row("TOOL-022")
@for_each(dictated=[ask.name for ask in asked.DICTATED_CALLS])
def test_dictated_arguments_arrive_as_they_are(dictated: Reply, tool_required: Reply) -> None:
    rules.is_verbatim(dictated, tool_required)


@row("TOOL-025")
def test_calls_of_different_answers_are_told_apart(tool_required: Reply, tool_forced: Reply, tool_named: Reply) -> None:
    rules.are_told_apart([tool_required, tool_forced, tool_named])


@row("TOOL-023")
@for_each(cut=[ask.name for ask in asked.CUT_CALLS])
def test_half_a_call_says_that_it_was_cut(cut: Reply) -> None:
    rules.says_that_it_was_cut(cut)


@row("JSON-001")
@for_each(shaped=[ask.name for ask in asked.SHAPED])
def test_a_schema_is_followed(shaped: Reply) -> None:
    documents.is_shaped(shaped)


@row("JSON-002")
@for_each(jotted=[ask.name for ask in asked.OBJECTS])
def test_json_mode_gets_an_object(jotted: Reply) -> None:
    documents.is_an_object(jotted)


@row("JSON-003")
@for_each(shaped=[ask.name for ask in asked.SHAPED_THINKING])
def test_a_schema_is_followed_after_a_thought(shaped: Reply) -> None:
    documents.is_shaped(shaped)


@row("JSON-004")
@for_each(shaped=[ask.name for ask in asked.SHAPED_THINKING])
def test_a_schema_does_not_forbid_thought(shaped: Reply, thinking: Answer) -> None:
    if not thinking.reasoning.strip():
        raise NotAsked("the model doesn't think without a format either")
    documents.still_thinks(shaped)


@row("JSON-005")
def test_plain_text_is_a_format(json_text: Exchange, plain: Exchange) -> None:
    is_taken(json_text, plain)


@row("JSON-006")
@for_each(wrong=asked.BAD_FORMATS)
def test_unreadable_formats_are_refused(wrong: Exchange, json_schema: Exchange) -> None:
    is_refused(wrong, json_schema)


@row("JSON-007")
@for_each(dictated=[ask.name for ask in asked.DICTATED])
def test_a_dictated_text_arrives_as_it_is(dictated: Reply, json_schema: Reply) -> None:
    documents.is_verbatim(dictated, json_schema)


@row("JSON-009")
@for_each(dictated=[ask.name for ask in asked.DICTATED])
def test_keys_come_in_the_order_of_the_schema(dictated: Reply) -> None:
    documents.keeps_the_order(dictated)


@row("JSON-008")
def test_a_document_that_nothing_limits_comes_whole(json_lengthy: Reply, json_schema: Reply) -> None:
    documents.is_verbatim(json_lengthy, json_schema)
