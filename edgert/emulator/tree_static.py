"""The files of an emulated board that stay as they are: names, limits, links, identity."""

from pathlib import Path

from edgert.emulator.layout import NOT_CONNECTED, Chip, Layout, Release
from edgert.emulator.tree_files import TreeFiles

# By their kernel names; only those named in `tree_values` ever move.
COOLING = ("pwm-fan", "cpu-throttle-alert", "gpu-throttle-alert", "hot-surface-alert", "devfreq")
COOLING_STATES = {"pwm-fan": 10, "devfreq": 10}
FAN = "sys/devices/platform/pwm-fan/hwmon/hwmon0"
TACHOMETER = "sys/devices/platform/tachometer/hwmon/hwmon4"
OVER_CURRENT = "sys/devices/platform/soctherm-oc-event/hwmon/hwmon3"
MEMORY_CLOCK = "sys/kernel/debug/bpmp/debug/clk/emc"
CPUS = "sys/devices/system/cpu"
POWER_MODE = "var/lib/nvpmodel/status"
_NVPMODEL = Path(__file__).resolve().parent / "nvpmodel.sh"


def zone_folder(number: int) -> str:
    """The folder of a thermal zone."""
    return f"sys/devices/virtual/thermal/thermal_zone{number}"


def cooling_folder(number: int) -> str:
    """The folder of a cooling device."""
    return f"sys/devices/virtual/thermal/cooling_device{number}"


def devfreq_folder(layout: Layout) -> str:
    """The folder of the GPU's clock."""
    return f"sys/{layout.gpu.parent}/devfreq/{layout.gpu.device}"


def write_static(
    files: TreeFiles, layout: Layout, release: Release, *, cores: int, trip_c: float
) -> None:
    """Write everything that does not move."""
    for chip in layout.chips:
        _write_chip(files, chip)
    _write_zones(files, layout, trip_c)
    _write_gpu(files, layout, release)
    _write_cpu(files, layout, cores)
    _write_fan_and_guards(files)
    _write_identity(files, layout, release)
    _write_power_modes(files, layout)


def _write_chip(files: TreeFiles, chip: Chip) -> None:
    device, folder = f"sys/{chip.device}", f"sys/{chip.folder}"
    name = chip.device.rpartition("/")[2]
    files.put(f"{device}/name", chip.driver)
    files.link(f"sys/bus/i2c/devices/{name}", device)
    files.link(f"sys/bus/i2c/drivers/{chip.driver}/{name}", device)
    files.link(f"sys/class/hwmon/hwmon{chip.hwmon}", folder)
    files.put(f"{folder}/name", chip.driver)
    if chip.driver == "ina238":
        files.put(f"{folder}/shunt_resistor", round(chip.channels[0].shunt_ohm * 1e6))
        return
    for number, channel in enumerate(chip.channels, start=1):
        connected = channel.label != NOT_CONNECTED
        files.put(f"{folder}/in{number}_label", channel.label)
        files.put(f"{folder}/in{number}_enable", int(connected))
        files.put(f"{folder}/shunt{number}_resistor", round(channel.shunt_ohm * 1e6))
        for limit in ("max", "crit"):
            files.put(f"{folder}/curr{number}_{limit}", chip.curr_crit_ma)
            files.put(f"{folder}/curr{number}_{limit}_alarm", 0)
    files.put(f"{folder}/in7_label", "sum of shunt voltages")


def _write_zones(files: TreeFiles, layout: Layout, trip_c: float) -> None:
    for number, zone in enumerate(layout.zones):
        folder = zone_folder(number)
        files.put(f"{folder}/type", zone.type)
        files.put(f"{folder}/mode", "enabled")
        files.put(f"{folder}/policy", "step_wise")
        for place, (kind, temp_c) in enumerate(
            (("passive", trip_c), ("critical", layout.critical_c))
        ):
            files.put(f"{folder}/trip_point_{place}_type", kind)
            files.put(f"{folder}/trip_point_{place}_temp", round(temp_c * 1e3))
        files.link(f"sys/class/thermal/thermal_zone{number}", folder)
    for number, kind in enumerate(COOLING):
        folder = cooling_folder(number)
        name = f"devfreq-{layout.gpu.device}" if kind == "devfreq" else kind
        files.put(f"{folder}/type", name)
        files.put(f"{folder}/max_state", COOLING_STATES.get(kind, 1))
        files.put(f"{folder}/cur_state", 0)
        files.link(f"sys/class/thermal/cooling_device{number}", folder)


