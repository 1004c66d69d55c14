"""The current monitor: when it looks, and in which steps it tells."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.emulator import ina3221
from edgert.emulator.ina3221 import Ina3221Spec


def test_the_driver_s_setting_updates_every_6_6_ms_and_64_samples_every_422_ms():
    assert Ina3221Spec().update_period_s == pytest.approx(6.6e-3)
    assert Ina3221Spec(samples=64).update_period_s == pytest.approx(0.4224)


@pytest.mark.parametrize(("shunt_ohm", "step_a"), [(0.005, 0.008), (0.002, 0.020)])
def test_one_step_of_the_register_is_40_microvolts_on_the_shunt(shunt_ohm, step_a):
    assert Ina3221Spec(shunt_ohm=shunt_ohm).current_step_a == pytest.approx(step_a)


def test_a_register_holds_the_last_look_that_has_ended():
    chip = Ina3221Spec(phase_s=0.0)
    # Channel 0 is looked at from 0 to 1.1 ms, from 6.6 to 7.7 ms, and so on.
    times_s = np.array([0.0, 0.0010, 0.0011, 0.0076, 0.0077, 0.0142, 0.0143])
    assert ina3221.batches_at(chip, 0, times_s).tolist() == [-1, -1, 0, 0, 1, 1, 2]
    assert ina3221.looks_of(chip, 0, np.array([0.0, 1.0])).ravel() == pytest.approx([0, 0.0066])


def test_channels_are_looked_at_one_after_the_other():
    chip = Ina3221Spec(phase_s=0.1)
    starts_s = [ina3221.looks_of(chip, channel, np.array([0.0])).item() for channel in range(3)]
    assert starts_s == pytest.approx([0.1, 0.1022, 0.1044])
    with pytest.raises(ValueError, match="channels 0 to 2, not 3"):
        ina3221.batches_at(chip, 3, np.array([0.0]))


def test_an_averaged_value_is_of_as_many_looks_each_a_cycle_apart():
    chip = Ina3221Spec(samples=4, phase_s=0.0)
    (looks_s,) = ina3221.looks_of(chip, 0, np.array([2.0]))
    assert looks_s == pytest.approx(np.array([8, 9, 10, 11]) * 0.0066)
    ended_s = looks_s[-1] + chip.conversion_s
    assert ina3221.batches_at(chip, 0, np.array([ended_s - 1e-6, ended_s])).tolist() == [1, 2]


@given(
    time_s=st.floats(0, 1e5),
    phase_s=st.floats(-1, 1),
    samples=st.sampled_from([1, 4, 64, 1024]),
    channel=st.integers(0, 2),
)
def test_no_register_knows_the_future_and_none_is_older_than_two_updates(
    time_s, phase_s, samples, channel
):
    chip = Ina3221Spec(samples=samples, phase_s=phase_s)
    batch = ina3221.batches_at(chip, channel, np.array([time_s]))
    looks_s = ina3221.looks_of(chip, channel, batch)
    ended_s = looks_s.max() + chip.conversion_s
    assert ended_s <= time_s + 1e-6
    assert ended_s > time_s - chip.update_period_s - 1e-6


def test_power_becomes_whole_steps_of_current_and_voltage_whole_steps_of_8_mv():
    chip = Ina3221Spec(supply_v=5.003)
    steps = ina3221.current_steps(chip, np.array([0.0, 0.0199, 0.0201, 10.0]))
    assert steps.tolist() == [0, 0, 1, 250]
    assert ina3221.bus_v(chip) == pytest.approx(5.0)
    assert ina3221.bus_v(Ina3221Spec(supply_v=5.005)) == pytest.approx(5.008)


def test_the_register_ends_at_13_bits():
    chip = Ina3221Spec()
    assert ina3221.current_steps(chip, np.array([1e6, -1e6])).tolist() == [4095, -4096]


def test_offset_and_gain_move_what_is_seen_by_what_the_data_sheet_allows():
    exact, steps = Ina3221Spec(), np.array([10.0])
    off = Ina3221Spec(shunt_offset_v=80e-6)
    gain = Ina3221Spec(shunt_gain_ratio=1.004)
    assert ina3221.current_steps(off, steps) - ina3221.current_steps(exact, steps) == 2
    assert ina3221.current_steps(gain, steps) - ina3221.current_steps(exact, steps) == 1


def test_the_chip_averages_only_over_counts_that_it_has():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"samples": 3}, Ina3221Spec)
