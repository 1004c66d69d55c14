"""What a board was like during a window, and what of it is held against the window."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.errors import SensorReadError
from edgert.profiling.energy.conditions import Conditions, Watch, joined, why_reject
from edgert.records import TelemetrySample

FIRST = TelemetrySample(
    time_s=1.0,
    source="sysfs",
    provenance="measured",
    power_w=10.0,
    temp_c=50.0,
    clocks_hz={"gpu": 918e6},
    clock_caps_hz={"gpu": 918e6},
    clock_ratio=1.0,
    power_mode="25W",
    over_current_events={"under_voltage": 2, "instantaneous_over_current": 100},
    throttled=False,
)


def seen(*changes, first=FIRST):
    samples = [first]
    for number, change in enumerate(changes, start=2):
        samples.append(msgspec.structs.replace(samples[-1], **{"time_s": number, **change}))

    class Source:
        name = "sysfs"
        closed = False

        def read(self):
            return samples.pop(0)

        def close(self):
            self.closed = True

    watch = Watch(Source())
    watch.begin()
    while samples:
        watch.read()
    watch.close()
    assert watch.source.closed
    return watch.end()


def test_nothing_changed_is_no_reason():
    found = seen({}, {"temp_c": 51.0})
    assert why_reject(found, found, governed=False) == ""
    assert found.temp_c == (50.0, 51.0)
    assert found.power_modes == ["25W"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"power_mode": "15W"}, "power mode changed: 25W to 15W"),
        ({"clocks_hz": {"gpu": 612e6}}, "clock gpu moved from 612 to 918 MHz"),
        ({"clock_caps_hz": {"gpu": 612e6}}, "cap of clock gpu moved from 612 to 918 MHz"),
        ({"over_current_events": {"under_voltage": 5}}, "3 times under voltage"),
        ({"over_current_events": {"average_over_current": 0}}, ""),
        ({"throttled": True, "throttle_reason": "fan at 3"}, "throttled: fan at 3"),
        ({"throttled": True}, "throttled: no reason given"),
        ({"time_s": 0.5}, "the clock of the samples went back"),
        ({"clocks_hz": {"gpu": 915e6}}, ""),
    ],
)
def test_what_changed_is_the_reason(change, reason):
    assert why_reject(seen(change), None, governed=False) == reason


def test_spikes_of_current_are_reported_and_no_reason():
    found = seen({"over_current_events": {"instantaneous_over_current": 5000}})
    assert found.over_current_events["instantaneous_over_current"] == 4900
    assert why_reject(found, None, governed=False) == ""


def test_clocks_may_follow_a_load_with_pauses_but_their_caps_may_not():
    found = seen({"clocks_hz": {"gpu": 306e6}})
    assert why_reject(found, None, governed=True) == ""
    capped = seen({"clock_caps_hz": {"gpu": 306e6}})
    assert "cap of clock gpu" in why_reject(capped, None, governed=True)


def test_windows_are_held_against_the_first():
    first = seen({})
    later = seen({}, first=msgspec.structs.replace(FIRST, power_mode="15W"))
    assert why_reject(later, first, governed=False) == "power mode changed: 25W to 15W"
    slower = seen({}, first=msgspec.structs.replace(FIRST, clocks_hz={"gpu": 800e6}))
    assert "clock gpu moved from 800 to 918" in why_reject(slower, first, governed=False)


def test_a_counter_that_was_reset_counts_nothing():
    assert seen({"over_current_events": {"under_voltage": 0}}).over_current_events == {
        "under_voltage": 0,
        "instantaneous_over_current": 0,
    }


def test_reads_without_power_are_counted_by_reason():
    gone = {"power_w": None, "gaps": {"power": "rail VDD_IN: vanished"}}
    assert seen(gone, gone).gaps == {"rail VDD_IN: vanished": 2}
    assert seen({"power_w": None}).gaps == {"no power in the sample": 1}


def test_a_new_window_starts_from_the_newest_values():
    class Source:
        name = "sysfs"

        def read(self):
            return FIRST

        def close(self):
            pass

    watch = Watch(Source())
    assert watch.end() == Conditions(source="sysfs")
    watch.read()
    watch.begin()
    found = watch.end()
    assert found.power_modes == ["25W"]
    assert found.over_current_events == {"under_voltage": 0, "instantaneous_over_current": 0}


def test_errors_of_the_source_pass_through():
    class Broken:
        name = "sysfs"

        def read(self):
            raise SensorReadError("read", expected="a value", got="none", advice="Look")

        def close(self):
            pass

    with pytest.raises(SensorReadError):
        Watch(Broken()).read()


ranges = st.tuples(st.floats(-50, 50), st.floats(0, 50)).map(lambda pair: (pair[0], sum(pair)))


@given(temps=st.lists(ranges, min_size=1, max_size=5))
def test_joined_ranges_hold_all(temps):
    whole = joined([Conditions(temp_c=temp) for temp in temps]).temp_c
    assert whole == (min(low for low, _ in temps), max(high for _, high in temps))


def test_joined_modes_and_events():
    whole = joined(
        [
            Conditions(power_modes=["25W"], over_current_events={"a": 1}, clock_ratio=(0.9, 1.0)),
            Conditions(power_modes=["25W"], over_current_events={"a": 2, "b": 0}),
        ]
    )
    assert whole.power_modes == ["25W"]
    assert whole.over_current_events == {"a": 3, "b": 0}
    assert whole.clock_ratio == (0.9, 1.0)
    assert whole.temp_c is None
