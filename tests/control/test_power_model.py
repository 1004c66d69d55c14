"""The power model against sensors that mean, lag, arrive late and are wrong at times."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.options import Options
from edgert.control.power_model import LEAST_BIAS, MOST_BIAS, PowerModel
from edgert.control.tuning import Tuning
from tests.control.toy_board import EIGHT, IDLE_W, PERIOD_S, entry, profile_of

TUNING = Tuning()
ROWS = {row.name: row for row in Options(EIGHT, idle_w=IDLE_W).rows}


class Metered:
    """A true power, what a lagging sensor shows of it, and a model that sees that later."""

    def __init__(self, *, delay_s=0.0, ratio=1.0, own=None, power_known=True, noise=0.0):
        self.model = PowerModel(idle_w=IDLE_W, power_known=power_known, tuning=TUNING)
        self.delay_s, self.ratio, self.own, self.noise = delay_s, ratio, own or {}, noise
        self.now_s, self.seen_w = 0.0, IDLE_W
        self.pending: list[tuple[float, float]] = []
        self.chance = random.Random(1)
        self.true_j = self.last_w = 0.0
        self.model.advance(0.0, "", 0.0)

    def run(self, duration_s: float, name: str, *, read: bool = True) -> None:
        row = ROWS[name]
        for frame in range(round(duration_s / PERIOD_S)):
            dynamic_w = row.energy_j / PERIOD_S * self.ratio * self.own.get(name, 1.0)
            power_w = IDLE_W + dynamic_w
            self.true_j += power_w * PERIOD_S
            weight = 1 - math.exp(-PERIOD_S / TUNING.sensor_lag_s)
            self.seen_w += weight * (power_w - self.seen_w)
            self.now_s += PERIOD_S
            self.model.advance(self.now_s, name, row.energy_j)
            if frame % 3 == 0:
                noisy_w = self.seen_w * (1 + self.chance.gauss(0, self.noise))
                self.pending.append((self.now_s, noisy_w))
            while read and self.pending and self.pending[0][0] <= self.now_s - self.delay_s:
                self.model.observe(*self.pending.pop(0))

    def told_w(self, name: str) -> float:
        return self.model.power_w(ROWS[name], 1.0, PERIOD_S)

    def true_w(self, name: str) -> float:
        dynamic_w = ROWS[name].energy_j / PERIOD_S
        return IDLE_W + dynamic_w * self.ratio * self.own.get(name, 1.0)


def test_power_is_the_profile_s_before_anything_is_read():
    model = Metered().model
    big = ROWS["c8"]
    assert model.power_w(big, 1.0, big.latency_s) == pytest.approx(EIGHT.entry("c8").power_w)
    half_w = model.power_w(big, 1.0, 2 * big.latency_s)
    assert half_w - IDLE_W == pytest.approx((EIGHT.entry("c8").power_w - IDLE_W) / 2)


def test_slower_engines_draw_longer_but_never_more_than_back_to_back():
    model, row = Metered().model, ROWS["c4"]
    assert model.power_w(row, 1.5, PERIOD_S) > model.power_w(row, 1.0, PERIOD_S)
    back_to_back_w = EIGHT.entry("c4").power_w
    assert model.power_w(row, 50.0, PERIOD_S) == pytest.approx(back_to_back_w)


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.7, 2.0])
def test_late_and_averaged_readings_of_an_unsteady_load_do_not_bias(delay_s):
    bench = Metered(delay_s=delay_s)
    chance = random.Random(4)
    for _ in range(60):
        bench.run(chance.uniform(0.3, 2.0), chance.choice(["c1", "c8"]))
    assert bench.model.bias == pytest.approx(1.0, abs=0.03)
    assert all(ratio == pytest.approx(1.0, abs=0.05) for ratio in bench.model.own.values())


def test_readings_taken_for_newer_than_they_are_would_bias():
    # The control: the same late readings, handed in under the time that they arrive at.
    bench = Metered()
    late = []
    worst = 0.0
    for name in ["c1", "c8"] * 15:
        for _ in range(30):
            bench.run(PERIOD_S, name, read=False)
            late.append(bench.seen_w)
            if len(late) > 21:
                bench.model.observe(bench.now_s, late[-21])
            worst = max(worst, abs(bench.model.bias - 1))
    assert worst > 0.15


@pytest.mark.parametrize("ratio", [0.8, 1.3])
def test_a_wrong_profile_is_corrected_for_all_at_once(ratio):
    bench = Metered(ratio=ratio, noise=0.01, delay_s=0.1)
    bench.run(20, "c4")
    assert bench.told_w("c4") == pytest.approx(bench.true_w("c4"), rel=0.02)
    # What never ran is corrected by what has been learned in common.
    before = abs(Metered(ratio=ratio).told_w("c8") - bench.true_w("c8"))
    assert abs(bench.told_w("c8") - bench.true_w("c8")) < 0.7 * before


def test_errors_of_single_configurations_are_learned_apart():
    bench = Metered(own={"c2": 1.15, "c6": 0.9}, noise=0.01, delay_s=0.1)
    for _ in range(12):
        bench.run(8, "c2")
        bench.run(8, "c6")
    for name in ("c2", "c6"):
        assert bench.told_w(name) == pytest.approx(bench.true_w(name), rel=0.015)
    assert bench.model.own["c2"] > 1.1 * bench.model.own["c6"]
    assert "c8" not in bench.model.own


def test_power_the_profile_does_not_have_is_learned_from_the_first_readings():
    profile = profile_of(entry("small", 0.01, None, 0.5), entry("big", 0.03, None, 0.8))
    options = Options(profile)
    model = PowerModel(idle_w=options.idle_w, power_known=False, tuning=TUNING)
    big = next(row for row in options.rows if row.name == "big")
    model.advance(0.0, "", 0.0)
    for frame in range(1, 91):
        model.advance(frame * PERIOD_S, "big", big.energy_j)
    model.observe(90 * PERIOD_S, 21.0)
    assert model.power_w(big, 1.0, PERIOD_S) == pytest.approx(21.0, rel=0.05)


def test_idle_tells_nothing_of_the_engines():
    model = Metered(power_known=False).model
    model.advance(10.0, "c1", 0.0)
    model.observe(10.0, 55.0)
    assert model.bias == 1.0


@given(st.lists(st.floats(-1e6, 1e9), min_size=1, max_size=50), st.booleans())
def test_no_reading_takes_the_corrections_out_of_bounds(readings, power_known):
    bench = Metered(power_known=power_known)
    bench.run(2, "c4", read=False)
    for power_w in readings:
        bench.model.observe(bench.now_s, power_w)
    assert LEAST_BIAS <= bench.model.bias <= MOST_BIAS
    assert all(0.5 <= ratio <= 2.0 for ratio in bench.model.own.values())


def test_one_wrong_reading_moves_little():
    bench = Metered()
    bench.run(10, "c4")
    before_w = bench.told_w("c4")
    bench.model.observe(bench.now_s, 1e6)
    assert bench.told_w("c4") == pytest.approx(before_w, rel=0.06)


def test_a_reading_from_before_what_is_kept_is_ignored():
    bench = Metered()
    bench.run(30, "c4")
    before = bench.model.bias
    bench.model.observe(bench.now_s - 20.0, 50.0)
    bench.model.observe(-5.0, 50.0)
    assert bench.model.bias == before


def test_mean_power_is_the_energy_between_two_times():
    bench = Metered()
    bench.run(2, "c2")
    middle_s, middle_j = bench.now_s, bench.true_j
    bench.run(3, "c7")
    model = bench.model
    assert model.mean_w(middle_s, bench.now_s) == pytest.approx(
        (bench.true_j - middle_j) / (bench.now_s - middle_s), rel=1e-6
    )
    assert model.mean_w(middle_s, middle_s) is None
    assert model.mean_w(-100.0, bench.now_s) is None
    assert model.energy_j == pytest.approx(bench.true_j, rel=1e-6)


def test_time_that_stands_still_or_goes_back_books_nothing():
    bench = Metered()
    bench.run(2, "c4")
    before_j = bench.model.energy_j
    bench.model.advance(bench.now_s, "c8", 100.0)
    bench.model.advance(bench.now_s - 5, "c8", 100.0)
    assert bench.model.energy_j == before_j


def test_a_restored_model_keeps_its_corrections_within_bounds():
    model = PowerModel(idle_w=IDLE_W, power_known=True, tuning=TUNING)
    model.restore(1.3, 1.0, {"c2": 1.1, "c3": 70.0})
    assert (model.bias, model.own) == (1.3, {"c2": 1.1, "c3": 2.0})


@pytest.mark.parametrize(("bias", "expected"), [(1.0, MOST_BIAS), (1.5, 2.0)])
def test_only_a_scale_that_was_learned_stands_against_the_first_reading(bias, expected):
    bench = Metered(power_known=False)
    bench.model.restore(bias, 1.0, {})
    bench.run(5, "c4", read=False)
    bench.model.observe(bench.now_s, 1e4)
    assert bench.model.bias == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
def test_how_much_dearer_a_slow_inference_is_is_learned(gamma):
    model = PowerModel(idle_w=IDLE_W, power_known=True, tuning=TUNING)
    row, now_s, chance, seen_w = ROWS["c5"], 0.0, random.Random(3), IDLE_W
    model.advance(now_s, "", 0.0)
    for frame in range(18_000):  # ten minutes, a slowdown that changes each 20 s
        slowdown = 1.0 + 0.5 * (frame // 600 % 2)
        now_s += PERIOD_S
        power_w = IDLE_W + row.energy_j * slowdown**gamma / PERIOD_S
        seen_w += (1 - math.exp(-PERIOD_S / TUNING.sensor_lag_s)) * (power_w - seen_w)
        model.advance(now_s, "c5", row.energy_j, slowdown)
        if frame % 3 == 0:
            model.observe(now_s, seen_w * (1 + chance.gauss(0, 0.01)))
    assert model.exponent == pytest.approx(gamma, abs=0.15)
    for slowdown in (1.0, 1.5):
        true_w = IDLE_W + row.energy_j * slowdown**gamma / PERIOD_S
        assert model.power_w(row, slowdown, PERIOD_S) == pytest.approx(true_w, rel=0.03)
