"""Two-node heat: the closed form against small explicit steps, and what must always hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.emulator.thermal import ThermalSpec, TwoNodeThermal

SPEC = ThermalSpec(
    ambient_c=31,
    die_j_per_k=1.5,
    sink_j_per_k=9,
    die_to_sink_k_per_w=0.8,
    sink_to_ambient_k_per_w=3.2,
    fan_stopped_k_per_w=5.0,
)
IDLE_W = 3.5


def fresh(spec=SPEC):
    return TwoNodeThermal(spec, idle_power_w=IDLE_W)


def explicit_euler(duration_s, power_w, *, resistance=SPEC.die_to_sink_k_per_w, step_s=1e-4):
    """The differential equations as they stand, in steps far below the time constants."""
    start = fresh()
    die, sink = start.die_c, start.sink_c
    for _ in range(round(duration_s / step_s)):
        through_w = (die - sink) / resistance
        lost_w = (sink - SPEC.ambient_c) / SPEC.sink_to_ambient_k_per_w
        die += step_s * (power_w - through_w) / SPEC.die_j_per_k
        sink += step_s * (through_w - lost_w) / SPEC.sink_j_per_k
    return die, sink


def test_step_agrees_with_the_differential_equations():
    thermal = fresh()
    thermal.step(5.0, 14.0)
    assert (thermal.die_c, thermal.sink_c) == pytest.approx(explicit_euler(5.0, 14.0), abs=2e-3)


def test_the_comparison_tells_a_wrong_resistance_apart():
    thermal = fresh()
    thermal.step(5.0, 14.0)
    wrong = explicit_euler(5.0, 14.0, resistance=SPEC.die_to_sink_k_per_w * 1.02)
    assert (thermal.die_c, thermal.sink_c) != pytest.approx(wrong, abs=2e-3)


def test_an_idle_board_stays_where_it_starts():
    thermal = fresh()
    assert thermal.die_c == pytest.approx(31 + 3.5 * 4.0)
    thermal.step(1000.0, IDLE_W)
    assert thermal.die_c == pytest.approx(31 + 3.5 * 4.0)


def test_a_given_start_is_the_start():
    spec = ThermalSpec(
        **{name: getattr(SPEC, name) for name in SPEC.__struct_fields__[:-1]}, start_c=60
    )
    assert (fresh(spec).die_c, fresh(spec).sink_c) == (60, 60)


def test_time_does_not_run_back():
    with pytest.raises(ValueError, match="cannot run back"):
        fresh().step(-1.0, 3.0)


@given(
    durations_s=st.lists(st.floats(0, 50), min_size=1, max_size=20),
    power_w=st.floats(0, 60),
    ambient_c=st.floats(-20, 60),
)
def test_many_steps_equal_one_long_one(durations_s, power_w, ambient_c):
    many, one = fresh(), fresh()
    many.ambient_c = one.ambient_c = ambient_c
    for duration_s in durations_s:
        many.step(duration_s, power_w)
    one.step(sum(durations_s), power_w)
    assert (many.die_c, many.sink_c) == pytest.approx((one.die_c, one.sink_c), abs=1e-6)


@given(duration_s=st.floats(0, 1e7), power_w=st.floats(0, 60))
def test_temperature_stays_between_start_and_steady_state(duration_s, power_w):
    thermal = fresh()
    low, high = sorted((thermal.die_c, thermal.steady_state(power_w)[0]))
    thermal.step(duration_s, power_w)
    assert low - 1e-6 <= thermal.die_c <= high + 1e-6


def test_warmer_air_and_a_stopped_fan_heat_the_board():
    cool, warm, still = fresh(), fresh(), fresh()
    warm.ambient_c += 10
    still.fan_running = False
    for thermal in (cool, warm, still):
        thermal.step(1e4, 10.0)
    assert warm.die_c == pytest.approx(cool.die_c + 10)
    assert still.die_c == pytest.approx(cool.die_c + 10 * (5.0 - 3.2))
