"""What sensors make of the truth: means, steps, noise, or a chip's registers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.emulator.history import PowerHistory
from edgert.emulator.ina3221 import Ina3221Spec
from edgert.emulator.power import Draw
from edgert.emulator.rails import RailShare
from edgert.emulator.sensors import Sensors
from edgert.emulator.spec import SensorSpec

RAILS = {
    "IN": RailShare(idle_w=3.0, compute_ratio=1.0, memory_ratio=1.0),
    "GPU": RailShare(idle_w=0.5, compute_ratio=1.0),
    "SOC": RailShare(idle_w=1.0, memory_ratio=0.5),
}


def looked_at(spec, *draws, seed=0):
    """One second of each draw, then a look at all rails."""
    sensors = Sensors(spec, RAILS, start_s=0.0, seed=seed)
    history = PowerHistory(RAILS["IN"], start_s=0.0, keep_s=60.0)
    for second, draw in enumerate(draws, start=1):
        sensors.add(draw, 1.0)
        history.add(float(second), *draw)
    return sensors.rails_w(history)


def test_a_plain_sensor_shows_the_mean_since_the_last_look():
    seen_w = looked_at(SensorSpec(), Draw(8.0, 2.0), Draw(0.0, 0.0))
    assert seen_w == pytest.approx({"IN": 3.0 + 5.0, "GPU": 0.5 + 4.0, "SOC": 1.0 + 0.5})


def test_a_second_look_at_the_same_moment_shows_the_same():
    sensors = Sensors(SensorSpec(), RAILS, start_s=0.0, seed=0)
    history = PowerHistory(RAILS["IN"], start_s=0.0, keep_s=60.0)
    sensors.add(Draw(8.0, 2.0), 1.0)
    history.add(1.0, 8.0, 2.0)
    assert sensors.rails_w(history) == sensors.rails_w(history)


def test_a_slow_sensor_lags():
    fast_w = looked_at(SensorSpec(), Draw(8.0, 2.0))["IN"]
    slow_w = looked_at(SensorSpec(averaging_s=1.0), Draw(8.0, 2.0))["IN"]
    assert slow_w == pytest.approx(3.0 + (fast_w - 3.0) * 0.6321, rel=1e-3)


def test_steps_round_and_noise_is_that_of_the_seed():
    spec = SensorSpec(power_step_w=0.04, power_noise_w=0.3)
    first, again, other = (looked_at(spec, Draw(8.0, 2.0), seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert all(value / 0.04 == pytest.approx(round(value / 0.04)) for value in first.values())


def test_noise_never_makes_a_rail_negative():
    spec = SensorSpec(power_noise_w=50.0)
    assert min(looked_at(spec, Draw(0.0, 0.0), seed=s)["GPU"] for s in range(20)) == 0.0


@given(compute_w=st.floats(0, 40), memory_w=st.floats(0, 10))
def test_with_a_chip_every_rail_is_what_its_channel_shows(compute_w, memory_w):
    chip = Ina3221Spec()
    seen_w = looked_at(SensorSpec(ina3221=chip), Draw(compute_w, memory_w))
    for name, rail in RAILS.items():
        half_step_w = chip.current_step_a * 5.0 / 2
        assert seen_w[name] == pytest.approx(
            rail.power_w(compute_w, memory_w), abs=half_step_w + 1e-9
        )


def test_temperatures_have_steps_and_noise_of_their_own():
    exact = Sensors(SensorSpec(), RAILS, start_s=0.0, seed=0)
    stepped = Sensors(SensorSpec(temp_step_c=0.5), RAILS, start_s=0.0, seed=0)
    noisy = Sensors(SensorSpec(temp_noise_c=1.0), RAILS, start_s=0.0, seed=0)
    assert exact.zone_c(61.27) == 61.27
    assert stepped.zone_c(61.27) == 61.5
    assert noisy.zone_c(61.27) != 61.27
