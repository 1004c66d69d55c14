"""Clocks of GPU and CPU against their caps, and how busy the two are.

The GPU is a devfreq device whose name depends on the release; the CPU's cores share a clock in
groups (cpufreq policies), each named after its first core.
"""

import re
from pathlib import Path
from typing import NamedTuple

from edgert.telemetry.kernel_file import GapError, KernelFile

# JetPack 6 and 7 on Orin, JetPack 5 on Orin, Thor. In hertz.
_GPU_DEVICES = ("17000000.gpu", "17000000.ga10b", "gpu-gpc-0")
_GPU_LOADS = (
    "devices/platform/gpu.0/load",
    "devices/platform/bus@0/17000000.gpu/load",
    "devices/platform/17000000.gpu/load",
    "devices/gpu.0/load",
)
_LOAD_FULL = 1000  # the driver counts in tenths of a percent
_POLICY = re.compile(r"\d+$")
_MOST_HZ = 10e9


class ClockReading(NamedTuple):
    """Clocks in Hz, their caps in this power mode, the GPU's load 0 to 1; gaps by "clock gpu"."""

    clocks_hz: dict[str, float]
    caps_hz: dict[str, float]
    load: float | None
    gaps: dict[str, str]

    @property
    def ratio(self) -> float | None:
        """The GPU's clock over its cap; without a GPU that of the fastest core."""
        ratios = {
            name: min(1.0, hz / self.caps_hz[name])
            for name, hz in self.clocks_hz.items()
            if name in self.caps_hz
        }
        return ratios.get("gpu", max(ratios.values(), default=None))


class _Clock(NamedTuple):
    current: KernelFile
    cap: KernelFile
    unit_hz: float


class Clocks:
    """The clocks of a board.

    Caps change with the power mode only and are read by `read_caps`, seldom.
    """

    def __init__(self, root: Path) -> None:
        sys = root / "sys"
        self._clocks: dict[str, _Clock] = {}
        self._load: KernelFile | None = None
        gpu = next((p for n in _GPU_DEVICES if (p := sys / "class/devfreq" / n).is_dir()), None)
        if gpu is not None:
            self._clocks["gpu"] = _Clock(
                KernelFile(gpu / "cur_freq"), KernelFile(gpu / "max_freq"), 1.0
            )
            places = (gpu / "device" / "load", *(sys / place for place in _GPU_LOADS))
            self._load = next((KernelFile(p) for p in places if p.exists()), None)
        for number, folder in _policies(sys / "devices/system/cpu"):
            self._clocks[f"cpu{number}"] = _Clock(
                KernelFile(folder / "scaling_cur_freq"),
                KernelFile(folder / "scaling_max_freq"),
                1e3,  # cpufreq counts in kHz
            )
        self._caps_hz: dict[str, float] = {}
        self._cap_gaps: dict[str, str] = {}

    def read(self) -> ClockReading:
        """All clocks and the load, with the caps as they were last read."""
        clocks_hz: dict[str, float] = {}
        gaps = dict(self._cap_gaps)
        for name, clock in self._clocks.items():
            try:
                clocks_hz[name] = _hz(clock.current, clock.unit_hz)
            except GapError as gap:
                gaps[f"clock {name}"] = str(gap)
        load = None
        if self._load is not None:
            try:
                load = _share(self._load.number())
            except GapError as gap:
                gaps["utilisation gpu"] = str(gap)
        return ClockReading(clocks_hz, dict(self._caps_hz), load, gaps)

    def read_caps(self) -> None:
        """Read the caps anew; `read` hands them out."""
        self._cap_gaps = {}
        self._caps_hz = {}
        for name, clock in self._clocks.items():
            try:
                self._caps_hz[name] = _hz(clock.cap, clock.unit_hz)
            except GapError as gap:
                self._cap_gaps[f"clock cap {name}"] = str(gap)

    def close(self) -> None:
        """Let go of the files."""
        for clock in self._clocks.values():
            clock.current.close()
            clock.cap.close()
        if self._load is not None:
            self._load.close()


def _hz(file: KernelFile, unit_hz: float) -> float:
    freq_hz = file.number() * unit_hz
    if not 0 < freq_hz <= _MOST_HZ:  # a gated GPU says 0
        raise GapError(f"impossible: {freq_hz:g} Hz" if freq_hz else "stopped: 0 Hz")
    return freq_hz


def _share(raw: int) -> float:
    if not 0 <= raw <= _LOAD_FULL:
        raise GapError(f"impossible: load {raw} of {_LOAD_FULL}")
    return raw / _LOAD_FULL


def _policies(cpus: Path) -> list[tuple[int, Path]]:
    """Every group of cores by its first core; cores without groups each for itself."""
    folders = list((cpus / "cpufreq").glob("policy[0-9]*"))
    if not folders:
        folders = [path / "cpufreq" for path in cpus.glob("cpu[0-9]*") if path.is_dir()]
        folders = [path for path in folders if path.is_dir()]
        return sorted((_number(path.parent), path) for path in folders)
    return sorted((_number(path), path) for path in folders)


def _number(path: Path) -> int:
    found = _POLICY.search(path.name)
    return int(found[0]) if found else 0
