"""What is wrong with a board, and what to do."""

import re

import pytest

from edgert.boards import load_board
from edgert.clock import VirtualClock
from edgert.records import TelemetrySample
from edgert.telemetry.health import findings, findings_from
from tests.telemetry.trees import LAYOUTS, Tree

NANO = load_board("jetson-orin-nano-8gb")


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def clock():
    return VirtualClock()


def problems(tree, clock):
    return [str(one) for one in findings(tree.root, clock=clock) if one.level == "problem"]


def sample(**more):
    fields = {"time_s": 1.0, "source": "sysfs", "provenance": "measured", "power_mode": "25W"}
    return TelemetrySample(**(fields | more))


def judged(last, first=None, board=NANO):
    return [str(one) for one in findings_from(first or last, last, board)]


@pytest.mark.parametrize("layout", ["orin-nano-jp6", "agx-orin-jp6", "thor-jp7"])
def test_healthy_board_has_no_problem(tmp_path, clock, layout):
    tree = Tree(tmp_path, layout)
    caps = {"orin-nano-jp6": (918000000, 1344000), "agx-orin-jp6": (612000000, 1728000)}
    gpu_hz, cpu_khz = caps.get(layout, (1575000000, 2601000))
    tree.gpu(cap_hz=gpu_hz)
    for policy in (0, 4):
        tree.put(f"sys/devices/system/cpu/cpufreq/policy{policy}/scaling_max_freq", cpu_khz)
    assert problems(tree, clock) == []


def test_figure_of_power_is_told_with_its_rails_and_rate(tree, clock):
    notes = [str(one) for one in findings(tree.root, clock=clock)]
    assert notes == ["power: VDD_IN (module), 100 reads a second, each a mean over 1 conversions."]


def test_every_line_is_one_line_and_problems_come_first(tree, clock):
    tree.over_current(1, 5)
    tree.fan(0)
    tree.temp("tj", 97000)
    tree.cooling("cpu-throttle-alert", 2)
    tree.gpu(hz=306000000, cap_hz=612000000, load=950)
    found = findings(tree.root, clock=clock)
    levels = [one.level for one in found]
    assert levels == sorted(levels, key=lambda level: level != "problem")
    assert levels.count("problem") >= 6
    assert all(re.fullmatch(r"[^\n]+: .+\.", str(one)) for one in found)


def test_machine_without_sensors_has_one_note(tmp_path, clock):
    (only,) = findings(tmp_path, clock=clock)
    assert only.level == "note"
    assert str(only).startswith("sensors: none; looked for a power sensor")


# ---------------------------------------------------------------- supply


def test_under_voltage_is_a_problem_of_supply_and_cable(tree, clock):
    tree.over_current(1, 4)
    (line,) = problems(tree, clock)
    assert line.startswith("under voltage: 4 since boot.")
    assert "cable" in line


def test_counter_that_rises_while_watching_is_told(tree):
    class Sagging(VirtualClock):
        def sleep(self, duration_s):
            tree.over_current(2, int(10 + 10 * self.now_s()))
            super().sleep(duration_s)

    tree.over_current(2, 10)
    clock = Sagging()
    assert any("while watching" in line for line in problems(tree, clock))


def test_spikes_of_a_healthy_board_are_a_note():
    first = sample(over_current_events={"instantaneous_over_current": 100})
    last = sample(over_current_events={"instantaneous_over_current": 160})
    (found,) = findings_from(first, last, NANO)
    assert found.level == "note"
    assert "160 since boot, 60 while watching" in str(found)
    assert judged(first) == []


# ---------------------------------------------------------------- heat


def test_fan_that_stands_still_while_hot_is_a_problem(tree, clock):
    tree.fan(0)
    tree.temp("tj", 70000)
    assert problems(tree, clock) == [
        "fan: stands still at 70 °C. Check its plug and the service nvfancontrol."
    ]


def test_fan_that_stands_still_on_a_cool_board_is_as_it_should_be(tree, clock):
    tree.fan(0)
    assert problems(tree, clock) == []


def test_board_without_a_fan_is_not_blamed_for_it():
    assert judged(sample(temp_c=80.0, fan_ratio=None)) == []


