"""Faults on demand: what each does to the files, and that it can be undone."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from edgert.emulator.faults import FAULTS, descendants, files_of
from edgert.errors import UsageError
from tests.emulator.trees import content, make_tree, number, power_mw

CURRENT = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1/curr1_input"
TJ = "sys/class/thermal/thermal_zone8/temp"
GPU_TEMP = "sys/class/thermal/thermal_zone1/temp"
EVENTS = "sys/class/hwmon/hwmon3/oc{}_event_cnt"


@pytest.fixture
def nano(tree_folder):
    tree, clock = make_tree(tree_folder)
    with tree:
        yield tree, clock


def step(tree, clock, seconds=0.1):
    clock.sleep(seconds)
    tree.refresh()


def test_a_torn_file_is_empty_until_the_next_refresh(nano):
    tree, clock = nano
    tree.fault("torn")
    assert content(tree, CURRENT) == ""
    step(tree, clock)
    assert number(tree, CURRENT) == 696


def test_a_lasting_torn_file_stays_empty_until_it_is_put_right(nano):
    tree, clock = nano
    tree.fault("torn", file="tj", lasting=True)
    step(tree, clock)
    assert content(tree, TJ) == ""
    tree.recover("torn")
    step(tree, clock)
    assert number(tree, TJ) > 40_000


def test_a_vanished_rail_comes_back(nano):
    tree, clock = nano
    tree.fault("vanished", file="VDD_IN")
    step(tree, clock)
    assert not (tree.folder / CURRENT).exists()
    tree.recover("vanished")
    step(tree, clock)
    assert number(tree, CURRENT) == 696


def test_an_unreadable_zone_fails_at_every_read(nano):
    tree, clock = nano
    tree.fault("unreadable", file="tj")
    with pytest.raises(OSError, match="Input/output"):
        content(tree, TJ)
    tree.recover("unreadable")
    step(tree, clock)
    assert number(tree, TJ) > 40_000


def test_a_frozen_rail_keeps_its_value_while_the_board_works(nano):
    tree, clock = nano
    tree.fault("frozen", file="VDD_IN")
    tree.book_run("any", 1.0)
    step(tree, clock, 0.5)
    assert number(tree, CURRENT) == 696
    tree.recover("frozen")
    step(tree, clock)
    assert number(tree, CURRENT) > 2000


def test_an_offline_zone_says_minus_256(nano):
    tree, clock = nano
    tree.fault("offline")
    step(tree, clock)
    assert number(tree, GPU_TEMP) == -256_000
    tree.recover("offline")
    step(tree, clock)
    assert number(tree, GPU_TEMP) > 40_000


def test_noise_makes_the_readings_scatter(nano):
    tree, clock = nano
    tree.fault("noise", shunt_v=400e-6)
    seen = set()
    for _ in range(20):
        step(tree, clock, 0.02)
        seen.add(number(tree, CURRENT))
    assert len(seen) > 8
    tree.recover("noise")
    step(tree, clock)
    assert number(tree, CURRENT) == 696


def test_over_current_events_count_up_and_stay(nano):
    tree, clock = nano
    tree.fault("over-current")
    tree.fault("over-current", events=4, counter=2)
    tree.recover("over-current")
    step(tree, clock)
    assert [number(tree, EVENTS.format(n)) for n in (1, 2, 3)] == [0, 4, 1]


def test_a_brown_out_sags_counts_and_drops_the_clock(nano):
    tree, clock = nano
    tree.book_run("any", 5.0)
    step(tree, clock, 0.3)
    before_mw = power_mw(tree, 1)
    tree.fault("brown-out")
    step(tree, clock, 0.3)
    folder = CURRENT.rpartition("/")[0]
    assert number(tree, f"{folder}/in1_input") == 4496  # 4.5 V in steps of 8 mV
    assert number(tree, EVENTS.format(1)) == 1
    assert number(tree, "sys/class/devfreq/17000000.gpu/cur_freq") == 459_000_000
    assert tree.board.read().throttle_reason == "under-voltage"
    assert power_mw(tree, 1) < before_mw
    tree.recover("brown-out")
    step(tree, clock, 0.3)
    assert number(tree, f"{folder}/in1_input") == 5000
    assert number(tree, EVENTS.format(1)) == 1
    assert tree.board.clock_ratio == 1.0


def test_without_its_fan_the_board_gets_hotter(nano):
    tree, clock = nano
    tree.fault("fan-stop")
    step(tree, clock, 60)
    assert number(tree, "sys/class/hwmon/hwmon0/pwm1") == 0
    hot_mc = number(tree, TJ)
    tree.recover("fan-stop")
    step(tree, clock, 60)
    assert number(tree, TJ) < hot_mc - 3000
    assert number(tree, "sys/class/hwmon/hwmon0/pwm1") > 0


def test_a_power_mode_is_changed_and_changed_back(nano):
    tree, clock = nano
    tree.fault("power-mode")
    assert tree.power_mode.name == "15W"
    tree.fault("power-mode", mode="MAXN_SUPER")
    step(tree, clock)
    assert number(tree, "sys/class/devfreq/17000000.gpu/max_freq") == 1_020_000_000
    tree.recover("power-mode")
    assert content(tree, "var/lib/nvpmodel/status") == "pmode:0001\n"
    assert tree.power_mode.name == "25W"


def state_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_a_hung_service_is_its_newest_process_stopped(nano):
    tree, _ = nano
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    service = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE)
    pause = threading.Event()
    try:
        for _ in range(500):
            if workers := descendants(service.pid):
                break
            pause.wait(0.01)
        (worker,) = workers
        tree.fault("hung", pid=service.pid)
        os.waitid(os.P_PID, service.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        for _ in range(100):
            if state_of(worker) == "T":
                break
            pause.wait(0.01)
        assert state_of(worker) == "T"
        assert state_of(service.pid) != "T"
        tree.recover("hung")
        assert state_of(worker) != "T"
    finally:
        for pid in (*descendants(service.pid), service.pid):
            os.kill(pid, signal.SIGKILL)
        service.wait()
        service.stdin.close()


@pytest.mark.parametrize("options", [{}, {"pid": 1}, {"pid": 2**22 - 1}])
def test_without_a_service_there_is_nothing_to_hang(nano, options):
    with pytest.raises(UsageError, match="hang the jetson-stats service"):
        nano[0].fault("hung", **options)


def test_a_hung_nvpmodel_does_not_end_and_comes_back(nano):
    tree, _ = nano
    tool = str(tree.folder / "usr/sbin/nvpmodel")
    tree.fault("nvpmodel-hung")
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([tool, "-q"], timeout=0.2, capture_output=True, check=False)
    tree.recover("nvpmodel-hung")
    told = subprocess.run([tool, "-q"], capture_output=True, text=True, check=True).stdout
    assert told == "NV Power Mode: 25W\n1\n"


def test_the_wall_clock_under_the_shim_is_a_file(nano):
    tree, _ = nano
    tree.fault("clock-back", step_s=3.0)
    assert float(content(tree, "clock_step_s")) == -3.0
    tree.recover("clock-back")
    assert float(content(tree, "clock_step_s")) == 0.0


def test_names_that_there_are_not_are_refused(nano):
    tree, _ = nano
    with pytest.raises(UsageError, match=r"fault tear: expected torn or vanished"):
        tree.fault("tear")
    with pytest.raises(UsageError, match=r"fault on VDD_X: .* Try VDD_IN or tj"):
        tree.fault("vanished", file="VDD_X")
    with pytest.raises(UsageError, match="its own options"):
        tree.fault("torn", colour="red")


def test_closing_ends_every_fault(tree_folder):
    tree, _ = make_tree(tree_folder)
    tree.fault("fan-stop")
    tree.fault("brown-out")
    assert tree.faults.active == ["fan-stop", "brown-out"]
    tree.close()
    assert tree.board.fan_running
    assert tree.faults.active == []


def test_every_fault_says_in_words_what_it_does():
    assert all(fault.words and fault.words[0].islower() for fault in FAULTS.values())


def test_a_file_goes_by_rail_zone_or_path(tree_folder):
    tree, _ = make_tree(tree_folder, "agx-thor", release="jetpack7")
    with tree:
        assert [path.rpartition("/")[2] for path in files_of(tree, "VIN")] == [
            "power1_input",
            "curr1_input",
        ]
        assert files_of(tree, "tj") == files_of(tree, "tj-thermal")
        assert files_of(tree, "proc/uptime") == ["proc/uptime"]
