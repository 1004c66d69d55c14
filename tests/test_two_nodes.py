"""The closed form of two bodies of heat against small steps and against a matrix exponential."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.two_nodes import TwoNodes

CONSTANTS = (8.0, 50.0, 0.5, 2.0)
BOARDS = st.tuples(
    st.floats(1, 30), st.floats(20, 500), st.floats(0.1, 3), st.floats(0.3, 5)
)  # of modules with a heat sink
TEMPS = st.floats(-20, 120)


def matrix_of(die_j_per_k, sink_j_per_k, die_to_sink, sink_to_air):
    return np.array(
        [
            [-1 / (die_j_per_k * die_to_sink), 1 / (die_j_per_k * die_to_sink)],
            [
                1 / (sink_j_per_k * die_to_sink),
                -(1 / die_to_sink + 1 / sink_to_air) / sink_j_per_k,
            ],
        ]
    )


def exponential(matrix):
    """exp(A) by Taylor's series of A / 2^k, squared k times."""
    halvings = max(0, math.ceil(math.log2(np.abs(matrix).sum() + 1e-30)) + 4)
    small, term, total = matrix / 2**halvings, np.eye(2), np.eye(2)
    for order in range(1, 20):
        term = term @ small / order
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total


def runge_kutta(constants, duration_s, die_c, sink_c, power_w, ambient_c, steps=2000):
    """Classical fourth order, for the equations as they are written."""
    die_j, sink_j, die_to_sink, sink_to_air = constants

    def slope(temps):
        through = (temps[0] - temps[1]) / die_to_sink
        lost = (temps[1] - ambient_c) / sink_to_air
        return np.array([(power_w - through) / die_j, (through - lost) / sink_j])

    temps, step = np.array([die_c, sink_c]), duration_s / steps
    for _ in range(steps):
        first = slope(temps)
        second = slope(temps + step / 2 * first)
        third = slope(temps + step / 2 * second)
        fourth = slope(temps + step * third)
        temps = temps + step / 6 * (first + 2 * second + 2 * third + fourth)
    return temps


@pytest.mark.parametrize("duration_s", [0.05, 3.0, 60.0, 600.0])
def test_after_is_what_small_steps_lead_to(duration_s):
    nodes = TwoNodes(*CONSTANTS)
    exact = nodes.after(duration_s, 60.0, 45.0, power_w=9.0, ambient_c=30.0)
    stepped = runge_kutta(CONSTANTS, duration_s, 60.0, 45.0, 9.0, 30.0)
    assert exact == pytest.approx(stepped, abs=1e-6)
    other = runge_kutta((8.0, 50.0, 0.5, 2.02), duration_s, 60.0, 45.0, 9.0, 30.0)
    assert exact != pytest.approx(other, abs=1e-6)  # one constant off by 1 % is seen


@given(BOARDS, st.floats(0.01, 300))
def test_decay_is_the_matrix_exponential(constants, duration_s):
    decay = TwoNodes(*constants).decay(duration_s)
    expected = exponential(matrix_of(*constants) * duration_s)
    assert np.array(decay).reshape(2, 2) == pytest.approx(expected, abs=1e-8)


@given(BOARDS, TEMPS, TEMPS, st.floats(0, 40), TEMPS, st.floats(0, 50), st.floats(0, 50))
def test_two_steps_are_one_of_their_length(constants, die, sink, power_w, air, first_s, second_s):
    nodes = TwoNodes(*constants)
    held = {"power_w": power_w, "ambient_c": air}
    once = nodes.after(first_s + second_s, die, sink, **held)
    twice = nodes.after(second_s, *nodes.after(first_s, die, sink, **held), **held)
    assert once == pytest.approx(twice, abs=1e-7)


@given(BOARDS, st.floats(0, 40), TEMPS, st.floats(0, 1e4))
def test_a_steady_state_stays_and_balances_power(constants, power_w, ambient_c, duration_s):
    nodes = TwoNodes(*constants)
    die_c, sink_c = nodes.steady_state(power_w, ambient_c)
    later = nodes.after(duration_s, die_c, sink_c, power_w=power_w, ambient_c=ambient_c)
    assert later == pytest.approx((die_c, sink_c), abs=1e-7)
    assert (die_c - sink_c) / constants[2] == pytest.approx(power_w, abs=1e-6)
    assert (sink_c - ambient_c) / constants[3] == pytest.approx(power_w, abs=1e-6)


@given(BOARDS)
def test_time_constants_are_the_matrix_s_own(constants):
    fast_s, slow_s = TwoNodes(*constants).time_constants_s
    eigenvalues = np.sort(np.linalg.eigvals(matrix_of(*constants)).real)
    assert [-1 / fast_s, -1 / slow_s] == pytest.approx(eigenvalues, rel=1e-9)
    assert 0 < fast_s < slow_s


@given(BOARDS, TEMPS, TEMPS, TEMPS, st.floats(0, 1e7))
def test_without_power_nothing_gets_hotter_than_the_hottest(constants, die, sink, air, duration_s):
    later = TwoNodes(*constants).after(duration_s, die, sink, power_w=0.0, ambient_c=air)
    assert min(die, sink, air) - 1e-9 <= min(later)
    assert max(later) <= max(die, sink, air) + 1e-9


def test_after_for_ever_is_the_steady_state_and_after_nothing_is_now():
    nodes = TwoNodes(*CONSTANTS)
    assert nodes.after(0.0, 60.0, 45.0, power_w=9.0, ambient_c=30.0) == pytest.approx((60.0, 45.0))
    late = nodes.after(1e12, 60.0, 45.0, power_w=9.0, ambient_c=30.0)
    assert late == pytest.approx(nodes.steady_state(9.0, 30.0))
