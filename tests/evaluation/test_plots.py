"""Pictures: what is in them, as the SVG has it."""

import pytest

from edgert.evaluation.day import make_day
from edgert.evaluation.family import wide_profile
from edgert.evaluation.plots import day_plot, shares_plot
from edgert.evaluation.results import ORACLE
from edgert.evaluation.run import drive
from edgert.evaluation.table import rows_of
from edgert.evaluation.variants import VARIANTS
from tests.evaluation.test_table import LINES, line

pytest.importorskip("matplotlib")


def test_shares_have_a_bar_for_each_controller_and_say_simulated():
    other = [line("alert", 1, 0.5, scenario="power"), line(ORACLE, 1, 0.7, scenario="power")]
    lines = [*LINES, *other]
    svg = shares_plot(rows_of(lines), "nominal", kind="svg").decode()
    for words in ("both", "power", "alert", "predictive", "simulated days, no device"):
        assert words in svg


def test_bars_of_those_who_broke_a_limit_are_pale():
    def pale(**values):
        lines = [line("alert", 1, 0.6, **values), line(ORACLE, 1, 0.75)]
        return "opacity: 0.3" in shares_plot(rows_of(lines), "nominal", kind="svg").decode()

    assert not pale()
    assert pale(hot_s=1.0)
    assert pale(broken_window_ratio=0.5)
    assert pale(overdrawn_j=3.0)


def test_what_lies_below_the_axis_is_told_in_figures():
    for accuracy, told in ((0.3, True), (0.6, False)):
        lines = [line("alert", 1, accuracy), line(ORACLE, 1, 0.75)]
        svg = shares_plot(rows_of(lines), "nominal", kind="svg").decode()
        assert (">40%<" in svg) == told


def test_one_day_shows_configuration_temperature_and_power():
    day, profile = make_day("both", 1, duration_s=20), wide_profile()
    tallies = {name: drive(name, day, profile, VARIANTS["nominal"])
               for name in ("ladder", "fixed-cheapest")}  # fmt: skip
    svg = day_plot(day, tallies, kind="svg").decode()
    for words in ("w310", "w75", "die, °C", "power, W", "ladder", "fixed-cheapest", "limit",
                  "both, seed 1; simulated days, no device"):  # fmt: skip
        assert words in svg
    assert svg.encode() == day_plot(day, tallies, kind="svg")


def test_day_without_limits_and_without_frames_is_drawn_as_well():
    day = make_day("deadline", 1, duration_s=3)
    assert b"limit" not in day_plot(day, {}, kind="svg")
