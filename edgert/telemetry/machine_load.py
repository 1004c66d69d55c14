"""Memory, processor time and fan: what changes slowly and is read about once a second."""

from pathlib import Path
from typing import NamedTuple

from edgert.telemetry.kernel_file import GapError, KernelFile, text_of

_KIB = 1024
_PWM_FULL = 255


class MachineReading(NamedTuple):
    """What could be read; the rest is None and, where there is a file for it, a gap."""

    memory_used_bytes: int | None
    memory_total_bytes: int | None
    cpu: float | None
    fan_ratio: float | None
    gaps: dict[str, str]


class MachineLoad:
    """Memory of the whole machine, share of the processors' time that was busy, fan."""

    def __init__(self, root: Path) -> None:
        self._memory = KernelFile(root / "proc" / "meminfo")
        self._processors = KernelFile(root / "proc" / "stat")
        self._fan = _find_fan(root)
        self._ticks: tuple[int, int] | None = None

    def read(self) -> MachineReading:
        """What there is; the processors' share is of the time since the read before."""
        gaps: dict[str, str] = {}
        total = used = None
        cpu = fan = None
        try:
            total, used = _memory_from_text(self._memory.text())
        except GapError as gap:
            gaps["memory"] = str(gap)
        try:
            cpu = self._busy_share()
        except GapError as gap:
            gaps["utilisation cpu"] = str(gap)
        if self._fan is not None:
            try:
                fan = _pwm_share(self._fan.number())
            except GapError as gap:
                gaps["fan"] = str(gap)
        return MachineReading(used, total, cpu, fan, gaps)

    def close(self) -> None:
        """Let go of the files."""
        for file in (self._memory, self._processors, self._fan):
            if file is not None:
                file.close()

    def _busy_share(self) -> float | None:
        fields = self._processors.text().split("\n", 1)[0].split()
        if len(fields) < 6 or fields[0] != "cpu" or not all(f.isdecimal() for f in fields[1:]):
            raise GapError("no line of processor times")
        times = [int(field) for field in fields[1:9]]  # guest times are in user's already
        idle, total = times[3] + times[4], sum(times)
        before, self._ticks = self._ticks, (idle, total)
        if before is None or total <= before[1]:
            return None  # nothing to compare with yet
        return min(1.0, max(0.0, 1 - (idle - before[0]) / (total - before[1])))


def _memory_from_text(text: str) -> tuple[int, int]:
    """Total and used bytes; "available" is what the kernel says could be had."""
    found: dict[str, int] = {}
    for line in text.split("\n"):
        name, _, rest = line.partition(":")
        if name in {"MemTotal", "MemAvailable"}:
            number = rest.split()[:1]
            if number and number[0].isdecimal():
                found[name] = int(number[0]) * _KIB
    if len(found) < 2 or found["MemAvailable"] > found["MemTotal"]:
        raise GapError("no MemTotal and MemAvailable")
    return found["MemTotal"], found["MemTotal"] - found["MemAvailable"]


def _find_fan(root: Path) -> KernelFile | None:
    for folder in sorted((root / "sys" / "class" / "hwmon").glob("hwmon*")):
        if text_of(folder / "name") == "pwmfan" and (folder / "pwm1").exists():
            return KernelFile(folder / "pwm1")
    return None


def _pwm_share(raw: int) -> float:
    if not 0 <= raw <= _PWM_FULL:
        raise GapError(f"impossible: pwm {raw}")
    return raw / _PWM_FULL
