"""Boards as files."""

from pathlib import Path

import pytest
import yaml

from edgert.emulator.spec import BoardSpec, read_board_spec
from edgert.errors import SettingsError

BOARDS = Path(__file__).parents[2] / "profiles" / "boards"


@pytest.mark.parametrize("name", ["emulated-orin-nano", "emulated-orin-nano-slow"])
def test_the_boards_that_come_along_can_be_read(name):
    spec = read_board_spec(BOARDS / f"{name}.yaml")
    assert spec.name == name
    assert spec.power.busy_power_w == pytest.approx(13.8)


def edited(tmp_path, edit):
    content = yaml.safe_load((BOARDS / "emulated-orin-nano.yaml").read_text())
    edit(content)
    path = tmp_path / "board.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_an_unknown_key_is_refused_with_its_place(tmp_path):
    path = edited(tmp_path, lambda board: board["thermal"].update(fan_speed=3))
    with pytest.raises(SettingsError) as error:
        read_board_spec(path)
    assert str(path) in error.value.subject
    assert "thermal" in error.value.subject
    assert "fan_speed" in error.value.got
    assert "\n" not in str(error.value)


def test_a_wrong_type_says_what_was_expected_and_found(tmp_path):
    path = edited(tmp_path, lambda board: board["power"].update(idle_w="lots"))
    with pytest.raises(SettingsError) as error:
        read_board_spec(path)
    assert "power.idle_w" in error.value.subject
    assert error.value.expected == "float"
    assert "lots" in error.value.got


@pytest.mark.parametrize(
    "edit",
    [
        lambda board: board.pop("power"),
        lambda board: board["power"].update(compute_w=-1),
        lambda board: board["throttle"].update(release_c=90),
        lambda board: board.update(zones={}),
        lambda board: board.update(zones={"tj": 1.5}),
        lambda board: board["thermal"].update(ambient_c=400),
    ],
)
def test_a_board_that_cannot_be_is_refused_in_one_line(tmp_path, edit):
    with pytest.raises(SettingsError) as error:
        read_board_spec(edited(tmp_path, edit))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.yaml"):
        read_board_spec(tmp_path / "none.yaml")


def test_zones_are_not_shared_between_boards():
    one = read_board_spec(BOARDS / "emulated-orin-nano.yaml")
    fields = {name: getattr(one, name) for name in ("power", "thermal", "throttle")}
    first = BoardSpec(name="a", description="", **fields)
    second = BoardSpec(name="b", description="", **fields)
    assert first.zones == {"tj": 1.0}
    assert first.zones is not second.zones
