"""thermal.json: how a board takes up heat, as `edgert calibrate` found it."""

from pathlib import Path

from edgert.artifacts.files import write_record
from edgert.errors import ArtifactError
from edgert.records import ThermalConstants
from edgert.schema import record_from_json

THERMAL_FILE = "thermal.json"


def thermal_path(profiles_root: Path, device: str, board: str = "") -> Path:
    """Where a board's thermal constants lie, beside its profiles.

    Args:
        profiles_root: The folder `profiles`.
        device: The backend's name for it, as in the profiles' path.
        board: An emulated board's name or file; "": the machine itself.
    """
    folder = f"{device}.{Path(board).stem}" if board else device
    return profiles_root / "measured" / folder / THERMAL_FILE


def load_thermal(path: Path) -> ThermalConstants:
    """Read thermal constants.

    Raises:
        ArtifactError: There is no such file, or it is damaged; one line that says what is wrong.
    """
    if not path.is_file():
        raise ArtifactError(
            f"read {path}",
            expected="the board's thermal constants",
            got="no such file",
            advice="Find them with one step test: edgert calibrate FAMILY",
        )
    return record_from_json(path, ThermalConstants, ArtifactError)


def save_thermal(path: Path, constants: ThermalConstants) -> None:
    """Write thermal constants whole or not at all, indented; makes the folder.

    Raises:
        ArtifactError: The disk is full or the folder can't be written to; the old file stays.
    """
    write_record(path, constants)


def why_thermal_unfit(
    constants: ThermalConstants, *, device: str = "", board: str = "", power_mode: str = ""
) -> str:
    """Why constants are another board's, in words; "" where they fit or nothing says otherwise.

    What is "" on either side is not compared: a machine may not say which board it is.

    Args:
        constants: As they were read.
        device: The backend's name for the device, now.
        board: The emulated board, or the real one by its file's name.
        power_mode: NVIDIA's name for the mode, now.
    """
    pairs = (
        ("device", constants.device, device),
        ("board", constants.board, Path(board).stem if board else ""),
        ("power mode", constants.power_mode, power_mode),
    )
    reasons = [
        f"{what} was {was}, is {now}" for what, was, now in pairs if was and now and was != now
    ]
    return "; ".join(reasons)


def thermal_for(
    profiles_root: Path,
    device: str,
    board: str = "",
    *,
    machine_board: str = "",
    power_mode: str = "",
) -> tuple[ThermalConstants | None, str]:
    """The constants that belong to a device, its board and its power mode, or why there are none.

    Args:
        profiles_root: The folder `profiles`.
        device: The backend's name for it.
        board: An emulated board's name or file; "": the machine itself.
        machine_board: The machine's own board, by its file's name, where it is known.
        power_mode: The machine's, where it is known.

    Returns:
        The constants and "", or None and one line of words that ends in what to do.

    Raises:
        ArtifactError: The file is damaged.
    """
    path = thermal_path(profiles_root, device, board)
    again = f"edgert calibrate FAMILY{f' --board {board} --virtual-time' if board else ''}"
    if not path.is_file():
        return None, f"no thermal constants at {path}: find them with {again}"
    constants = load_thermal(path)
    reason = why_thermal_unfit(
        constants, device=device, board=board or machine_board, power_mode=power_mode
    )
    return (None, f"{path}: {reason}: find them again with {again}") if reason else (constants, "")
