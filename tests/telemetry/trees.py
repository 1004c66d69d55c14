"""Boards as trees of files, for tests of what reads them. The numbers are placed.

The paths and units are those of public reports; a file is replaced by renaming, as a kernel's
files never show a half-written value.
"""

import os
from pathlib import Path
from typing import NamedTuple


class Chip(NamedTuple):
    driver: str
    address: str
    channels: dict[int, tuple[str, int, int]]  # label, mV, mA
    shunt_uohm: int = 5000


class Layout(NamedTuple):
    part: str  # "3767-0005"
    l4t: tuple[str, str]
    chips: tuple[Chip, ...]
    zones: tuple[str, ...]
    gpu: str
    gpu_load: str  # below /sys
    mode: str
    modes: tuple[str, ...]
    trips_mc: tuple[int, int] = (99000, 104500)


NANO = Chip(
    "ina3221", "1-0040",
    {1: ("VDD_IN", 5000, 960), 2: ("VDD_CPU_GPU_CV", 5000, 160), 3: ("VDD_SOC", 5000, 280)},
)  # fmt: skip
AGX = (
    Chip(
        "ina3221", "1-0040",
        {1: ("VDD_GPU_SOC", 19000, 160), 2: ("VDD_CPU_CV", 19000, 40),
         3: ("VIN_SYS_5V0", 4968, 980)},
        2000,
    ),
    Chip("ina3221", "1-0041",
         {1: ("NC", 0, 0), 2: ("VDDQ_VDD2_1V8AO", 4968, 80), 3: ("NC", 0, 0)}, 2000),
)  # fmt: skip
THOR = (
    Chip(
        "ina3221", "2-0040",
        {1: ("VDD_GPU", 19600, -20), 2: ("VDD_CPU_SOC_MSS", 19600, 340),
         3: ("VIN_SYS_5V0", 5000, 1300)},
        2000,
    ),
    Chip("ina238", "2-0044", {1: ("", 19600, 1200)}),
)  # fmt: skip
ORIN_ZONES = ("cpu", "gpu", "cv0", "cv1", "cv2", "soc0", "soc1", "soc2", "tj")
SUPER = ("15W", "25W", "MAXN_SUPER")

LAYOUTS = {
    "orin-nano-jp6": Layout("3767-0005", ("36", "4.3"), (NANO,), ORIN_ZONES, "17000000.gpu",
                            "devices/platform/gpu.0/load", "25W", SUPER),
    "orin-nx-jp6": Layout("3767-0000", ("36", "4.3"), (NANO,), ORIN_ZONES, "17000000.gpu",
                          "devices/platform/gpu.0/load", "25W",
                          ("MAXN_SUPER", "10W", "15W", "25W", "40W")),
    "agx-orin-jp6": Layout("3701-0005", ("36", "4.3"), AGX, (*ORIN_ZONES, "tboard", "tdiode"),
                           "17000000.gpu", "devices/platform/gpu.0/load", "30W",
                           ("MAXN", "15W", "30W", "50W")),
    "agx-orin-jp7": Layout("3701-0005", ("39", "2.1"), AGX, (*ORIN_ZONES, "tboard", "tdiode"),
                           "17000000.gpu", "devices/platform/bus@0/17000000.gpu/load", "30W",
                           ("MAXN", "15W", "30W", "50W")),
    "thor-jp7": Layout("3834-0008", ("38", "4.0"), THOR, ("tj", "soc012", "cpu", "soc345", "gpu"),
                       "gpu-gpc-0", "", "MAXN", ("MAXN",), (109000, 114500)),
}  # fmt: skip