def test_zone_near_its_trip_point_is_a_problem():
    trips = {"tj": {"passive": 99.0}}
    (line,) = judged(sample(zones_c={"tj": 95.0}, trip_points_c=trips))
    assert line == "zone tj: 95.0 °C, its trip point is 99.0 °C. Check heat sink and fan."
    assert judged(sample(zones_c={"tj": 90.0}, trip_points_c=trips)) == []


def test_throttling_is_told_with_its_reason():
    (line,) = judged(sample(throttled=True, throttle_reason="gpu-throttle-alert at 1"))
    assert line.startswith("throttling: gpu-throttle-alert at 1.")


# ---------------------------------------------------------------- clocks


def test_cap_below_that_of_the_power_mode_is_a_problem():
    (line,) = judged(sample(clock_caps_hz={"gpu": 612e6}))
    assert line.startswith("GPU clock: capped at 612 MHz; power mode 25W has 918 MHz.")


@pytest.mark.parametrize("hz", [612e6, 625e6, 624.75e6])
def test_mode_that_stands_twice_allows_both_caps(hz):
    assert judged(sample(power_mode="15W", clock_caps_hz={"gpu": hz})) == []


def test_cap_above_that_of_the_power_mode_is_a_note():
    last = sample(clock_caps_hz={"gpu": 1020e6, "cpu0": 1344e6, "cpu4": 1344e6})
    (found,) = findings_from(last, last, NANO)
    assert found.level == "note"


def test_cap_of_the_cores_is_that_of_the_fastest():
    assert judged(sample(clock_caps_hz={"cpu0": 1344e6, "cpu4": 729e6})) == []
    (line,) = judged(sample(clock_caps_hz={"cpu0": 729e6}))
    assert line.startswith("CPU clock: capped at 729 MHz")


@pytest.mark.parametrize(
    ("load", "ratio", "lines"), [(0.95, 0.5, 1), (0.95, 0.95, 0), (0.1, 0.3, 0), (None, 0.3, 0)]
)
def test_only_a_busy_gpu_needs_its_clock(load, ratio, lines):
    more = {} if load is None else {"utilisation": {"gpu": load}}
    last = sample(clocks_hz={"gpu": ratio * 918e6}, clock_ratio=ratio, **more)
    assert len(judged(last)) == lines


# ---------------------------------------------------------------- permissions and gaps


def test_lack_of_permission_names_group_and_command():
    gaps = {"rail VDD_IN": "permission denied: run sudo usermod -aG power $USER and log in again"}
    (line,) = judged(sample(gaps=gaps))
    assert line == (
        "rail VDD_IN: permission denied. Run sudo usermod -aG power $USER and log in again."
    )


def test_rail_that_does_not_answer_is_a_problem(tree, clock):
    tree.rail("VDD_IN", ma=b"")
    lines = problems(tree, clock)
    assert any(line.startswith("rail VDD_IN: torn read") for line in lines)
    assert any(line.startswith("power: rail VDD_IN") for line in lines)


def test_gated_zone_is_nothing(tree, clock):
    tree.temp("cv0", -256000)
    assert problems(tree, clock) == []
    assert judged(sample(gaps={"zone cv0": "not ready, its power domain may be off"})) == []


def test_sensors_that_all_fail_are_a_problem(tmp_path, clock):
    tree = Tree(tmp_path)
    for file in tmp_path.rglob("*"):
        if file.is_file() and re.match(r".*(_input|temp|_freq)$", file.name):
            file.write_text("")
    (line,) = problems(tree, clock)
    assert line.startswith("sensors: ")


def test_few_reads_a_second_are_a_problem(tree):
    class Slow(VirtualClock):
        """Every look at the clock takes 40 ms, as a chip does that averages over 64 values."""

        def now_s(self):
            super().sleep(0.04)
            return super().now_s()

    assert any("reads a second: energy of short windows" in one for one in problems(tree, Slow()))


def test_unknown_board_and_mode_are_notes():
    lines = judged(sample(power_mode="", rails_w={"A": 1.0}), board=None)
    assert lines[0].startswith("board: in no file under profiles/boards")
    assert lines[1].startswith("power mode: not known")


def test_layouts_are_all_watched(tmp_path, clock):
    for layout in LAYOUTS:
        found = findings(Tree(tmp_path / layout, layout).root, clock=clock)
        assert any(one.subject == "power" for one in found)
