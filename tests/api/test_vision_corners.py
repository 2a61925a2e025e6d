"""Pictures in the corners of use: what is right for a plain picture must be right there too."""

from __future__ import annotations

from ernie_conformance.gather.asks import vision_corners as asked
from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.outcome import NotAsked
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import naming, sight
from ernie_conformance.judge.rules import vision as rules
from ernie_conformance.judge.rules.answers import counts_the_prompt_alike
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, Stream
from ernie_conformance.wire.exchange import Exchange


@row("VIS-067")
def test_exif_orientation_is_applied_to_large_pictures(vision_corners: Scene, vision_basics: Scene) -> None:
    sight.is_turned_upright_though_large(vision_corners, vision_basics)


@row("VIS-068")
def test_shapes_on_transparent_ground_stay_visible_in_grey(
    vision_corners: Scene, vision_forms: Scene, vision_basics: Scene
) -> None:
    sight.keeps_transparent_ground(vision_forms, vision_basics, vision_corners, "clear-grey")


@row("VIS-068")
def test_shapes_on_transparent_ground_stay_visible_in_a_palette(
    vision_corners: Scene, vision_forms: Scene, vision_basics: Scene
) -> None:
    sight.keeps_transparent_ground(vision_forms, vision_basics, vision_corners, "clear-palette")


@row("VIS-069")
def test_both_ends_of_long_pictures_are_seen(vision_corners: Scene, vision_basics: Scene, vision_details: Scene) -> None:
    sight.tells_every_end(vision_basics, vision_details, vision_corners)


@row("VIS-080")
def test_pictures_of_two_sizes_come_in_their_order(vision_corners: Scene, vision_basics: Scene) -> None:
    naming.names_pictures_in_order(vision_basics, vision_corners, "sized", "rb")


@row("VIS-081")
def test_a_long_text_beside_a_picture_comes_whole(
    vis_red: Answer, vis_red_far: Exchange, vis_none: Answer, vis_none_far: Answer
) -> None:
    rules.is_taken(vis_red_far, vis_red)
    rules.counts_alike((Answer(vis_red_far), vis_red), (vis_none_far, vis_none), "a long text", "LIMIT-010")


@row("VIS-082")
def test_a_picture_counts_beside_a_tools_result(vis_tool_red: Exchange, vis_tool_none: Exchange, vis_red: Answer) -> None:
    if vis_tool_none.status != 200:
        raise NotAsked(f"{vis_tool_none.name}: status {vis_tool_none.status}")
    rules.is_taken(vis_tool_red, vis_red)
    rules.counts(Answer(vis_tool_red), Answer(vis_tool_none), 1, "a picture before a tool's result")


@row("VIS-083")
def test_every_choice_sees_the_picture(
    vision_basics: Scene, vis_choices_r: Exchange, vis_choices_B: Exchange, vis_choices_k: Exchange
) -> None:
    sight.shows_every_choice(vision_basics, [vis_choices_r, vis_choices_B, vis_choices_k])


@row("VIS-084")
def test_a_kept_prefix_minds_every_picture(vision_prefixes: Scene, vision_basics: Scene) -> None:
    sight.minds_the_second_picture(vision_basics, vision_prefixes)


@row("VIS-085")
def test_requests_with_unlike_numbers_of_pictures_are_kept_apart(
    vision_unlike: Scene, vision_again: Scene, vision_basics: Scene
) -> None:
    sight.keeps_unlike_apart(vision_unlike, vision_again, vision_basics)


@row("VIS-086")
def test_broken_pictures_use_nothing_up(vision_burst: Scene, vis_red: Answer) -> None:
    rules.still_sees(vision_burst, vis_red)


@row("VIS-087")
@for_each(typed=[ask.name for ask in asked.TYPED])
def test_a_typed_mark_is_text(typed: Exchange, vis_red: Answer) -> None:
    rules.is_text(typed, vis_red)


@row("VIS-094")
def test_a_picture_of_a_system_message_counts(vis_in_system: Exchange, vis_none_system: Answer) -> None:
    rules.counts(rules.seen_or_refused(vis_in_system), vis_none_system, 1, "a picture in a system message")


@row("VIS-088")
def test_pictures_that_do_not_fit_are_not_left_out(
    vis_overflow: Exchange, vis_size_3024x2016: Exchange, vis_none: Answer
) -> None:
    rules.loses_no_picture(vis_overflow, asked.OVER, vis_size_3024x2016, vis_none)


@row("VIS-089")
def test_a_picture_across_parts_of_a_prompt_is_seen(vision_cut: Scene, vision_basics: Scene, vision_details: Scene) -> None:
    sight.sees_behind_a_long_text(vision_basics, vision_details, vision_cut)


@row("VIS-090")
def test_refused_and_left_pictures_show_nowhere_else(vision_left: Scene, vision_basics: Scene) -> None:
    naming.sees_its_own(vision_left, vision_basics)


@row("VIS-091")
def test_pictures_keep_their_place_behind_a_plain_message(vision_basics: Scene, vision_led: Scene) -> None:
    sight.keeps_turns(vision_basics, vision_led, "vis-led")


@row("VIS-092")
def test_mirrored_orientations_are_applied(vision_forms: Scene, vision_basics: Scene) -> None:
    sight.is_mirrored_as_stored(vision_forms, vision_basics)


@row("VIS-093")
def test_progressive_jpeg_shows_the_colours_of_png(vision_forms: Scene, vision_basics: Scene) -> None:
    sight.keeps_colours(vision_forms, vision_basics, "progressive", ("vis-pure-B", "vis-red"))


@row("USAGE-006")
def test_a_picture_costs_the_same_whole_and_streamed(vis_red: Answer, vis_red_stream: Stream) -> None:
    counts_the_prompt_alike(vis_red, vis_red_stream)
