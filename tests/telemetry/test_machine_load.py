"""Memory, processors and fan."""

import pytest

from edgert.telemetry.machine_load import MachineLoad
from tests.telemetry.trees import Tree


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_memory_in_use_is_what_is_not_available(tree):
    reading = MachineLoad(tree.root).read()
    assert reading.memory_total_bytes == 7_800_000 * 1024
    assert reading.memory_used_bytes == 2_000_000 * 1024


@pytest.mark.parametrize(
    "text",
    ["", "MemTotal: 100 kB", "MemTotal: x kB\nMemAvailable: 5 kB", "MemTotal:\nMemAvailable:",
     "MemTotal: 5 kB\nMemAvailable: 100 kB"],
)  # fmt: skip
def test_memory_that_is_not_told_is_a_gap(tree, text):
    tree.put("proc/meminfo", text)
    reading = MachineLoad(tree.root).read()
    assert (reading.memory_used_bytes, reading.memory_total_bytes) == (None, None)
    assert reading.gaps["memory"] == "no MemTotal and MemAvailable"


def test_processors_need_two_reads(tree):
    load = MachineLoad(tree.root)
    assert load.read().cpu is None
    tree.put("proc/stat", "cpu  125 0 150 825 0 0 0 0 0 0")  # 75 of 100 ticks busy
    assert load.read().cpu == pytest.approx(0.75)
    assert load.read().cpu is None  # no time has passed
    load.close()


def test_waiting_for_a_disk_is_no_work(tree):
    load = MachineLoad(tree.root)
    load.read()
    tree.put("proc/stat", "cpu  100 0 100 850 50 0 0 0 0 0")
    assert load.read().cpu == 0.0


def test_counter_that_went_back_is_no_share(tree):
    load = MachineLoad(tree.root)
    load.read()
    tree.put("proc/stat", "cpu  1 0 1 8 0 0 0 0 0 0")
    assert load.read().cpu is None


@pytest.mark.parametrize("text", [b"", "intr 5", "cpu 1 2", "cpu a b c d e f g h"])
def test_processor_times_that_are_not_told_are_a_gap(tree, text):
    tree.put("proc/stat", text)
    assert MachineLoad(tree.root).read().gaps["utilisation cpu"] == "no line of processor times"


@pytest.mark.parametrize(("pwm", "ratio"), [(0, 0.0), (255, 1.0), (51, 0.2)])
def test_fan_is_its_pwm(tree, pwm, ratio):
    tree.fan(pwm)
    assert MachineLoad(tree.root).read().fan_ratio == pytest.approx(ratio)


@pytest.mark.parametrize("pwm", [256, -1, b"", "on"])
def test_fan_that_does_not_tell_is_a_gap_and_not_a_stopped_fan(tree, pwm):
    tree.fan(pwm)
    reading = MachineLoad(tree.root).read()
    assert reading.fan_ratio is None
    assert "fan" in reading.gaps


def test_board_without_a_fan_has_no_gap(tree):
    (tree.root / "sys/class/hwmon/hwmon0").unlink()
    reading = MachineLoad(tree.root).read()
    assert reading.fan_ratio is None
    assert "fan" not in reading.gaps


def test_machine_without_files_has_gaps(tmp_path):
    assert MachineLoad(tmp_path).read().gaps == {
        "memory": "vanished",
        "utilisation cpu": "vanished",
    }
