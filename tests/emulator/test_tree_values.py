"""Values of single files: units, steps and limits of the drivers."""

import pytest

from tests.emulator.trees import content, make_tree, number

THOR_INPUT = "sys/bus/i2c/drivers/ina238/2-0044/hwmon/hwmon2"


def step(tree, clock, seconds=0.2):
    clock.sleep(seconds)
    tree.refresh()


def test_an_ina238_says_mv_ma_and_uw_and_multiplies_itself(tree_folder):
    tree, clock = make_tree(tree_folder, "agx-thor", release="jetpack7")
    with tree:
        tree.book_run("any", 1.0)
        step(tree, clock)
        volt_mv = number(tree, f"{THOR_INPUT}/in1_input")
        curr_ma = number(tree, f"{THOR_INPUT}/curr1_input")
        power_uw = number(tree, f"{THOR_INPUT}/power1_input")
        assert volt_mv == 19_600
        assert power_uw == pytest.approx(volt_mv * curr_ma, rel=0.001)
        assert power_uw / 1e6 == pytest.approx(tree.board.history.power_at(clock.now_s()), abs=0.1)
        assert number(tree, f"{THOR_INPUT}/shunt_resistor") == 2000
        assert not (tree_folder / THOR_INPUT / "in1_label").exists()


def test_a_current_over_its_limit_raises_the_alarm(tree_folder):
    tree, clock = make_tree(tree_folder, "orin-nx")
    folder = f"sys/{tree.layout.chips[0].folder}"
    with tree:
        assert number(tree, f"{folder}/curr1_crit") == 7784
        step(tree, clock)
        assert number(tree, f"{folder}/curr1_crit_alarm") == 0
        tree.set_power_mode("MAXN_SUPER")
        tree.board.thermal.die_c = 94.0  # hot: leakage takes the 27.6 W of 50 °C further up
        tree.book_run("any", 3.0)
        step(tree, clock, 1.0)
        over = number(tree, f"{folder}/curr1_input") > 7784
        assert number(tree, f"{folder}/curr1_crit_alarm") == int(over)
        tree.electrics = tree.electrics._replace(supply_ratio=0.6)
        step(tree, clock)
        assert number(tree, f"{folder}/curr1_input") > 7784
        assert number(tree, f"{folder}/curr1_crit_alarm") == 1


def test_a_sum_of_shunts_is_that_of_the_channels(tree_folder):
    tree, clock = make_tree(tree_folder)
    with tree:
        tree.book_run("any", 1.0)
        step(tree, clock)
        folder = f"sys/{tree.layout.chips[0].folder}"
        shunts_uv = [number(tree, f"{folder}/in{place}_input") for place in (4, 5, 6)]
        assert all(value % 40 == 0 for value in shunts_uv)
        assert number(tree, f"{folder}/in7_input") == sum(shunts_uv)


def test_a_mode_that_switches_part_of_the_gpu_off_says_so_in_its_mask(tree_folder):
    tree, _ = make_tree(tree_folder, "orin-nx")
    with tree:
        mask = f"sys/{tree.layout.gpu.parent}/tpc_pg_mask"
        assert number(tree, mask) == 240
        tree.set_power_mode("15W")
        assert number(tree, mask) == 252


def test_the_fan_turns_faster_with_the_heat(tree_folder):
    tree, _ = make_tree(tree_folder)
    with tree:
        seen = []
        for temp_c in (35.0, 55.0, 65.0, 95.0):
            tree.board.thermal.die_c = temp_c
            tree.refresh()
            seen.append(number(tree, "sys/class/hwmon/hwmon0/pwm1"))
        assert seen == sorted(seen)
        assert (seen[0], seen[-1]) == (66, 255)
        assert number(tree, "sys/class/hwmon/hwmon4/rpm") == 6000


def test_processor_time_of_proc_adds_up_to_the_uptime(tree_folder):
    tree, clock = make_tree(tree_folder)
    with tree:
        tree.book_run("any", 0.5)
        step(tree, clock, 1.0)
        lines = content(tree, "proc/stat").splitlines()
        totals = [sum(map(int, line.split()[1:])) for line in lines]
        uptime_s = float(content(tree, "proc/uptime").split()[0])
        assert totals[0] == pytest.approx(uptime_s * 100 * tree.cores, abs=tree.cores)
        assert len(lines) == 1 + tree.cores
        assert sum(totals[1:]) == pytest.approx(totals[0], abs=tree.cores)


def test_as_many_processors_as_asked_for(tree_folder):
    tree, _ = make_tree(tree_folder, cores=2)
    with tree:
        assert content(tree, "sys/devices/system/cpu/online") == "0-1\n"
        cpus = tree_folder / "sys/devices/system/cpu"
        assert len(list(cpus.glob("cpu[0-9]*"))) == 2
        assert [path.name for path in (cpus / "cpufreq").iterdir()] == ["policy0"]


def test_memory_of_the_layout(tree_folder):
    tree, _ = make_tree(tree_folder, "orin-nx")
    with tree:
        total = next(
            line for line in content(tree, "proc/meminfo").splitlines() if "Total" in line
        )
        assert int(total.split()[1]) * 1024 == 16 * 2**30
