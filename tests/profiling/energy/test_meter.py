"""A meter in virtual and in real time."""

import threading

import numpy as np
import pytest

from edgert.clock import MonotonicClock
from edgert.profiling.energy.meter import PowerMeter
from edgert.records import TelemetrySample
from tests.profiling.energy.boards import Rig


def test_in_virtual_time_every_sleep_is_sampled_on_the_way():
    rig = Rig()
    with rig.meter:
        rig.meter.clock.sleep(3.0)
        rig.meter.clock.sleep(0.0)
        rig.meter.clock.sleep(-1.0)
    assert rig.clock.now_s() == pytest.approx(103.0)
    assert len(rig.meter.samples.time_s) == pytest.approx(150, abs=10)


def test_instants_are_dithered():
    rig = Rig(interval_s=0.1)
    with rig.meter:
        rig.meter.clock.sleep(60.0)
    steps_s = np.diff(rig.meter.samples.time_s)
    assert steps_s.min() < 0.06
    assert steps_s.max() > 0.14
    assert steps_s.mean() == pytest.approx(0.1, rel=0.05)


def test_in_real_time_a_thread_samples():
    enough = threading.Event()
    clock = MonotonicClock()

    class Source:
        name = "fake"
        reads = 0

        def read(self):
            self.reads += 1
            if self.reads == 20:
                enough.set()
            return TelemetrySample(
                time_s=clock.now_s(), source="fake", provenance="measured", power_w=5.0
            )

        def close(self):
            pass

    with PowerMeter(Source(), clock, interval_s=0.001) as meter:
        assert meter.clock is clock
        assert enough.wait(10.0)
    assert len(meter.samples.power_w) >= 15
    assert (meter.samples.power_w == 5.0).all()
