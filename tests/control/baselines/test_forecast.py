"""What another rung would cost now."""

import pytest

from edgert.control.baselines.forecast import Forecast
from edgert.records import FrameOutcome, ProfileEntry

RUNGS = [
    ProfileEntry(name="full", latency_s=0.060, power_w=14),
    ProfileEntry(name="half", latency_s=0.030, power_w=12),
    ProfileEntry(name="bare", latency_s=0.010),
]


def frames(forecast, name, latency_s, *, preprocess_s=0.0, count=60):
    for _ in range(count):
        forecast.observe(
            FrameOutcome(
                configuration=name,
                latency_s=latency_s,
                met_deadline=True,
                preprocess_s=preprocess_s,
            )
        )


def test_without_frames_the_profile_stands():
    assert Forecast(RUNGS).latency_s(0) == 0.060


def test_a_slowdown_carries_over_to_other_rungs_and_preprocessing_is_added_once():
    forecast = Forecast(RUNGS)
    frames(forecast, "half", 0.045 + 0.004, preprocess_s=0.004)
    assert forecast.slowdown == pytest.approx(1.5)
    assert forecast.latency_s(0) == pytest.approx(0.090 + 0.004)


def test_one_hiccup_counts_little():
    forecast = Forecast(RUNGS)
    frames(forecast, "half", 0.030)
    frames(forecast, "half", 3.0, count=1)
    assert forecast.slowdown <= 1.1 + 1e-9


def test_an_unknown_configuration_teaches_nothing():
    forecast = Forecast(RUNGS)
    frames(forecast, "other", 9.0)
    assert forecast.slowdown == 1.0


def test_power_follows_the_busy_share_of_the_time_between_frames():
    forecast = Forecast(RUNGS)
    for frame in range(5):
        forecast.begin(frame * 0.1)
    # "half" is busy 30 % of the time: 4 W idle and 12 W busy make 6.4 W.
    assert forecast.power_w(1, current=1, observed_w=6.4) == pytest.approx(6.4)
    assert forecast.power_w(0, current=1, observed_w=6.4) == pytest.approx(4 * 0.4 + 14 * 0.6)
    assert forecast.power_w(0, current=1, observed_w=7.4) > 4 * 0.4 + 14 * 0.6


def test_power_back_to_back_scales_with_the_profile_and_is_bounded_by_it():
    forecast = Forecast(RUNGS)
    assert forecast.power_w(1, current=0, observed_w=7.0) == pytest.approx(6.0)
    assert forecast.power_w(1, current=0, observed_w=20.0) == 12


def test_unknown_power_stays_unknown():
    assert Forecast(RUNGS).power_w(2, current=1, observed_w=11.0) is None
