"""Windows to figures: what total and marginal are, and where their intervals come from."""

import msgspec
import numpy as np
import pytest

from edgert.profiling.energy.estimate import Stretch, estimate_energy, idle_around, mean_of
from edgert.profiling.energy.sensor_bound import SensorBound, ina3221_bound

EXACT = SensorBound()


def stretch(power_w, from_s, *, seconds=10.0, inferences=100, seed=0, scatter=0.0, every_s=0.02):
    time_s = np.arange(from_s - 0.1, from_s + seconds + 0.1, every_s)
    noise = np.random.default_rng(seed).standard_normal(len(time_s)) * scatter
    return Stretch(time_s, power_w + noise, from_s, from_s + seconds, inferences)


def means(*stretches, bound=EXACT):
    return [mean_of(one, bound) for one in stretches]


def test_total_and_marginal_energy_of_an_inference():
    windows = means(stretch(12.0, 100), stretch(12.0, 120))
    idle = means(stretch(4.0, 50, inferences=0), stretch(4.0, 150, inferences=0))
    found = estimate_energy(windows, idle, EXACT)
    assert found.total_j == pytest.approx(1.2)
    assert found.marginal_j == pytest.approx(0.8)
    assert (found.power_w, found.idle_w) == pytest.approx((12.0, 4.0))
    assert found.inferences == 200
    assert found.samples == pytest.approx(1000, abs=10)
    assert found.total_half_j == pytest.approx(0.0, abs=1e-9)


def test_idle_is_drawn_straight_between_before_and_after():
    idle = means(stretch(4.0, 0, inferences=0), stretch(5.0, 200, inferences=0))
    found = idle_around(idle, [55.0, 105.0])
    assert found.at_windows_w == pytest.approx([4.25, 4.5])
    assert found.power_w == pytest.approx(4.375)
    # What it moved by and samples don't explain is in the interval: half of it, either way.
    assert found.drift_w == pytest.approx(0.5)


def test_idle_that_scatters_has_not_drifted():
    idle = means(
        stretch(4.0, 0, inferences=0, scatter=1.0, seed=1),
        stretch(4.0, 200, inferences=0, scatter=1.0, seed=2),
    )
    found = idle_around(idle, [105.0])
    assert found.drift_w == 0.0
    assert found.standard_error_w == pytest.approx(1 / np.sqrt(1000), rel=0.2)


def test_one_idle_stretch_will_do():
    assert idle_around(means(stretch(4.0, 0)), [100.0]).power_w == pytest.approx(4.0)


def test_drift_of_idle_widens_marginal_energy_alone():
    windows = means(*(stretch(12.0, at) for at in (100, 120, 140)))
    still = means(stretch(4.0, 50), stretch(4.0, 200))
    moved = means(stretch(4.0, 50), stretch(4.4, 200))
    calm, drifted = (estimate_energy(windows, idle, EXACT) for idle in (still, moved))
    assert drifted.total_half_j == calm.total_half_j
    # 0.2 W over 0.1 s an inference; the line between them also moves the windows apart.
    assert 0.95 * 0.02 < drifted.marginal_half_j < 0.03


def test_the_spread_of_windows_is_student_s():
    windows = means(*(stretch(power_w, 100 + 20 * n) for n, power_w in enumerate((11, 12, 13))))
    found = estimate_energy(windows, means(stretch(4.0, 50)), EXACT)
    assert found.total_half_j == pytest.approx(4.303 * 0.1 / np.sqrt(3), rel=1e-3)


def test_windows_that_agree_by_chance_do_not_promise_more_than_their_samples():
    noisy = [stretch(12.0, 100 + 20 * n, scatter=3.0, seed=n) for n in range(3)]
    energies = [mean_of(one, EXACT).energy_j for one in noisy]
    alike = [
        one._replace(power_w=one.power_w + (120 - energy) / 10)
        for one, energy in zip(noisy, energies, strict=True)
    ]
    found = estimate_energy(means(*alike), means(stretch(4.0, 50)), EXACT)
    # Half a standard error: 3 W over the root of 500 samples, three windows, 0.1 s an inference.
    assert found.total_half_j == pytest.approx(0.5 * 3 / np.sqrt(500) / np.sqrt(3) * 0.1, rel=0.2)


def test_the_sensor_s_bound_is_in_both_and_its_offset_cancels_above_idle():
    offset = SensorBound(offsets_w=[0.5])
    gain = SensorBound(ratios=[0.01])
    windows, idle = means(*(stretch(12.0, at) for at in (100, 120, 140))), means(stretch(4.0, 50))
    by_offset, by_gain = (estimate_energy(windows, idle, bound) for bound in (offset, gain))
    assert by_offset.total_half_j == pytest.approx(0.95 * 0.05, rel=0.01)
    assert by_offset.marginal_half_j == pytest.approx(0.0, abs=1e-9)
    assert by_gain.total_half_j == pytest.approx(0.95 * 0.012, rel=0.01)
    assert by_gain.marginal_half_j == pytest.approx(0.95 * 0.008, rel=0.01)


def test_the_statistical_part_is_told_apart():
    bound = ina3221_bound([(0.005, 5.0)])
    windows = means(*(stretch(12, 100 + 20 * n, scatter=1, seed=n) for n in range(5)), bound=bound)
    found = estimate_energy(windows, means(stretch(4.0, 50), bound=bound), bound)
    assert 0 < found.total_statistical_j < found.total_half_j
    assert 0 < found.marginal_statistical_j < found.marginal_half_j
    without = estimate_energy(windows, means(stretch(4.0, 50)), EXACT)
    assert without.total_half_j == pytest.approx(found.total_statistical_j)


def test_values_that_stand_between_reads_are_one_value():
    """A chip with 64 samples gives 2.4 values a second, however often they are read."""
    slow = msgspec.structs.replace(EXACT, update_s=0.4)
    values = np.repeat(np.random.default_rng(0).normal(12, 1, 30), 20)[:500]
    one = Stretch(np.arange(500) * 0.02, values, 0.1, 9.9, 100)
    naive, knowing = (mean_of(one, bound).scatter.standard_error for bound in (EXACT, slow))
    assert knowing > 2.5 * naive
