"""The sampler: random instants, what is left out, a day in bounded memory."""

import math
import threading

import numpy as np
import pytest

from edgert.clock import MonotonicClock, VirtualClock
from edgert.errors import SensorReadError
from edgert.records import TelemetrySample
from edgert.telemetry.sampler import DAY_OF_SAMPLES, Sampler


def steady(_):
    return 5.0


class Source:
    """Power as a function of time; `read` takes `took_s` of the clock's time."""

    name = "test"

    def __init__(self, clock, power=steady, *, took_s=0.0, temp_c=None):
        self.clock, self.power, self.took_s, self.temp_c = clock, power, took_s, temp_c
        self.reads = 0

    def read(self):
        self.reads += 1
        time_s = self.clock.now_s()
        self.clock.sleep(self.took_s(self.reads) if callable(self.took_s) else self.took_s)
        value = self.power(time_s)
        return TelemetrySample(
            time_s=time_s, source="test", provenance="measured", power_w=value,
            temp_c=self.temp_c, gaps={} if value is not None else {"power": "rail A: vanished"},
        )  # fmt: skip

    def close(self):
        pass


def sampled(source, duration_s=10.0, interval_s=0.02, **options):
    sampler = Sampler(source, interval_s, clock=source.clock, **options)
    sampler.run_for(duration_s)
    return sampler


@pytest.fixture
def clock():
    return VirtualClock(100.0)


# ---------------------------------------------------------------- instants


def test_instants_are_random_between_half_and_one_and_a_half_steps(clock):
    steps_s = np.diff(sampled(Source(clock), 60.0).samples.time_s)
    assert steps_s.min() >= 0.01 - 1e-9
    assert steps_s.max() <= 0.03 + 1e-9
    assert steps_s.mean() == pytest.approx(0.02, rel=0.02)
    assert steps_s.std() == pytest.approx(0.02 / math.sqrt(12), rel=0.05)


def test_instants_follow_the_seed():
    def times_s(seed):
        return sampled(Source(VirtualClock()), seed=seed).samples.time_s

    np.testing.assert_array_equal(times_s(1), times_s(1))
    assert not np.array_equal(times_s(1)[:100], times_s(2)[:100])


def test_time_that_reading_takes_does_not_lower_the_rate(clock):
    sampler = sampled(Source(clock, took_s=0.009), 60.0)
    assert sampler.report.kept == pytest.approx(3000, rel=0.02)


def square_wave(time_s):
    """A camera's frame every 1/30 s, the engine busy for 40 % of it."""
    return 14.5 if (time_s * 30) % 1 < 0.4 else 4.5


def test_load_that_keeps_time_with_a_camera_is_not_mistaken(clock):
    sampler = sampled(Source(clock, square_wave), 60.0, interval_s=0.1)
    mean_w = sampler.report.energy_j / sampler.report.duration_s
    assert mean_w == pytest.approx(8.5, rel=0.06)
    fixed = [square_wave(100 + 0.1 * step) for step in range(600)]  # what a fixed step sees
    assert abs(np.mean(fixed) / 8.5 - 1) > 0.3


# ---------------------------------------------------------------- what is left out


def test_gaps_are_counted_with_their_reasons(clock):
    source = Source(clock, lambda t: None if 102 <= t < 104 else 5.0)
    report = sampled(source).report
    assert report.gaps == pytest.approx(100, abs=4)
    assert report.reasons == {"rail A: vanished": report.gaps}
    assert report.longest_gap_s == pytest.approx(2.0, abs=0.1)
    assert report.reads == report.kept + report.gaps


def test_errors_are_gaps_and_sampling_goes_on(clock):
    source = Source(clock)

    def broken():
        source.reads += 1
        raise SensorReadError("read", expected="a value", got="12 gaps", advice="Check")

    whole, source.read = source.read, broken
    sampler = Sampler(source, 0.02, clock=clock)
    sampler.run_for(1.0)
    source.read = whole
    sampler.run_for(1.0)
    assert sampler.report.gaps == pytest.approx(50, abs=4)
    assert sampler.report.kept == pytest.approx(50, abs=4)
    assert list(sampler.report.reasons) == ["… gaps"]


def test_source_without_a_sample_is_a_gap(clock):
    source = Source(clock)
    source.read = lambda: None
    assert sampled(source, 1.0).report.reasons == {"no sample yet": pytest.approx(50, abs=4)}


def test_reasons_that_count_up_are_one_reason(clock):
    source = Source(clock)
    source.read = lambda: TelemetrySample(
        time_s=clock.now_s(), source="jtop", provenance="measured",
        gaps={"jtop": f"no new sample for {clock.now_s():.1f} s"},
    )  # fmt: skip
    assert list(sampled(source).report.reasons) == ["no new sample for … s"]


