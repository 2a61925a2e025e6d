"""Pictures: what they cost, whether they are seen, in which forms they are taken, and what is never fetched."""

from __future__ import annotations

from ernie_conformance.gather.asks import vision as asked
from ernie_conformance.judge.judge import for_each
from ernie_conformance.judge.outcome import expect
from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules import naming, sight
from ernie_conformance.judge.rules import vision as rules
from ernie_conformance.judge.rules.errors import is_refused
from ernie_conformance.judge.subjects import Scene
from ernie_conformance.judge.views import Answer, EventStream
from ernie_conformance.targets import Target
from ernie_conformance.wire.exchange import Exchange


@row("VIS-001")
def test_a_picture_makes_the_prompt_longer(vis_red: Answer, vis_none: Answer) -> None:
    rules.counts(vis_red, vis_none, 1, "a picture")


@row("VIS-002")
@for_each(sized=asked.SHAPES)
def test_a_picture_costs_what_ernie_says(sized: Exchange, vis_none: Answer) -> None:
    rules.costs_what_ernie_says(sized, vis_none)


@row("VIS-002")
def test_several_pictures_cost_their_sum(vision_basics: Scene, vision_several: Scene) -> None:
    rules.several_cost_their_sum(vision_basics, vision_several)


@row("VIS-003")
def test_pictures_are_told_apart(vision_basics: Scene) -> None:
    sight.tells_pictures_apart(vision_basics)


@row("VIS-004")
def test_colours_of_one_brightness_are_told_apart(vision_basics: Scene) -> None:
    sight.tells_colours(vision_basics)


@row("VIS-005")
def test_what_is_painted_where_is_seen(vision_basics: Scene, vision_details: Scene) -> None:
    sight.tells_structure(vision_basics, vision_details)


@row("VIS-006")
def test_every_side_is_seen(vision_basics: Scene, vision_details: Scene) -> None:
    sight.tells_every_side(vision_basics, vision_details)


@row("VIS-007")
def test_large_pictures_keep_their_content(vision_basics: Scene, vision_details: Scene) -> None:
    sight.tells_structure_of_large(vision_basics, vision_details)


@row("VIS-008")
def test_several_pictures_are_taken(vision_basics: Scene, vision_several: Scene) -> None:
    rules.are_taken(vision_several, vision_basics, ("pair-rk", "pair-kr", "four-rBrg", "big-and-red", "three"))


@row("VIS-009")
def test_each_further_picture_counts(vision_basics: Scene, vision_several: Scene) -> None:
    rules.counts_each(vision_basics, vision_several)


@row("VIS-010")
def test_each_of_several_pictures_is_seen(vision_basics: Scene, vision_several: Scene) -> None:
    sight.tells_each_of_several(vision_basics, vision_several)


@row("VIS-011")
def test_a_picture_twice_costs_what_two_cost(vision_several: Scene) -> None:
    same, other = (sight.told(vision_several, f"vis-pair-{pair}", sight.SEVERAL) for pair in ("rr", "rk"))
    detail = f"{same.name} costs {rules.tokens(same)}, {other.name} {rules.tokens(other)} prompt tokens"
    expect(rules.tokens(same) == rules.tokens(other), detail, same, other)


@row("VIS-066")
def test_a_picture_that_comes_again_stands_at_its_place(vision_basics: Scene, vision_several: Scene) -> None:
    sight.keeps_repeated_pictures(vision_basics, vision_several)


@row("VIS-012")
def test_a_picture_of_an_earlier_turn_counts(vis_history_r: Answer, vis_history_none: Answer) -> None:
    rules.counts(vis_history_r, vis_history_none, 1, "a picture of an earlier turn")


@row("VIS-012")
def test_a_picture_of_an_earlier_turn_is_seen(
    vision_basics: Scene, vis_history_r: Answer, vis_history_g: Answer, vis_history_b: Answer
) -> None:
    sight.tells_history(vision_basics, [vis_history_r, vis_history_g, vis_history_b])


@row("VIS-013")
def test_text_beside_a_picture_counts(
    vis_red: Answer, vis_red_long: Answer, vis_none: Answer, vis_none_long: Answer
) -> None:
    rules.counts_alike((vis_red_long, vis_red), (vis_none_long, vis_none), "text before and after a picture", "CHAT-006")


