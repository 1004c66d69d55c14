"""Over-current counters, and throttling in words."""

import pytest

from edgert.telemetry.over_current import OverCurrentCounters, OverCurrentReading
from edgert.telemetry.thermal import CoolingReading
from edgert.telemetry.throttling import explain_throttling
from tests.telemetry.trees import Tree

TRIPS = {"tj": {"passive": 99.0}, "cpu": {"passive": 99.0}}


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_counters_are_named_by_their_cause(tree):
    for number in (1, 2, 3):
        tree.over_current(number, 10 * number)
    reading = OverCurrentCounters(tree.root).read()
    assert reading.events == {
        "under_voltage": 10, "average_over_current": 20, "instantaneous_over_current": 30,
    }  # fmt: skip


def test_events_from_before_are_not_new(tree):
    tree.over_current(1, 7)
    counters = OverCurrentCounters(tree.root)
    assert counters.read().new_events["under_voltage"] == 0
    tree.over_current(1, 9)
    assert counters.read().new_events["under_voltage"] == 2
    assert counters.read().new_events["under_voltage"] == 0
    counters.close()


def test_counter_that_was_reset_brings_nothing_new(tree):
    counters = OverCurrentCounters(tree.root)
    tree.over_current(3, 500)
    counters.read()
    tree.over_current(3, 1)
    assert counters.read().new_events["instantaneous_over_current"] == 0
    tree.over_current(3, 2)
    assert counters.read().new_events["instantaneous_over_current"] == 1


@pytest.mark.parametrize("count", [-1, b"", "x"])
def test_counter_that_does_not_tell_is_a_gap_and_not_zero_events(tree, count):
    tree.over_current(2, count)
    reading = OverCurrentCounters(tree.root).read()
    assert "average_over_current" not in reading.events
    assert "over-current average_over_current" in reading.gaps


def test_unknown_counter_keeps_its_name_and_no_counter_is_no_gap(tree, tmp_path):
    tree.over_current(5, 3)
    assert OverCurrentCounters(tree.root).read().events["oc5"] == 3
    assert OverCurrentCounters(tmp_path / "none").read() == ({}, {}, {})


# ---------------------------------------------------------------- throttling


def explain(active=None, zones_c=None, *, cooling=True, events=None, new=None):
    counters = OverCurrentReading(events or {}, new or {}, {})
    reading = CoolingReading((active or {}) if cooling else None, {})
    return explain_throttling(reading, counters, zones_c or {}, TRIPS)


def test_nothing_at_work_is_not_throttled():
    assert explain(zones_c={"tj": 98.0}) == (False, "")


def test_neither_devices_nor_counters_is_not_known():
    assert explain(cooling=False) == (None, "")
    assert explain(cooling=False, events={"under_voltage": 0}) == (False, "")


def test_device_at_work_is_throttled_with_the_zone_that_is_too_hot():
    throttled, reason = explain({"gpu-throttle-alert": 1}, {"tj": 100.5, "cpu": 99.1})
    assert throttled
    assert reason == "gpu-throttle-alert at 1, tj 100.5 °C over its trip point 99.0 °C"


def test_device_at_work_on_a_cool_board_has_no_heat_for_a_reason():
    assert explain({"devfreq-gpu": 2}, {"tj": 60.0}) == (True, "devfreq-gpu at 2")


@pytest.mark.parametrize(
    ("cause", "throttled"),
    [
        ("under_voltage", True),
        ("average_over_current", True),
        ("instantaneous_over_current", False),
    ],
)
def test_supply_that_sags_throttles_and_spikes_do_not(cause, throttled):
    told, reason = explain(events={cause: 9}, new={cause: 2})
    assert told is throttled
    assert reason == (f"2 times {cause.replace('_', ' ')}" if throttled else "")


def test_old_events_do_not_throttle():
    assert explain(events={"under_voltage": 9}, new={"under_voltage": 0}) == (False, "")
