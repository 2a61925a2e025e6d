"""What a capable model says of plain pictures: short questions, three or four of each kind; one slip is no verdict."""

from __future__ import annotations

from ernie_conformance.judge.rows import row
from ernie_conformance.judge.rules.sight import mostly
from ernie_conformance.wire.exchange import Exchange


@row("VIS-070")
def test_a_solid_colour_is_named(vis_name_red: Exchange, vis_name_blue: Exchange, vis_name_yellow: Exchange) -> None:
    mostly([(vis_name_red, "红|red"), (vis_name_blue, "蓝|blue"), (vis_name_yellow, "黄|yellow")], "a solid colour")


@row("VIS-071")
def test_the_side_is_named(
    vis_where_left: Exchange, vis_where_right: Exchange, vis_where_top: Exchange, vis_where_bottom: Exchange
) -> None:
    sides = [(vis_where_left, "左"), (vis_where_right, "右"), (vis_where_top, "上|顶"), (vis_where_bottom, "下|底")]
    mostly(sides, "the side on which red stands")


@row("VIS-072")
def test_the_right_one_of_two_is_named(
    vis_which_red_blue: Exchange, vis_which_blue_red: Exchange, vis_which_black_red: Exchange
) -> None:
    which = [(vis_which_red_blue, "1|一"), (vis_which_blue_red, "2|二"), (vis_which_black_red, "2|二")]
    mostly(which, "which of two pictures is red")


@row("VIS-073")
def test_large_digits_are_read(vis_read_418: Exchange, vis_read_295: Exchange, vis_read_736: Exchange) -> None:
    mostly([(vis_read_418, "418"), (vis_read_295, "295"), (vis_read_736, "736")], "a number in large digits")


@row("VIS-074")
def test_squares_are_counted(vis_count_1: Exchange, vis_count_2: Exchange, vis_count_3: Exchange) -> None:
    mostly([(vis_count_1, "1|一"), (vis_count_2, "2|二|两"), (vis_count_3, "3|三")], "a few squares")
