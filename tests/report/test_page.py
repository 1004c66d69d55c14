"""A run as one HTML file."""

import html.parser
import re
import sys

import matplotlib
import msgspec
import pytest

from edgert.errors import ArtifactError, MissingDependencyError
from edgert.records import (
    FrameLog,
    LatencyStatistics,
    Limits,
    Profile,
    ProfileEntry,
    RunHeader,
)
from edgert.report import write_report

PROFILE = Profile(
    family="scene", device="a board", baselines_macs={"exported": 10_000_000, "merged": 8_000_000},
    entries=[
        ProfileEntry(
            name=name, latency_s=latency_s, macs=macs, power_w=power_w,
            energy_j=power_w * latency_s, energy_from="emulated", accuracy=accuracy,
            accuracy_from="miou, 101 frames of X",
            agreement=accuracy, latency=LatencyStatistics(
                median_s=latency_s, p95_s=latency_s * 1.1, p99_s=latency_s * 1.2, iqr_s=0.001,
                runs=50, warmup_runs=5),
        )
        for name, latency_s, macs, power_w, accuracy in (
            ("full", 0.080, 8_000_000, 12.0, 0.75), ("small", 0.040, 4_000_000, 9.0, 0.60))
    ],
)  # fmt: skip


def header(**values):
    plain = {
        "family": "scene", "source": "clip.mp4", "device": "a board", "board": "emulated-orin",
        "controller": "hysteresis", "provenance": "emulated", "configurations": ["full", "small"],
        "limits": Limits(deadline_s=0.1, power_w=11.0, temp_c=70.0),
    }  # fmt: skip
    return RunHeader(**{**plain, **values})


def run(count, **values):
    """Warm from 60 to 80 °C; small in the second half; each tenth frame is late."""
    return [
        FrameLog(
            frame=k, time_s=k * 0.1, configuration="small" if k >= count // 2 else "full",
            reason="temperature near its limit", switched=k == count // 2, skip=k % 50 == 49,
            latency_s=None if k % 50 == 49 else 0.05, met_deadline=k % 10 != 0, power_w=10.0,
            temp_c=60 + 20 * k / max(1, count - 1), **values,
        )
        for k in range(count)
    ]  # fmt: skip


def written(tmp_path, frames, profile=PROFILE, **values):
    path = tmp_path / "report.html"
    write_report(path, header(**values), frames, profile)
    return path.read_text(encoding="utf-8")


def test_modelled_latencies_are_never_called_measured(tmp_path):
    measured = written(tmp_path, run(20))
    assert "Latency: measured on a board" in measured
    entries = [
        ProfileEntry(name=name, latency_s=latency_s, latency_from="modelled")
        for name, latency_s in (("full", 0.080), ("small", 0.040))
    ]
    modelled = Profile(
        family="scene", device="a board", method="modelled (roofline, worst 47%)", entries=entries
    )
    page = written(tmp_path, run(20), modelled)
    assert "Latency: modelled on a board. modelled (roofline, worst 47%)." in page
    assert "<th>latency (modelled)</th>" in page
    assert "latency, median" not in page
    assert "Latency: measured" not in page


class Nesting(html.parser.HTMLParser):
    """Fails where a tag is closed that is not the last one opened."""

    EMPTY = ("meta", "br", "link", "input")

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def text_of(page):
    return re.sub(r"<[^>]+>", " ", page[page.index("<body") :])


def test_the_page_is_whole_and_fetches_nothing(tmp_path):
    page = written(tmp_path, run(100))
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []
    tags = {tag for tag, _ in parser.seen}
    assert tags.isdisjoint({"script", "link", "img", "image", "iframe", "object"})
    for _, attributes in parser.seen:
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "#").startswith("#")
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_it_states_what_ran_and_under_which_limits(tmp_path):
    text = text_of(written(tmp_path, run(100)))
    for word in ("scene", "clip.mp4", "a board", "hysteresis", "100.0 ms", "11 W", "70 °C"):
        assert word in text, word


def test_the_summary_counts(tmp_path):
    page = written(tmp_path, run(101))
    found = re.findall(r"<div><b>(.*?)</b><span>(.*?)</span>", page)
    tiles = {name: value for value, name in found}
    assert tiles["frames"] == "101"
    assert tiles["late"].startswith("11 ")
    assert (tiles["skipped"], tiles["switches"]) == ("2", "1")
    assert tiles["hottest (emulated)"] == "80.0 °C"
    # 60 to 80 °C in 10 s: beyond 70 from the 51st frame on, each for the time before it.
    assert tiles["over the temperature limit (emulated)"] == "5.0 s"
    mean = (49 * 0.75 + 50 * 0.60) / 99
    assert tiles["mean accuracy of what ran"] == f"{mean:.2%}"


