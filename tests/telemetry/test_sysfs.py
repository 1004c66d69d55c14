"""The board's own sensors as one source: sums, rates, gaps, and what comes back."""

import os
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.clock import VirtualClock
from edgert.errors import SensorReadError, SourceUnavailableError
from edgert.telemetry import kernel_file
from edgert.telemetry.sysfs import RATES_HZ, SysfsSource
from tests.telemetry.trees import LAYOUTS, Tree


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def clock():
    return VirtualClock(100.0)


def at_every_read(tree, clock, **options):
    """A source that reads everything every time."""
    rates = dict.fromkeys(RATES_HZ, float("inf"))
    return SysfsSource(root=tree.root, clock=clock, rates_hz=rates, **options)


# ---------------------------------------------------------------- what a sample holds


@pytest.mark.parametrize(
    ("layout", "board", "power_w"),
    [
        ("orin-nano-jp6", "jetson-orin-nano-8gb", 4.8),
        ("orin-nx-jp6", "jetson-orin-nx-16gb", 4.8),
        ("agx-orin-jp6", "jetson-agx-orin-64gb", 19 * 0.16 + 19 * 0.04 + 4.968 * 0.98),
        ("agx-orin-jp7", "jetson-agx-orin-64gb", 19 * 0.16 + 19 * 0.04 + 4.968 * 0.98),
        ("thor-jp7", "jetson-agx-thor-t5000", 19.6 * 1.2),
    ],
)
def test_every_board_is_read_whole_without_a_gap(tmp_path, clock, layout, board, power_w):
    source = SysfsSource(root=Tree(tmp_path, layout).root, clock=clock)
    sample = source.read()
    assert source.board.name == board
    assert sample.power_w == pytest.approx(power_w)
    assert sample.gaps == {}
    assert set(sample.zones_c) == set(LAYOUTS[layout].zones)
    assert sample.temp_c == max(sample.zones_c.values())
    assert sample.power_mode == LAYOUTS[layout].mode
    assert sample.throttled is False
    assert sample.fan_ratio == pytest.approx(88 / 255)
    assert sample.memory_used_bytes == 2_000_000 * 1024
    assert (sample.time_s, sample.age_s) == (100.0, 0.0)
    source.close()


def test_tree_of_a_real_board_is_measured_and_of_an_emulated_one_never(tree, clock):
    assert SysfsSource(root=tree.root, clock=clock).read().provenance == "measured"
    tree.put("sys/devices/virtual/dmi/id/sys_vendor", "edgert-emulator")
    assert SysfsSource(root=tree.root, clock=clock).read().provenance == "emulated"


def test_settings_of_the_sensors_can_be_had(tree, clock):
    source = SysfsSource(root=tree.root, clock=clock)
    assert [sensor.samples for sensor in source.sensors] == [1, 1, 1]
    assert source.total.covers == "module"


def test_power_is_the_youngest_part_and_its_moment_is_the_samples(tree):
    class Ticking(VirtualClock):
        def now_s(self):
            self.sleep(0.001)
            return super().now_s()

    clock = Ticking()
    sample = SysfsSource(root=tree.root, clock=clock).read()
    asked_after_s = clock.now_s() - sample.time_s
    assert sample.age_s == pytest.approx(0.001)
    assert asked_after_s == pytest.approx(0.002)


def test_utilisation_of_cpu_and_gpu(tree, clock):
    source = at_every_read(tree, clock)
    source.read()
    tree.gpu(load=930)
    tree.put("proc/stat", "cpu  150 0 100 850 0 0 0 0 0 0")
    assert source.read().utilisation == {"gpu": 0.93, "cpu": pytest.approx(0.5)}


# ---------------------------------------------------------------- rates


