"""Constants that are known are found again; what a test does not tell is not given."""

import re

import numpy as np
import pytest

from edgert.errors import TelemetryError
from edgert.profiling.thermal.fit import fit_thermal, nodes_of_one
from edgert.profiling.thermal.response import die_response_c, grid_from_samples, node_response_c
from tests.profiling.heated import (
    AGX,
    COARSE,
    NANO,
    QUICK,
    QUIET,
    grid,
    one_node_samples,
    samples,
)

BOARDS = {"quick": QUICK, "nano": NANO, "agx": AGX}


def off(fit, board):
    """How far each constant is from the truth, as a ratio."""
    return np.abs(np.array(fit.constants) / np.array(board.nodes) - 1)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", BOARDS)
def test_a_quiet_board_within_a_tenth(name, seed):
    board = BOARDS[name]
    fit = fit_thermal(grid(board, QUIET, seed=seed))
    assert fit.nodes == 2
    assert off(fit, board).max() < 0.10
    assert fit.ambient_c == pytest.approx(board.ambient_c, abs=0.5)
    assert fit.residual_c < 0.1
    assert fit.notes == []


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", BOARDS)
def test_half_degree_steps_and_noise_within_a_quarter(name, seed):
    board = BOARDS[name]
    fit = fit_thermal(grid(board, COARSE, seed=seed))
    assert fit.nodes == 2
    assert off(fit, board).max() < 0.25
    assert fit.ambient_c == pytest.approx(board.ambient_c, abs=1.5)


@pytest.mark.parametrize(("interval_s", "most"), [(0.5, 0.25), (1.0, 0.4)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_samples_as_rare_as_jtop_s(interval_s, most, seed):
    """Once a second, four samples tell of a die of 1.8 s; all else stays within a quarter."""
    fit = fit_thermal(grid(NANO, COARSE._replace(interval_s=interval_s), seed=seed))
    found = dict(zip(fit.constants._fields, off(fit, NANO), strict=True))
    assert found.pop("die_j_per_k") < min(most, 3 * fit.errors["die_j_per_k"])
    assert max(found.values()) < 0.25


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_half_degree_steps_without_noise_to_hide_them(seed):
    fit = fit_thermal(grid(NANO, COARSE._replace(temp_noise_c=0.0), seed=seed))
    assert off(fit, NANO).max() < 0.25


def test_errors_say_how_far_off_a_constant_may_be():
    """In eight tests nearly all constants lie within three of their standard errors."""
    inside = []
    for seed in range(8):
        fit = fit_thermal(grid(NANO, QUIET, seed=seed, step_s=150, idle_s=60))
        errors = np.array([fit.errors[name] for name in fit.constants._fields])
        inside.append(off(fit, NANO) < 3 * errors + 0.01)
    assert np.mean(inside) > 0.9


def test_the_board_need_not_have_rested():
    fit = fit_thermal(grid(NANO, QUIET, start_k=8.0))
    assert off(fit, NANO).max() < 0.10
    assert fit.notes == []


def test_a_load_that_was_cut_short_is_enough_for_a_small_sink():
    fit = fit_thermal(grid(QUICK, QUIET, step_s=25))
    assert off(fit, QUICK).max() < 0.10


# ---------------------------------------------------------------- one node


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_board_of_one_node_is_told_to_be_one(seed):
    fit = fit_thermal(grid_from_samples(*one_node_samples(2.0, 60.0, seed=seed)))
    assert fit.nodes == 1
    assert fit.notes[0].startswith("one node: ")
    nodes = fit.constants
    assert nodes.die_to_sink_k_per_w + nodes.sink_to_ambient_k_per_w == pytest.approx(
        2.0, rel=0.05
    )
    assert nodes.die_j_per_k + nodes.sink_j_per_k == pytest.approx(60.0, rel=0.05)
    assert set(fit.errors) >= {"sink_to_ambient_k_per_w", "sink_j_per_k"}
    assert "die_j_per_k" not in fit.errors


def test_two_nodes_that_stand_for_one_behave_as_it_did():
    power = grid_from_samples(*one_node_samples(2.0, 60.0))
    one = node_response_c(2.0, 60.0, power, start_k=7.0)
    nodes = nodes_of_one(2.0, 60.0)
    two = die_response_c(nodes, power, die_k=7.0, sink_k=7.0 - 3.5 * nodes.die_to_sink_k_per_w)
    assert np.abs(one - two).max() < 0.5
    assert nodes.die_j_per_k * nodes.die_to_sink_k_per_w <= 0.5


# ---------------------------------------------------------------- what is told


def test_air_that_drifts_is_told_and_does_not_pass_for_the_sink():
    """5.4 K in nine minutes: without it the sink would be off by almost its own size."""
    fit = fit_thermal(grid(NANO, QUIET, drift_k_per_s=0.01))
    assert "the air, or the fan, moved by +5." in fit.notes[0]
    assert off(fit, NANO).max() < 0.10


@pytest.mark.parametrize("powers_too", [False, True])
@pytest.mark.parametrize("late_s", [0.3, 0.7, 1.5])
@pytest.mark.parametrize("name", ["quick", "nano"])
def test_temperatures_that_come_late_are_told_and_do_not_pass_for_a_slow_die(
    name, late_s, powers_too
):
    """Not told, 0.7 s made the quick board's die seem 88 % larger."""
    board = BOARDS[name]
    fit = fit_thermal(grid(board, QUIET, late_s=(late_s * powers_too, late_s)))
    told = re.match(r"temperatures came ([\d.]+) ± [\d.]+ s late", fit.notes[0])
    assert told is not None
    assert float(told[1]) == pytest.approx(late_s, abs=0.1)
    assert off(fit, board).max() < 0.10


def test_nothing_is_late_or_drifts_where_nothing_did():
    for seed in range(4, 10):
        assert fit_thermal(grid(QUICK, COARSE, seed=seed)).notes == []


def test_a_fan_that_stops_is_seen_in_what_is_told():
    """No two nodes are like that: the notes or the residual say so."""
    quiet = fit_thermal(grid(NANO, QUIET))
    stopped = fit_thermal(grid(NANO, QUIET, fan_stop_s=250.0))
    assert stopped.residual_c > 2 * quiet.residual_c or stopped.notes


def test_a_load_without_end_in_sight_is_refused_in_one_line():
    with pytest.raises(TelemetryError, match="longer with --step-s") as raised:
        fit_thermal(grid(AGX, COARSE, idle_s=15, step_s=15))
    assert "\n" not in str(raised.value)


def test_where_the_start_is_not_told_a_board_that_stood_still_is_taken_to_have_rested():
    fit = fit_thermal(grid(NANO, COARSE, idle_s=30, step_s=60))
    assert fit.notes == ["the board is taken to have rested before the test"] or (
        fit.errors["sink_to_ambient_k_per_w"] <= 0.5
    )


def test_temperatures_that_have_nothing_to_do_with_the_power_are_refused():
    time_s, power_w, _ = samples(NANO, QUIET)
    noise_c = 40 + np.random.default_rng(0).normal(0, 1, len(time_s))
    with pytest.raises(TelemetryError, match="expected a test that tells"):
        fit_thermal(grid_from_samples(time_s, power_w, noise_c))
