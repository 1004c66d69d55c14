"""What a frame costs in time."""

import pytest

from edgert.clock import VirtualClock
from edgert.runtime.pace import RealPace, choose_pace


class RecordingClock:
    """A real clock's part in tests: sleeping is noted, and time goes on by it."""

    def __init__(self):
        self.now, self.slept = 50.0, []

    def now_s(self):
        return self.now

    def sleep(self, duration_s):
        if duration_s > 0:
            self.slept.append(duration_s)
            self.now += duration_s


def real(clock, **options):
    defaults = {"period_s": None, "fps": 10.0, "live": False, "paced": False, "latency_scale": 1.0}
    return choose_pace(clock, **(defaults | options))


def test_a_slower_board_is_really_waited_for():
    clock = RecordingClock()
    pace = real(clock)
    assert pace.lengthen(0.02, 1.5) == pytest.approx(0.03)
    assert clock.slept == pytest.approx([0.01])
    assert pace.lengthen(0.02, 1.0) == 0.02
    assert len(clock.slept) == 1


def test_files_are_not_paced_unless_asked():
    clock = RecordingClock()
    real(clock).finish(50.0, 0.02)
    assert clock.slept == []
    real(clock, paced=True).finish(49.97, 0.02)
    assert clock.slept == pytest.approx([0.07])
    real(clock, paced=True, period_s=0.2).finish(clock.now, 0.02)
    assert clock.slept[1] == pytest.approx(0.2)


def test_a_skipped_frame_rests_for_its_period_unless_the_source_is_live():
    clock = RecordingClock()
    real(clock, live=True).finish(50.0, None)
    assert clock.slept == []
    real(clock).finish(50.0, None)
    assert clock.slept == pytest.approx([0.1])


def test_scaling_needs_a_virtual_clock_and_a_positive_scale():
    with pytest.raises(ValueError, match="VirtualClock"):
        real(RecordingClock(), latency_scale=2.0)
    with pytest.raises(ValueError, match="positive"):
        real(VirtualClock(), latency_scale=0.0)
    assert isinstance(real(RecordingClock()), RealPace)
