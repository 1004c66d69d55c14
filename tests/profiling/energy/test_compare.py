"""Ratios of engines whose windows took turns."""

import math

import msgspec
import numpy as np
import pytest

from edgert.profiling.energy.compare import compare_energy, order
from edgert.profiling.energy.estimate import Stretch, mean_of
from edgert.profiling.energy.sensor_bound import SensorBound, ina3221_bound

EXACT = SensorBound()


def mean(power_w, at_s, *, inferences=100, bound=EXACT):
    time_s = np.arange(at_s - 0.1, at_s + 10.1, 0.02)
    powers_w = np.full(len(time_s), float(power_w))
    return mean_of(Stretch(time_s, powers_w, at_s, at_s + 10.0, inferences), bound)


IDLE = [mean(4.0, 0), mean(4.0, 500)]


def test_turns_go_forth_and_back():
    assert [name for _, name in order(["a", "b"], 4)] == list("abbaabba")
    assert order(["a", "b", "c"], 2) == [
        (0, "a"),
        (0, "b"),
        (0, "c"),
        (1, "c"),
        (1, "b"),
        (1, "a"),
    ]
    assert order(["a"], 3) == [(0, "a"), (1, "a"), (2, "a")]


def test_straight_drift_cancels_over_two_turns():
    places = {"a": 0, "b": 0}
    for place, (_, name) in enumerate(order(["a", "b"], 6)):
        places[name] += place
    assert places["a"] == places["b"]


def compared(ours_w, base_w, **options):
    ours = [mean(power_w, 100 + 40 * n, **options) for n, power_w in enumerate(ours_w)]
    base = [mean(power_w, 120 + 40 * n, **options) for n, power_w in enumerate(base_w)]
    bound = options.get("bound", EXACT)
    return compare_energy(ours, base, IDLE, bound, name="base")


def test_the_ratio_of_total_and_of_marginal_energy():
    found = compared([8.0] * 6, [12.0] * 6)
    assert found.baseline == "base"
    assert found.pairs == 6
    assert found.total == pytest.approx(8 / 12)
    assert found.marginal == pytest.approx(4 / 8)
    assert found.total_interval == pytest.approx((8 / 12, 8 / 12))


def test_what_moves_both_of_a_pair_falls_out():
    drift = np.linspace(1.0, 1.3, 6)
    found = compared(8 * drift, 12 * drift)
    assert found.total == pytest.approx(2 / 3)
    assert found.total_interval[1] - found.total_interval[0] < 1e-9


def test_what_moves_one_of_a_pair_is_in_the_interval():
    logs = np.array([0.02, -0.02, 0.02, -0.02, 0.02, -0.02])
    found = compared(8 * np.exp(logs), [12.0] * 6)
    half = 2.571 * np.std(logs, ddof=1) / math.sqrt(6)
    assert found.total_interval == pytest.approx(
        (2 / 3 * math.exp(-half), 2 / 3 * math.exp(half)), rel=1e-3
    )


def test_gain_falls_out_of_a_ratio_and_an_offset_does_not_quite():
    gain = SensorBound(ratios=[0.1])
    offset = SensorBound(offsets_w=[0.5])
    assert compared([8.0] * 6, [12.0] * 6, bound=gain).total_interval == pytest.approx(
        (2 / 3, 2 / 3)
    )
    low, high = compared([8.0] * 6, [12.0] * 6, bound=offset).total_interval
    half = 0.95 * 0.5 * (1 / 8 - 1 / 12)
    assert math.log(high / low) / 2 == pytest.approx(half, rel=0.01)
    # Above idle it is gone.
    marginal = compared([8.0] * 6, [12.0] * 6, bound=offset).marginal_interval
    assert marginal == pytest.approx((0.5, 0.5))


def test_rounding_is_in_it():
    bound = msgspec.structs.replace(ina3221_bound([(0.005, 5.0)]), ratios=[], offsets_w=[])
    low, high = compared([8.0] * 6, [12.0] * 6, bound=bound).total_interval
    assert math.log(high / low) / 2 == pytest.approx(0.02 * 0.9 * (1 / 8 + 1 / 12), rel=0.15)


def test_an_engine_that_draws_no_more_than_idle_has_no_marginal_ratio():
    found = compared([4.0] * 6, [12.0] * 6)
    assert found.total == pytest.approx(1 / 3)
    assert found.marginal is None
    assert found.marginal_interval is None


def test_one_pair_is_none():
    assert compared([8.0], [12.0]) is None


def test_unequal_numbers_are_a_mistake():
    with pytest.raises(ValueError, match="make no pairs"):
        compare_energy([mean(8, 100)], [], IDLE, EXACT, name="base")