@row("VIS-014")
def test_a_system_message_beside_a_picture_counts(
    vis_red: Answer, vis_red_system: Exchange, vis_none: Answer, vis_none_system: Answer
) -> None:
    taken = vis_red_system.status == 200
    expect(taken, f"{vis_red_system.name}: status {vis_red_system.status}: {vis_red_system.text[:120]}", vis_red_system)
    rules.counts_alike(
        (Answer(vis_red_system), vis_red), (vis_none_system, vis_none), "a system message beside a picture", "CHAT-001"
    )


@row("VIS-015")
def test_an_answer_is_about_its_own_picture(vision_again: Scene, vision_basics: Scene) -> None:
    sight.answers_about_this_picture(vision_again, vision_basics)


@row("VIS-016")
def test_a_picture_asked_again_is_answered_again(vision_again: Scene) -> None:
    rules.is_answered_again(vision_again)


@row("VIS-017")
def test_pictures_side_by_side_are_kept_apart(vision_again: Scene, vision_basics: Scene) -> None:
    sight.keeps_pictures_apart(vision_again, vision_basics)


@row("VIS-018")
def test_a_stream_about_a_picture_says_something(vis_red: Answer, vis_red_stream: EventStream) -> None:
    rules.says_as_much(vis_red, vis_red_stream)


@row("VIS-020")
def test_jpeg_is_taken(vision_forms: Scene, vision_basics: Scene) -> None:
    rules.are_taken(vision_forms, vision_basics, asked.COMMON)


@row("VIS-021")
def test_webp_and_gif_are_taken(vision_forms: Scene, vision_basics: Scene) -> None:
    rules.are_taken(vision_forms, vision_basics, asked.OTHERS)


@row("VIS-022")
def test_grey_palette_and_alpha_are_taken(vision_forms: Scene, vision_basics: Scene) -> None:
    rules.are_taken(vision_forms, vision_basics, asked.MODES)


@row("VIS-023")
def test_rare_modes_are_taken(vision_forms: Scene, vision_basics: Scene) -> None:
    rules.are_taken(vision_forms, vision_basics, asked.RARE)


@row("VIS-024")
def test_every_format_costs_the_same(vision_forms: Scene, vision_basics: Scene) -> None:
    rules.costs_the_same(vision_forms, vision_basics, asked.FORMATS)


@row("VIS-025")
def test_jpeg_shows_the_colours_of_png(vision_forms: Scene, vision_basics: Scene) -> None:
    sight.keeps_colours(vision_forms, vision_basics, "jpeg", ("vis-pure-B", "vis-red"))
    sight.keeps_colours(vision_forms, vision_basics, "jpeg", ("vis-pure-C", "vis-pure-Y"))


@row("VIS-028")
def test_webp_shows_the_colours_of_png(vision_forms: Scene, vision_basics: Scene) -> None:
    sight.keeps_colours(vision_forms, vision_basics, "webp", ("vis-pure-B", "vis-red"))


@row("VIS-028")
def test_cmyk_shows_the_colours_of_png(vision_forms: Scene, vision_basics: Scene) -> None:
    sight.keeps_colours(vision_forms, vision_basics, "cmyk", ("vis-pure-C", "vis-pure-Y"))


@row("VIS-026")
def test_exif_orientation_is_applied(vision_forms: Scene, vision_basics: Scene) -> None:
    sight.is_turned_upright(vision_forms, vision_basics)


@row("VIS-027")
def test_shapes_on_transparent_ground_stay_visible(vision_forms: Scene, vision_basics: Scene) -> None:
    sight.keeps_transparent_ground(vision_forms, vision_basics)


@row("VIS-030")
@for_each(tiny=asked.TINY)
def test_tiny_pictures_are_answered_or_refused(tiny: Exchange, vis_none: Answer) -> None:
    rules.is_taken_or_refused(tiny, vis_none, "a tiny picture")


@row("VIS-031")
@for_each(long=asked.WIDE)
def test_long_pictures_are_answered_or_refused(long: Exchange, vis_none: Answer) -> None:
    rules.is_taken_or_refused(long, vis_none, "a very long picture")


