"""What work draws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.emulator.power import EngineLoad, PowerModel, PowerSpec

SPEC = PowerSpec(idle_w=3.5, compute_w=8.0, memory_w=2.0)
FULL = EngineLoad(latency_s=0.060, macs=8_000)
MODEL = PowerModel(SPEC, FULL)


def test_the_reference_draws_the_busy_power_back_to_back():
    power_w, energy_j = MODEL.predict(FULL, temp_c=50)
    assert power_w == pytest.approx(SPEC.busy_power_w) == pytest.approx(13.5)
    assert energy_j == pytest.approx(13.5 * 0.060)


def test_an_engine_at_a_lower_rate_of_macs_draws_less():
    # Half the MACs in 0.7 of the time: 0.5 / 0.7 of the power above idle.
    half = EngineLoad(latency_s=0.042, macs=4_000)
    power_w, _ = MODEL.predict(half, temp_c=50)
    assert power_w == pytest.approx(3.5 + 10.0 * 0.5 / 0.7)


def test_energy_above_idle_does_not_depend_on_a_hiccup_of_the_latency():
    slow = EngineLoad(latency_s=0.600, macs=8_000)
    power_w, energy_j = MODEL.predict(slow, temp_c=50)
    assert energy_j - SPEC.idle_w * 0.600 == pytest.approx(10.0 * 0.060)
    assert power_w < SPEC.busy_power_w


def test_bytes_count_apart_from_macs_when_both_are_known():
    reference = EngineLoad(latency_s=0.060, macs=8_000, size_bytes=1_000)
    model = PowerModel(SPEC, reference)
    power_w, _ = model.predict(
        EngineLoad(latency_s=0.060, macs=4_000, size_bytes=1_000), temp_c=50
    )
    assert power_w == pytest.approx(3.5 + 4.0 + 2.0)


@pytest.mark.parametrize("reference", [None, EngineLoad(latency_s=0.06)])
def test_unknown_macs_count_as_busy_all_the_time(reference):
    model = PowerModel(SPEC, reference)
    power_w, _ = model.predict(EngineLoad(latency_s=0.010, macs=10), temp_c=50)
    assert power_w == pytest.approx(SPEC.busy_power_w)


def test_leakage_grows_with_temperature_and_never_turns_negative():
    cool, warm = (MODEL.predict(FULL, temp_c=temp_c)[0] for temp_c in (50, 80))
    assert warm - 3.5 == pytest.approx((cool - 3.5) * 1.18)
    assert MODEL.predict(FULL, temp_c=-500)[0] > SPEC.idle_w


@given(clock_ratio=st.floats(0.3, 1.0))
def test_a_lower_clock_back_to_back_draws_less_by_the_exponent(clock_ratio):
    # Back to back at ratio r the work goes through at rate r, the utilisation stays 1.
    draw = MODEL.draw(clock_ratio, clock_ratio, clock_ratio, 50)
    assert draw.compute_w == pytest.approx(8.0 * clock_ratio**2.2)
    assert draw.memory_w == pytest.approx(2.0 * clock_ratio)
