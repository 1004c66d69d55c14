"""Ratios from rounds that take turns."""

import numpy as np
import pytest

from edgert.search.latency import FULL_COST, cost_from_ratios, measure_costs


def test_rounds_take_turns_and_every_turn_starts_untimed():
    called: list[str] = []
    full, costs = measure_costs(
        lambda: called.append("full"),
        {"a": lambda: called.append("a"), "b": lambda: called.append("b")},
        rounds=2,
        runs_per_round=2,
    )
    assert called == [*["full"] * 3, *["a"] * 3, *["b"] * 3] * 2
    assert set(costs) == {"a", "b"}
    assert full.ratio == 1
    assert full.error == 0


def test_work_that_is_half_as_much_costs_about_half():
    def times(count: int):
        return lambda: sum(range(count * 20_000))

    _, costs = measure_costs(times(8), {"half": times(4), "same": times(8)}, rounds=9)
    assert costs["half"].ratio == pytest.approx(0.5, abs=0.2)
    assert costs["half"].ratio < costs["same"].ratio  # the control
    assert costs["half"].median_s > 0


def test_a_round_in_which_the_machine_was_busy_moves_nothing():
    calm = cost_from_ratios(np.array([0.5, 0.51, 0.49, 0.5, 0.5]), 0.01)
    busy = cost_from_ratios(np.array([0.5, 0.51, 0.49, 0.5, 3.0]), 0.01)
    assert busy.ratio == calm.ratio == 0.5
    assert busy.error < 0.01


def test_more_rounds_make_it_surer():
    random = np.random.default_rng(0)
    few = [cost_from_ratios(random.normal(0.5, 0.05, 6), 1.0).error for _ in range(200)]
    many = [cost_from_ratios(random.normal(0.5, 0.05, 54), 1.0).error for _ in range(200)]
    assert np.median(few) == pytest.approx(3 * np.median(many), rel=0.35)
    medians = [cost_from_ratios(random.normal(0.5, 0.05, 54), 1.0).ratio for _ in range(400)]
    assert np.median(many) == pytest.approx(np.std(medians), rel=0.25)


def test_the_full_model_costs_itself():
    assert FULL_COST.ratio == 1
    assert FULL_COST.median_s is None


def test_a_busy_machine_gets_more_rounds_and_a_calm_one_does_not():
    turns = 0

    def unsteady():
        nonlocal turns
        turns += 1
        return sum(range(20_000 * (1 + turns // 3 % 3)))

    measure_costs(lambda: sum(range(40_000)), {"a": unsteady}, rounds=4, patience=3, error=0.0)
    assert turns == 4 * 3 * 3
    turns = 0
    measure_costs(lambda: sum(range(40_000)), {"a": unsteady}, rounds=4, patience=3, error=9.0)
    assert turns == 4 * 3
