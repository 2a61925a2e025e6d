"""Pictures in the corners of use: what is right for a plain picture must be right there too."""

from __future__ import annotations

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


@row("USAGE-006")
def test_a_picture_costs_the_same_whole_and_streamed(vis_red: Answer, vis_red_stream: Stream) -> None:
    counts_the_prompt_alike(vis_red, vis_red_stream)
