"""An engine for minutes, in virtual time."""

import pytest

from edgert.clock import VirtualClock
from edgert.profiling.energy.meter import PowerMeter
from edgert.profiling.sustained import ThrottleWatch, play_sustained
from edgert.records import TelemetrySample


class Board:
    """5 W; from `hot_s` on it is throttled and its engine takes twice as long."""

    name = "board"

    def __init__(self, clock: VirtualClock, *, hot_s: float, power_w: float | None = 5.0) -> None:
        self.clock = clock
        self.hot_s = hot_s
        self.power_w = power_w

    @property
    def hot(self) -> bool:
        return self.clock.now_s() >= self.hot_s

    def read(self) -> TelemetrySample:
        now_s = self.clock.now_s()
        return TelemetrySample(
            time_s=now_s, source="board", provenance="emulated", power_w=self.power_w,
            temp_c=50 + now_s, clock_ratio=0.5 if self.hot else 1.0, throttled=self.hot,
            throttle_reason="hot" if self.hot else "",
            gaps={} if self.power_w else {"power": "torn"},
        )  # fmt: skip

    def close(self) -> None: ...


def play(duration_s: float, *, hot_s: float = 1e9, power_w=5.0, stop_s=1e9, **options):
    clock = VirtualClock()
    board = Board(clock, hot_s=hot_s, power_w=power_w)
    throttle = ThrottleWatch(board)
    meter = PowerMeter(throttle, clock, interval_s=0.05, virtual=True)

    def step() -> int:
        if clock.now_s() > stop_s:
            raise KeyboardInterrupt
        meter.clock.sleep(0.2 if board.hot else 0.1)
        return 1

    return play_sustained(
        step, meter, throttle, family="f", engine="full", board="board", duration_s=duration_s,
        **options,
    )  # fmt: skip


def test_heat_shows_bin_by_bin():
    played = play(40, hot_s=25.0)
    assert [one.inferences for one in played.bins] == [100, 100, 75, 50]
    assert [one.throttled for one in played.bins] == ["", "", "hot", "hot"]
    assert [one.clock_ratio for one in played.bins] == [1, 1, 0.5, 0.5]
    assert [one.power_w for one in played.bins] == pytest.approx([5] * 4)
    assert played.bins[0].temp_c == pytest.approx(60, abs=0.2)
    assert played.slowdown == pytest.approx(2.0)
    assert played.first_throttle_s == pytest.approx(25.0, abs=0.1)
    assert played.first_throttle_reason == "hot"
    assert not played.stopped


def test_frames_at_a_pace_are_late_when_it_is_hot():
    played = play(20, hot_s=10.0, paced_hz=8.0)
    cool, hot = played.bins
    assert (cool.inferences, cool.late) == (80, 0)
    assert hot.late >= hot.inferences - 1
    assert cool.latency_median_s == pytest.approx(0.1)


def test_a_last_bin_may_be_short():
    assert [one.to_s for one in play(25).bins] == pytest.approx([10, 20, 25])


def test_bins_keep_to_their_grid_although_inferences_overrun():
    played = play(600, hot_s=0.0, bin_s=0.7)  # of 0.2 s each
    assert played.bins[-1].to_s == pytest.approx(600)
    for number, one in enumerate(played.bins, start=1):
        assert 0.7 * number - 1e-6 <= one.to_s < 0.7 * number + 0.2 or one.to_s > 599.9


def test_without_power_there_is_a_gap_and_no_zero():
    played = play(10, power_w=None)
    assert played.bins[0].power_w is None
    assert played.gaps["torn"] > 100
    assert played.first_throttle_s is None


def test_ctrl_c_keeps_the_bins_that_ended():
    played = play(60, stop_s=25.0)
    assert played.stopped
    assert len(played.bins) == 2
    with pytest.raises(KeyboardInterrupt):
        play(60, stop_s=5.0)


@pytest.mark.parametrize("options", [{"duration_s": 0}, {"duration_s": 10, "bin_s": 0}])
def test_no_time_is_a_value_error(options):
    with pytest.raises(ValueError, match="must be > 0"):
        play(**options)
