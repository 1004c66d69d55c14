"""What the demo makes of a profile, and the comparison that it ends with, by the real verbs."""

import json
import shutil
from pathlib import Path

import demo
import pytest

from edgert.artifacts import load_profile, read_run, save_profile
from edgert.artifacts.trace import read_trace
from edgert.cli.main import main
from edgert.control import CONTROLLERS
from edgert.records import EnergyFigure, LatencyStatistics, Profile, ProfileEntry

PROJECT = Path(__file__).resolve().parents[2]
TIMES = LatencyStatistics(
    median_s=0.05, p95_s=0.06, p99_s=0.07, iqr_s=0.001, runs=9, warmup_runs=1
)
PROFILE = Profile(
    family="f",
    device="cpu",
    measured_under={"threads": "2"},
    entries=[
        ProfileEntry(name="full", latency_s=0.05, power_w=14.0, energy_j=0.7, latency=TIMES),
        ProfileEntry(name="small", latency_s=0.02, accuracy=0.6, engine_sha256="a" * 64),
    ],
)


def test_the_dearest_engine_just_fits_the_period_of_the_slower_board():
    profile, scale = demo.slowed(PROFILE)
    full, small = profile.entries
    assert full.latency_s == pytest.approx(demo.PERIOD_S / demo.DEADLINE_SLACK, rel=0.01)
    assert full.latency_s == pytest.approx(0.05 * scale)
    assert small.latency_s == pytest.approx(0.02 * scale)
    assert full.energy_j == pytest.approx(0.7 * scale)
    assert (full.power_w, small.accuracy, small.energy_j) == (14.0, 0.6, None)


def test_a_slowed_profile_never_says_measured_and_stays_that_of_its_engines():
    profile, scale = demo.slowed(PROFILE)
    assert {entry.latency_from for entry in profile.entries} == {"emulated"}
    full, small = profile.entries
    assert full.latency is not None
    assert full.latency.median_s == pytest.approx(full.latency_s)  # its spread goes with it
    assert full.latency.iqr_s / full.latency.median_s == pytest.approx(0.001 / 0.05)
    assert small.latency is None
    assert f"times {scale:g}" in profile.method
    assert profile.measured_under == PROFILE.measured_under
    assert profile.entries[1].engine_sha256 == "a" * 64
    assert EnergyFigure not in {type(entry.energy) for entry in profile.entries}


def test_what_the_demo_names_is_there():
    assert set(demo.CONTROLLERS) <= set(CONTROLLERS)
    points = read_trace(PROJECT / demo.TRACE)
    assert points[-1].time_s == demo.LENGTH_S
    assert {point.power_limit_w for point in points} - {None} == {10, 7.6}
    assert (PROJECT / "profiles" / "boards" / f"{demo.BOARD}.yaml").is_file()


# The demo's day in a tenth of its length, on the board that heats up as much faster.
BOARD = PROJECT / "profiles" / "boards" / "emulated-orin-nano.yaml"
SOURCE = "test://?width=640&height=360&fps=25&frames=50"
TRACE = """\
{"time_s": 0, "ambient_c": 31, "power_limit_w": 10, "temp_limit_c": 68}
{"time_s": 4, "slowdown": 1.5}
{"time_s": 8, "slowdown": 1}
{"time_s": 12, "power_limit_w": 8}
{"time_s": 20, "power_limit_w": 10, "ambient_c": 31}
{"time_s": 35, "ambient_c": 38}
{"time_s": 60, "ambient_c": 38}
"""


LENGTH_S = 60
TRIES = 3  # other work on the machine slows the runs down, not the profile that they go by


def profile_and_run():
    """The demo's steps in this folder, as `demo` takes them."""
    words = ["profile", "family", "--board", str(BOARD), "--frames", SOURCE, "-o", "here.json"]
    assert main([*words, "--rounds", "3", "--frame-count", "2"]) == 0
    profile, scale = demo.slowed(load_profile(Path("here.json")))
    save_profile(Path("slow.json"), profile)
    assert main(["calibrate", "family", "--board", str(BOARD), "-o", "thermal.json"]) == 0
    for name in demo.CONTROLLERS:
        words = [
            "run", "family", SOURCE, "--loops", "99", "--virtual-time", "--board", str(BOARD),
            "--latency-scale", f"{scale:g}", "--profile", "slow.json", "--thermal", "thermal.json",
            "--trace", "day.jsonl", "--max-s", f"{LENGTH_S}", "--controller", name,
            "--period-s", f"{demo.PERIOD_S}", "--deadline-s", f"{demo.PERIOD_S}",
            "--log", f"{name}.jsonl",
        ]  # fmt: skip
        assert main(words) == 0


def frames_in(log: str) -> int:
    _, frames = read_run(Path(log))
    return sum(1 for _ in frames)


@pytest.fixture(scope="module")
def compared(tmp_path_factory, bundled_family):
    """Three runs of a minute under the same trace: real engines, the real verbs."""
    folder = tmp_path_factory.mktemp("compared")
    family = folder / "family"
    shutil.copytree(bundled_family, family, ignore=shutil.ignore_patterns("built"))
    (folder / "day.jsonl").write_text(TRACE)
    logs = [f"{name}.jsonl" for name in demo.CONTROLLERS]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        assert main(["build", "family"]) == 0
        for _ in range(TRIES):
            profile_and_run()
            if steady := frames_in("fixed-dearest.jsonl") > 0.8 * LENGTH_S / demo.PERIOD_S:
                break
        if not steady:
            pytest.skip("NOT TESTED: the machine was slower in every run than in its profile")
        yield folder, ["compare", *logs, "--trace", "day.jsonl"], logs


@pytest.mark.slow
def test_the_three_controllers_side_by_side(compared, capsys):
    folder, words, logs = compared
    capsys.readouterr()
    assert main([*words, "-o", "report.html", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    # what the machine did meanwhile is not this test's
    assert [line for line in told["unlike"] if not line.startswith("The machine")] == []
    predictive, ladder, dearest = told["runs"]
    assert [run["controller"] for run in told["runs"]] == list(demo.CONTROLLERS)
    assert dearest["over_power_s"] > 30
    assert dearest["over_temp_s"] > 10
    for held in (predictive, ladder):
        assert held["over_temp_s"] < dearest["over_temp_s"] / 5
        assert held["over_power_s"] < dearest["over_power_s"] / 5
    assert predictive["energy_j"] < dearest["energy_j"]
    page = (folder / "report.html").read_text()
    for name in demo.CONTROLLERS:
        assert page.count(name) >= 3
    for log in logs:
        assert main(["replay", log]) == 0


@pytest.mark.slow
def test_the_trace_s_limits_stand_in_every_log(compared):
    _, _, logs = compared
    for log in logs:
        header, frames = read_run(Path(log))
        budgets = [frame.limits.power_w for frame in frames if frame.limits is not None]
        assert budgets == [10, 8, 10]
        assert header.thermal is not None
