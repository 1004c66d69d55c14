"""How the board heats, as `edgert calibrate` found it or a file says."""

from pathlib import Path
from typing import NamedTuple

from edgert.artifacts import load_thermal, thermal_for, thermal_path, why_thermal_unfit
from edgert.boards import find_board, read_machine, read_power_mode
from edgert.records import ThermalConstants
from edgert.settings import Settings

_HEAT_MATTERS_TO = ("predictive",)  # controllers that are worse off without the constants


class FoundThermal(NamedTuple):
    """The constants, the file that they are from, and what should be heard of it, in words."""

    constants: ThermalConstants | None
    file: str
    note: str


def thermal_constants(
    file: Path | None, settings: Settings, device: str, *, root: Path = Path()
) -> FoundThermal:
    """How the board heats; None and "" where nothing says so.

    The note tells where a temperature limit has to be held without constants, or with another
    board's.

    Args:
        file: Named by the operator, and then used as it is; None: beside the profiles.
        settings: Board, controller and limits.
        device: The backend's name for it.
        root: Where `profiles` lies.

    Raises:
        ArtifactError: The file is missing where it was named, or damaged.
    """
    where = _where(settings.board)
    if file is not None:
        constants = load_thermal(file)
        board = settings.board or where["machine_board"]
        mode = where["power_mode"]
        reason = why_thermal_unfit(constants, device=device, board=board, power_mode=mode)
        note = f"{file}: {reason}: used all the same" if reason else ""
        return FoundThermal(constants, str(file), note)
    profiles = root / "profiles"
    found, reason = thermal_for(profiles, device, settings.board, **where)
    if found is not None:
        return FoundThermal(found, str(thermal_path(profiles, device, settings.board)), "")
    matters = settings.limits.temp_c is not None and settings.controller in _HEAT_MATTERS_TO
    return FoundThermal(None, "", reason if matters else "")


def _where(board: str) -> dict[str, str]:
    """The machine's own board and power mode, where its heat is what counts."""
    if board:
        return {"machine_board": "", "power_mode": ""}
    known = find_board(read_machine())
    return {"machine_board": known.name if known else "", "power_mode": read_power_mode(Path("/"))}
