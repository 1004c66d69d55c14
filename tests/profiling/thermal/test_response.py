import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.emulator.thermal import ThermalSpec, TwoNodeThermal
from edgert.profiling.thermal.response import (
    HeatGrid,
    Modes,
    NodeConstants,
    die_response_c,
    drift_response_c,
    grid_from_samples,
    lagged,
    modes_from_nodes,
    node_response_c,
    nodes_from_modes,
    with_edge,
)

CONSTANTS = st.builds(
    NodeConstants,
    st.floats(0.02, 3), st.floats(0.2, 60), st.floats(0.1, 8), st.floats(5, 2000),
)  # fmt: skip


def even_grid(power_w, cell_s=0.5):
    edges_s = cell_s * np.arange(len(power_w) + 1)
    empty = np.empty(0)
    return HeatGrid(edges_s, np.asarray(power_w, np.float64), empty, empty, empty)


def emulated(nodes, powers_w, cell_s, *, die_k, sink_k, warming_k=0.0):
    """The die as the emulator has it, step by step."""
    spec = ThermalSpec(
        ambient_c=0, die_j_per_k=nodes.die_j_per_k, sink_j_per_k=nodes.sink_j_per_k,
        die_to_sink_k_per_w=nodes.die_to_sink_k_per_w,
        sink_to_ambient_k_per_w=nodes.sink_to_ambient_k_per_w, fan_stopped_k_per_w=1,
    )  # fmt: skip
    thermal = TwoNodeThermal(spec, idle_power_w=0)
    thermal.die_c, thermal.sink_c = die_k, sink_k
    found = [die_k]
    for number, power_w in enumerate(powers_w):
        thermal.ambient_c = warming_k * (number + 0.5) / len(powers_w)
        thermal.step(cell_s, power_w)
        found.append(thermal.die_c)
    return np.array(found)


@given(CONSTANTS, st.lists(st.floats(0, 60), min_size=1, max_size=40), st.floats(-5, 40))
def test_the_response_is_the_emulator_s_to_rounding(nodes, powers_w, sink_k):
    found = die_response_c(nodes, even_grid(powers_w), die_k=sink_k + 1, sink_k=sink_k)
    expected = emulated(nodes, powers_w, 0.5, die_k=sink_k + 1, sink_k=sink_k)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_wrong_constant_gives_another_response():
    nodes, powers_w = NodeConstants(0.3, 6, 0.95, 250), [10.0] * 400
    expected = emulated(nodes, powers_w, 0.5, die_k=0, sink_k=0)
    for name in nodes._fields:
        wrong = nodes._replace(**{name: 1.1 * getattr(nodes, name)})
        found = die_response_c(wrong, even_grid(powers_w), die_k=0, sink_k=0)
        assert np.abs(found - expected).max() > 0.02, name


@given(CONSTANTS)
def test_nodes_and_modes_are_two_ways_to_say_one_thing(nodes):
    modes = modes_from_nodes(nodes)
    assert 0 < modes.fast_s < modes.slow_s
    total = nodes.die_to_sink_k_per_w + nodes.sink_to_ambient_k_per_w
    assert modes.fast_k_per_w + modes.slow_k_per_w == pytest.approx(total, rel=1e-6)
    back = nodes_from_modes(modes)
    assert back is not None
    np.testing.assert_allclose(back, nodes, rtol=1e-3)


@pytest.mark.parametrize(
    "modes", [Modes(2, 200, -0.1, 1), Modes(2, 200, 0.3, 0), Modes(5, 5, 1, 1)]
)
def test_lags_that_no_two_nodes_have_are_none(modes):
    assert nodes_from_modes(modes) is None


def test_one_node_settles_at_its_resistance_times_the_power():
    response = node_response_c(2.0, 10.0, even_grid([5.0] * 400), start_k=3.0)
    assert response[0] == 3.0
    assert response[-1] == pytest.approx(10.0, abs=0.01)
    after_one = 10 + (3 - 10) * np.exp(-1)
    assert response[40] == pytest.approx(after_one)


def test_air_that_warms_reaches_the_die_behind_the_sink():
    nodes = NodeConstants(0.3, 6.0, 0.95, 250.0)
    found = drift_response_c(nodes, even_grid(np.zeros(1200)))
    expected = emulated(nodes, np.zeros(1200), 0.5, die_k=0, sink_k=0, warming_k=1.0)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_lag_has_a_gain_of_one():
    assert lagged(np.full(2000, 7.0), 0.5, 30.0)[-1] == pytest.approx(7.0)


# ---------------------------------------------------------------- samples


@given(
    st.lists(st.tuples(st.floats(0.01, 3), st.floats(0, 50)), min_size=3, max_size=60),
)
def test_a_grid_keeps_the_energy_of_its_samples(pairs):
    steps_s, power_w = np.array(pairs).T
    time_s = np.cumsum(steps_s)
    grid = grid_from_samples(time_s, power_w, np.full(len(time_s), 40.0))
    lengths_s = np.diff(np.minimum(grid.edges_s, time_s[-1]))
    energy_j = float(np.sum(np.diff(time_s) * (power_w[1:] + power_w[:-1]) / 2))
    assert float(lengths_s @ grid.power_w) == pytest.approx(energy_j, rel=1e-6, abs=1e-9)
    assert grid.seen_count.sum() == len(time_s)
    assert len(grid.power_w) <= 2001


def test_unknown_temperatures_are_left_out_and_their_powers_stay():
    time_s = np.arange(0, 10, 0.1)
    temp_c = np.where(time_s < 5, 40.0, np.nan)
    grid = grid_from_samples(time_s, np.full(100, 3.0), temp_c)
    assert grid.seen_count.sum() == 50
    assert grid.seen_s.max() < 5
    np.testing.assert_allclose(grid.power_w, 3.0)


@pytest.mark.parametrize("interval_s", [0.1, 0.5, 1.0])
def test_an_edge_is_put_where_it_was(interval_s):
    """A sensor with a mean of its own, and a board that steps between two samples."""
    time_s = np.arange(0, 60, interval_s)
    edge_s, settled_s = 20.33, 3.0
    passed_s = np.maximum(0, time_s - edge_s)
    power_w = 4 + 8 * (1 - np.exp(-passed_s / 0.42))
    sharp = with_edge(time_s, power_w, np.full_like(time_s, 30.0), edge_s, settled_s)
    grid = grid_from_samples(*sharp)
    middle_s = (grid.edges_s[1:] + grid.edges_s[:-1]) / 2
    away = np.abs(middle_s - edge_s) > grid.cell_s
    np.testing.assert_allclose(
        grid.power_w[away], np.where(middle_s[away] < edge_s, 4.0, 12.0), atol=0.02
    )
    energy_j = float(grid.power_w @ np.diff(np.minimum(grid.edges_s, time_s[-1])))
    assert energy_j == pytest.approx(4 * edge_s + 12 * (time_s[-1] - edge_s), rel=1e-3)
    blurred = grid_from_samples(time_s, power_w, np.full_like(time_s, 30.0))
    assert np.abs(blurred.power_w - grid.power_w[: len(blurred.power_w)]).max() > 1