def test_different_reasons_take_bounded_room(clock):
    source = Source(clock)
    words = iter(f"reason {chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(600))
    source.read = lambda: TelemetrySample(
        time_s=clock.now_s(), source="x", provenance="measured", gaps={"power": next(words)}
    )
    report = sampled(source, 8.0).report
    assert len(report.reasons) == 65
    assert sum(report.reasons.values()) == report.gaps


def test_read_that_took_three_times_the_median_is_left_out(clock):
    source = Source(clock, took_s=lambda n: 0.05 if n % 50 == 0 else 0.004)
    sampler = sampled(source)
    report = sampler.report
    assert report.late == source.reads // 50
    assert report.reads == report.kept + report.late


def test_reads_that_are_all_slow_are_all_kept(clock):
    report = sampled(Source(clock, took_s=0.013)).report
    assert report.late == 0


def test_short_reads_may_differ_by_any_factor(clock):
    """A read with the slow sensors in it takes ten times as long, and its moment is as good."""
    report = sampled(Source(clock, took_s=lambda n: 1e-3 if n % 5 == 0 else 1e-4)).report
    assert report.late == 0


def test_same_sample_twice_counts_once(clock):
    source = Source(clock)
    whole, newest = source.read, {}

    def at_five_hertz():
        key = math.floor(clock.now_s() * 5)
        newest.setdefault(key, None)
        newest[key] = newest[key] or whole()
        return newest[key]

    source.read = at_five_hertz
    report = sampled(source).report
    assert report.kept == pytest.approx(50, abs=2)
    assert report.repeated == report.reads - report.kept


def test_time_that_goes_back_is_left_out(clock):
    source = Source(clock)
    times_s = iter([1.0, 2.0, 1.5, 2.0, 3.0, *[4.0] * 99])
    source.read = lambda: TelemetrySample(
        time_s=next(times_s), source="x", provenance="measured", power_w=5.0
    )
    assert sampled(source, 0.2).samples.time_s[:3].tolist() == [1.0, 2.0, 3.0]


def test_temperatures_are_kept_with_their_range(clock):
    source = Source(clock, temp_c=45.0)
    sampler = Sampler(source, 0.02, clock=clock)
    sampler.run_for(1.0)
    source.temp_c = 52.0
    sampler.run_for(1.0)
    source.temp_c = None
    sampler.run_for(1.0)
    assert (sampler.report.temp_low_c, sampler.report.temp_high_c) == (45.0, 52.0)
    assert np.isnan(sampler.samples.temp_c[-1])
    assert (sampler.first.temp_c, sampler.last.temp_c) == (45.0, None)


def test_nothing_read_is_an_empty_report(clock):
    report = Sampler(Source(clock), 0.02, clock=clock).report
    assert (report.reads, report.energy_j, report.temp_low_c) == (0, 0.0, None)


# ---------------------------------------------------------------- a day


def day(clock, duration_s, max_samples):
    sampler = Sampler(Source(clock, temp_c=50.0), 0.02, clock=clock, max_samples=max_samples)
    sampler.run_for(duration_s)
    return sampler


def test_memory_stays_bounded_and_the_energy_whole(clock):
    """Six minutes stand for the day: a bound that is passed forty times over."""
    sampler = day(clock, 360.0, max_samples=450)
    report = sampler.report
    assert report.kept <= 450 + 450 // 8
    assert report.kept + report.dropped == report.reads == pytest.approx(18000, rel=0.01)
    assert report.duration_s == pytest.approx(360, abs=0.05)
    assert report.energy_j == pytest.approx(5.0 * report.duration_s)
    assert sampler.samples.time_s[-1] == sampler.last.time_s


@pytest.mark.slow
def test_day_of_samples_takes_what_is_said(clock):
    sampler = day(clock, 86400.0, max_samples=DAY_OF_SAMPLES)
    assert sampler.report.reads == pytest.approx(DAY_OF_SAMPLES, rel=0.001)
    assert sampler._series.size_bytes < 106e6
    assert sampler.report.energy_j == pytest.approx(5.0 * sampler.report.duration_s, rel=1e-12)
    sampler.run_for(3600.0)  # and an hour more
    assert sampler._series.size_bytes < 106e6
    assert sampler.report.dropped > 0
    assert sampler.report.duration_s == pytest.approx(90000, abs=0.1)


# ---------------------------------------------------------------- the thread


def test_thread_samples_until_it_is_stopped():
    clock = MonotonicClock()
    enough = threading.Event()

    class Counted(Source):
        def read(self):
            sample = super().read()
            if self.reads >= 5:
                enough.set()
            return sample

    source = Counted(clock)
    sampler = Sampler(source, 0.001, clock=clock).start()
    assert enough.wait(10)
    report = sampler.stop()
    assert report.reads >= 5
    assert source.reads == report.reads == sampler.report.reads
    assert np.all(np.diff(sampler.samples.time_s) > 0)


def test_sampler_is_started_once_and_may_be_stopped_without():
    clock = MonotonicClock()
    sampler = Sampler(Source(clock), 10.0, clock=clock)
    assert sampler.stop().reads == 0
    sampler.start()
    with pytest.raises(ValueError, match="once"):
        sampler.start()
    sampler.stop()


def test_what_was_left_out_is_said_at_the_end(clock, caplog):
    sampler = sampled(Source(clock, lambda t: None if t < 105 else 5.0), max_samples=64)
    with caplog.at_level("INFO"):
        sampler.stop()
    assert "oldest dropped" in caplog.text
    assert "rail A: vanished" in caplog.text


@pytest.mark.parametrize("interval_s", [0, -1, math.nan])
def test_interval_that_is_none_is_misuse(clock, interval_s):
    with pytest.raises(ValueError, match="interval_s"):
        Sampler(Source(clock), interval_s)
