"""The whole procedure in virtual time against an emulated board, and all that may go wrong."""

import itertools

import msgspec
import pytest

from edgert.errors import ArtifactError, TelemetryError
from edgert.profiling.energy.figure import energy_figures
from edgert.profiling.energy.journal import Window, WindowJournal
from edgert.profiling.energy.measure import measure_energy
from edgert.profiling.energy.plan import Plan
from tests.profiling.energy.boards import LOADS, MILD, QUICK, SENSING, SLOW, Rig


def measure(rig, plan=QUICK, **options):
    with rig.meter:
        return measure_energy(rig.runs, rig.meter, SENSING, plan, **options)


def windows_of(path):
    lines = path.read_bytes().splitlines()[1:]
    return [msgspec.json.decode(line, type=Window) for line in lines]


@pytest.mark.parametrize("paced_hz", [None, 30.0])
def test_the_interval_holds_the_board_s_true_energy(tmp_path, paced_hz):
    rig = Rig()
    path = tmp_path / "windows.jsonl"
    plan = msgspec.structs.replace(QUICK, windows=5, window_s=5.0, paced_hz=paced_hz)
    figure = measure(rig, plan, journal=path)["full"]
    true_j = rig.true_j(windows_of(path))
    assert figure.total_interval_j[0] <= true_j <= figure.total_interval_j[1]
    assert figure.total_j == pytest.approx(true_j, rel=0.01 if paced_hz is None else 0.04)
    marginal_j = true_j - 3.5 * figure.window_s * figure.windows / figure.inferences
    assert figure.marginal_interval_j[0] <= marginal_j <= figure.marginal_interval_j[1]


def test_a_figure_carries_what_it_depends_on():
    rig = Rig()
    rig.source.change = lambda sample: msgspec.structs.replace(
        sample,
        power_mode="25W",
        clocks_hz={"gpu": 918e6},
        over_current_events={"instantaneous_over_current": int(sample.time_s)},
    )
    figure = measure(rig, msgspec.structs.replace(QUICK, paced_hz=30.0))["full"]
    assert figure.provenance == "emulated"
    assert figure.source == figure.board == MILD.name
    assert figure.power_mode == "25W"
    assert figure.rails == ["VDD_IN"]
    assert "SBOS576" in figure.sensor_bound
    assert figure.clocks_hz == {"gpu": (918e6, 918e6)}
    assert figure.over_current_events["instantaneous_over_current"] >= 6
    assert 50 < figure.temp_range_c[0] <= figure.temp_range_c[1] < 80
    assert (figure.windows, figure.paced_hz) == (3, 30.0)
    assert figure.window_s == pytest.approx(2.0)
    assert figure.inferences == 180
    assert figure.samples == pytest.approx(300, abs=30)
    assert figure.interval_s == pytest.approx(0.02, rel=0.1)
    assert figure.rejected == []
    assert figure.notes == []
    assert figure.baseline is None


def test_engines_take_turns_and_are_compared_with_the_first(tmp_path):
    rig = Rig(names=("full", "small"))
    path = tmp_path / "windows.jsonl"
    plan = msgspec.structs.replace(QUICK, windows=6, window_s=3.0)
    figures = measure(rig, plan, journal=path)
    windows = windows_of(path)
    turns = [w.engine for w in windows if w.kind == "load"]
    assert turns == ["full", "small", "small", "full"] * 3
    assert figures["full"].baseline is None
    ratio = figures["small"].baseline
    assert (ratio.baseline, ratio.pairs) == ("full", 6)
    true = {
        name: rig.true_j([w for w in windows if w.engine == name]) for name in ("full", "small")
    }
    assert ratio.total_interval[0] <= true["small"] / true["full"] <= ratio.total_interval[1]
    assert ratio.total_interval[1] - ratio.total_interval[0] < 0.05
    # The engine draws at the same MACs a second more: 500 in 12 ms for 1000 in 20.
    assert ratio.total < 0.62


def test_progress_tells_what_is_left():
    rig = Rig()
    told = []
    measure(rig, progress=lambda done_s, left_s, what: told.append((done_s, left_s, what)))
    whats = [what for what, _ in itertools.groupby(what for _, _, what in told)]
    assert whats == [
        "idle before",
        "warming up",
        "full, window 1 of 3",
        "full, window 2 of 3",
        "full, window 3 of 3",
        "idle after",
    ]
    took_s = rig.clock.now_s() - 100.0
    windows = [(done_s, left_s) for done_s, left_s, what in told if "window" in what]
    for done_s, left_s in windows:
        assert done_s + left_s == pytest.approx(took_s, abs=3.0)


def test_windows_keep_time_with_nothing(tmp_path):
    path = tmp_path / "windows.jsonl"
    measure(Rig(), msgspec.structs.replace(QUICK, windows=6), journal=path)
    loads = [w for w in windows_of(path) if w.kind == "load"]
    pauses_s = [b.from_s - a.to_s for a, b in itertools.pairwise(loads)]
    assert max(pauses_s) - min(pauses_s) > 0.1


