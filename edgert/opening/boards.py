"""An emulated board, by its name or file."""

from pathlib import Path

from edgert.boards import board_file, board_names
from edgert.clock import Clock
from edgert.emulator.board import BoardSpec, EmulatedBoard, loads_from_profile, read_board_spec
from edgert.errors import UsageError
from edgert.records import Profile


def find_board_spec(name: str) -> BoardSpec:
    """The emulated board of that name, or in the YAML file of that path.

    Raises:
        UsageError: There is none; the line lists the ones there are.
        SettingsError: The file is damaged.
    """
    real = name.startswith("jetson-")
    path = Path(name) if name.endswith((".yaml", ".yml")) else board_file(name)
    if path is None or not path.is_file() or real:
        raise UsageError(
            f"find board {name}",
            expected=f"a board among {', '.join(_emulated()) or 'none here'}, or a YAML file",
            got="a real board, which is found by itself" if real else "neither",
            advice="Correct the name",
        )
    return read_board_spec(path)


def emulated_board(name: str, clock: Clock, profile: Profile | None) -> EmulatedBoard:
    """A board on which a profile's engines run; errors as in `find_board_spec`."""
    loads = None if profile is None else loads_from_profile(profile)
    return EmulatedBoard(find_board_spec(name), clock, loads=loads)


def _emulated() -> list[str]:
    return [name for name in board_names() if not name.startswith("jetson-")]
