"""What a controller sees: on time or late, smoothed, in steps, with gaps."""

import itertools
import math
import statistics

import pytest

from edgert.evaluation.sensing import EXACT, JTOP, JTOP_ONE_HERTZ, LATE, TICK_S, Sensors
from tests.evaluation.days import day_of


def lived(sensing, *, ticks=200, power_w=10.0, die_c=60.0, **values):
    """Sensors after some seconds of a steady board, which idled before, and each new sample."""
    sensors = Sensors(day_of(60, **values), sensing, power_w=3.5)
    samples = []
    for tick in range(1, ticks + 1):
        sensors.tick(tick * TICK_S, power_w, die_c, 1.0)
        sample = sensors.at(tick * TICK_S)
        if sample is not None and (not samples or sample is not samples[-1]):
            samples.append(sample)
    return sensors, samples


@pytest.mark.parametrize(("sensing", "interval_s"), [(JTOP, 0.1), (JTOP_ONE_HERTZ, 1.0)])
def test_samples_come_at_the_sources_rate(sensing, interval_s):
    _, samples = lived(sensing)
    times_s = [sample.time_s for sample in samples]
    assert [b - a for a, b in itertools.pairwise(times_s)] == pytest.approx(
        [interval_s] * (len(times_s) - 1)
    )
    assert all(sample.provenance == "emulated" for sample in samples)


@pytest.mark.parametrize("sensing", [JTOP, LATE])
def test_samples_are_delivered_late_and_say_when_they_were_read(sensing):
    sensors = Sensors(day_of(), sensing, power_w=3.5)
    for tick in (1, 2):
        sensors.tick(tick * TICK_S, 10.0, 60.0, 1.0)
    assert sensors.at(0.1 + sensing.delay_s - 0.001) is None
    sample = sensors.at(0.1 + sensing.delay_s)
    assert sample.time_s == pytest.approx(0.1)
    assert sample.age_s == sensing.delay_s


def test_the_same_object_is_handed_out_until_a_newer_one_is_there():
    sensors, samples = lived(JTOP, ticks=21)
    assert sensors.at(1.06) is sensors.at(1.07) is samples[-1]


def test_power_follows_a_step_with_the_sensors_time_constant():
    _, samples = lived(EXACT)
    for sample in samples:
        expected_w = 10.0 - 6.5 * math.exp(-sample.time_s / EXACT.averaging_s)
        assert sample.power_w == pytest.approx(expected_w, abs=1e-5)


def test_noise_has_its_size_and_values_their_steps():
    _, samples = lived(JTOP, ticks=1200)
    settled = samples[50:]
    powers_w = [sample.power_w for sample in settled]
    assert statistics.fmean(powers_w) == pytest.approx(10.0, abs=0.02)
    assert 0.07 < statistics.stdev(powers_w) < 0.13
    assert all(abs(power_w / 0.04 - round(power_w / 0.04)) < 1e-6 for power_w in powers_w)
    temps_c = [sample.temp_c for sample in settled]
    assert statistics.fmean(temps_c) == pytest.approx(60.0, abs=0.03)
    assert {temp_c % 0.25 for temp_c in temps_c} == {0.0}
    assert len(set(temps_c)) > 1


def test_noise_is_the_days_own():
    first, again = lived(JTOP)[1], lived(JTOP)[1]
    other = lived(JTOP, seed=2)[1]
    assert first == again
    assert [sample.power_w for sample in first] != [sample.power_w for sample in other]


def test_gaps_deliver_nothing_and_leave_the_noise_after_them_alone():
    _, whole = lived(JTOP)
    _, gapped = lived(JTOP, gaps=[(2.0, 4.0), (5.0, math.inf)])
    kept = [sample for sample in whole if sample.time_s < 2 or 4 <= sample.time_s < 5]
    assert gapped == kept


def test_over_current_events_count_up():
    _, samples = lived(JTOP, over_current=[(1.0, "oc3"), (2.0, "oc3"), (3.0, "oc1")])
    counts = {sample.time_s: sample.over_current_events for sample in samples}
    by_time = [next(value for time_s, value in counts.items() if time_s > at - 1e-6)
               for at in (0.5, 1.5, 2.5, 3.5)]  # fmt: skip
    assert by_time == [{}, {"oc3": 1}, {"oc3": 2}, {"oc3": 2, "oc1": 1}]


def test_throttling_is_told():
    sensors = Sensors(day_of(), EXACT, power_w=3.5)
    for tick in (1, 2):
        sensors.tick(tick * TICK_S, 10.0, 60.0, 0.8)
    sample = sensors.at(0.1)
    assert (sample.clock_ratio, sample.throttled) == (0.8, True)
