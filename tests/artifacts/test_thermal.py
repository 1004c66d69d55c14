from pathlib import Path

import msgspec
import pytest

from edgert.artifacts import load_thermal, save_thermal, thermal_for, thermal_path
from edgert.errors import ArtifactError
from edgert.records import ThermalConstants

CONSTANTS = ThermalConstants(
    die_j_per_k=6,
    sink_j_per_k=250,
    die_to_sink_k_per_w=0.3,
    sink_to_ambient_k_per_w=0.95,
    idle_w=3.5,
    ambient_c=25,
    device="orin",
    board="jetson-orin-nano-8gb",
    power_mode="25W",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    save_thermal(thermal_path(tmp_path, "orin"), CONSTANTS)
    return tmp_path


def test_written_and_read_is_the_same_and_leaves_nothing_beside_it(root: Path):
    path = root / "measured" / "orin" / "thermal.json"
    assert load_thermal(path) == CONSTANTS
    assert list(path.parent.iterdir()) == [path]


def test_an_emulated_board_has_a_place_of_its_own():
    root = Path("profiles")
    assert thermal_path(root, "cpu-x", "b") == root / "measured" / "cpu-x.b" / "thermal.json"
    assert thermal_path(root, "cpu-x", "here/b.yaml") == thermal_path(root, "cpu-x", "b")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, r"no such file. Find them with one step test: edgert calibrate FAMILY"),
        ("{", "expected JSON"),
        ("{}", "expected the field 'die_j_per_k'"),
        (b"\xff\xfe", "bytes that are not utf-8 text"),
    ],
)
def test_what_can_not_be_read_is_one_line(tmp_path: Path, text, line: str):
    path = tmp_path / "thermal.json"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ArtifactError, match=line) as raised:
        load_thermal(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", [0, -1, "warm"])
def test_a_constant_that_no_board_has_is_refused(tmp_path: Path, value):
    path = tmp_path / "thermal.json"
    content = {**msgspec.to_builtins(CONSTANTS), "sink_j_per_k": value}
    path.write_bytes(msgspec.json.encode(content))
    with pytest.raises(ArtifactError, match="sink_j_per_k: expected float"):
        load_thermal(path)


def test_a_folder_that_can_not_be_made_is_one_line(tmp_path: Path):
    (tmp_path / "measured").write_text("a file")
    with pytest.raises(ArtifactError, match=r"expected a folder .* nothing was replaced"):
        save_thermal(thermal_path(tmp_path, "orin"), CONSTANTS)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"machine_board": "jetson-orin-nano-8gb"},
        {"machine_board": "jetson-orin-nano-8gb", "power_mode": "25W"},
    ],
)
def test_constants_of_this_board_and_mode_are_found(root: Path, told):
    assert thermal_for(root, "orin", **told) == (CONSTANTS, "")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"power_mode": "15W"}, "power mode was 25W, is 15W: find them again with edgert calib"),
        ({"machine_board": "jetson-agx"}, "board was jetson-orin-nano-8gb, is jetson-agx"),
    ],
)
def test_constants_of_another_board_or_mode_are_not(root: Path, told, words: str):
    constants, why = thermal_for(root, "orin", **told)
    assert constants is None
    assert words in why


def test_a_file_that_was_moved_from_another_device_is_seen(root: Path):
    save_thermal(thermal_path(root, "thor"), CONSTANTS)
    assert thermal_for(root, "thor")[1].endswith(
        "device was orin, is thor: find them again with edgert calibrate FAMILY"
    )


def test_none_there_says_what_to_do(root: Path):
    constants, why = thermal_for(root, "orin", "emulated-orin-nano")
    assert constants is None
    assert why.startswith("no thermal constants at ")
    assert why.endswith("edgert calibrate FAMILY --board emulated-orin-nano --virtual-time")


def test_an_emulated_board_is_known_by_its_name(tmp_path: Path):
    emulated = msgspec.structs.replace(CONSTANTS, board="b", provenance="emulated", power_mode="")
    save_thermal(thermal_path(tmp_path, "orin", "b"), emulated)
    assert thermal_for(tmp_path, "orin", "here/b.yaml")[0] == emulated
    save_thermal(thermal_path(tmp_path, "orin", "c"), emulated)
    assert "board was b, is c" in thermal_for(tmp_path, "orin", "c")[1]
