"""How verbs find an emulated board."""

from pathlib import Path

from edgert.emulator.board import BoardSpec, read_board_spec
from edgert.errors import UsageError

_FOLDER = Path("profiles") / "boards"


def find_board_spec(name: str) -> BoardSpec:
    """The board of that name under ./profiles/boards, or in the YAML file of that path.

    Raises:
        UsageError: There is none; the line lists the ones there are.
        SettingsError: The file is damaged.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = _FOLDER / f"{name}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in _FOLDER.glob("*.yaml"))
        raise UsageError(
            f"find board {name}",
            expected=f"a board among {', '.join(known) or 'none here'}, or a YAML file",
            got="neither",
            advice=f"Correct the name, or start in the folder that holds {_FOLDER}",
        )
    return read_board_spec(path)