def test_slow_parts_are_read_at_their_rates_and_power_each_time(tree, clock):
    source = SysfsSource(root=tree.root, clock=clock)
    source.read()
    tree.rail("VDD_IN", ma=2000)
    tree.rail("VDD_SOC", ma=400)
    tree.temp("tj", 80000)
    tree.mode(2)
    sample = source.read()
    assert sample.power_w == 10.0
    assert sample.rails_w["VDD_SOC"] == pytest.approx(1.4)
    assert sample.zones_c["tj"] == 45.8
    assert sample.power_mode == "25W"
    clock.sleep(0.1)
    sample = source.read()
    assert sample.rails_w["VDD_SOC"] == 2.0
    assert sample.zones_c["tj"] == 80.0
    assert sample.power_mode == "25W"
    clock.sleep(0.9)
    assert source.read().power_mode == "MAXN_SUPER"


def test_rates_can_be_set_and_are_told(tree, clock):
    source = SysfsSource(root=tree.root, clock=clock, rates_hz={"heat": 1000.0})
    assert source.rates_hz["heat"] == 1000.0
    assert source.rates_hz["clocks"] == RATES_HZ["clocks"]


@pytest.mark.parametrize("rates", [{"haet": 10.0}, {"heat": 0.0}, {"heat": -1.0}])
def test_unknown_rates_are_refused(tree, rates):
    with pytest.raises(ValueError, match="rates_hz"):
        SysfsSource(root=tree.root, rates_hz=rates)


class Kernel:
    """Counts what a source asks of the kernel, and does it."""

    def __init__(self, monkeypatch):
        self.calls = 0
        for name in ("open", "close", "fstat", "pread"):
            monkeypatch.setattr(kernel_file.os, name, self.counted(getattr(os, name)))

    def counted(self, call):
        def counting(*arguments, **options):
            self.calls += 1
            return call(*arguments, **options)

        return counting


def a_second(source, clock):
    """A hundred reads at 100 Hz of the clock, without the pauses between."""
    for _ in range(100):
        source.read()
        clock.sleep(0.01)


def test_hundred_hertz_ask_little_of_the_kernel(tmp_path, monkeypatch):
    """Each of the three rails of the total is two files, each two calls; the rest comes rarely."""
    clock, root = VirtualClock(100.0), Tree(tmp_path, "agx-orin-jp6").root
    calls = {}
    for name, rates in {"ours": {}, "all": dict.fromkeys(RATES_HZ, float("inf"))}.items():
        source = SysfsSource(root=root, clock=clock, rates_hz=rates)
        source.read()  # opens the files
        with monkeypatch.context() as patched:
            kernel = Kernel(patched)
            a_second(source, clock)
            calls[name] = kernel.calls
        source.close()
    assert 1200 <= calls["ours"] < 2000
    assert calls["all"] > 5 * calls["ours"]


def test_hundred_hertz_take_at_most_two_percent_of_a_core(tmp_path):
    """The reader's own work on files of the page cache; tools/benchmark.py sensors keeps the pace.

    Others on the machine can only make it dearer: the cheapest second of some is the reader's.
    """
    clock = VirtualClock(100.0)
    source = SysfsSource(root=Tree(tmp_path, "agx-orin-jp6").root, clock=clock)
    took_s = []
    for _ in range(20):
        begin_s = time.thread_time()
        a_second(source, clock)
        took_s.append(time.thread_time() - begin_s)
    assert min(took_s) < 0.02, took_s
    source.close()


def test_files_stay_open_however_often_they_are_read(tree, clock):
    source = at_every_read(tree, clock)
    source.read()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        clock.sleep(1.0)
        source.read()
    assert len(os.listdir("/proc/self/fd")) == before
    source.close()
    assert len(os.listdir("/proc/self/fd")) < before


# ---------------------------------------------------------------- totals and unknown boards


def test_total_misses_a_rail_and_is_a_gap_not_a_smaller_sum(tmp_path, clock):
    tree = Tree(tmp_path, "agx-orin-jp6")
    source = SysfsSource(root=tree.root, clock=clock)
    tree.rail("VDD_CPU_CV", ma=b"")
    sample = source.read()
    assert sample.power_w is None
    assert sample.gaps["power"] == "rail VDD_CPU_CV: torn read: the file was empty"
    assert "VDD_GPU_SOC" in sample.rails_w
    assert "VDD_CPU_CV" not in sample.rails_w
    tree.rail("VDD_CPU_CV", ma=40)
    assert source.read().power_w == pytest.approx(8.66864)


