"""The files of known boards: where they are found, and which one is of a machine.

A board file is looked for under profiles/boards of the folder that edgert is started in, which
may hold files of one's own, then of the clone that edgert runs from, then in the installed
package, which carries a copy. `emulated-*.yaml` are read by the emulator, `jetson-*.yaml` here.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from edgert.boards.machine import Machine
from edgert.boards.rails import PowerMode, Rail, RailName, Total, check_totals
from edgert.errors import SettingsError
from edgert.records import Name, Record
from edgert.schema import record_from_yaml

_PACKAGE = Path(__file__).resolve().parent
BOARD_FOLDERS = (
    Path("profiles") / "boards",
    _PACKAGE.parents[1] / "profiles" / "boards",
    _PACKAGE / "files",
)
_REAL = "jetson-"

PartNumber = Annotated[str, msgspec.Meta(pattern=r"^p\d{4}-\d{4}$")]
PositiveInt = Annotated[int, msgspec.Meta(gt=0)]


class Board(Record, frozen=True, kw_only=True):
    """A kind of board. What is not known of it is None or "", never a guess.

    part_numbers: of the modules that it is, "p3767-0003".
    memory_bytes: the module's, shared by CPU and GPU; the kernel sees somewhat less.
    compute_capability: the GPU's, "8.7".
    multiprocessors: the GPU's streaming multiprocessors, all that the module has.
    memory_bus_bits: width of the bus to the memory.
    dla_cores: deep learning accelerators; 0 is none.
    workspace_bytes: what a TensorRT build may take for trying out kernels.
    rails: power sensors by the name that their driver gives.
    totals: sums of rails that make a whole; the first whose sensors are all there is used.
    power_modes: the clock caps that belong to nvpmodel's names.
    """

    name: Name
    description: str
    part_numbers: Annotated[list[PartNumber], msgspec.Meta(min_length=1)]
    memory_bytes: PositiveInt | None = None
    compute_capability: Annotated[str, msgspec.Meta(pattern=r"^(\d+\.\d+)?$")] = ""
    multiprocessors: PositiveInt | None = None
    memory_bus_bits: PositiveInt | None = None
    dla_cores: Annotated[int, msgspec.Meta(ge=0)] | None = None
    workspace_bytes: PositiveInt | None = None
    rails: dict[RailName, Rail] = msgspec.field(default_factory=dict)
    totals: list[Total] = msgspec.field(default_factory=list)
    power_modes: list[PowerMode] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_totals(self.rails, self.totals)


def board_file(name: str, *, folders: Sequence[Path] = BOARD_FOLDERS) -> Path | None:
    """The file of the board of that name, in the first folder that has one; None without one."""
    files = (folder / f"{name}.yaml" for folder in folders)
    # os.path has no error where a folder on the way is closed
    return next((file for file in files if os.path.isfile(file)), None)
    return next((file for file in files if file.is_file()), None)


def board_names(prefix: str = "", *, folders: Sequence[Path] = BOARD_FOLDERS) -> list[str]:
    """The boards with a file whose name begins with `prefix`, sorted."""
    return sorted({file.stem for folder in folders for file in folder.glob(f"{prefix}*.yaml")})


def load_board(name: str, *, folders: Sequence[Path] = BOARD_FOLDERS) -> Board:
    """Read the file of a board.

    Raises:
        SettingsError: There is none of that name, or it is damaged.
    """
    file = board_file(name, folders=folders)
    if file is None or not name.startswith(_REAL):
        raise SettingsError(
            f"find board {name}",
            expected=f"one of {', '.join(board_names(_REAL, folders=folders)) or 'none here'}",
            got="another name",
            advice="Correct the name, or write a file for it under profiles/boards",
        )
    return record_from_yaml(file, Board, SettingsError)


def find_board(machine: Machine, *, folders: Sequence[Path] = BOARD_FOLDERS) -> Board | None:
    """The board that this machine is, by its module's part number; None where no file has it.

    Raises:
        SettingsError: A board file is damaged.
    """
    if not machine.part_number:
        return None
    boards = (load_board(name, folders=folders) for name in board_names(_REAL, folders=folders))
    return next((board for board in boards if machine.part_number in board.part_numbers), None)
