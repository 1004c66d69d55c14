"""Zones, trip points and cooling devices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.telemetry.kernel_file import GapError
from edgert.telemetry.thermal import CoolingDevices, ThermalZones, temp_from_raw
from tests.telemetry.trees import LAYOUTS, Tree


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def zones(tree):
    return ThermalZones(tree.root).read()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_zones_go_by_their_type_without_its_ending(tmp_path, layout):
    tree = Tree(tmp_path, layout)
    reading = zones(tree)
    assert set(reading.zones_c) == set(LAYOUTS[layout].zones)
    assert reading.zones_c["cpu"] == 45.0 + 0.1 * LAYOUTS[layout].zones.index("cpu")
    assert reading.gaps == {}


def test_ending_of_older_releases_is_left_out_too(tree):
    tree.put(f"{tree.zone('cpu')}/type", "CPU-therm")
    assert "cpu" in zones(tree).zones_c


def test_second_zone_of_a_type_gets_its_number(tree):
    tree.put(f"{tree.zone('gpu')}/type", "cpu-thermal")
    assert {"cpu", "cpu thermal_zone1"} <= set(zones(tree).zones_c)


@pytest.mark.parametrize(
    ("raw_mc", "words"),
    [
        (-256000, "gated: -256 °C"),
        (-300000, "gated: -256 °C"),
        (-60000, "impossible: -60 °C"),
        (240000, "impossible: 240 °C"),
        (b"", "torn read: the file was empty"),
        ("nan", "no number: 'nan'"),
    ],
)
def test_zone_without_a_value_is_a_gap_and_the_others_stand(tree, raw_mc, words):
    tree.temp("cv0", raw_mc)
    reading = zones(tree)
    assert reading.gaps == {"zone cv0": words}
    assert "cv0" not in reading.zones_c
    assert len(reading.zones_c) == len(tree.layout.zones) - 1


def test_zone_that_is_gated_comes_back(tree):
    source = ThermalZones(tree.root)
    tree.temp("gpu", -256000)
    assert "zone gpu" in source.read().gaps
    tree.temp("gpu", 51000)
    assert source.read().zones_c["gpu"] == 51.0
    source.close()


def test_zone_below_zero_is_a_cold_day(tree):
    tree.temp("tj", -12500)
    assert zones(tree).zones_c["tj"] == -12.5


def test_trip_points_are_what_the_files_say(tree):
    trips = ThermalZones(tree.root).trip_points()
    assert trips["tj"] == {"passive": 99.0, "critical": 104.5}
    assert set(trips) == set(tree.layout.zones)


def test_trip_points_unused_or_double_leave_the_lowest(tree):
    folder = tree.zone("tj")
    for place, (kind, raw_mc) in enumerate(
        [("active", 0), ("passive", 95000), ("critical", -256000), ("hot", 999000)], start=2
    ):
        tree.put(f"{folder}/trip_point_{place}_type", kind)
        tree.put(f"{folder}/trip_point_{place}_temp", raw_mc)
    assert ThermalZones(tree.root).trip_points()["tj"] == {"passive": 95.0, "critical": 104.5}


@given(st.integers(-400_000, 400_000))
def test_any_raw_value_is_a_temperature_or_a_gap(raw_mc):
    try:
        temp_c = temp_from_raw(raw_mc)
    except GapError:
        assert raw_mc < -55_000 or raw_mc > 200_000
    else:
        assert temp_c == raw_mc / 1000
        assert -55 <= temp_c <= 200


def test_board_at_rest_holds_nothing_back(tree):
    assert CoolingDevices(tree.root).read() == ({}, {})


def test_cooling_device_at_work_is_told_with_its_state(tree):
    tree.cooling("gpu-throttle-alert", 1)
    tree.cooling("devfreq-17000000.gpu", 4)
    reading = CoolingDevices(tree.root).read()
    assert reading.active == {"gpu-throttle-alert": 1, "devfreq-17000000.gpu": 4}


@pytest.mark.parametrize("kind", ["pwm-fan", "hot-surface-alert"])
def test_fan_and_warm_surface_hold_nothing_back(tree, kind):
    tree.cooling(kind, 1)
    assert CoolingDevices(tree.root).read().active == {}


def test_cooling_device_that_does_not_answer_is_a_gap(tree):
    tree.cooling("cpu-throttle-alert", b"")
    reading = CoolingDevices(tree.root).read()
    assert reading.active == {}
    assert reading.gaps == {"cooling cpu-throttle-alert": "torn read: the file was empty"}


def test_board_without_cooling_devices_does_not_know(tmp_path):
    assert CoolingDevices(tmp_path).read() == (None, {})
