"""The map of a tick against the emulator's own steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.evaluation.heat import heat_map
from tests.evaluation.days import board_of

TEMP = st.floats(-20, 110)


@given(
    die_c=TEMP,
    sink_c=TEMP,
    ambient_c=st.floats(-20, 60),
    power_w=st.floats(0, 30),
    fan_running=st.booleans(),
)
def test_a_tick_is_the_emulators_step(die_c, sink_c, ambient_c, power_w, fan_running):
    board = board_of()
    physics = board.physics(ambient_c)
    physics.fan_running, physics.die_c, physics.sink_c = fan_running, die_c, sink_c
    physics.step(0.05, power_w)
    heat = heat_map(board, 0.05, fan_running=fan_running)
    state = (die_c, sink_c, power_w, ambient_c)
    assert sum(map(float.__mul__, heat[:4], map(float, state))) == pytest.approx(physics.die_c)
    assert sum(map(float.__mul__, heat[4:], map(float, state))) == pytest.approx(physics.sink_c)


def test_fan_makes_a_difference_to_the_sink():
    with_fan, without = (heat_map(board_of(), 0.05, fan_running=on) for on in (True, False))
    assert with_fan.sink_air > 1.2 * without.sink_air