def _write_gpu(files: TreeFiles, layout: Layout, release: Release) -> None:
    gpu, parent, clock = layout.gpu, f"sys/{layout.gpu.parent}", devfreq_folder(layout)
    if gpu.name:
        files.put(f"{parent}/of_node/name", gpu.name, end="\0")
    files.put(f"{parent}/railgate_enable", 1)
    files.put(f"{parent}/tpc_pg_mask", gpu.tpc_pg_mask)
    files.put(f"{parent}/power/control", "auto")
    if release.scaling_file:
        files.put(f"{parent}/enable_3d_scaling", 1)
    files.put(f"{clock}/governor", "nvhost_podgov")
    files.put(f"{clock}/available_governors", "nvhost_podgov performance userspace")
    files.put(f"{clock}/available_frequencies", " ".join(map(str, gpu.frequencies_hz)))
    files.link(f"{clock}/device", parent)
    files.link(f"sys/class/devfreq/{gpu.device}", clock)
    if gpu.load_file:
        files.link("sys/devices/platform/gpu.0", parent)


def _write_cpu(files: TreeFiles, layout: Layout, cores: int) -> None:
    files.put(f"{CPUS}/online", f"0-{cores - 1}" if cores > 1 else "0")
    files.put(f"{CPUS}/present", f"0-{cores - 1}" if cores > 1 else "0")
    for core in range(cores):
        first = core - core % layout.cpu.policy_cores
        policy = f"{CPUS}/cpufreq/policy{first}"
        if core == first:
            files.put(f"{policy}/scaling_governor", "schedutil")
            for kind in ("scaling", "cpuinfo"):
                files.put(f"{policy}/{kind}_min_freq", layout.cpu.least_hz // 1000)
        files.put(f"{CPUS}/cpu{core}/online", 1)
        files.link(f"{CPUS}/cpu{core}/cpufreq", policy)


def _write_fan_and_guards(files: TreeFiles) -> None:
    files.put(f"{FAN}/name", "pwmfan")
    files.put(f"{TACHOMETER}/name", "pwm_tach")
    files.put(f"{OVER_CURRENT}/name", "soctherm_oc")
    for number in (1, 2, 3):
        files.put(f"{OVER_CURRENT}/oc{number}_throt_en", 1)
    for folder in (FAN, TACHOMETER, OVER_CURRENT):
        files.link(f"sys/class/hwmon/{folder.rpartition('/')[2]}", folder)


def _write_identity(files: TreeFiles, layout: Layout, release: Release) -> None:
    tree = "sys/firmware/devicetree/base"
    # Strings of the device tree end in NUL, lists of them too.
    files.put(f"{tree}/model", layout.model, end="\0")
    files.put(f"{tree}/compatible", "\0".join(layout.compatible), end="\0")
    files.put(f"{tree}/serial-number", "1420000000000", end="\0")
    files.put(f"{tree}/nvidia,boardids", layout.board_ids, end="\0")
    files.put(f"{tree}/chosen/nvidia,sku", layout.sku, end="\0")
    files.link("proc/device-tree", tree)
    files.put("sys/devices/virtual/dmi/id/sys_vendor", "edgert emulator")
    (files.folder / "sys/class/power_supply").mkdir(parents=True, exist_ok=True)
    major, _, revision = release.l4t.partition(".")
    files.put(
        "etc/nv_tegra_release",
        f"# R{major} (release), REVISION: {revision}, GCID: 0, BOARD: generic, EABI: aarch64,"
        " DATE: Thu Jan  1 00:00:00 UTC 1970",
    )


def _write_power_modes(files: TreeFiles, layout: Layout) -> None:
    lines = [f"< PM_CONFIG DEFAULT={layout.default_mode} >"]
    for mode in layout.power_modes:
        mask = layout.gpu.tpc_pg_mask if mode.tpc_pg_mask is None else mode.tpc_pg_mask
        lines += [
            f"< POWER_MODEL ID={mode.id} NAME={mode.name} >",
            f"TPC_POWER_GATING TPC_PG_MASK {mask}",
        ]
    files.put("etc/nvpmodel.conf", "\n".join(lines))
    files.script("usr/sbin/nvpmodel", _NVPMODEL.read_text(encoding="utf-8"))
