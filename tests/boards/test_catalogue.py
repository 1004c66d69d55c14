from collections import Counter
from pathlib import Path

import pytest

from edgert.boards import (
    Board,
    Machine,
    board_file,
    board_names,
    find_board,
    load_board,
    read_machine,
)
from edgert.errors import SettingsError
from tests.boards.machines import orin_nano

FILE = """\
name: jetson-mine
description: a board of one's own
part_numbers: [p9999-0001]
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    mine, shipped = tmp_path / "mine", tmp_path / "shipped"
    mine.mkdir()
    shipped.mkdir()
    return mine, shipped


def test_every_board_file_can_be_read_and_is_named_for_its_board():
    names = board_names("jetson-")
    assert len(names) >= 9
    for name in names:
        assert load_board(name).name == name


def test_no_part_number_is_of_two_boards():
    parts = Counter(p for name in board_names("jetson-") for p in load_board(name).part_numbers)
    assert [part for part, count in parts.items() if count > 1] == []


@pytest.mark.parametrize("name", board_names("jetson-"))
def test_a_build_leaves_most_of_the_memory_to_others(name: str):
    board = load_board(name)
    assert board.memory_bytes is not None
    assert board.workspace_bytes is not None
    assert 1 << 30 <= board.workspace_bytes <= board.memory_bytes // 4


def test_the_machine_finds_its_board(tmp_path: Path):
    board = find_board(read_machine(orin_nano(tmp_path)))
    assert board is not None
    assert board.name == "jetson-orin-nano-8gb"
    assert (board.compute_capability, board.dla_cores) == ("8.7", 0)


@pytest.mark.parametrize("part", ["", "p3701-0002", "p3448-0000"])
def test_an_unknown_machine_has_no_board(part: str):
    assert find_board(Machine(part_number=part)) is None


def test_what_is_not_known_of_a_board_is_left_out(folders: tuple[Path, Path]):
    (folders[0] / "jetson-mine.yaml").write_text(FILE)
    board = load_board("jetson-mine", folders=folders)
    assert board == Board(
        name="jetson-mine", description="a board of one's own", part_numbers=["p9999-0001"]
    )
    assert find_board(Machine(part_number="p9999-0001"), folders=folders) == board


def test_ones_own_file_comes_before_the_one_that_is_shipped(folders: tuple[Path, Path]):
    mine, shipped = folders
    (shipped / "jetson-mine.yaml").write_text(FILE)
    assert board_file("jetson-mine", folders=folders) == shipped / "jetson-mine.yaml"
    (mine / "jetson-mine.yaml").write_text(FILE + "dla_cores: 3\n")
    assert load_board("jetson-mine", folders=folders).dla_cores == 3
    assert board_names(folders=folders) == ["jetson-mine"]


def test_a_name_that_is_no_jetson_lists_those_there_are(folders: tuple[Path, Path]):
    (folders[1] / "jetson-mine.yaml").write_text(FILE)
    (folders[1] / "emulated-x.yaml").write_text("")
    for name in ("jetson-yours", "emulated-x", "../jetson-mine"):
        with pytest.raises(SettingsError, match="expected one of jetson-mine, got another name"):
            load_board(name, folders=folders)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("memory_bytes: -1", r"jetson-mine\.yaml at memory_bytes: expected int >= 1, got -1"),
        ("compute_capability: 8.7", r"compute_capability: expected str, got 8\.7"),
        ("colour: red", "unknown field 'colour'"),
    ],
)
def test_a_damaged_file_is_one_line(folders: tuple[Path, Path], line: str, message: str):
    (folders[0] / "jetson-mine.yaml").write_text(f"{FILE}{line}\n")
    with pytest.raises(SettingsError, match=message):
        find_board(Machine(part_number="p1234-0000"), folders=folders)


def test_a_part_number_of_another_form_is_refused(folders: tuple[Path, Path]):
    (folders[0] / "jetson-mine.yaml").write_text(FILE.replace("p9999-0001", "Orin"))
    with pytest.raises(SettingsError, match=r"part_numbers\[0\]"):
        load_board("jetson-mine", folders=folders)