class Tree:
    """A board's files below `root`."""

    def __init__(self, root: Path, layout: str = "orin-nano-jp6") -> None:
        self.root = root
        self.layout = LAYOUTS[layout]
        self._hwmon: dict[str, Path] = {}
        self._build()

    def put(self, name: str, text: object) -> Path:
        """Write a file by renaming it into place; the text ends in a line end."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())
        new.replace(path)
        return path

    def link(self, name: str, target: Path) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.path.relpath(target, path.parent))

    # ------------------------------------------------------------ what a test changes

    def rail(self, label: str, *, mv: object = None, ma: object = None) -> None:
        """Set what the files of a rail say."""
        for chip in self.layout.chips:
            for channel, (name, _, _) in chip.channels.items():
                if name == label:
                    if mv is not None:
                        self.put(f"{self._hwmon[chip.address]}/in{channel}_input", mv)
                    if ma is not None:
                        self.put(f"{self._hwmon[chip.address]}/curr{channel}_input", ma)

    def rail_files(self, label: str) -> list[Path]:
        return [
            self.root / self._hwmon[chip.address] / f"{kind}{channel}_input"
            for chip in self.layout.chips
            for channel, (name, _, _) in chip.channels.items()
            for kind in ("in", "curr")
            if name == label
        ]

    def hwmon(self, address: str) -> Path:
        return self.root / self._hwmon[address]

    def temp(self, zone: str, raw_mc: object) -> None:
        self.put(f"{self.zone(zone)}/temp", raw_mc)

    def zone(self, zone: str) -> str:
        return f"sys/devices/virtual/thermal/thermal_zone{self.layout.zones.index(zone)}"

    def gpu(self, *, hz: object = None, cap_hz: object = None, load: object = None) -> None:
        folder = f"sys/devices/platform/bus@0/gpu/devfreq/{self.layout.gpu}"
        if hz is not None:
            self.put(f"{folder}/cur_freq", hz)
        if cap_hz is not None:
            self.put(f"{folder}/max_freq", cap_hz)
        if load is not None and self.layout.gpu_load:
            self.put(f"sys/{self.layout.gpu_load}", load)

    def over_current(self, number: int, count: object) -> None:
        self.put(
            f"sys/devices/platform/soctherm-oc-event/hwmon/hwmon9/oc{number}_event_cnt", count
        )

    def fan(self, pwm: object) -> None:
        self.put("sys/devices/platform/pwm-fan/hwmon/hwmon0/pwm1", pwm)

    def cooling(self, kind: str, state: object) -> None:
        number = COOLING.index(kind)
        self.put(f"sys/devices/virtual/thermal/cooling_device{number}/cur_state", state)

    def mode(self, number: int) -> None:
        self.put("var/lib/nvpmodel/status", f"pmode:{number:04d}")

    def uptime(self, uptime_s: float) -> None:
        self.put("proc/uptime", f"{uptime_s:.2f} 100.00")

    # ------------------------------------------------------------ building

    def _build(self) -> None:
        for number, chip in enumerate(self.layout.chips, start=1):
            self._chip(chip, number)
        self._heat()
        self._clocks()
        self.put("sys/devices/platform/pwm-fan/hwmon/hwmon0/name", "pwmfan")
        self.fan(88)
        self.link(
            "sys/class/hwmon/hwmon0", self.root / "sys/devices/platform/pwm-fan/hwmon/hwmon0"
        )
        guard = "sys/devices/platform/soctherm-oc-event/hwmon/hwmon9"
        self.put(f"{guard}/name", "soctherm_oc")
        for number in (1, 2, 3):
            self.over_current(number, 0)
        self.link("sys/class/hwmon/hwmon9", self.root / guard)
        self._identity()
        self.put(
            "proc/meminfo", "MemTotal:    7800000 kB\nMemFree:  1000 kB\nMemAvailable: 5800000 kB"
        )
        self.put("proc/stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0")
        self.uptime(1000.0)

    def _chip(self, chip: Chip, number: int) -> None:
        bus = chip.address.split("-", maxsplit=1)[0]
        folder = (
            f"sys/devices/platform/bus@0/c240000.i2c/i2c-{bus}/{chip.address}/hwmon/hwmon{number}"
        )
        self._hwmon[chip.address] = Path(folder)
        self.put(f"{folder}/name", chip.driver)
        for channel, (label, mv, ma) in chip.channels.items():
            self.put(f"{folder}/in{channel}_input", mv)
            self.put(f"{folder}/curr{channel}_input", ma)
            if label:
                self.put(f"{folder}/in{channel}_label", label)
            if chip.driver == "ina238":
                self.put(f"{folder}/power{channel}_input", mv * ma)  # µW
            else:
                self.put(f"{folder}/shunt{channel}_resistor", chip.shunt_uohm)
        if chip.driver == "ina3221":
            self.put(f"{folder}/in7_label", "sum of shunt voltages")
            self.put(f"{folder}/in7_input", 760)
            self.put(f"{folder}/curr4_input", 1400)
            self.put(f"{folder}/samples", 1)
        self.put(f"{folder}/update_interval", 7)
        self.link(f"sys/class/hwmon/hwmon{number}", self.root / folder)

    def _heat(self) -> None:
        for number, zone in enumerate(self.layout.zones):
            folder = f"sys/devices/virtual/thermal/thermal_zone{number}"
            self.put(f"{folder}/type", f"{zone}-thermal")
            self.put(f"{folder}/temp", 45000 + 100 * number)
            for place, (kind, raw_mc) in enumerate(
                zip(("passive", "critical"), self.layout.trips_mc, strict=True)
            ):
                self.put(f"{folder}/trip_point_{place}_type", kind)
                self.put(f"{folder}/trip_point_{place}_temp", raw_mc)
            self.link(f"sys/class/thermal/thermal_zone{number}", self.root / folder)
        for number, kind in enumerate(COOLING):
            folder = f"sys/devices/virtual/thermal/cooling_device{number}"
            self.put(f"{folder}/type", kind)
            self.put(f"{folder}/cur_state", 3 if kind == "pwm-fan" else 0)
            self.link(f"sys/class/thermal/cooling_device{number}", self.root / folder)

    def _clocks(self) -> None:
        self.gpu(hz=306000000, cap_hz=918000000, load=0)
        folder = self.root / "sys/devices/platform/bus@0/gpu/devfreq" / self.layout.gpu
        self.link(f"sys/class/devfreq/{self.layout.gpu}", folder)
        for policy in (0, 4):
            folder = f"sys/devices/system/cpu/cpufreq/policy{policy}"
            self.put(f"{folder}/scaling_cur_freq", 729600 + policy)
            self.put(f"{folder}/scaling_max_freq", 1344000)

    def _identity(self) -> None:
        major, revision = self.layout.l4t
        self.put("etc/nv_tegra_release", f"# R{major} (release), REVISION: {revision}, GCID: 1")
        self.put(
            "proc/device-tree/chosen/nvidia,sku", f"699-1{self.layout.part}-300 W.1\0".encode()
        )
        self.put("proc/device-tree/model", b"a board of tests\0")
        modes = "\n".join(
            f"< POWER_MODEL ID={number} NAME={name} >"
            for number, name in enumerate(self.layout.modes)
        )
        self.put("etc/nvpmodel.conf", modes)
        self.mode(self.layout.modes.index(self.layout.mode))


COOLING = ("pwm-fan", "gpu-throttle-alert", "cpu-throttle-alert", "hot-surface-alert",
           "devfreq-17000000.gpu")  # fmt: skip


def put_rapl(
    root: Path, place: str, energy_uj: object, *, name: str = "", range_uj: int = 262_143_328_850
) -> None:
    """One RAPL counter of a PC; `place` is "0" for a package, "0:1" for what lies in it."""
    folder = root / f"sys/class/powercap/intel-rapl:{place}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    if name:
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