@row("VIS-032")
@for_each(large=("vis-size-1176x336", "vis-size-3024x2016", "vis-heavy"))
def test_large_pictures_are_taken(large: Exchange, vis_red: Answer) -> None:
    rules.is_taken(large, vis_red)


@row("VIS-033")
@for_each(detailed=("vis-detail-auto", "vis-detail-low", "vis-detail-high"))
def test_detail_is_accepted(detailed: Exchange, vis_red: Answer) -> None:
    rules.is_taken(detailed, vis_red)


@row("VIS-034")
def test_a_picture_without_text_is_answered(vis_only: Exchange, vis_red: Answer) -> None:
    rules.is_taken(vis_only, vis_red)


@row("VIS-035")
def test_very_many_pictures_are_counted_or_refused(vis_many: Exchange, vis_many_stream: Exchange, vis_none: Answer) -> None:
    for many in (vis_many, vis_many_stream):
        rules.is_counted_or_refused(many, vis_none, 101)


@row("VIS-036")
@for_each(sloppy=asked.SLOPPY)
def test_sloppy_data_uris_are_understood_or_refused(sloppy: Exchange, vis_none: Answer) -> None:
    rules.is_taken_or_refused(sloppy, vis_none, "a sloppy data URI")


@row("VIS-040")
@for_each(unread=(*asked.UNREADABLE, *asked.UNHAD, *asked.PARTS))
def test_what_cannot_be_read_is_not_answered(unread: Exchange, vis_red: Answer) -> None:
    is_refused(unread, vis_red)


@row("VIS-040")
def test_an_address_that_is_not_fetched_is_not_answered(vision_loopback: Scene) -> None:
    rules.drops_no_address(vision_loopback)


@row("VIS-041")
@for_each(broken=asked.BROKEN)
def test_a_broken_picture_is_not_answered(broken: Exchange, vis_red: Answer) -> None:
    is_refused(broken, vis_red)


@row("VIS-042")
def test_a_picture_that_claims_to_be_enormous_is_refused(vis_bomb: Exchange, vis_red: Answer) -> None:
    is_refused(vis_bomb, vis_red)


@row("VIS-050")
def test_no_file_is_opened(vision_files: Scene, vis_none: Answer) -> None:
    rules.opens_no_file(vision_files, vis_none)


@row("VIS-051")
def test_no_address_inside_is_fetched(vision_loopback: Scene) -> None:
    rules.knocks_nowhere(vision_loopback)


@row("VIS-052")
def test_an_unreachable_picture_is_refused_soon(vision_unreachable: Scene, target: Target) -> None:
    rules.gives_up(vision_unreachable.note("picture"), target.timeouts.disruptive)


@row("VIS-053")
def test_an_unreachable_picture_blocks_nobody(vision_unreachable: Scene) -> None:
    rules.blocks_nobody(vision_unreachable)


@row("VIS-060")
def test_no_channels_are_exchanged_or_inverted(vision_forms: Scene, vision_basics: Scene) -> None:
    naming.names_colours_that_were_sent(vision_forms, vision_basics)


@row("VIS-061")
def test_pictures_come_in_the_order_in_which_they_were_sent(vision_basics: Scene, vision_several: Scene) -> None:
    naming.names_pictures_in_order(vision_basics, vision_several)


@row("VIS-065")
def test_pictures_of_two_turns_come_in_their_order(vision_basics: Scene, vision_several: Scene) -> None:
    naming.names_pictures_in_order(vision_basics, vision_several, "turns", "rb")


@row("VIS-062")
def test_no_picture_is_mirrored_or_turned(vision_basics: Scene, vision_details: Scene) -> None:
    naming.names_sides_that_were_painted(vision_basics, vision_details)


@row("VIS-063")
def test_texts_and_pictures_stay_in_turns(vision_basics: Scene, vision_mixed: Scene) -> None:
    sight.keeps_turns(vision_basics, vision_mixed)


@row("VIS-064")
def test_a_palette_shows_the_colours_of_png(vision_forms: Scene, vision_basics: Scene) -> None:
    naming.keeps_named_colours(vision_forms, vision_basics, {"palette": "red", "palette-blue": "blue", "rgba": "red"})
