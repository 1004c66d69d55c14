"""Rails as shares of what a board draws."""

import pytest

from edgert.emulator.power import PowerSpec
from edgert.emulator.rails import RailShare, rails_from_power, whole_board

POWER = PowerSpec(
    idle_w=3.5, compute_w=8.0, memory_w=2.0, idle_rails_w={"VDD_CPU_GPU_CV": 0.5, "VDD_SOC": 1.0}
)


def test_a_rail_carries_its_idle_draw_and_its_shares():
    rail = RailShare(idle_w=0.5, compute_ratio=0.75, memory_ratio=0.5)
    assert rail.power_w(4.0, 2.0) == pytest.approx(0.5 + 3.0 + 1.0)


def test_the_three_rails_of_a_board_file():
    rails = rails_from_power(POWER)
    powers_w = {name: rail.power_w(4.0, 2.0) for name, rail in rails.items()}
    assert powers_w == {"VDD_IN": 9.5, "VDD_CPU_GPU_CV": 4.5, "VDD_SOC": 3.0}
    assert rails["VDD_IN"] == whole_board(POWER)