def test_rail_outside_the_total_may_fail_alone(tree, clock):
    tree.rail("VDD_SOC", ma="nan")
    sample = SysfsSource(root=tree.root, clock=clock).read()
    assert sample.power_w == pytest.approx(4.8)
    assert sample.gaps == {"rail VDD_SOC": "no number: 'nan'"}


def test_unknown_board_keeps_its_rails_and_says_so_once(tmp_path, clock, caplog):
    tree = Tree(tmp_path, "agx-orin-jp6")
    tree.put("proc/device-tree/chosen/nvidia,sku", b"699-19999-9999-300 W.1\0")
    source = SysfsSource(root=tree.root, clock=clock)
    sample, _ = source.read(), source.read()
    assert source.board is None
    assert set(sample.rails_w) == {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"}
    assert sample.power_w is None
    assert sample.gaps["power"].startswith("unknown board: which of ")
    assert caplog.text.count("no file under profiles/boards") == 1


def test_unknown_board_with_an_obvious_total_has_power(tree, clock):
    tree.put("proc/device-tree/chosen/nvidia,sku", b"699-19999-9999-300 W.1\0")
    assert SysfsSource(root=tree.root, clock=clock).read().power_w == pytest.approx(4.8)


def test_carrier_without_its_own_sensor_has_the_modules_total(tmp_path, clock):
    tree = Tree(tmp_path, "thor-jp7")
    (tree.root / "sys/class/hwmon/hwmon2").unlink()
    source = SysfsSource(root=tree.root, clock=clock)
    assert source.read().power_w == pytest.approx(19.6 * 0.34 + 5.0 * 1.3)  # the GPU draws nothing
    assert source.total.covers == "module"


# ---------------------------------------------------------------- what goes wrong while it runs


def test_rail_that_vanishes_is_a_gap_and_comes_back_under_another_number(tree, clock):
    source = SysfsSource(root=tree.root, clock=clock)
    source.read()
    link = tree.root / "sys/class/hwmon/hwmon1"
    folder = tree.hwmon("1-0040")
    moved = folder.with_name("hwmon7")
    folder.rename(moved)
    link.unlink()
    for file in moved.glob("*_input"):  # a driver that is unbound takes its files with it
        file.unlink()
    sample = source.read()
    assert sample.gaps["rail VDD_IN"] == "vanished"
    assert sample.power_w is None
    for _ in range(3):
        clock.sleep(1.0)
        assert source.read().gaps["power"] == "rail VDD_IN: vanished"
    for channel, (mv, ma) in {1: (5000, 1000), 2: (5000, 100), 3: (5000, 200)}.items():
        tree.put(moved.relative_to(tree.root) / f"in{channel}_input", mv)
        tree.put(moved.relative_to(tree.root) / f"curr{channel}_input", ma)
    tree.link("sys/class/hwmon/hwmon7", moved)
    clock.sleep(2.0)
    source.read()
    clock.sleep(0.2)
    sample = source.read()
    assert sample.power_w == 5.0
    assert sample.gaps == {}


def test_files_replaced_at_each_refresh_are_followed(tree, clock):
    source = at_every_read(tree, clock)
    for ma in range(800, 1600, 8):
        tree.rail("VDD_IN", ma=ma)
        assert source.read().power_w == pytest.approx(5 * ma / 1e3)


def test_frozen_power_is_a_gap_and_ends(tree, clock):
    source = SysfsSource(root=tree.root, clock=clock, frozen_s=10.0)
    for _ in range(60):
        clock.sleep(0.1)
        assert source.read().power_w is not None
    tree.gpu(hz=918000000, load=990)
    for _ in range(60):
        clock.sleep(0.1)
        sample = source.read()
    assert sample.power_w is None
    assert sample.gaps["power"].startswith("frozen")
    assert "VDD_IN" not in sample.rails_w
    assert sample.rails_w["VDD_SOC"] == pytest.approx(1.4)
    tree.rail("VDD_IN", ma=968)
    assert source.read().power_w == pytest.approx(4.84)


def test_throttling_is_told_with_its_reason(tree, clock):
    source = at_every_read(tree, clock)
    source.read()
    tree.temp("tj", 100200)
    tree.cooling("gpu-throttle-alert", 1)
    sample = source.read()
    assert sample.throttled is True
    assert sample.throttle_reason == (
        "gpu-throttle-alert at 1, tj 100.2 °C over its trip point 99.0 °C"
    )


def test_supply_that_sags_is_throttling(tree, clock):
    source = at_every_read(tree, clock)
    source.read()
    tree.over_current(1, 3)
    sample = source.read()
    assert sample.throttle_reason == "3 times under voltage"
    assert sample.over_current_events["under_voltage"] == 3


def test_nothing_that_can_be_read_is_an_error_of_one_line(tmp_path, clock):
    tree = Tree(tmp_path)
    source = at_every_read(tree, clock)
    source.read()
    for file in tmp_path.rglob("*"):
        if file.is_file() and ("input" in file.name or "temp" in file.name or "freq" in file.name):
            file.write_text("")
    with pytest.raises(SensorReadError) as error:
        source.read()
    assert re.fullmatch(
        r"read the board's sensors: expected .+, got \d+ gaps, .+\. .+\.", str(error.value)
    )


def test_machine_without_sensors_has_no_source(tmp_path):
    with pytest.raises(SourceUnavailableError) as error:
        SysfsSource(root=tmp_path)
    assert "sys/class/hwmon, ina3221 or ina238" in str(error.value)
    assert "\n" not in str(error.value)


def test_board_without_power_sensors_still_has_heat(tree, clock):
    (tree.root / "sys/class/hwmon/hwmon1").unlink()
    sample = SysfsSource(root=tree.root, clock=clock).read()
    assert sample.temp_c == 45.8
    assert sample.power_w is None
    assert sample.gaps["power"] == "no power sensor"


DAMAGE = st.sampled_from(
    [b"", b"\n", b"nan\n", b"-1\n", b"-256000\n", b"99999999999\n", b"\xff\0"]
)


@settings(max_examples=40)
@given(data=st.data())
def test_however_files_are_damaged_a_sample_holds_only_what_can_be(tmp_path_factory, data):
    tree = Tree(tmp_path_factory.mktemp("t"), data.draw(st.sampled_from(sorted(LAYOUTS))))
    clock = VirtualClock()
    source = at_every_read(tree, clock)
    whole = source.read()
    names = r".*(_input|temp|cur_freq|max_freq|load|cur_state|pwm1|_cnt|meminfo|stat)$"
    files = sorted(f for f in tree.root.rglob("*") if f.is_file() and re.match(names, f.name))
    for file in data.draw(st.lists(st.sampled_from(files), max_size=8, unique=True)):
        content = data.draw(st.one_of(DAMAGE, st.none()))
        file.unlink() if content is None else tree.put(file.relative_to(tree.root), content)
    clock.sleep(0.1)
    sample = source.read()
    assert all(0 <= power_w <= 500 for power_w in sample.rails_w.values())
    assert all(-55 <= temp_c <= 200 for temp_c in sample.zones_c.values())
    assert all(0 < hz <= 10e9 for hz in sample.clocks_hz.values())
    missing = set(whole.rails_w) - set(sample.rails_w)
    assert {f"rail {name}" for name in missing} <= set(sample.gaps)
    assert {f"zone {n}" for n in set(whole.zones_c) - set(sample.zones_c)} <= set(sample.gaps)
    assert (sample.power_w is None) == ("power" in sample.gaps)
    source.close()
