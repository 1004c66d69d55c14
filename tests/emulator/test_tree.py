"""A board as files: what stands in them, in which steps, and when it changes."""

import subprocess
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgert.clock import MonotonicClock
from edgert.emulator.feed import LoadFeed
from edgert.emulator.layout import NOT_CONNECTED, layout_names
from edgert.errors import SettingsError
from tests.emulator.trees import content, make_tree, number, power_mw

INA = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1"


@pytest.fixture
def nano(tree_folder):
    tree, clock = make_tree(tree_folder)
    with tree:
        yield tree, clock


def live(tree, clock, seconds, *, step_s=0.02, busy=True):
    """Keep the board busy, or not, in steps."""
    for _ in range(round(seconds / step_s)):
        if busy:
            tree.book_run("any", step_s)
        clock.sleep(step_s)
        tree.refresh()


@pytest.mark.parametrize("name", layout_names())
@pytest.mark.parametrize("release", ["jetpack6", "jetpack7"])
def test_every_layout_has_the_files_that_its_readers_look_for(tree_folder, name, release):
    if name == "agx-thor" and release == "jetpack6":
        with pytest.raises(SettingsError, match="expected jetpack7"):
            make_tree(tree_folder, name, release=release)
        return
    tree, _ = make_tree(tree_folder, name, release=release)
    with tree:
        for chip in tree.layout.chips:
            device = chip.device.rpartition("/")[2]
            by_driver = tree_folder / f"sys/bus/i2c/drivers/{chip.driver}/{device}"
            assert (by_driver / "name").read_text() == f"{chip.driver}\n"
            assert [path.name for path in (by_driver / "hwmon").iterdir()] == [
                f"hwmon{chip.hwmon}"
            ]
            for channel, spec in enumerate(chip.channels, start=1):
                reads = (by_driver / f"hwmon/hwmon{chip.hwmon}/curr{channel}_input").exists()
                assert reads == (spec.label != NOT_CONNECTED)
        kinds = [
            (folder / "type").read_text().strip()
            for folder in sorted(
                (tree_folder / "sys/class/thermal").glob("thermal_zone*"),
                key=lambda folder: int(folder.name[12:]),
            )
        ]
        assert kinds == [zone.type for zone in tree.layout.zones]
        devfreq = tree_folder / f"sys/class/devfreq/{tree.layout.gpu.device}"
        assert int((devfreq / "max_freq").read_text()) == tree.power_mode.gpu_hz
        scaling = (devfreq / "device/enable_3d_scaling").exists()
        assert scaling == (release == "jetpack6")
        major = {"jetpack6": "R36", "jetpack7": "R38" if name == "agx-thor" else "R39"}[release]
        assert content(tree, "etc/nv_tegra_release").startswith(f"# {major} (release), REVISION:")
        assert content(tree, "proc/device-tree/compatible").endswith("\0")


def test_an_idle_board_stands_in_the_files_in_the_drivers_units(nano):
    tree, clock = nano
    live(tree, clock, 1.0, busy=False)
    assert number(tree, f"{INA}/in1_input") == 5000
    assert number(tree, f"{INA}/curr1_input") == 696  # 3.5 W at 5 V is 700 mA; 8 mA steps
    assert number(tree, f"{INA}/in4_input") == 3480  # uV over 5 mOhm
    assert content(tree, f"{INA}/in1_label") == "VDD_IN\n"
    assert number(tree, f"{INA}/shunt1_resistor") == 5000
    assert number(tree, "sys/class/thermal/thermal_zone8/temp") == pytest.approx(45_000, abs=2)
    assert number(tree, "sys/class/devfreq/17000000.gpu/cur_freq") == 306_000_000
    assert number(tree, "sys/devices/platform/gpu.0/load") == 0
    assert number(tree, "sys/devices/system/cpu/cpu5/cpufreq/scaling_max_freq") == 1_344_000
    assert content(tree, "var/lib/nvpmodel/status") == "pmode:0001\n"
    assert content(tree, "proc/uptime").startswith("101.00 ")


