"""The four plots."""

import re

import msgspec
import pytest

from edgert.records import FrameLog, Limits, Profile, ProfileEntry, RunHeader
from edgert.report.plots import mark_of, svg_from_run

PROFILE = Profile(
    family="f",
    device="d",
    entries=[
        ProfileEntry(name="full", latency_s=0.08),
        ProfileEntry(name="small", latency_s=0.04),
    ],
)
LIMITS = Limits(deadline_s=0.1, power_w=11.0, temp_c=70.0)


def header(**values):
    plain = {"family": "f", "source": "s", "device": "d", "controller": "c", "limits": LIMITS,
             "provenance": "emulated", "configurations": ["full", "small"]}  # fmt: skip
    return RunHeader(**{**plain, **values})


def run(count, *, late=lambda k: False, names=("full",), **values):
    return [
        FrameLog(
            frame=k, time_s=k * 0.1, configuration=names[k * len(names) // count], reason="r",
            latency_s=0.12 if late(k) else 0.05, met_deadline=not late(k), power_w=10.0,
            temp_c=65.0, **values,
        )
        for k in range(count)
    ]  # fmt: skip


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def dots(svg, color):
    return len(re.findall(rf"<use [^>]*fill: {color}", svg))


@pytest.mark.parametrize("provenance", ["emulated", "measured", "modelled"])
def test_the_axes_say_where_power_and_temperature_come_from(provenance):
    names = texts(svg_from_run(header(provenance=provenance), run(20), PROFILE))
    assert f"temperature, °C ({provenance})" in names
    assert f"power, W ({provenance})" in names
    assert {"latency, ms", "configuration", "time, s"} <= set(names)
    assert sum("emulated" in name for name in names) == (2 if provenance == "emulated" else 0)


def test_without_provenance_there_is_no_mark():
    assert mark_of(header(provenance=None)) == ""
    names = texts(svg_from_run(header(provenance=None), run(20), PROFILE))
    assert {"temperature, °C", "power, W"} <= set(names)


def test_limits_stand_above_their_plots_and_only_where_there_are_any():
    named = texts(svg_from_run(header(), run(20), PROFILE))
    assert {"- - limit 70 °C", "- - budget 11 W", "- - deadline 100 ms"} <= set(named)
    none = texts(svg_from_run(header(limits=Limits()), run(20), PROFILE))
    assert not [name for name in none if name.startswith("- -")]


def test_configurations_are_listed_dearest_on_top_with_unknown_ones_below():
    frames = run(30, names=("full", "gone", "small"))
    svg = svg_from_run(header(), frames, PROFILE)
    heights = {
        name: float(re.search(rf'y="([0-9.]+)"[^>]*>{name}</text>', svg).group(1))
        for name in ("full", "small", "gone")
    }
    assert heights["full"] < heights["small"] < heights["gone"]  # y grows downwards


def test_each_late_frame_has_a_dot_however_long_the_run():
    """A single late frame among thousands is what one looks for."""
    for count in (100, 9001):
        svg = svg_from_run(header(), run(count, late=lambda k: k in (7, 50)), PROFILE)
        assert dots(svg, "#c8402f") == 2
        assert any("\N{BULLET} late" in text for text in texts(svg))
    assert not any(
        "\N{BULLET} late" in text for text in texts(svg_from_run(header(), run(50), PROFILE))
    )


def test_when_all_are_late_the_dots_are_bounded():
    svg = svg_from_run(header(), run(9000, late=lambda k: True), PROFILE)
    assert 500 <= dots(svg, "#c8402f") <= 1000
    assert len(svg) < 600_000


def test_nothing_is_taken_for_a_formula():
    entry = ProfileEntry(name="a$b$c", latency_s=0.1)
    profile = Profile(family="f", device="d", entries=[entry])
    svg = svg_from_run(header(), run(5, names=("a$b$c",)), profile)
    assert "a$b$c" in texts(svg)


def test_what_was_not_read_is_said():
    bare = [FrameLog(frame=0, time_s=0.0, configuration="full", reason="r")]
    assert texts(svg_from_run(header(), bare, PROFILE)).count("not read") == 3


def test_the_same_run_gives_the_same_bytes_and_no_clip_path_is_lost():
    drawn = {svg_from_run(header(), run(60, late=lambda k: k == 3), PROFILE) for _ in range(5)}
    assert len(drawn) == 1
    svg = drawn.pop()
    used = set(re.findall(r"url\(#(\w+)\)", svg))
    assert used
    assert used <= set(re.findall(r'<clipPath id="(\w+)"', svg))
    assert "matplotlib.org" not in svg


def test_a_limit_that_changes_is_a_step_and_told_as_a_range():
    frames = run(20)
    changed = Limits(deadline_s=0.1, power_w=8.0)  # and no limit on temperature any more
    frames[10] = msgspec.structs.replace(frames[10], limits=changed)
    svg = svg_from_run(header(), frames, PROFILE)
    assert {"- - limit 70 °C", "- - budget 8 to 11 W", "- - deadline 100 ms"} <= set(texts(svg))
    assert svg != svg_from_run(header(), run(20), PROFILE)
