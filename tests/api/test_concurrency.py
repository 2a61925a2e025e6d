"""Many requests at once: each gets its own answer, none is lost, and the server stays well."""

from __future__ import annotations

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import concurrency as rules
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Reply
from ernie_conformance.wire.exchange import Exchange


@row("CONC-001")
def test_no_whole_answer_goes_to_another(crowd: Scene) -> None:
    rules.have_no_foreign_code(crowd, "crowd-whole")


@row("CONC-001")
def test_whole_answers_are_counted_apart(crowd: Scene) -> None:
    rules.are_counted_apart(crowd, "crowd-whole")


@row("CONC-002")
def test_no_stream_goes_to_another(crowd: Scene) -> None:
    rules.have_no_foreign_code(crowd, "crowd-stream")


@row("CONC-002")
def test_streams_are_counted_apart(crowd: Scene) -> None:
    rules.are_counted_apart(crowd, "crowd-stream")


@row("CONC-003")
def test_no_answer_about_a_picture_goes_to_another(crowd_with_pictures: Scene) -> None:
    rules.have_no_foreign_code(crowd_with_pictures, "pictured-whole")


@row("CONC-003")
def test_no_stream_about_a_picture_goes_to_another(crowd_with_pictures: Scene) -> None:
    rules.have_no_foreign_code(crowd_with_pictures, "pictured-stream")


@row("CONC-003")
def test_answers_about_pictures_are_counted_apart(crowd_with_pictures: Scene) -> None:
    rules.are_counted_apart(crowd_with_pictures, "pictured-whole")


@row("CONC-003")
def test_streams_about_pictures_are_counted_apart(crowd_with_pictures: Scene) -> None:
    rules.are_counted_apart(crowd_with_pictures, "pictured-stream")


@row("CONC-004")
def test_as_many_as_slots_run_at_once(crowd: Scene) -> None:
    rules.run_side_by_side(crowd)


@row("CONC-005")
def test_more_than_slots_are_answered_or_turned_away(queue: Scene) -> None:
    rules.are_answered_or_turned_away(queue)


@row("CONC-006")
def test_what_waited_is_answered_whole(queue: Scene, plain: Exchange, plain_stream: Exchange) -> None:
    rules.are_answered_whole(queue, plain, plain_stream)


@row("CONC-007")
def test_what_is_turned_away_is_told_why(queue: Scene) -> None:
    rules.are_turned_away_clearly(queue)


@row("CONC-008")
def test_who_leaves_a_stream_frees_the_slot(departing_streams: Scene) -> None:
    rules.slots_are_free(departing_streams, "stream")


@row("CONC-009")
def test_who_leaves_before_the_answer_frees_the_slot(departing_clients: Scene) -> None:
    rules.slots_are_free(departing_clients, "whole")


@row("CONC-010")
def test_a_long_prompt_stalls_no_stream(long_beside: Scene) -> None:
    rules.goes_on(long_beside)


@row("CONC-011")
def test_health_answers_under_load(health_beside: Scene) -> None:
    rules.health_answers(health_beside)


@row("CONC-012")
def test_health_is_well_under_load(health_beside: Scene) -> None:
    rules.health_holds(health_beside)


@row("CONC-013")
def test_health_tells_the_truth(vitals: Scene) -> None:
    rules.health_tells_the_truth(vitals)


@row("CONC-014")
def test_a_kept_connection_takes_another_request(kept: Scene) -> None:
    rules.connections_last(kept)


@row("CONC-015")
def test_wrong_requests_harm_no_good_one(beside_bad: Scene, plain_stream: Exchange) -> None:
    rules.bear_bad_neighbours(beside_bad, plain_stream)


@row("CONC-016")
def test_who_leaves_harms_no_other(neighbour: Scene, plain_stream: Exchange) -> None:
    rules.stays_undisturbed(neighbour, plain_stream)


@row("CONC-016")
def test_who_leaves_takes_no_text_of_others(neighbour: Scene, plain_stream: Exchange, json_schema: Reply) -> None:
    rules.stays_word_for_word(neighbour, plain_stream, json_schema)


@row("CONC-019")
def test_a_format_is_for_its_own_request(format_left: Scene) -> None:
    rules.keeps_no_format(format_left)


@row("CONC-020")
def test_two_requests_with_one_id_are_two(one_id: Scene, plain_stream: Exchange) -> None:
    rules.are_both_answered(one_id, plain_stream)


@row("CONC-021")
def test_who_does_not_read_stops_nobody_else(unread: Scene, plain_stream: Exchange) -> None:
    rules.go_on_beside(unread, plain_stream)


@row("CONC-017")
def test_who_leaves_while_waiting_is_not_served(queue: Scene) -> None:
    rules.slots_are_free(queue, "queued")


@row("CONC-018")
def test_an_answer_begins_anew_after_one_that_was_left(begun_anew: Scene) -> None:
    rules.begins_anew(begun_anew)