def test_work_shows_as_power_load_clock_and_heat(nano):
    tree, clock = nano
    before_c = number(tree, "sys/class/thermal/thermal_zone8/temp")
    live(tree, clock, 3.0)
    assert power_mw(tree, 1) == pytest.approx(13_800, rel=0.02)
    assert number(tree, "sys/devices/platform/gpu.0/load") == 1000
    assert number(tree, "sys/class/devfreq/17000000.gpu/cur_freq") == 918_000_000
    assert number(tree, "sys/class/thermal/thermal_zone8/temp") > before_c + 3000
    live(tree, clock, 0.5, busy=False)
    assert power_mw(tree, 1) == pytest.approx(3_500, abs=60)
    assert number(tree, "sys/devices/platform/gpu.0/load") == 0


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1))
@pytest.mark.parametrize("name", layout_names())
def test_an_input_rail_is_the_board_s_power_and_inner_rails_lie_within(tree_folder, name, share):
    """Under a steady load, where every look of the chips sees the same."""
    tree, clock = make_tree(tree_folder, name, release="jetpack7")
    with tree:
        tree.board.book_run("any", clock.now_s(), 1.0, macs=round(share * 1_000_000))
        clock.sleep(0.4)
        tree.refresh()
        whole_w = tree.board.history.power_at(clock.now_s())
        powers_w, steps_w, outer_w = {}, {}, 0.0
        for place, chip in enumerate(tree.layout.chips):
            for channel, spec in enumerate(chip.channels, start=1):
                if spec.label != NOT_CONNECTED:
                    powers_w[spec.label] = power_mw(tree, channel, chip=place) / 1000
                    steps_w[spec.label] = 40e-6 / spec.shunt_ohm * spec.supply_v
        channels = [c for chip in tree.layout.chips for c in chip.channels]
        for spec in channels:
            if spec.within:
                slack_w = steps_w[spec.label] + steps_w[spec.within]
                assert powers_w[spec.label] <= powers_w[spec.within] + slack_w
            if spec.idle_ratio == 1.0:
                outer_w = powers_w[spec.label]
        if not outer_w:  # no input rail: those side by side make the whole
            outer_w = sum(
                powers_w[c.label] for c in channels if c.label in powers_w and not c.within
            )
        assert outer_w == pytest.approx(whole_w, abs=sum(steps_w.values()) / 2)


def test_every_value_is_a_whole_step_of_its_chip(nano):
    tree, clock = nano
    for _ in range(60):
        tree.book_run("any", 0.004)
        clock.sleep(0.013)
        tree.refresh()
        for channel in (1, 2, 3):
            assert number(tree, f"{INA}/in{channel}_input") % 8 == 0
            assert number(tree, f"{INA}/curr{channel}_input") % 8 == 0


def test_a_gated_zone_is_listed_and_cannot_be_read(nano):
    tree, _ = nano
    gated = tree.folder / "sys/class/thermal/thermal_zone2"
    assert (gated / "type").read_text() == "cv0-thermal\n"
    with pytest.raises(OSError, match="Input/output"):
        (gated / "temp").read_text()


def test_heat_throttles_and_cooling_devices_and_clock_say_so(nano):
    tree, clock = nano
    while not tree.board.throttle.throttled:
        live(tree, clock, 2.0, step_s=0.1)
        assert clock.now_s() < 400
    live(tree, clock, 1.0, step_s=0.1)
    cooling = tree.folder / "sys/class/thermal"
    states = {
        (folder / "type").read_text().strip(): int((folder / "cur_state").read_text())
        for folder in cooling.glob("cooling_device*")
    }
    assert states["gpu-throttle-alert"] == 1
    assert states["devfreq-17000000.gpu"] >= 1
    clock_ratio = number(tree, "sys/class/devfreq/17000000.gpu/cur_freq") / 918e6
    assert clock_ratio == pytest.approx(tree.board.clock_ratio, abs=0.001)
    assert clock_ratio < 1
    assert number(tree, "sys/class/thermal/thermal_zone8/trip_point_0_temp") == 80_000


