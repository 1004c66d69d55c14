"""Power of the last minutes: the same answers as a trace made at once, in bounded memory."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.clock import VirtualClock
from edgert.emulator.board import EmulatedBoard
from edgert.emulator.history import PowerHistory
from edgert.emulator.ina3221 import Ina3221Spec
from edgert.emulator.rails import RailShare, rails_from_power
from edgert.emulator.spec import read_board_spec
from edgert.emulator.trace import PowerTrace, Runs

SPEC = read_board_spec(Path(__file__).parents[2] / "profiles/boards/emulated-orin-nano-slow.yaml")
WHOLE = RailShare(idle_w=4.0, compute_ratio=1.0, memory_ratio=1.0)


def stepped(*powers_w, keep_s=60.0):
    """One second at each power above idle."""
    history = PowerHistory(WHOLE, start_s=0.0, keep_s=keep_s)
    for second, power_w in enumerate(powers_w):
        history.add(second + 1.0, power_w, 0.0)
    return history


def test_energy_and_power_between_and_at_times():
    history = stepped(0.0, 10.0, 2.0)
    assert history.energy_j(0, 3) == pytest.approx(12 + 12)
    assert history.energy_j(0.5, 1.5) == pytest.approx(4 + 5)
    assert history.mean_w(1, 2) == pytest.approx(14)
    assert [history.power_at(t) for t in (0.5, 1.5, 2.0, 2.5)] == pytest.approx([4, 14, 14, 6])


def test_before_it_began_the_board_idled():
    history = stepped(10.0)
    assert history.power_at(-1.0) == history.power_at(0.0) == 4.0
    assert history.energy_j(-2, 1) == pytest.approx(3 * 4 + 10)


@pytest.mark.parametrize("time_s", [3.5, float("nan")])
def test_what_lies_ahead_is_refused(time_s):
    with pytest.raises(ValueError, match="lived up to"):
        stepped(1.0, 2.0, 3.0).power_at(time_s)


def test_what_is_forgotten_is_refused_and_not_guessed():
    history = stepped(*[1.0] * 10_000, keep_s=50.0)
    assert len(history) < 9000
    assert history.energy_j(9950, 10_000) == pytest.approx(50 * 5)
    with pytest.raises(ValueError, match="forgotten"):
        history.energy_j(10, 20)


def test_memory_stays_bounded_over_a_million_steps():
    history = PowerHistory(WHOLE, start_s=0.0, keep_s=1.0)
    for step in range(1, 200_001):
        history.add(step * 0.01, 1.0, 0.0)
    assert len(history) <= 512  # of which 100 are within the second


def test_a_register_changes_with_its_conversions_only():
    history = PowerHistory(WHOLE, start_s=0.0, keep_s=60.0)
    chip = Ina3221Spec(phase_s=0.0)
    history.add(0.0066, 0.0, 0.0)
    history.add(0.1, 10.0, 0.0)
    assert history.registers_at(0.0076, chip) == (5000, 800)  # converting: not there yet
    assert history.registers_at(0.0077, chip) == (5000, 2800)
    assert history.sensor_at(0.0077, chip) == pytest.approx(14.0)


def test_noise_is_of_the_value_and_not_of_the_read():
    history = stepped(1.0, 1.0)
    chip = Ina3221Spec(shunt_noise_v=400e-6)
    reads = [history.sensor_at(t, chip, seed=3) for t in np.arange(0.5, 1.5, 0.001)]
    assert np.count_nonzero(np.diff(reads)) <= 1 / 0.0066 + 1
    assert len(set(reads)) > 10
    assert history.sensor_at(0.7, chip, seed=3) == reads[200]


def boards_and_trace(runs, *, end_s, chip=None):
    spec = SPEC
    if chip is not None:
        sensor = msgspec.structs.replace(SPEC.sensor, ina3221=chip)
        spec = msgspec.structs.replace(SPEC, sensor=sensor)
    clock = VirtualClock()
    board = EmulatedBoard(spec, clock)
    starts, busy = [], []
    for gap_s, busy_s in runs:
        asked = (starts[-1] + busy[-1] if starts else 0.0) + gap_s
        starts.append(board.book_run("any", asked, busy_s))
        busy.append(busy_s)
    trace = PowerTrace.from_runs(SPEC, Runs.at(starts, busy), end_s=end_s)
    return clock, board, trace


run_lists = st.lists(st.tuples(st.floats(0, 1), st.floats(0.001, 0.5)), max_size=10)


@settings(max_examples=40, deadline=None)
@given(runs=run_lists, looks=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=20))
def test_a_board_that_lives_on_draws_what_the_trace_says_however_often_it_is_read(runs, looks):
    clock, board, trace = boards_and_trace(runs, end_s=30.0)
    for look_s in looks:
        before_s = clock.now_s()
        clock.sleep(look_s)
        board.read()
        now_s = clock.now_s()
        # The trace heats its die in steps of the governor, the board at every edge.
        assert board.energy_between(before_s, now_s) == pytest.approx(
            trace.energy_j(before_s, now_s).item(), rel=2e-4, abs=1e-6
        )
    assert board.energy_j == pytest.approx(board.energy_between(0, clock.now_s()), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(runs=run_lists, samples=st.sampled_from([1, 16]), phase_s=st.floats(0, 0.1))
def test_a_board_with_a_chip_shows_the_trace_s_registers(runs, samples, phase_s):
    chip = Ina3221Spec(samples=samples, phase_s=phase_s)
    clock, board, trace = boards_and_trace(runs, end_s=30.0, chip=chip)
    rails = rails_from_power(SPEC.power)
    for _ in range(15):
        clock.sleep(0.137)
        sample = board.read()
        for channel, (name, rail) in enumerate(rails.items()):
            seen_w = trace.sensor_at(clock.now_s(), chip, channel=channel, rail=rail).item()
            assert sample.rails_w[name] == pytest.approx(seen_w, abs=0.0401)


def test_a_fixed_rate_read_of_the_board_aliases_with_the_camera():
    means_w = set()
    for start_s in (0.0, 0.008, 0.016, 0.024):
        clock, board, _ = boards_and_trace([], end_s=1.0, chip=Ina3221Spec(phase_s=0.0))
        for frame in range(330):
            board.book_run("any", start_s + frame / 30, 0.4 / 30)
        reads_w = []
        for _ in range(100):
            clock.sleep(0.1)
            reads_w.append(board.read().power_w)
        means_w.add(round(sum(reads_w[10:]) / 90, 1))
    assert max(means_w) - min(means_w) > 5.0  # one truth, and what a fixed rate makes of it
