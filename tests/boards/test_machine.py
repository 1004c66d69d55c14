from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.boards import Machine, read_machine
from tests.boards.machines import orin_nano, write_files

TREE = "proc/device-tree"


def test_an_orin_nano_is_told_from_its_files(tmp_path: Path):
    assert read_machine(orin_nano(tmp_path)) == Machine(
        model="NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        part_number="p3767-0005",
        soc="tegra234",
        l4t="36.4.3",
        jetpack="6.2",
        power_mode="25W",
    )


def test_a_machine_that_says_nothing_is_empty(tmp_path: Path):
    assert read_machine(tmp_path) == Machine()


def test_this_machine_is_read_without_an_error():
    assert isinstance(read_machine(), Machine)


def test_thor_is_told_by_its_files(tmp_path: Path):
    write_files(
        tmp_path,
        {
            f"{TREE}/model": "NVIDIA Jetson AGX Thor Developer Kit\0",
            f"{TREE}/compatible": "nvidia,p4071-0000+p3834-0008\0nvidia,p3834-0008\0"
            "nvidia,tegra264\0",
            "etc/nv_tegra_release": "# R38 (release), REVISION: 2.0, GCID: 1, BOARD: generic\n",
        },
    )
    machine = read_machine(tmp_path)
    assert (machine.part_number, machine.soc) == ("p3834-0008", "tegra264")
    assert (machine.l4t, machine.jetpack) == ("38.2.0", "7.0")


@pytest.mark.parametrize(
    ("files", "part"),
    [
        ({"chosen/nvidia,sku": "699-13701-0005-500 M.0\0"}, "p3701-0005"),
        ({"chosen/nvidia,sku": "699-83767-0000-301 G.1\0\0\xff"}, "p3767-0000"),
        ({"chosen/ids": "3767-0000-301 3768-0000-ES1\0"}, "p3767-0000"),
        ({"compatible": "nvidia,p3737-0000+p3701-0000\0nvidia,tegra234\0"}, "p3701-0000"),
        ({"compatible": "seeed,carrier\0nvidia,p3767-0004\0nvidia,tegra234\0"}, "p3767-0004"),
        ({"nvidia,dtsfilename": "/dvs/tegra234-p3701-0000-p3737-0000.dts\0"}, "p3701-0000"),
        ({"nvidia,dtsfilename": "/x/tegra234-p3768-0000+p3767-0003-nv.dts\0"}, "p3767-0003"),
        ({"compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0"}, ""),
        ({"chosen/nvidia,sku": "TBD\0"}, ""),
    ],
)
def test_the_part_number_comes_from_whatever_has_one(tmp_path: Path, files, part: str):
    write_files(tmp_path, {f"{TREE}/{name}": text for name, text in files.items()})
    assert read_machine(tmp_path).part_number == part


def test_the_modules_own_memory_is_believed_before_the_device_tree(tmp_path: Path):
    """A carrier's maker may ship a tree that names another module."""
    orin_nano(tmp_path)
    write_files(tmp_path, {f"{TREE}/chosen/nvidia,sku": "699-13767-0003-301 A.0\0"})
    assert read_machine(tmp_path).part_number == "p3767-0003"


@pytest.mark.parametrize(
    ("status", "mode"),
    [
        ("pmode:0000\n", "15W"),
        ("pmode:0002 fmode:quiet\n", "MAXN_SUPER"),
        ("pmode:0007\n", "mode 7"),
        ("", ""),
        ("fmode:quiet", ""),
    ],
)
def test_the_power_mode_is_named(tmp_path: Path, status: str, mode: str):
    orin_nano(tmp_path)
    write_files(tmp_path, {"var/lib/nvpmodel/status": status})
    assert read_machine(tmp_path).power_mode == mode


def test_a_mode_without_its_list_of_names_keeps_its_number(tmp_path: Path):
    orin_nano(tmp_path)
    (tmp_path / "etc" / "nvpmodel.conf").unlink()
    assert read_machine(tmp_path).power_mode == "mode 1"


def test_names_in_comments_and_in_another_order_are_understood(tmp_path: Path):
    orin_nano(tmp_path, mode="0003")
    conf = "# < POWER_MODEL ID=3 NAME=WRONG >\n  < POWER_MODEL NAME=MODE_30W ID=3 >\n"
    write_files(tmp_path, {"etc/nvpmodel.conf": conf})
    assert read_machine(tmp_path).power_mode == "MODE_30W"


@pytest.mark.parametrize(
    ("text", "l4t", "jetpack"),
    [
        ("# R35 (release), REVISION: 4.1, GCID: 33958178", "35.4.1", "5.1.2"),
        ("# R39 (release), REVISION: 2.0, GCID: 1", "39.2.0", "7.2"),
        ("# R77 (release), REVISION: 1.0, GCID: 1", "77.1.0", ""),
        ("something else", "", ""),
    ],
)
def test_the_release_is_read_and_named(tmp_path: Path, text: str, l4t: str, jetpack: str):
    machine = read_machine(write_files(tmp_path, {"etc/nv_tegra_release": text}))
    assert (machine.l4t, machine.jetpack) == (l4t, jetpack)


def test_a_folder_in_a_files_place_is_no_error(tmp_path: Path):
    (tmp_path / TREE / "model").mkdir(parents=True)
    (tmp_path / "etc" / "nv_tegra_release").mkdir(parents=True)
    assert read_machine(tmp_path) == Machine()


FILES = ("model", "compatible", "chosen/nvidia,sku", "chosen/ids")


@given(content=st.binary(max_size=200))
def test_whatever_the_files_hold_there_is_a_machine(tmp_path_factory, content: bytes):
    root = tmp_path_factory.mktemp("machine")
    files = [f"{TREE}/{name}" for name in FILES]
    files += ["etc/nv_tegra_release", "var/lib/nvpmodel/status", "etc/nvpmodel.conf"]
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    assert isinstance(read_machine(root), Machine)