def test_a_sensor_that_averages_long_is_given_time_to_forget(tmp_path):
    slow = msgspec.structs.replace(
        SENSING, bound=msgspec.structs.replace(SENSING.bound, update_s=3.4)
    )
    rig = Rig()
    path = tmp_path / "windows.jsonl"
    with rig.meter:
        measure_energy(rig.runs, rig.meter, slow, QUICK, journal=path)
    windows = windows_of(path)
    assert windows[0].from_s == pytest.approx(106.8)
    loads = [w for w in windows if w.kind == "load"]
    assert all(b.from_s - a.to_s >= 6.8 for a, b in itertools.pairwise(loads))


# ---------------------------------------------------------------- killed and started again


class KilledError(Exception):
    pass


def killed_in(rig, what):
    def progress(done_s, left_s, now):
        if now == what:
            raise KilledError

    return progress


@pytest.mark.parametrize(
    ("what", "left"), [("full, window 3 of 3", 1), ("full, window 1 of 3", 3), ("idle after", 0)]
)
def test_a_killed_measurement_goes_on(tmp_path, what, left):
    path = tmp_path / "windows.jsonl"
    with pytest.raises(KilledError):
        measure(Rig(), journal=path, progress=killed_in(None, what))
    before = windows_of(path)
    # Another boot: the clock begins anew.
    figure = measure(Rig(start_s=3.0, seed=2), journal=path)["full"]
    after = windows_of(path)
    assert after[: len(before)] == before
    assert sum(w.kind == "load" for w in after[len(before) :]) == left
    assert figure.windows == 3
    assert {w.session for w in after} == {0, 1}
    assert figure.total_j == pytest.approx(measure(Rig())["full"].total_j, rel=0.01)


def test_a_finished_measurement_is_not_measured_again(tmp_path):
    path = tmp_path / "windows.jsonl"
    first = measure(Rig(), journal=path)
    rig = Rig()
    assert measure(rig, journal=path) == first
    assert rig.counts == {"full": 0}
    assert rig.clock.now_s() == 100.0


def test_a_journal_of_another_plan_or_engine_is_refused(tmp_path):
    path = tmp_path / "windows.jsonl"
    measure(Rig(), journal=path)
    with pytest.raises(ArtifactError, match="30 fps"):
        measure(Rig(), msgspec.structs.replace(QUICK, paced_hz=30.0), journal=path)
    with pytest.raises(ArtifactError, match="got engines small instead of full"):
        measure(Rig(names=("small",)), journal=path)
    with pytest.raises(ArtifactError, match="hash"):
        measure(Rig(), journal=path, identity={"hash": "abc"})


# ---------------------------------------------------------------- what goes wrong


def during(rig, start_s, end_s, **change):
    """Samples between two times are changed."""

    def changed(sample):
        if start_s <= sample.time_s < end_s:
            return msgspec.structs.replace(sample, **change)
        return sample

    rig.source.change = changed


@pytest.fixture(scope="module")
def first_window_s(tmp_path_factory):
    """When the first window of load is half over: the same in every run of these seeds."""
    path = tmp_path_factory.mktemp("undisturbed") / "windows.jsonl"
    measure(Rig(), journal=path)
    first = next(w for w in windows_of(path) if w.kind == "load")
    return (first.from_s + first.to_s) / 2


GONE = {"power_w": None, "gaps": {"power": "rail VDD_IN: vanished"}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (GONE, "no power for"),
        (GONE, "(rail VDD_IN: vanished)"),
        ({"power_w": float("nan")}, "power samples are no number"),
        ({"power_w": -1.0}, "negative power: -1.000 W"),
        ({"throttled": True, "throttle_reason": "gpu-throttle-alert at 1"}, "throttled: gpu-"),
        ({"clocks_hz": {"gpu": 3e8}}, "clock gpu moved from 300 to 900 MHz"),
        ({"power_mode": "7W"}, "power mode changed: 25W to 7W"),
        ({"over_current_events": {"under_voltage": 4}}, "4 times under voltage"),
    ],
)
def test_a_window_is_rejected_with_its_reason_and_tried_again(
    caplog, first_window_s, change, reason
):
    rig = Rig()
    at_s = first_window_s
    during(rig, at_s, at_s + 0.5, **change)
    meddle = rig.source.change
    usual = {
        "power_mode": "25W",
        "clocks_hz": {"gpu": 9e8},
        "over_current_events": {"under_voltage": 0},
    }
    rig.source.change = lambda sample: meddle(msgspec.structs.replace(sample, **usual))
    figure = measure(rig)["full"]
    assert figure.windows == 3
    assert len(figure.rejected) == 1
    assert figure.rejected[0].startswith("full window 1: ")
    assert reason in figure.rejected[0]
    assert reason in caplog.text
    untouched = measure(Rig())["full"]
    assert figure.total_j == pytest.approx(untouched.total_j, rel=0.01)