def test_savings_are_stated_against_each_named_baseline(tmp_path):
    page = written(tmp_path, run(10))
    assert "saved against exported" in page
    assert "saved against merged" in page
    row = re.search(r"<td>small</td>(.*?)</tr>", page).group(1)
    assert "<td>60.0%</td><td>50.0%</td>" in row


def test_emulated_figures_say_so_wherever_they_stand(tmp_path):
    page = written(tmp_path, run(50))
    for place in ("temperature, °C (emulated)", "power, W (emulated)", "power (emulated)",
                  "energy (emulated)", "hottest (emulated)", "<b>emulated</b>"):  # fmt: skip
        assert place in page, place


def test_measured_figures_are_not_called_emulated(tmp_path):
    entries = [
        ProfileEntry(name=e.name, latency_s=e.latency_s, power_w=e.power_w, energy_j=e.energy_j,
                     energy_from="measured", macs=e.macs) for e in PROFILE.entries
    ]  # fmt: skip
    profile = Profile(family="scene", device="a board", entries=entries)
    page = written(tmp_path, run(50), profile, provenance="measured", board="orin")
    assert "emulated" not in text_of(page)
    assert "power (measured)" in page


def test_every_text_is_escaped(tmp_path):
    nasty = "<script>alert('&\"')</script>"
    switched = FrameLog(frame=20, time_s=2.0, configuration="small", reason=nasty, switched=True)
    page = written(tmp_path, [*run(20), switched], source=nasty, device=nasty, controller=nasty)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3


def test_the_switches_are_listed_with_their_reasons_and_not_without_end(tmp_path):
    page = written(tmp_path, run(100))
    assert "temperature near its limit" in text_of(page)
    many = [
        FrameLog(frame=k, time_s=k / 10, configuration=("full", "small")[k % 2],
                 reason=f"reason {k}.", switched=True, latency_s=0.05) for k in range(500)
    ]  # fmt: skip
    text = text_of(written(tmp_path, many))
    assert "reason 199." in text
    assert "reason 200." not in text
    assert "and 300 more" in text


def test_a_long_run_stays_small(tmp_path):
    assert len(written(tmp_path, run(3000)).encode()) < 1_500_000
    assert len(written(tmp_path, run(30_000)).encode()) < 3_000_000


def test_no_frames_one_frame_and_nothing_read_are_reports_too(tmp_path):
    assert "No frame was run" in written(tmp_path, [])
    bare = [FrameLog(frame=0, time_s=0.0, configuration="full", reason="first")]
    page = written(tmp_path, bare, provenance=None, board="", limits=Limits())
    assert page.count("not read") == 3
    entry = ProfileEntry(name="full", latency_s=0.1)
    lone = Profile(family="scene", device="a board", entries=[entry])
    assert "n/a" in written(tmp_path, bare, lone)


def test_a_configuration_that_the_profile_lacks_does_not_stop_the_report(tmp_path):
    frames = [FrameLog(frame=0, time_s=0.0, configuration="gone", reason="old log")]
    assert "<svg" in written(tmp_path, frames)


def test_the_same_run_gives_the_same_page_to_the_byte(tmp_path):
    pages = {written(tmp_path, run(50)) for _ in range(4)}
    assert len(pages) == 1


def test_matplotlib_is_left_as_it_was(tmp_path):
    before = dict(matplotlib.rcParams)
    written(tmp_path, run(20))
    assert dict(matplotlib.rcParams) == before


def test_a_report_that_can_not_be_written_is_one_line(tmp_path):
    with pytest.raises(ArtifactError) as caught:
        write_report(tmp_path / "none" / "report.html", header(), run(5), PROFILE)
    assert "\n" not in str(caught.value)


def test_a_report_takes_the_place_of_the_old_one_and_leaves_nothing_else(tmp_path):
    written(tmp_path, run(5))
    second = written(tmp_path, run(9))
    assert ">9<" in second
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


# ------------------------------------------------------------- figures worked out by hand


def line(frame, time_s, configuration, **values):
    plain = {"reason": "told", "latency_s": 0.05, "met_deadline": True}
    return FrameLog(frame=frame, time_s=time_s, configuration=configuration, **{**plain, **values})


