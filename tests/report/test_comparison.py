"""Runs side by side: the page, the plot, the table."""

import re

import msgspec
import pytest

from edgert.records import Limits, TracePoint
from edgert.report.comparison import comparison_rows, unlike, write_comparison
from edgert.report.comparison_plot import color_of, comparison_plot
from edgert.report.run_figures import figures_from_run
from tests.report.comparisons import frame, header, run
from tests.report.test_page import Nesting, text_of

RUNS = [run("predictive"), run("ladder", count=30), run("fixed-dearest", count=12)]
TRACE = [
    TracePoint(time_s=0, ambient_c=25.0, tag="morning"),
    TracePoint(time_s=10, ambient_c=45.0),
    TracePoint(time_s=12, power_limit_w=9.0, tag="<b>battery</b>"),
    TracePoint(time_s=500, ambient_c=20.0, tag="never reached"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "c.html"
    write_comparison(path, RUNS, trace=TRACE)
    return path.read_text(encoding="utf-8")


def test_the_page_is_whole_and_fetches_nothing(page):
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []
    assert {tag for tag, _ in parser.seen}.isdisjoint({"script", "link", "img", "iframe"})
    assert not re.search(r"url\((?!#)", page)
    assert "<b>battery</b>" not in page


def test_the_page_has_a_row_and_a_bar_for_each_run_and_says_emulated(page):
    text = text_of(page)
    for word in ("predictive", "ladder", "fixed-dearest", "bikes.mp4", "miou of X"):
        assert word in text, word
    assert "/clips/" not in text
    assert page.count("<tr>") == 4
    assert page.count("class=shares>") == 3
    assert "are <b>emulated</b>" in page
    assert "power, W (emulated)" in page


def test_each_run_has_a_colour_of_its_own_in_every_plot():
    svg = comparison_plot(RUNS, kind="svg").decode()
    assert len({color_of(place) for place in range(3)}) == 3
    for place in range(3):
        # configuration, temperature, power, accuracy, legend
        assert len(re.findall(rf"stroke: {color_of(place)}", svg)) >= 5


def test_air_and_tags_are_drawn_as_far_as_the_runs_go():
    bare = comparison_plot(RUNS, kind="svg").decode()
    svg = comparison_plot(RUNS, trace=TRACE, kind="svg").decode()
    assert "morning" in svg
    assert "air around the board" in svg
    assert "never reached" not in svg
    assert "air around the board" not in bare


def test_limits_that_change_are_told_as_a_range():
    svg = comparison_plot(RUNS, kind="svg").decode()
    assert "- - budget 9 to 11 W" in svg
    assert "- - limit 70 °C" in svg


def test_the_same_runs_give_the_same_bytes_and_a_picture_is_one():
    assert comparison_plot(RUNS, kind="svg") == comparison_plot(RUNS, kind="svg")
    assert comparison_plot(RUNS).startswith(b"\x89PNG")


def test_a_long_run_stays_small():
    long = run(count=20_000)
    assert len(comparison_plot([long], kind="svg")) < 600_000


def test_what_is_not_known_is_left_out():
    frames = [frame(k, power_w=None, temp_c=None, configuration="gone") for k in range(3)]
    unknown = (header("ladder", provenance=None), frames)
    [row] = comparison_rows([figures_from_run(*unknown)])
    assert (row["accuracy"], row["energy"], row["hottest"]) == ("n/a",) * 3
    assert b"<svg" in comparison_plot([unknown], kind="svg")


def test_a_run_without_its_profile_is_refused():
    with pytest.raises(ValueError, match="without its profile"):
        comparison_plot([(header(profile=None), [frame(0)])])


def test_runs_of_other_conditions_are_told(tmp_path):
    other = header("ladder", board="another", limits=Limits(power_w=5.0), trace="b.jsonl")
    figures = [figures_from_run(*run()), figures_from_run(other, run()[1])]
    lines = unlike([header(), other], figures)
    assert lines == [
        "Not the same board: predictive emulated; ladder another",
        "Not the same limits: predictive deadline 100.0 ms, power budget 11 W, temperature limit "
        "70 °C; ladder power budget 5 W",
        "Not the same trace: predictive none; ladder b.jsonl",
    ]
    assert unlike([header(), header("ladder")], figures) == []
    write_comparison(tmp_path / "c.html", [run(), (other, run()[1])])
    assert "Not the same board" in (tmp_path / "c.html").read_text()


def test_a_machine_that_was_faster_in_one_run_is_told():
    told, frames = run()
    faster = [
        msgspec.structs.replace(line, latency_s=line.latency_s and line.latency_s / 1.5)
        for line in frames
    ]
    figures = [figures_from_run(told, frames), figures_from_run(header("ladder"), faster)]
    assert figures[0].slowdown == pytest.approx(1.25)  # half of it 50 of 80 ms, half of 40
    assert unlike([told, header("ladder")], figures) == [
        "The machine was not equally fast, engines' times over the profile's: predictive 1.25; "
        "ladder 0.83"
    ]
