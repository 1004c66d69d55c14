"""The emulated board: work in, telemetry out."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.clock import MonotonicClock, VirtualClock
from edgert.emulator.board import EmulatedBoard, loads_from_profile, read_board_spec
from edgert.emulator.power import EngineLoad
from edgert.emulator.spec import SensorSpec
from edgert.records import Profile, ProfileEntry

SPEC = read_board_spec(Path(__file__).parents[2] / "profiles/boards/emulated-orin-nano.yaml")
EXACT = msgspec.structs.replace(SPEC, sensor=SensorSpec())
LOADS = {
    "full": EngineLoad(latency_s=0.060, macs=8_000_000_000),
    "c50": EngineLoad(latency_s=0.036, macs=4_000_000_000),
}

BUSY = "unlisted"  # no MACs known: keeps the board fully busy for as long as it runs


def board_on(clock, spec=EXACT, **options):
    return EmulatedBoard(spec, clock, loads=LOADS, **options)


def drive(board, clock, name, *, until_s, period_s=0.0, stop_at_c=None):
    """Run one engine over and over; returns the last sample."""
    sample = board.read()
    while clock.now_s() < until_s:
        busy_s = LOADS[name].latency_s * board.slowdown
        board.run_engine(name, busy_s)
        clock.sleep(max(busy_s, period_s))
        sample = board.read()
        if stop_at_c is not None and sample.temp_c >= stop_at_c:
            break
    return sample


def test_an_idle_board_rests_at_its_idle_power_and_temperature():
    clock = VirtualClock()
    board = board_on(clock)
    clock.sleep(100)
    sample = board.read()
    assert sample.provenance == "emulated"
    assert sample.source == "emulated-orin-nano"
    assert sample.time_s == 100
    assert sample.power_w == pytest.approx(3.5)
    assert sample.temp_c == pytest.approx(45.0)
    assert sample.rails_w == pytest.approx(
        {"VDD_IN": 3.5, "VDD_CPU_GPU_CV": 0.52, "VDD_SOC": 1.13}
    )
    assert (sample.clock_ratio, sample.throttled) == (1.0, False)


def test_zones_lie_between_sink_and_die_and_the_hottest_counts():
    clock = VirtualClock()
    board = board_on(clock)
    sample = drive(board, clock, "full", until_s=5)
    assert sample.temp_c == sample.zones_c["tj"] == pytest.approx(board.thermal.die_c)
    assert board.thermal.sink_c < sample.zones_c["soc0"] < sample.zones_c["cpu"] < sample.temp_c


@pytest.mark.parametrize("period_s", [0.0, 0.069])
def test_full_load_passes_70_degrees_in_twenty_to_thirty_seconds(period_s):
    clock = VirtualClock()
    board = board_on(clock)
    drive(board, clock, "full", until_s=60, period_s=period_s, stop_at_c=70)
    assert 20 <= clock.now_s() <= 30


def test_a_cheaper_engine_with_slack_holds_the_board_below_70_degrees():
    clock = VirtualClock()
    board = board_on(clock)
    sample = drive(board, clock, "c50", until_s=600, period_s=0.069)
    assert sample.temp_c < 66


def test_the_predicted_power_is_what_the_board_shows():
    clock = VirtualClock()
    board = board_on(clock)
    for name, load in LOADS.items():
        sample = drive(board, clock, name, until_s=clock.now_s() + 5)
        power_w, energy_j = board.predict_engine(load, temp_c=sample.temp_c)
        assert sample.power_w == pytest.approx(power_w, rel=0.005)
        assert energy_j == pytest.approx(power_w * load.latency_s)
    wrong_w, _ = board.predict_engine(LOADS["full"], temp_c=sample.temp_c)
    assert sample.power_w != pytest.approx(wrong_w, rel=0.005)


def test_the_host_s_speed_changes_nothing_but_time():
    """A host twice as fast with a reference twice as fast shows the same power."""
    powers_w = []
    for speed in (1, 2):
        clock = VirtualClock()
        loads = {"full": EngineLoad(latency_s=0.060 / speed, macs=8_000_000_000)}
        board = EmulatedBoard(EXACT, clock, loads=loads)
        for _ in range(50 * speed):
            board.run_engine("full", 0.060 / speed)
            clock.sleep(0.060 / speed)
        powers_w.append(board.read().power_w)
    assert powers_w[0] == pytest.approx(powers_w[1], rel=0.01)


def test_full_load_throttles_slows_down_and_draws_less():
    clock = VirtualClock()
    board = board_on(clock)
    peak_w = drive(board, clock, "full", until_s=30).power_w
    while not board.throttle.throttled and clock.now_s() < 120:
        drive(board, clock, "full", until_s=clock.now_s() + 0.1)
    sample = board.read()
    assert sample.throttled
    assert sample.clock_ratio == pytest.approx(0.9)
    assert board.slowdown == pytest.approx(1 / 0.9)
    assert "trip point 80.0 °C" in board.throttle_reason
    later = drive(board, clock, "full", until_s=clock.now_s() + 3)
    assert later.power_w < peak_w
    drive(board, clock, "full", until_s=600)
    assert board.thermal.die_c < 82


def test_the_slowdown_does_not_change_between_reads():
    clock = VirtualClock()
    board = board_on(clock)
    drive(board, clock, "full", until_s=30)
    board.run_engine(BUSY, 60.0)
    clock.sleep(60)
    assert board.slowdown == 1.0
    board.read()
    assert board.slowdown > 1.0


def test_work_waits_until_its_time_has_passed():
    clock = VirtualClock()
    board = board_on(clock)
    board.run_engine(BUSY, 1.0)
    clock.sleep(0.5)
    assert board.read().power_w > 12
    assert board.read().power_w > 12  # no time between: what was seen before
    clock.sleep(0.5)
    assert board.read().power_w > 12
    clock.sleep(0.5)
    assert board.read().power_w == pytest.approx(3.5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=30))
def test_the_board_does_not_depend_on_how_often_it_is_read(pauses_s):
    clocks = VirtualClock(), VirtualClock()
    boards = [board_on(clock) for clock in clocks]
    total_s = sum(pauses_s)
    for board in boards:
        board.run_engine(BUSY, total_s)
    for pause_s in pauses_s:
        clocks[0].sleep(pause_s)
        boards[0].read()
    clocks[1].sleep(total_s)
    boards[1].read()
    # Leakage is taken at each step's start, so the steps leave a trace: up to 0.13 K was seen.
    assert boards[0].thermal.die_c == pytest.approx(boards[1].thermal.die_c, abs=0.25)
    assert boards[0].energy_j == pytest.approx(boards[1].energy_j, rel=2e-3)


def test_energy_is_idle_power_plus_what_the_work_costs():
    clock = VirtualClock()
    flat = msgspec.structs.replace(
        EXACT, power=msgspec.structs.replace(EXACT.power, leakage_per_k=0.0)
    )
    board = board_on(clock, flat)
    for name in ("full", "c50", "c50"):
        board.run_engine(name, LOADS[name].latency_s)
    clock.sleep(1.0)
    board.read()
    assert board.energy_j == pytest.approx(3.5 + 10.3 * 0.060 * (1 + 0.5 + 0.5))


def test_an_engine_without_a_load_brings_its_own_macs():
    clock = VirtualClock()
    board = board_on(clock)
    board.run_engine("new", 0.06, macs=8_000_000_000, size_bytes=5)
    board.run_engine("new", 0.06, macs=8_000_000_000)
    clock.sleep(0.12)
    assert board.read().power_w == pytest.approx(
        board.predict_engine(LOADS["full"], temp_c=45)[0], rel=0.01
    )


def test_without_any_load_an_engine_counts_as_fully_busy():
    clock = VirtualClock()
    board = EmulatedBoard(EXACT, clock)
    board.run_engine("any", 0.5)
    clock.sleep(0.5)
    assert board.read().power_w > 12


def test_ambient_and_fan_act_from_when_they_are_set():
    clock = VirtualClock()
    board = board_on(clock)
    clock.sleep(1000)
    board.ambient_c = 41.0
    board.fan_running = False
    assert board.thermal.die_c == pytest.approx(45.0)  # the time before passed in cooler air
    clock.sleep(1000)
    assert board.read().temp_c == pytest.approx(41 + 3.5 * 5.8)
    assert (board.ambient_c, board.fan_running) == (41.0, False)


def test_sensors_quantise_and_their_noise_is_repeatable():
    sensor = SensorSpec(power_step_w=0.04, power_noise_w=0.1, temp_step_c=0.5, temp_noise_c=0.3)
    spec = msgspec.structs.replace(SPEC, sensor=sensor)

    def seen(seed):
        clock = VirtualClock()
        board = board_on(clock, spec, seed=seed)
        samples = []
        for _ in range(20):
            clock.sleep(0.1)
            samples.append(board.read())
        return samples

    first, again, other = seen(1), seen(1), seen(2)
    assert first == again != other
    for sample in first:
        assert sample.power_w / 0.04 == pytest.approx(round(sample.power_w / 0.04))
        assert sample.temp_c * 2 == round(sample.temp_c * 2)
    assert len({sample.power_w for sample in first}) > 1


def test_the_power_sensor_averages_as_long_as_it_says():
    clock = VirtualClock()
    averaging = msgspec.structs.replace(EXACT, sensor=SensorSpec(averaging_s=0.42))
    board = board_on(clock, averaging)
    board.run_engine(BUSY, 0.42)
    clock.sleep(0.42)
    reached = (board.read().power_w - 3.5) / (
        board.predict_engine(LOADS["full"], temp_c=45)[0] - 3.5
    )
    assert reached == pytest.approx(0.632, abs=0.01)


def test_it_lives_on_a_real_clock_as_well():
    board = board_on(MonotonicClock())
    board.run_engine("full", 1e-4)
    first, second = board.read(), board.read()
    assert second.time_s >= first.time_s
    board.close()


def test_loads_come_from_a_profile():
    entry = ProfileEntry(name="full", latency_s=0.06, macs=5)
    profile = Profile(family="f", device="cpu", entries=[entry])
    assert loads_from_profile(profile) == {"full": EngineLoad(latency_s=0.06, macs=5)}


def test_a_run_with_its_times_is_drawn_exactly_then():
    clock = VirtualClock()
    board = board_on(clock)
    assert board.book_run(BUSY, 1.0, 0.5) == 1.0
    clock.sleep(3)
    idle_w = SPEC.power.idle_w
    assert board.energy_between(0.0, 1.0) == pytest.approx(idle_w)
    assert board.energy_between(1.5, 3.0) == pytest.approx(1.5 * idle_w)
    assert board.energy_between(1.0, 1.5) > 0.5 * idle_w + 4


def test_work_with_and_without_times_adds_up():
    clock = VirtualClock()
    both, loose, exact = board_on(clock), board_on(clock), board_on(clock)
    for board in (both, loose):
        board.run_engine("c50", 0.036)
    for board in (both, exact):
        board.book_run("c50", 0.1, 0.036)
    clock.sleep(0.2)
    above_j = [board.energy_between(0, 0.2) - 0.2 * 3.5 for board in (both, loose, exact)]
    assert above_j[0] == pytest.approx(above_j[1] + above_j[2], rel=1e-6)
    assert above_j[1] == pytest.approx(above_j[2], rel=1e-6)


def test_the_history_is_as_long_as_asked_for():
    clock = VirtualClock()
    board = EmulatedBoard(EXACT, clock, history_s=5.0)
    for _ in range(3000):
        board.book_run(BUSY, clock.now_s(), 0.01)
        clock.sleep(0.02)
        board.read()
    assert board.energy_between(55.0, 60.0) > 0
    with pytest.raises(ValueError, match="forgotten"):
        board.energy_between(0.0, 1.0)


def test_a_power_mode_s_lower_clock_draws_less_and_slows_down_without_throttling():
    clock = VirtualClock()
    capped, free = board_on(clock), board_on(clock)
    capped.mode_clock_ratio = 0.6
    assert capped.slowdown == pytest.approx(1 / 0.6)
    for board in (capped, free):
        for run in range(20):
            board.book_run("full", run * 0.060 * board.slowdown, 0.060 * board.slowdown)
    clock.sleep(1)
    samples = [board.read() for board in (capped, free)]
    assert samples[0].power_w < samples[1].power_w - 2
    assert (samples[0].clock_ratio, samples[0].throttled) == (1.0, False)
    with pytest.raises(ValueError, match="above 0"):
        capped.mode_clock_ratio = 0.0


def test_an_event_holds_the_clock_down_and_lets_it_go():
    clock = VirtualClock()
    board = board_on(clock)
    board.limit_clock("under-voltage", 0.5)
    sample = board.read()
    assert (sample.clock_ratio, sample.throttled) == (0.5, True)
    assert sample.throttle_reason == "under-voltage"
    assert board.slowdown == 2
    board.limit_clock("under-voltage", 1.0)
    sample = board.read()
    assert (sample.clock_ratio, sample.throttled, sample.throttle_reason) == (1.0, False, "")
    with pytest.raises(ValueError, match="clock limit"):
        board.limit_clock("under-voltage", 0.0)


@settings(max_examples=40, deadline=None)
@given(
    runs=st.lists(st.tuples(st.floats(0, 0.5), st.floats(0.001, 0.5)), min_size=1, max_size=10),
    stopped=st.booleans(),
)
def test_all_energy_is_stored_as_heat_or_has_left_through_the_sink(runs, stopped):
    clock = VirtualClock()
    board = board_on(clock)
    board.fan_running = not stopped
    thermal, spec = board.thermal, SPEC.thermal
    first, left_j, at_s = (thermal.die_c, thermal.sink_c), 0.0, 0.0
    for gap_s, busy_s in runs:
        at_s = board.book_run(BUSY, at_s + gap_s, busy_s) + busy_s
    while clock.now_s() < at_s:
        before_c = thermal.sink_c
        clock.sleep(0.01)
        board.advance()
        rise_k = (before_c + thermal.sink_c) / 2 - thermal.ambient_c
        left_j += rise_k / thermal.nodes.sink_k_per_w * 0.01
    stored_j = spec.die_j_per_k * (thermal.die_c - first[0])
    stored_j += spec.sink_j_per_k * (thermal.sink_c - first[1])
    assert stored_j + left_j == pytest.approx(board.energy_j, rel=1e-3)
