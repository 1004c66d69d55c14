"""Two ways to the same files: our sysfs reader, and the jetson-stats service through our source.

Both read one emulated tree at the same time. What one calls a value, the other must call the
same, within a step of the sensor and what the board changes in a quarter of a second.
"""

import pytest

from edgert.boards import load_board
from edgert.telemetry import jtop, open_source
from tests.board.stand import rest, until

pytestmark = pytest.mark.board

BOARD_FILES = {
    "orin-nano": "jetson-orin-nano-8gb",
    "orin-nx": "jetson-orin-nx-16gb",
    "agx-orin": "jetson-agx-orin-64gb",
    "agx-thor": "jetson-agx-thor-t5000",
}
LAYOUTS = [
    ("orin-nano", "jetpack6"),
    ("orin-nano", "jetpack7"),
    ("orin-nx", "jetpack7"),
    ("agx-orin", "jetpack6"),
    ("agx-thor", "jetpack7"),
]


@pytest.fixture
def sources(stand):
    """The sysfs source and the jtop source on one tree, both with a first sample."""
    stand.start_service()
    root = stand.tree.folder
    sysfs = open_source("sysfs", root=root, clock=stand.clock)
    child = stand.inside([stand.tools.python, jtop.CHILD, "0.1"])
    service = jtop.JtopSource(interval_s=0.1, root=root, clock=stand.clock, command=child)
    until(lambda: (sample := service.read()) and not sample.gaps.get("jtop"), what="jtop")
    yield sysfs, service
    sysfs.close()
    service.close()


def both(stand, sources):
    """A sample of each, at nearly the same moment."""
    sysfs, service = sources
    rest(0.6)
    service_sample = service.read()
    return sysfs.read(), service_sample


@pytest.mark.parametrize("stand", LAYOUTS, indirect=True, ids="-".join)
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_both_say_the_same_of_a_steady_board(stand, sources, busy):
    if busy:
        stand.tree.book_run("any", 60.0)
        rest(0.5)
    ours, theirs = both(stand, sources)
    assert set(ours.rails_w) == set(theirs.rails_w)
    steps_w = {
        spec.label: 40e-6 / spec.shunt_ohm * spec.supply_v
        for chip in stand.tree.layout.chips
        for spec in chip.channels
    }
    for rail, power_w in ours.rails_w.items():
        # A rail under load grows by its leakage while the two are read.
        assert theirs.rails_w[rail] == pytest.approx(power_w, abs=2 * steps_w[rail] + 0.002)
    assert theirs.power_w == pytest.approx(ours.power_w, abs=4 * max(steps_w.values()))
    truth_w = stand.tree.board.history.mean_w(stand.clock.now_s() - 0.2, stand.clock.now_s() - 0.1)
    assert ours.power_w == pytest.approx(truth_w, abs=4 * max(steps_w.values()))
    assert set(ours.zones_c) == set(theirs.zones_c)
    for zone, temp_c in ours.zones_c.items():
        assert theirs.zones_c[zone] == pytest.approx(temp_c, abs=1.5 if busy else 0.1)
    assert theirs.power_mode == ours.power_mode == stand.tree.power_mode.name
    for clock in ("gpu",) if stand.tree.layout.gpu.name else ():
        assert theirs.clocks_hz[clock] == ours.clocks_hz[clock]
        assert theirs.clock_caps_hz[clock] == ours.clock_caps_hz[clock]
        assert theirs.utilisation[clock] == pytest.approx(ours.utilisation[clock], abs=0.05)
    assert theirs.fan_ratio == pytest.approx(ours.fan_ratio, abs=0.03)
    assert ours.provenance == theirs.provenance == "emulated"
    assert {gap for gap in ours.gaps if gap.startswith("zone")} == {
        gap for gap in theirs.gaps if gap.startswith("zone")
    }


@pytest.mark.parametrize("stand", LAYOUTS, indirect=True, ids="-".join)
def test_both_find_the_board_s_file_by_its_part_number(stand, sources):
    wanted = load_board(BOARD_FILES[stand.tree.layout.name])
    assert [source.board for source in sources] == [wanted, wanted]


@pytest.mark.parametrize("stand", [("agx-orin", "jetpack6")], indirect=True)
def test_neither_counts_the_agx_orin_s_memory_rail_twice(stand, sources):
    idle_w = stand.tree.board.spec.power.idle_w
    for sample in both(stand, sources):
        assert sample.power_w == pytest.approx(idle_w, abs=0.5)
        assert sum(sample.rails_w.values()) > idle_w + 0.7


def test_a_vanished_rail_is_a_gap_of_both_and_no_zero(stand, sources):
    stand.tree.fault("vanished", file="VDD_SOC")
    rest(1.2)
    for sample in both(stand, sources):
        assert "VDD_SOC" not in sample.rails_w
        assert sample.power_w == pytest.approx(3.5, abs=0.1)
    stand.tree.recover("vanished")
    ours, theirs = until(
        lambda: (pair := both(stand, sources))[0].rails_w.get("VDD_SOC") and pair,
        what="the rail's return",
    )
    assert ours.rails_w["VDD_SOC"] == pytest.approx(1.13, abs=0.05)
    assert theirs.rails_w["VDD_SOC"] == pytest.approx(1.13, abs=0.05)


def test_a_zone_at_minus_256_is_a_gap_of_both(stand, sources):
    stand.tree.fault("offline", file="gpu")
    rest(0.5)
    for sample in both(stand, sources):
        assert "gpu" not in sample.zones_c
        assert "zone gpu" in sample.gaps


def test_over_current_events_and_throttling_are_ours_alone(stand, sources):
    """jetson-stats doesn't read them: a brown-out is seen through sysfs only."""
    sysfs, _ = sources
    sysfs.read()
    stand.tree.book_run("any", 30.0)
    stand.tree.fault("brown-out")
    rest(1.5)
    ours, theirs = both(stand, sources)
    assert ours.over_current_events["under_voltage"] == 1
    assert ours.throttled
    assert theirs.over_current_events == {}
