"""Power modes by name. One name can stand twice in a board's file, with different caps."""

from edgert.boards.catalogue import Board
from edgert.boards.rails import PowerMode
from edgert.errors import SettingsError

_OLDER = "-before-super"


def power_modes_by_name(board: Board) -> dict[str, PowerMode]:
    """The board's modes; of two with one name the older is called "15W-before-super"."""
    twice = {mode.name for mode in board.power_modes if mode.super_release}
    return {
        f"{mode.name}{_OLDER}"
        if mode.name in twice and not mode.super_release
        else mode.name: mode
        for mode in board.power_modes
    }


def find_power_mode(board: Board, name: str) -> PowerMode:
    """The mode of that name.

    Raises:
        SettingsError: The board's file has none of that name; the line lists those it has.
    """
    modes = power_modes_by_name(board)
    if name not in modes:
        raise SettingsError(
            f"find power mode {name} of {board.name}",
            expected=f"one of {', '.join(modes)}" if modes else "power modes in the board's file",
            got="another name" if modes else "none",
            advice="Correct the name" if modes else "Add power_modes to the file, with a source",
        )
    return modes[name]