HAND_MADE = [
    line(0, 0.0, "full", temp_c=69.0, power_w=10.0),
    line(1, 1.0, "full", temp_c=71.0, power_w=12.0, met_deadline=False),  # over both since 0 s
    line(2, 1.5, "small", temp_c=70.5, power_w=11.0, switched=True),  # over in °C for 0.5 s
    line(3, 3.5, "small", latency_s=None, met_deadline=None, skip=True),  # not read
    line(4, 5.5, "small", temp_c=70.0, power_w=11.5, latency_s=0.25),  # over in W for the 4 s
    # since the reading before it
]


def tiles_of(page):
    found = re.findall(r"<div><b>(.*?)</b><span>(.*?)</span>", page)
    return {name: value for value, name in found}


def test_a_run_of_five_frames_by_hand(tmp_path):
    page = written(tmp_path, HAND_MADE)
    assert tiles_of(page) == {
        "frames": "5",
        "late": "1 (20.0%)",
        "skipped": "1",
        "switches": "1",
        "time": "5.8 s",  # 5.75, with the last frame's own latency
        "mean accuracy of what ran": "67.50%",  # (2 * 75 + 2 * 60) / 4
        "hottest (emulated)": "71.0 °C",
        "over the temperature limit (emulated)": "1.5 s",
        "over the power budget (emulated)": "5.0 s",
    }
    shares = re.findall(r"flex-grow:(\d+)' title='(\w+): (\d+) frames'>(\w+) (\d+)%<", page)
    assert shares == [("2", "full", "2", "full", "50"), ("2", "small", "2", "small", "50")]


def test_what_nobody_asked_for_is_not_judged(tmp_path):
    """Without a deadline no frame is in time; without limits nothing is over them."""
    frames = [line(k, k * 0.1, "full", met_deadline=None, temp_c=90.0) for k in range(3)]
    tiles = tiles_of(written(tmp_path, frames, limits=Limits()))
    assert tiles["late"] == "n/a"
    assert not [name for name in tiles if "over the" in name]
    assert tiles["hottest (emulated)"] == "90.0 °C"


def test_one_frame_took_its_latency(tmp_path):
    assert tiles_of(written(tmp_path, HAND_MADE[:1]))["time"] == "50.0 ms"


def test_every_row_of_the_profile_is_as_long_as_its_head(tmp_path):
    half = ProfileEntry(name="half", latency_s=0.06)
    for first, last in ((PROFILE.entries[0], half), (half, PROFILE.entries[1])):
        page = written(tmp_path, [], Profile(family="f", device="d", entries=[first, last]))
        table = page[page.index("<table") : page.index("</table")]
        cells = [row.count("<th") + row.count("<td") for row in table.split("<tr>")[1:]]
        assert len(set(cells)) == 1, cells


def test_limits_of_zero_and_below_are_told(tmp_path):
    page = text_of(written(tmp_path, [], limits=Limits(temp_c=0.0, energy_j=500.0)))
    assert "0 °C" in page
    assert "500 J" in page


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/data/clips/bikes.mp4", "bikes.mp4"),
        ("test://?width=64&height=36", "test://?width=64&amp;height=36"),
        ("rtsp://***@camera/live", "rtsp://***@camera/live"),
    ],
)
def test_a_path_is_shown_by_its_name_and_a_uri_whole(tmp_path, source, shown):
    assert f"<dd>{shown}</dd>" in written(tmp_path, [], source=source)


def test_names_are_escaped_wherever_they_stand(tmp_path):
    nasty = "a'><script>alert(1)</script>$x^2$&"
    entries = [
        ProfileEntry(name=nasty, latency_s=0.05, energy_from="emulated", accuracy_from=nasty)
    ]
    profile = Profile(family="f", device=nasty, baselines_macs={nasty: 5}, entries=entries)
    frames = [line(0, 0.0, nasty), line(1, 0.1, "plain", switched=True), line(2, 0.2, nasty)]
    page = written(tmp_path, frames, profile, family=nasty, board=nasty)
    assert "<script" not in page
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []
    assert all(set(attributes) <= {"style", "title"} for tag, attributes in parser.seen
               if tag == "span")  # fmt: skip


def test_without_matplotlib_the_extra_is_named_and_nothing_is_written(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"edgert\[report\]") as caught:
        written(tmp_path, run(3))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_time_over_a_limit_is_judged_by_the_limit_of_its_moment(tmp_path):
    frames = [line(k, float(k), "full", power_w=10.0) for k in range(6)]
    frames[2] = msgspec.structs.replace(frames[2], limits=Limits(power_w=9.0))
    frames[4] = msgspec.structs.replace(frames[4], limits=Limits())
    tiles = tiles_of(written(tmp_path, frames))
    assert tiles["over the power budget (emulated)"] == "2.0 s"