def test_nvpmodel_of_the_tree_tells_and_sets_the_mode(nano):
    tree, clock = nano

    def nvpmodel(*arguments):
        tool = str(tree.folder / "usr/sbin/nvpmodel")
        return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)

    assert nvpmodel("-q").stdout == "NV Power Mode: 25W\n1\n"
    assert "POWER_MODEL: ID=2 NAME=MAXN_SUPER" in nvpmodel("-p", "--verbose").stdout
    assert "PM_CONFIG: DEFAULT=25W(1)" in nvpmodel("-p", "--verbose").stdout
    assert nvpmodel("-m", "0").returncode == 0
    clock.sleep(0.1)
    tree.refresh()
    assert tree.power_mode.name == "15W"
    assert nvpmodel("-q").stdout == "NV Power Mode: 15W\n0\n"
    assert number(tree, "sys/class/devfreq/17000000.gpu/max_freq") == 612_000_000
    assert tree.board.slowdown == pytest.approx(918 / 612)
    refused = nvpmodel("-m", "7")
    assert (refused.returncode, refused.stdout) == (1, "NVPM ERROR: no power mode 7\n")


def test_a_mode_with_another_gpu_mask_is_not_set_and_nothing_is_said(tree_folder):
    tree, _ = make_tree(tree_folder, "orin-nx")
    with tree:
        tool = str(tree_folder / "usr/sbin/nvpmodel")
        done = subprocess.run([tool, "-m", "1"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")
        tree.refresh()
        assert tree.power_mode.name == "40W"


def test_samples_written_by_a_user_average_on_the_chip(nano):
    tree, clock = nano
    (tree.folder / f"{INA}/samples").write_text("64\n")
    powers_mw = []
    for step in range(300):
        if step % 5 == 0:
            tree.book_run("any", 0.02)
        clock.sleep(0.01)
        tree.refresh()
        powers_mw.append(power_mw(tree, 1))
    assert number(tree, f"{INA}/update_interval") == 422
    settled = powers_mw[150:]
    # Two of five steps are busy: the chip shows the mean, not one or the other.
    assert min(settled) > 6500
    assert max(settled) < 8700


def test_runs_told_by_another_process_are_drawn(nano):
    tree, clock = nano
    with LoadFeed(tree.folder / "load") as feed:
        feed.run("c60", 0.5, start_s=clock.now_s() + 0.1)
    tree.refresh()
    begin_s = clock.now_s()
    clock.sleep(1.0)
    tree.refresh()
    above_j = tree.board.energy_between(begin_s, clock.now_s()) - tree.board.spec.power.idle_w
    assert above_j == pytest.approx(0.5 * 10.3, rel=0.05)
    assert tree.board.history.power_at(begin_s + 0.05) == pytest.approx(3.5)


def test_a_thread_keeps_the_files_fresh_in_real_time(tree_folder):
    tree, clock = make_tree(tree_folder, clock=MonotonicClock())
    before = content(tree, "proc/uptime")
    fresh = threading.Event()
    with tree, tree.run(rate_hz=100):
        for _ in range(200):
            if content(tree, "proc/uptime") != before:
                break
            fresh.wait(0.01)
        assert content(tree, "proc/uptime") != before
        assert float(content(tree, "proc/uptime").split()[0]) <= clock.now_s() + 0.01


def test_what_goes_wrong_in_the_thread_is_raised(tree_folder):
    tree, _ = make_tree(tree_folder, clock=MonotonicClock())
    waiting = threading.Event()

    def leave():
        with tree.run(rate_hz=100):
            (tree_folder / "var/lib/nvpmodel/status").write_text("pmode:0042\n")
            waiting.wait(0.2)

    with tree, pytest.raises(SettingsError, match="got 42"):
        leave()


def test_a_day_of_board_time_passes_in_seconds(tree_folder):
    """Loads that change every minute, files read once a minute, energy against the heat."""
    tree, clock = make_tree(tree_folder)
    with tree:
        hottest_mc = 0
        start_s, told_j = clock.now_s(), tree.board.energy_j
        for minute in range(24 * 60):
            tree.board.run_engine("any", 60.0 * (minute % 10) / 10)
            clock.sleep(60.0)
            tree.refresh()
            temp_mc = number(tree, "sys/class/thermal/thermal_zone8/temp")
            hottest_mc = max(hottest_mc, temp_mc)
        day_s = clock.now_s() - start_s
        assert day_s == pytest.approx(86_400)
        mean_w = (tree.board.energy_j - told_j) / day_s
        assert 3.5 < mean_w < 13.8
        assert 60_000 < hottest_mc < 85_000
        assert len(tree.board.history) < 10_000
