"""An emulated board behind the telemetry protocol: engines heat it, heat slows engines down.

Ties power, heat and throttle to a clock. Holds no thread: the board lives on when it is read.
"""

import math
import random
from collections.abc import Mapping

from edgert.clock import Clock
from edgert.emulator.power import EngineLoad, PowerModel
from edgert.emulator.spec import BoardSpec, read_board_spec
from edgert.emulator.thermal import TwoNodeThermal
from edgert.emulator.throttle import Throttle
from edgert.records import Profile, TelemetrySample

__all__ = ["BoardSpec", "EmulatedBoard", "loads_from_profile", "read_board_spec"]


def loads_from_profile(profile: Profile) -> dict[str, EngineLoad]:
    """The load of every configuration of a profile, by name."""
    return {
        entry.name: EngineLoad(latency_s=entry.latency_s, macs=entry.macs)
        for entry in profile.entries
    }


class EmulatedBoard:
    """A telemetry source whose power, temperature and clock follow from what ran on it.

    Engines are booked with `run_engine`; the work is spread over the time that passes until the
    next `read`. The clock ratio, and with it `slowdown`, changes in `read` only, so it is the
    same from before a run until after it. Use from one thread.

    Args:
        spec: The board's constants.
        clock: Any clock, real or virtual; the board starts at its present time.
        loads: Time and MACs of each engine by name, as `loads_from_profile` gives them.
        reference: The engine that draws the full power back to back; by default the one of
            `loads` that takes longest.
        seed: Of the sensor noise.
    """

    def __init__(
        self,
        spec: BoardSpec,
        clock: Clock,
        *,
        loads: Mapping[str, EngineLoad] | None = None,
        reference: EngineLoad | None = None,
        seed: int = 0,
    ) -> None:
        self.name = spec.name
        self.spec = spec
        self.energy_j = 0.0
        self._clock = clock
        self._loads = dict(loads or {})
        if reference is None and self._loads:
            reference = max(self._loads.values(), key=lambda load: load.latency_s)
        self.power = PowerModel(spec.power, reference)
        self.thermal = TwoNodeThermal(spec.thermal, idle_power_w=spec.power.idle_w)
        self.throttle = Throttle(spec.throttle)
        self._random = random.Random(seed)
        self._time_s = clock.now_s()
        self._next_poll_s = self._time_s + spec.throttle.poll_s
        self._read_s = self._time_s
        # Booked and not yet lived through: seconds busy, full-compute, full-memory.
        self._busy_s = self._compute_s = self._memory_s = 0.0
        # Above idle, summed since the last read, by cause.
        self._compute_j = self._memory_j = 0.0
        self._compute_w = self._memory_w = 0.0

    @property
    def slowdown(self) -> float:
        """How much longer an engine takes than at full clock, >= 1."""
        return 1 / self.throttle.clock_ratio

    @property
    def throttle_reason(self) -> str:
        """Why the clock is lowered, in words; empty when it is not."""
        return self.throttle.reason

    @property
    def ambient_c(self) -> float:
        """Air temperature around the board; may be set at any time, acts from then on."""
        return self.thermal.ambient_c

    @ambient_c.setter
    def ambient_c(self, temp_c: float) -> None:
        self._advance()
        self.thermal.ambient_c = temp_c

    @property
    def fan_running(self) -> bool:
        """Whether the fan turns; may be set at any time, acts from then on."""
        return self.thermal.fan_running

    @fan_running.setter
    def fan_running(self, running: bool) -> None:
        self._advance()
        self.thermal.fan_running = running

    def run_engine(
        self,
        name: str,
        busy_s: float,
        *,
        macs: int | None = None,
        size_bytes: int | None = None,
    ) -> None:
        """Book one run of an engine.

        Args:
            name: Its configuration; MACs and bytes come from the board's loads by default.
            busy_s: How long it took on this board, `slowdown` included.
            macs: Its multiply-accumulates, where the board has no load of that name.
            size_bytes: The bytes it moves.
        """
        known = self._loads.get(name)
        if known is not None:
            macs = known.macs if macs is None else macs
            size_bytes = known.size_bytes if size_bytes is None else size_bytes
        full_clock_s = max(busy_s / self.slowdown, 1e-9)
        load = EngineLoad(latency_s=full_clock_s, macs=macs, size_bytes=size_bytes)
        compute_s, memory_s = self.power.work_s(load)
        self._busy_s += busy_s
        self._compute_s += compute_s
        self._memory_s += memory_s

    def predict_engine(self, load: EngineLoad, *, temp_c: float) -> tuple[float, float]:
        """Power (W) and energy per run (J) of `load` back to back; see PowerModel.predict."""
        return self.power.predict(load, temp_c=temp_c)

    def read(self) -> TelemetrySample:
        """Live through the time since the last read and report what the sensors see."""
        self._advance()
        spec, sensor = self.spec, self.spec.sensor
        self._refresh_power()
        rails_w = self._rails()
        sink_c, rise_k = self.thermal.sink_c, self.thermal.die_c - self.thermal.sink_c
        zones_c = {
            zone: self._seen(sink_c + place * rise_k, sensor.temp_noise_c, sensor.temp_step_c)
            for zone, place in spec.zones.items()
        }
        return TelemetrySample(
            time_s=self._time_s,
            source=self.name,
            provenance="emulated",
            power_w=rails_w[spec.power.input_rail],
            temp_c=max(zones_c.values()),
            rails_w=rails_w,
            zones_c=zones_c,
            clock_ratio=self.throttle.clock_ratio,
            throttled=self.throttle.throttled,
            throttle_reason=self.throttle.reason,
        )

    def close(self) -> None:
        """Nothing to release."""

    def _advance(self) -> None:
        """Bring heat, energy and clock from the last known time to now."""
        now_s = self._clock.now_s()
        duration_s = now_s - self._time_s
        if duration_s <= 0:
            return
        share = 1.0 if self._busy_s <= duration_s else duration_s / self._busy_s
        compute_rate = self._compute_s * share / duration_s
        memory_rate = self._memory_s * share / duration_s
        self._busy_s *= 1 - share
        self._compute_s *= 1 - share
        self._memory_s *= 1 - share
        while self._time_s < now_s:
            end_s = min(now_s, self._next_poll_s)
            self._step(end_s - self._time_s, compute_rate, memory_rate)
            self._time_s = end_s
            if end_s >= self._next_poll_s:
                self.throttle.poll(self.thermal.die_c)
                self._next_poll_s += self.spec.throttle.poll_s

    def _step(self, duration_s: float, compute_rate: float, memory_rate: float) -> None:
        # Leakage is taken at the step's start; steps end at the governor's polls, so it lags by
        # a fraction of a second at most.
        draw = self.power.draw(
            compute_rate, memory_rate, self.throttle.clock_ratio, self.thermal.die_c
        )
        power_w = self.spec.power.idle_w + draw.compute_w + draw.memory_w
        self.thermal.step(duration_s, power_w)
        self.energy_j += power_w * duration_s
        self._compute_j += draw.compute_w * duration_s
        self._memory_j += draw.memory_w * duration_s

    def _refresh_power(self) -> None:
        """The sensor's mean since the last read; without time between, the value before."""
        duration_s = self._time_s - self._read_s
        if duration_s <= 0:
            return
        averaging_s = self.spec.sensor.averaging_s
        weight = 1.0 if averaging_s == 0 else 1 - math.exp(-duration_s / averaging_s)
        self._compute_w += weight * (self._compute_j / duration_s - self._compute_w)
        self._memory_w += weight * (self._memory_j / duration_s - self._memory_w)
        self._compute_j = self._memory_j = 0.0
        self._read_s = self._time_s

    def _rails(self) -> dict[str, float]:
        power, sensor = self.spec.power, self.spec.sensor
        idle = power.idle_rails_w
        true_w = {
            power.input_rail: power.idle_w + self._compute_w + self._memory_w,
            power.compute_rail: idle.get(power.compute_rail, 0.0) + self._compute_w,
            power.memory_rail: idle.get(power.memory_rail, 0.0) + self._memory_w,
        }
        return {
            rail: max(0.0, self._seen(value, sensor.power_noise_w, sensor.power_step_w))
            for rail, value in true_w.items()
        }

    def _seen(self, value: float, noise: float, step: float) -> float:
        if noise:
            value += self._random.gauss(0.0, noise)
        return round(value / step) * step if step else value
