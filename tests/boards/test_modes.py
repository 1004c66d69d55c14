import pytest

from edgert.boards import board_names, find_power_mode, load_board, power_modes_by_name
from edgert.errors import SettingsError


def test_of_two_modes_with_one_name_the_older_is_called_so():
    board = load_board("jetson-orin-nano-8gb")
    modes = power_modes_by_name(board)
    assert list(modes) == ["15W", "25W", "MAXN_SUPER", "15W-before-super", "7W"]
    assert modes["15W"].gpu_hz == 612e6
    assert modes["15W-before-super"].gpu_hz == 625e6
    assert find_power_mode(board, "7W").cpu_cores == 4


@pytest.mark.parametrize("name", board_names("jetson-"))
def test_no_mode_of_any_board_is_lost_behind_another(name: str):
    board = load_board(name)
    assert list(power_modes_by_name(board).values()) == board.power_modes


def test_an_unknown_mode_lists_those_there_are():
    with pytest.raises(SettingsError, match="one of 15W, 25W, MAXN_SUPER, 15W-before-super, 7W"):
        find_power_mode(load_board("jetson-orin-nano-8gb"), "30W")


def test_a_board_without_modes_says_so():
    with pytest.raises(SettingsError, match="expected power modes in the board's file, got none"):
        find_power_mode(load_board("jetson-agx-thor-t5000"), "120W")
