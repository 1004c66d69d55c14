"""Intervals against the truth, many times: the claim that this package stands for.

The fast part is a glance; `make test-slow` and tools/benchmark.py energy look properly.
"""

import numpy as np
import pytest
from benchmarks.energy_coverage import (
    LOADS,
    Look,
    coverage,
    instants,
    measure_many,
    measure_once,
    share_interval,
)
from benchmarks.energy_ratio import ratio_row

from edgert.emulator.spec import read_board_spec

SPEC = read_board_spec("profiles/boards/emulated-orin-nano-slow.yaml")
SENSIBLE = Look(0.02)
CAMERA = Look(0.1)
FIXED = Look(0.1, dithered=False)
AVERAGING = Look(0.02, samples=64)


@pytest.fixture(scope="module")
def camera():
    """60 measurements at 30 fps: dithered, and with a fixed step."""
    return measure_many(SPEC, "30 fps", [CAMERA, FIXED], window_s=5.0, runs=60)


def test_intervals_of_a_camera_s_load_hold_the_truth(camera):
    found = coverage(camera[0], drawn=True)["total"]
    assert found["coverage_interval"][0] <= 0.95 <= found["coverage_interval"][1]
    assert abs(found["bias_ratio"]) < 0.02


def test_without_dither_they_do_not(camera):
    found = coverage(camera[1], drawn=True)["total"]
    assert found["error_median_ratio"] > 0.25
    assert found["coverage"] < 0.2


@pytest.mark.parametrize("energy", ["total", "marginal"])
def test_an_interval_that_is_too_narrow_is_caught(camera, energy):
    found = coverage(camera[0], drawn=True, width=0.5)[energy]
    assert found["coverage_interval"][1] < 0.93


def test_back_to_back_two_hundredths_of_a_second_give_a_hundredth():
    (outcomes,) = measure_many(SPEC, "back to back", [SENSIBLE], window_s=5.0, runs=60)
    for energy in ("total", "marginal"):
        found = coverage(outcomes, drawn=True)[energy]
        assert found["coverage_interval"][0] <= 0.95 <= found["coverage_interval"][1] + 0.02
        assert abs(found["bias_ratio"]) < 0.005
        assert found["half_width_ratio"] < 0.015


def test_the_same_seed_gives_the_same_measurement():
    once, again = (
        measure_once(SPEC, "30 fps", [CAMERA], window_s=5.0, windows=5, seed=3) for _ in range(2)
    )
    assert once == again
    other = measure_once(SPEC, "30 fps", [CAMERA], window_s=5.0, windows=5, seed=4)
    assert once != other


@pytest.mark.parametrize("load", LOADS)
def test_every_load_has_a_truth_between_idle_and_full(load):
    (outcome,) = measure_once(SPEC, load, [SENSIBLE], window_s=5.0, windows=3, seed=0)
    assert 0 < outcome.marginal_j < outcome.total_j
    assert outcome.estimate.total_j == pytest.approx(outcome.total_j, rel=0.1)


def test_instants_are_dithered_or_keep_time():
    random = np.random.default_rng(0)
    dithered, fixed = (np.diff(instants(random, 0.1, 60, dithered=d)) for d in (True, False))
    assert dithered.std() == pytest.approx(0.1 / np.sqrt(12), rel=0.1)
    assert fixed.std() < 1e-4
    assert dithered.mean() == pytest.approx(fixed.mean(), rel=0.05)


def test_the_interval_of_a_share():
    low, high = share_interval(380, 400)
    assert (low, high) == pytest.approx((0.924, 0.967), abs=0.001)
    assert share_interval(0, 50)[0] == pytest.approx(0.0, abs=1e-12)
    assert share_interval(50, 50)[1] == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("load", ["back to back", "30 fps", "30 fps, 2 % jitter"])
@pytest.mark.parametrize("look", [SENSIBLE, CAMERA, AVERAGING])
def test_intervals_hold_the_truth_in_93_to_97_of_100(load, look):
    """1000 measurements, of which a share of 95 % is known to 1.4 %."""
    (outcomes,) = measure_many(SPEC, load, [look], window_s=5.0, runs=1000)
    for energy in ("total", "marginal"):
        found = coverage(outcomes, drawn=True)[energy]
        low, high = found["coverage_interval"]
        assert low <= 0.97
        assert high >= 0.93
        assert 0.92 < found["coverage"] < 0.98
        assert abs(found["bias_ratio"]) < 0.01


@pytest.mark.slow
def test_long_windows_hold_too():
    (outcomes,) = measure_many(SPEC, "30 fps", [SENSIBLE], window_s=60.0, runs=400)
    for energy in ("total", "marginal"):
        found = coverage(outcomes, drawn=True)[energy]
        assert found["coverage_interval"][0] <= 0.97
        assert found["coverage_interval"][1] >= 0.93
        assert abs(found["bias_ratio"]) < 0.01


@pytest.mark.slow
def test_turns_make_a_ratio_honest_on_a_board_that_warms_up():
    turns, one_by_one = (
        ratio_row(SPEC, paced=False, turns=turns, runs=200, seed=0) for turns in (True, False)
    )
    assert turns["coverage_interval"][0] <= 0.95 <= turns["coverage_interval"][1] + 0.01
    assert abs(turns["bias_ratio"]) < 0.001
    assert one_by_one["coverage"] < 0.5
    assert one_by_one["bias_ratio"] > 0.005
