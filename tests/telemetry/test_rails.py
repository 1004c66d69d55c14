"""Totals from rails, and sensors that stand still."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.boards import Total, load_board
from edgert.telemetry.kernel_file import GapError
from edgert.telemetry.rails import FrozenWatch, power_of, say_once, total_of, why_no_total

NANO = load_board("jetson-orin-nano-8gb")
AGX = load_board("jetson-agx-orin-64gb")
THOR = load_board("jetson-agx-thor-t5000")
THOR_RAILS = ["VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"]


def test_total_of_a_known_board_is_its_tables():
    assert total_of(NANO, ["VDD_SOC", "VDD_IN"]).rails == ["VDD_IN"]
    assert total_of(AGX, [*AGX.rails]).rails == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]


def test_board_with_two_totals_takes_the_first_that_is_there():
    assert total_of(THOR, ["VIN", *THOR_RAILS]).covers == "module and carrier board"
    assert total_of(THOR, THOR_RAILS).covers == "module"
    assert total_of(THOR, ["VDD_GPU"]) is None


def test_unknown_board_has_only_an_obvious_total():
    assert total_of(None, ["A", "VDD_IN", "VIN"]).rails == ["VDD_IN"]
    assert total_of(None, ["A", "POM_5V_IN"]).rails == ["POM_5V_IN"]
    assert total_of(None, ["VIN", "A"]).rails == ["VIN"]
    assert total_of(None, ["VDD_GPU", "VDD_SOC"]) is None


def test_why_there_is_no_total_names_the_rails():
    assert why_no_total(None, []) == "no power sensor"
    assert "unknown board: which of A, B" in why_no_total(None, ["B", "A"])
    assert "jetson-orin-nano-8gb" in why_no_total(NANO, ["A"])


def test_unknown_board_is_said(caplog):
    say_once(None, ["B", "A"])
    assert "no file under profiles/boards" in caplog.text
    assert "A, B" in caplog.text


def test_known_board_and_a_board_without_rails_say_nothing(caplog):
    say_once(NANO, ["VDD_IN"])
    say_once(None, [])
    assert not caplog.text


def test_missing_rail_makes_the_total_a_gap_with_its_reason():
    total = Total(rails=["A", "B"], covers="module")
    with pytest.raises(GapError, match="rail B: vanished"):
        power_of(total, {"A": 1.0}, {"rail B": "vanished"})
    with pytest.raises(GapError, match="rail A: missing"):
        power_of(total, {"B": 1.0}, {})


def test_total_of_nothing_is_a_gap_while_the_board_runs():
    total = Total(rails=["A", "B"], covers="module")
    with pytest.raises(GapError, match="0 W"):
        power_of(total, {"A": 0.0, "B": 0.0}, {})
    assert power_of(total, {"A": 0.0, "B": 2.0}, {}) == 2.0


@given(st.dictionaries(st.sampled_from(sorted(AGX.rails)), st.floats(0.1, 60), max_size=4))
def test_total_counts_every_watt_once_or_not_at_all(rails_w):
    total = AGX.totals[0]
    try:
        power_w = power_of(total, rails_w, {})
    except GapError:
        assert not set(total.rails) <= set(rails_w)
    else:
        once = rails_w["VDD_GPU_SOC"] + rails_w["VDD_CPU_CV"] + rails_w["VIN_SYS_5V0"]
        assert power_w == pytest.approx(once)  # the DRAM's rail lies behind the last


# ---------------------------------------------------------------- frozen


def watch_for(watch, start_s, duration_s, raw, load=None, clock=None, step_s=0.1):
    """The reason at the end of a while in which everything stays the same."""
    reason = ""
    for step in range(round(duration_s / step_s)):
        reason = watch.frozen(start_s + step * step_s, raw, {"load": load, "clock": clock})
    return reason


def test_standstill_while_the_load_changes_is_frozen():
    watch = FrozenWatch(frozen_s=10)
    assert watch_for(watch, 0, 5, (5000, 700), load=0.0) == ""
    assert watch_for(watch, 5, 4.9, (5000, 700), load=0.9) == ""  # not long enough yet
    assert watch_for(watch, 9.9, 1, (5000, 700), load=0.9).startswith("frozen: the same for 11 s")


def test_standstill_while_the_clock_changes_is_frozen():
    watch = FrozenWatch(frozen_s=10)
    watch_for(watch, 0, 5, (5000, 700), clock=0.3)
    assert "frozen" in watch_for(watch, 5, 6, (5000, 700), clock=1.0)


def test_board_at_rest_may_draw_the_same_for_an_hour():
    watch = FrozenWatch(frozen_s=10)
    assert watch_for(watch, 0, 3600, (5000, 700), load=0.02, clock=0.3, step_s=1.0) == ""


def test_load_that_fell_just_before_the_power_did_is_no_proof():
    watch = FrozenWatch(frozen_s=10)
    watch_for(watch, 0, 5, (5000, 2800), load=0.9)
    watch_for(watch, 5, 0.2, (5000, 700), load=0.9)  # the load is read less often than power
    assert watch_for(watch, 5.2, 60, (5000, 700), load=0.0) == ""


def test_frozen_ends_when_a_value_changes():
    watch = FrozenWatch(frozen_s=10)
    watch_for(watch, 0, 5, (5000, 700), load=0.0)
    assert watch_for(watch, 5, 10, (5000, 700), load=0.9)
    assert watch_for(watch, 15, 5, (5000, 708), load=0.9) == ""


def test_few_reads_prove_nothing():
    watch = FrozenWatch(frozen_s=10)
    watch_for(watch, 0, 10, (5000, 700), load=0.0, step_s=2)
    assert watch_for(watch, 10, 10, (5000, 700), load=0.9, step_s=2) == ""


def test_without_witnesses_nothing_is_frozen():
    assert watch_for(FrozenWatch(frozen_s=1), 0, 100, (1, 1)) == ""
