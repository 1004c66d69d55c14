"""Lines of the jetson-stats process become samples; what can't be becomes gaps."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.boards import load_board
from edgert.telemetry.jtop_sample import Reported, line_from_bytes, sample_from_reported

NANO = load_board("jetson-orin-nano-8gb")
AGX = load_board("jetson-agx-orin-64gb")


def sample(board=NANO, **fields):
    reported = Reported(uptime_s=10.0, interval_s=0.1, **fields)
    return sample_from_reported(
        reported, time_s=5.0, age_s=0.1, board=board, provenance="measured"
    )


def test_values_are_taken_over():
    got = sample(
        rails_w={"VDD_IN": 5.0, "VDD_SOC": 1.4},
        zones_c={"tj": 45.5, "cpu": 44.0},
        clocks_hz={"gpu": 306e6, "cpu0": 1e9},
        clock_caps_hz={"gpu": 918e6, "cpu0": 1e9},
        utilisation={"gpu": 0.4},
        power_mode="25W",
        fan_ratio=0.3,
        memory_used_bytes=1,
        memory_total_bytes=2,
    )
    assert (got.power_w, got.temp_c, got.power_mode, got.fan_ratio) == (5.0, 45.5, "25W", 0.3)
    assert got.clock_ratio == pytest.approx(1 / 3)
    assert (got.source, got.provenance, got.time_s, got.age_s) == ("jtop", "measured", 5.0, 0.1)
    assert got.throttled is None  # jetson-stats doesn't say
    assert got.gaps == {}


def test_total_follows_the_boards_table_and_not_the_service():
    rails_w = {"VDD_GPU_SOC": 3.0, "VDD_CPU_CV": 1.0, "VIN_SYS_5V0": 5.0, "VDDQ_VDD2_1V8AO": 0.4}
    assert sample(AGX, rails_w=rails_w).power_w == 9.0


def test_unknown_board_has_no_sum():
    got = sample(None, rails_w={"A": 1.0, "B": 2.0})
    assert got.power_w is None
    assert "unknown board" in got.gaps["power"]


@pytest.mark.parametrize(
    ("fields", "key", "words"),
    [
        ({"rails_w": {"VDD_IN": -1.0}}, "rail VDD_IN", "negative: -1 W"),
        ({"rails_w": {"VDD_IN": 9e9}}, "rail VDD_IN", "impossible: 9e+09 W"),
        ({"rails_w": {"VDD_IN": float("nan")}}, "rail VDD_IN", "impossible: nan W"),
        ({"zones_c": {"cv0": None}}, "zone cv0", "offline"),
        ({"zones_c": {"cv0": -256.0}}, "zone cv0", "impossible: -256 °C"),
        ({"clocks_hz": {"gpu": 0.0}}, "clock gpu", "impossible: 0 Hz"),
        ({"clock_caps_hz": {"gpu": -5.0}}, "clock cap gpu", "impossible"),
        ({"utilisation": {"gpu": 1.5}}, "utilisation gpu", "impossible: 1.5"),
        ({"fan_ratio": -0.1}, "fan", "impossible: -0.1"),
    ],
)
def test_value_that_can_not_be_is_a_gap(fields, key, words):
    got = sample(**fields)
    assert got.gaps[key].startswith(words)
    assert got.rails_w == {} or got.power_w is not None
    assert got.zones_c == got.clocks_hz == got.utilisation == {}
    assert got.fan_ratio is None


def test_missing_part_of_the_total_makes_no_smaller_total():
    got = sample(AGX, rails_w={"VDD_GPU_SOC": 3.0, "VDD_CPU_CV": -1.0, "VIN_SYS_5V0": 5.0})
    assert got.power_w is None
    assert got.gaps["power"] == "rail VDD_CPU_CV: negative: -1 W"


ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.one_of(st.binary(max_size=80), ANY.map(lambda value: json.dumps(value).encode())))
def test_any_line_is_one_of_ours_or_none(content):
    line = line_from_bytes(content)
    assert line is None or line.sample is None or line.sample.uptime_s >= 0


@given(
    rails=st.dictionaries(st.sampled_from(["VDD_IN", "VDD_SOC"]), st.floats()),
    zones=st.dictionaries(st.sampled_from(["tj", "cpu"]), st.none() | st.floats()),
    utilisation=st.dictionaries(st.just("gpu"), st.floats()),
)
def test_whatever_is_reported_a_sample_holds_what_can_be(rails, zones, utilisation):
    got = sample(rails_w=rails, zones_c=zones, utilisation=utilisation)
    assert all(0 <= power_w <= 500 for power_w in got.rails_w.values())
    assert all(-55 <= temp_c <= 200 for temp_c in got.zones_c.values())
    assert {f"rail {name}" for name in set(rails) - set(got.rails_w)} <= set(got.gaps)
    assert {f"zone {name}" for name in set(zones) - set(got.zones_c)} <= set(got.gaps)