def test_a_clock_that_jumps_is_told(first_window_s):
    rig = Rig()
    at_s = first_window_s
    rig.source.change = lambda sample: msgspec.structs.replace(
        sample, time_s=sample.time_s - (30.0 if at_s < sample.time_s < at_s + 0.3 else 0.0)
    )
    figure = measure(rig)["full"]
    assert len(figure.rejected) == 1
    assert (
        "the clock of the samples went back" in figure.rejected[0]
        or "no power" in (figure.rejected[0])
    )


def test_a_rail_that_stays_away_is_one_line(tmp_path, first_window_s):
    rig = Rig()
    path = tmp_path / "windows.jsonl"
    during(rig, first_window_s + 3, 1e9, **GONE)
    with pytest.raises(TelemetryError) as raised:
        measure(rig, journal=path)
    line = str(raised.value)
    assert line.startswith("measure energy, full window ")
    assert "3 in a row that do not" in line
    assert "rail VDD_IN: vanished" in line
    assert "\n" not in line
    # What counted is kept.
    assert any(w.kind == "load" and not w.rejected for w in windows_of(path))


def test_no_power_from_the_start_is_one_line():
    rig = Rig()
    during(rig, 0.0, 1e9, **GONE)
    with pytest.raises(
        TelemetryError, match="measure energy, idle: expected a window that counts"
    ):
        measure(rig)


def test_a_mode_changed_between_idle_and_load_is_noticed():
    rig = Rig()
    rig.source.change = lambda sample: msgspec.structs.replace(
        sample, power_mode="25W" if sample.time_s < 120 else "15W"
    )
    with pytest.raises(TelemetryError, match="power mode changed: 25W to 15W"):
        measure(rig)


def test_an_engine_slower_than_its_frames_is_one_line():
    rig = Rig()
    plan = msgspec.structs.replace(QUICK, paced_hz=100.0)
    with pytest.raises(TelemetryError, match="frames were late: the engine is too slow"):
        measure(rig, plan)


def test_an_engine_that_draws_nothing_has_no_marginal_energy():
    rig = Rig()
    rig.runs = {"full": lambda: None}
    figure = measure(rig, msgspec.structs.replace(QUICK, paced_hz=30.0))["full"]
    assert figure.marginal_j == pytest.approx(0.0, abs=1e-3)
    assert figure.marginal_interval_j[0] <= 0.0 <= figure.marginal_interval_j[1]


def test_a_board_that_gets_not_steady_is_measured_and_noted():
    slow = msgspec.structs.replace(MILD, thermal=SLOW.thermal)
    rig = Rig(slow)
    plan = msgspec.structs.replace(QUICK, warm_up_most_s=40.0)
    figure = measure(rig, plan)["full"]
    assert len(figure.notes) == 1
    assert figure.notes[0].startswith("not steady after 4")
    assert "temperature moves by +" in figure.notes[0]


def test_a_window_in_which_the_temperature_begins_to_move_is_rejected():
    rig = Rig()
    at_s = 100.0 + 6.0 + 30.0 + 2.0  # idle, the shortest warm-up, the first window
    rig.source.change = lambda sample: msgspec.structs.replace(
        sample, temp_c=70.0 + (0.5 * max(0.0, min(4.0, sample.time_s - at_s)))
    )
    with pytest.raises(TelemetryError, match=r"temperature moves by \+0\.\d+ °C/s"):
        measure(rig)


def test_warm_up_waits_for_a_board_to_be_steady():
    slow = msgspec.structs.replace(MILD, thermal=SLOW.thermal)
    rig = Rig(slow)
    plan = msgspec.structs.replace(QUICK, warm_up_most_s=3000.0)
    figure = measure(rig, plan)["full"]
    assert figure.notes == []
    assert rig.clock.now_s() > 300.0  # its sink takes minutes
    assert figure.temp_range_c[1] - figure.temp_range_c[0] < 0.5


def test_a_figure_without_windows_is_one_line():
    with (
        WindowJournal(None, {}) as journal,
        pytest.raises(TelemetryError, match="expected at least one window of idle"),
    ):
        energy_figures(["full"], journal.windows, SENSING, QUICK)


@pytest.mark.parametrize("windows", [0, 1, 2])
def test_a_plan_of_too_few_windows_is_refused(windows):
    with pytest.raises(msgspec.ValidationError, match=">= 3"):
        msgspec.convert({"windows": windows}, Plan)


def test_clocks_are_free_at_a_frame_rate_unless_locked():
    assert not Plan().governed
    assert Plan(paced_hz=30.0).governed
    assert not Plan(paced_hz=30.0, locked=True).governed
    assert Plan(locked=False).governed


def test_the_engines_of_these_tests_are_what_they_say():
    assert LOADS["full"].latency_s > LOADS["small"].latency_s
