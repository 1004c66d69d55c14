"""Power chips on trees of files: found, named, scaled, and refused where they can't be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.boards import load_board
from edgert.clock import VirtualClock
from edgert.telemetry.ina import find_rails
from edgert.telemetry.kernel_file import GapError
from tests.telemetry.trees import LAYOUTS, Tree


class Ticking(VirtualClock):
    """A clock that moves by a second each time it is asked."""

    def now_s(self):
        self.sleep(1.0)
        return super().now_s()


def rails_of(tree, board=None):
    return {rail.rail: rail for rail in find_rails(tree.root, board and board.rails)}


def read(tree, label):
    rail = rails_of(tree)[label]
    try:
        return rail.read(VirtualClock())
    finally:
        rail.close()


def reason(tree, label):
    with pytest.raises(GapError) as gap:
        read(tree, label)
    return str(gap.value)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_rails_come_in_order_of_chip_and_channel(tmp_path):
    names = list(rails_of(Tree(tmp_path, "agx-orin-jp6")))
    assert names == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_power_is_voltage_times_current(tmp_path, layout):
    rails = rails_of(Tree(tmp_path, layout))
    for chip in LAYOUTS[layout].chips:
        for label, mv, ma in chip.channels.values():
            if label not in {"NC", ""}:
                watts = max(0, mv * ma) / 1e6
                assert rails[label].read(VirtualClock()).power_w == pytest.approx(watts)


def test_moment_is_between_voltage_and_current(tree):
    reading = rails_of(tree)["VDD_IN"].read(Ticking())
    assert reading.time_s == 1.0  # asked once, after the voltage and before the current
    assert reading.raw == (5000, 960)


def test_settings_of_the_chip_are_recorded(tree):
    sensor = rails_of(tree)["VDD_IN"].sensor
    assert (sensor.chip, sensor.address, sensor.channel) == ("ina3221", "1-0040", 1)
    assert sensor.shunt_ohm == 0.005
    assert (sensor.samples, sensor.update_interval_s) == (1, 0.007)


def test_settings_that_the_driver_does_not_tell_are_none(tree):
    for name in ("samples", "update_interval", "shunt1_resistor"):
        (tree.hwmon("1-0040") / name).unlink()
    sensor = rails_of(tree)["VDD_IN"].sensor
    assert (sensor.shunt_ohm, sensor.samples, sensor.update_interval_s) == (None, None, None)


def test_chip_that_multiplies_is_taken_at_its_word(tmp_path):
    tree = Tree(tmp_path, "thor-jp7")
    tree.put(f"{tree.hwmon('2-0044').relative_to(tmp_path)}/power1_input", 30166000)
    rail = rails_of(tree, load_board("jetson-agx-thor-t5000"))["VIN"]
    reading = rail.read(Ticking())
    assert reading.power_w == pytest.approx(30.166)
    assert reading.time_s == 1.5


def test_chip_that_does_not_multiply_is_multiplied_for(tmp_path):
    tree = Tree(tmp_path, "thor-jp7")
    (tree.hwmon("2-0044") / "power1_input").unlink()
    rail = rails_of(tree, load_board("jetson-agx-thor-t5000"))["VIN"]
    assert rail.read(VirtualClock()).power_w == pytest.approx(19.6 * 1.2)


def test_rail_without_a_label_keeps_its_chip_as_its_name(tmp_path):
    assert "ina238 2-0044 1" in rails_of(Tree(tmp_path, "thor-jp7"))


def test_two_rails_of_one_label_are_told_apart(tmp_path):
    tree = Tree(tmp_path, "agx-orin-jp6")
    tree.put(f"{tree.hwmon('1-0041').relative_to(tmp_path)}/in2_label", "VDD_CPU_CV")
    names = set(rails_of(tree))
    assert {"VDD_CPU_CV 1-0040 2", "VDD_CPU_CV 1-0041 2"} <= names
    assert "VDD_CPU_CV" not in names


def test_channel_that_is_switched_off_is_no_rail(tree):
    tree.put(f"{tree.hwmon('1-0040').relative_to(tree.root)}/in3_enable", 0)
    assert list(rails_of(tree)) == ["VDD_IN", "VDD_CPU_GPU_CV"]


def test_sum_and_shunt_voltages_are_no_rails(tree):
    assert len(rails_of(tree)) == 3


def test_other_chips_are_no_power_sensors(tmp_path):
    assert find_rails(tmp_path) == []


@pytest.mark.parametrize(
    ("mv", "ma", "words"),
    [
        (5000, -100, "negative: -0.500 W"),
        (5000, -17, "negative"),  # beyond the chip's offset of 16 mA at 5 mOhm
        (-8, 100, "impossible: -0.008 V"),
        (99000, 100, "impossible: 99 V"),
        (26000, 32000, "impossible: 832 W"),
        ("nan", 100, "no number: 'nan'"),
        (5000, b"", "torn read"),
        (b"", 960, "torn read"),
    ],
)
def test_value_that_can_not_be_is_a_gap(tree, mv, ma, words):
    tree.rail("VDD_IN", mv=mv, ma=ma)
    assert words in reason(tree, "VDD_IN")


def test_less_than_nothing_within_the_chips_offset_is_nothing(tree):
    tree.rail("VDD_IN", ma=-16)
    assert read(tree, "VDD_IN").power_w == 0.0


def test_offset_of_an_unknown_shunt_is_not_forgiven(tree):
    (tree.hwmon("1-0040") / "shunt1_resistor").unlink()
    tree.rail("VDD_IN", ma=-8)
    assert "negative" in reason(tree, "VDD_IN")


@pytest.mark.parametrize("number", [0, 1])
def test_either_file_that_vanishes_is_a_gap(tree, number):
    tree.rail_files("VDD_IN")[number].unlink()
    rails = find_rails(tree.root)
    names = [rail.rail for rail in rails]
    if number == 0:
        assert "VDD_IN" not in names
    else:
        assert reason(tree, "VDD_IN") == "vanished"


@given(mv=st.integers(-100_000, 200_000), ma=st.integers(-100_000, 200_000))
def test_reading_is_what_the_files_say_or_a_gap(tmp_path_factory, mv, ma):
    tree = Tree(tmp_path_factory.mktemp("t"))
    tree.rail("VDD_IN", mv=mv, ma=ma)
    try:
        power_w = read(tree, "VDD_IN").power_w
    except GapError:
        assert mv < 0 or ma < -16 or mv > 85_000 or mv * ma > 500e6
    else:
        assert 0 <= power_w <= 500
        assert power_w == pytest.approx(max(0, mv * ma) / 1e6)
