"""A discrete NVIDIA GPU through NVML (extra nvml: nvidia-ml-py), for measuring on the bench.

What it tells is the GPU board's, not the machine's. On Orin NVML starts and knows neither power
nor temperature: there the source says that it is not there. From Ampere on `power_w` is the
driver's mean over a second; some GPUs look at a quarter of the time only (arXiv 2312.02741).
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgert.boards import Board
from edgert.clock import Clock, MonotonicClock
from edgert.errors import SensorReadError, SourceUnavailableError
from edgert.optional import needs
from edgert.records import TelemetrySample
from edgert.telemetry.kernel_file import GapError

logger = logging.getLogger(__name__)

# NVML's numbers, which are part of its interface and the same in every release.
_ERRORS = {
    3: "not supported by this GPU",
    4: "permission denied: run as root, or ask for access to /dev/nvidiactl",
    9: "the driver is not loaded",
    10: "the driver did not answer in time",
    12: "the driver's library was not found",
    15: "the GPU is lost: it has to be reset",
    18: "library and driver differ in version: restart the machine",
    27: "not ready",
}
_GPU_TEMPERATURE = 0
_TRIP_POINTS = {"shutdown": 0, "slowdown": 1}
_CLOCKS = {"gpu": 0, "memory": 2}
# Reasons for a lowered clock that are no choice of a person and no rest.
_THROTTLE = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "heat (driver)",
    0x40: "heat (hardware)",
    0x80: "power brake of the supply",
}
_UNKNOWN_STATE = 32
_MILLI, _MEGA, _PERCENT = 1e-3, 1e6, 0.01
_MOST_W = 5000.0


class NvmlSource:
    """One NVIDIA GPU.

    Args:
        index: Which GPU, in NVML's order.
        root: Not used; every source takes it.
        clock: The clock that samples are stamped with.
        board: Not used.
        pynvml: The vendor's module; None imports it.

    Raises:
        MissingDependencyError: nvidia-ml-py is not installed.
        SourceUnavailableError: No driver, no such GPU, or one that tells neither power nor heat.
    """

    name = "nvml"

    def __init__(
        self,
        *,
        index: int = 0,
        root: Path = Path("/"),
        clock: Clock | None = None,
        board: Board | None = None,
        pynvml: Any = None,
    ) -> None:
        self._nvml = pynvml or needs("pynvml", "nvml", "to read an NVIDIA GPU's power")
        self._clock = clock or MonotonicClock()
        self._open = False
        try:
            self._nvml.nvmlInit()
            self._open = True
            self._gpu = self._nvml.nvmlDeviceGetHandleByIndex(index)
        except self._nvml.NVMLError as error:
            self.close()
            raise _unavailable(index, _reason(error)) from error
        gaps: dict[str, str] = {}
        if self._power(gaps) is None and not self._zones(gaps):
            self.close()
            raise _unavailable(index, f"power {gaps['power']}")
        self._trip_points = self._read_trip_points()

    def read(self) -> TelemetrySample:
        """What the driver says now; what it doesn't know is a gap.

        Raises:
            SensorReadError: It says nothing at all: the GPU is lost.
        """
        gaps: dict[str, str] = {}
        before_s = self._clock.now_s()
        power_w = self._power(gaps)
        time_s = (before_s + self._clock.now_s()) / 2
        zones_c = self._zones(gaps)
        clocks_hz = self._clock_table("nvmlDeviceGetClockInfo", "clock", gaps)
        caps_hz = self._clock_table("nvmlDeviceGetMaxClockInfo", "clock cap", gaps)
        if power_w is None and not zones_c and not clocks_hz:
            raise SensorReadError(
                "read the GPU through NVML",
                expected="power, temperature or clocks",
                got=f"none: {gaps['power']}",
                advice="Run nvidia-smi",
            )
        rates = self._ask("utilisation gpu", gaps, "nvmlDeviceGetUtilizationRates")
        memory = self._ask("memory", gaps, "nvmlDeviceGetMemoryInfo")
        fan = self._ask("fan", gaps, "nvmlDeviceGetFanSpeed")
        bits = self._ask("throttling", gaps, "nvmlDeviceGetCurrentClocksThrottleReasons")
        state = self._ask("power mode", gaps, "nvmlDeviceGetPerformanceState")
        reasons = [words for bit, words in _THROTTLE.items() if bits is not None and bits & bit]
        return TelemetrySample(
            time_s=time_s,
            source=self.name,
            provenance="measured",
            age_s=max(0.0, self._clock.now_s() - time_s),
            power_w=power_w,
            temp_c=max(zones_c.values(), default=None),
            rails_w={} if power_w is None else {"gpu": power_w},
            zones_c=zones_c,
            trip_points_c=self._trip_points,
            clocks_hz=clocks_hz,
            clock_caps_hz=caps_hz,
            clock_ratio=_ratio(clocks_hz, caps_hz),
            utilisation={} if rates is None else {"gpu": min(1.0, rates.gpu * _PERCENT)},
            power_mode="" if state in {None, _UNKNOWN_STATE} else f"P{state}",
            fan_ratio=None if fan is None else min(1.0, fan * _PERCENT),
            memory_used_bytes=None if memory is None else int(memory.used),
            memory_total_bytes=None if memory is None else int(memory.total),
            throttled=None if bits is None else bool(reasons),
            throttle_reason=", ".join(reasons),
            gaps=gaps,
        )

    def close(self) -> None:
        """Let go of the driver; a second call does nothing."""
        if self._open:
            self._open = False
            try:
                self._nvml.nvmlShutdown()
            except self._nvml.NVMLError as error:
                logger.debug("NVML at its end: %s", error)

    def _power(self, gaps: dict[str, str]) -> float | None:
        raw_mw = self._ask("power", gaps, "nvmlDeviceGetPowerUsage")
        if raw_mw is not None and not 0 <= raw_mw * _MILLI <= _MOST_W:
            gaps["power"] = f"impossible: {raw_mw * _MILLI:g} W"
            return None
        return None if raw_mw is None else float(raw_mw * _MILLI)

    def _zones(self, gaps: dict[str, str]) -> dict[str, float]:
        temp_c = self._ask("zone gpu", gaps, "nvmlDeviceGetTemperature", _GPU_TEMPERATURE)
        return {} if temp_c is None else {"gpu": float(temp_c)}

    def _clock_table(self, function: str, what: str, gaps: dict[str, str]) -> dict[str, float]:
        asked = {
            name: self._ask(f"{what} {name}", gaps, function, kind)
            for name, kind in _CLOCKS.items()
        }
        return {name: raw_mhz * _MEGA for name, raw_mhz in asked.items() if raw_mhz is not None}

    def _read_trip_points(self) -> dict[str, dict[str, float]]:
        function = "nvmlDeviceGetTemperatureThreshold"
        asked = {name: self._ask(name, {}, function, kind) for name, kind in _TRIP_POINTS.items()}
        found = {name: float(temp_c) for name, temp_c in asked.items() if temp_c}
        return {"gpu": found} if found else {}

    def _ask(self, what: str, gaps: dict[str, str], function: str, *arguments: Any) -> Any:
        """What the driver answers, or None and a gap."""
        try:
            return self._call(function, *arguments)
        except GapError as gap:
            gaps[what] = str(gap)
            return None

    def _call(self, function: str, *arguments: Any) -> Any:
        ask: Callable[..., Any] | None = getattr(self._nvml, function, None)
        if ask is None:  # an older or newer nvidia-ml-py
            raise GapError(f"nvidia-ml-py has no {function}")
        try:
            return ask(self._gpu, *arguments)
        except self._nvml.NVMLError as error:
            raise GapError(_reason(error)) from error


def _ratio(clocks_hz: dict[str, float], caps_hz: dict[str, float]) -> float | None:
    if "gpu" not in clocks_hz or not caps_hz.get("gpu"):
        return None
    return min(1.0, clocks_hz["gpu"] / caps_hz["gpu"])


def _reason(error: Any) -> str:
    return _ERRORS.get(getattr(error, "value", -1), str(error).lower())


def _unavailable(index: int, reason: str) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"open GPU {index} through NVML",
        expected="an NVIDIA driver and a GPU that tells its power or temperature",
        got=reason,
        advice="Run nvidia-smi; on a Jetson use sysfs",
    )
