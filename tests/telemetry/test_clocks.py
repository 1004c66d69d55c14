"""Clocks, caps and load of GPU and CPU."""

import pytest

from edgert.telemetry.clocks import Clocks
from tests.telemetry.trees import LAYOUTS, Tree


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def read(tree):
    clocks = Clocks(tree.root)
    clocks.read_caps()
    reading = clocks.read()
    clocks.close()
    return reading


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gpu_is_found_under_the_name_of_its_release(tmp_path, layout):
    reading = read(Tree(tmp_path, layout))
    assert reading.clocks_hz["gpu"] == 306e6
    assert reading.caps_hz["gpu"] == 918e6
    assert reading.ratio == pytest.approx(1 / 3)
    assert reading.load == (None if layout == "thor-jp7" else 0.0)
    assert reading.gaps == {}


def test_gpu_of_jetpack_5_and_its_load_beside_the_device(tmp_path):
    tree = Tree(tmp_path, "orin-nano-jp6")
    folder = "sys/class/devfreq/17000000.ga10b"
    for name, text in {"cur_freq": 510000000, "max_freq": 612000000, "device/load": 417}.items():
        tree.put(f"{folder}/{name}", text)
    (tree.root / "sys/class/devfreq/17000000.gpu").unlink()
    reading = read(tree)
    assert (reading.clocks_hz["gpu"], reading.load) == (510e6, 0.417)


def test_cores_go_by_the_first_of_their_group_in_hertz(tree):
    reading = read(tree)
    assert reading.clocks_hz["cpu0"] == 729.6e6
    assert reading.clocks_hz["cpu4"] == 729.604e6
    assert reading.caps_hz["cpu4"] == 1344e6


def test_cores_without_groups_stand_each_for_itself(tmp_path):
    tree = Tree(tmp_path)
    for core in (0, 1, 10):
        folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
        tree.put(f"{folder}/scaling_cur_freq", 1000000)
        tree.put(f"{folder}/scaling_max_freq", 2000000)
    for policy in (0, 4):
        folder = tmp_path / f"sys/devices/system/cpu/cpufreq/policy{policy}"
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    assert [name for name in read(tree).clocks_hz if name != "gpu"] == ["cpu0", "cpu1", "cpu10"]


def test_without_a_gpu_the_fastest_core_is_the_ratio(tree):
    (tree.root / "sys/class/devfreq/17000000.gpu").unlink()
    tree.put("sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq", 1344000)
    assert read(tree).ratio == 1.0


def test_no_clocks_at_all_is_no_ratio(tmp_path):
    reading = read(type("Empty", (), {"root": tmp_path}))
    assert reading == ({}, {}, None, {})
    assert reading.ratio is None


@pytest.mark.parametrize(
    ("values", "key", "words"),
    [
        ({"hz": 0}, "clock gpu", "stopped: 0 Hz"),
        ({"hz": -1}, "clock gpu", "impossible"),
        ({"hz": 10**12}, "clock gpu", "impossible"),
        ({"hz": b""}, "clock gpu", "torn read"),
        ({"cap_hz": 0}, "clock cap gpu", "stopped: 0 Hz"),
        ({"load": 1001}, "utilisation gpu", "impossible: load 1001 of 1000"),
        ({"load": -1}, "utilisation gpu", "impossible"),
        ({"load": b""}, "utilisation gpu", "torn read"),
    ],
)
def test_value_that_can_not_be_is_a_gap(tree, values, key, words):
    tree.gpu(**values)
    reading = read(tree)
    assert words in reading.gaps[key]
    assert len(reading.gaps) == 1
    assert "cpu0" in reading.clocks_hz


def test_caps_change_when_they_are_read_again(tree):
    clocks = Clocks(tree.root)
    clocks.read_caps()
    tree.gpu(cap_hz=612000000)
    assert clocks.read().caps_hz["gpu"] == 918e6
    clocks.read_caps()
    assert clocks.read().caps_hz["gpu"] == 612e6
    clocks.close()


def test_clock_over_its_cap_is_its_cap(tree):
    tree.gpu(hz=918000001, cap_hz=918000000)
    assert read(tree).ratio == 1.0
