"""What an emulated board's sensors make of its true power and temperatures."""

import math
import random
from collections.abc import Mapping

from edgert.emulator.history import PowerHistory
from edgert.emulator.ina3221 import Ina3221Spec
from edgert.emulator.power import Draw
from edgert.emulator.rails import RailShare
from edgert.emulator.spec import SensorSpec


class Sensors:
    """Mean, noise and steps of one board's sensors.

    Power is either a mean since the last look, or, where the spec has an INA3221, what that
    chip's registers hold at the moment of the look, one channel per rail.

    Args:
        spec: The constants.
        rails: What each rail carries, in the order of the chip's channels.
        start_s: The time that the board starts at.
        seed: Of the noise.
    """

    def __init__(
        self, spec: SensorSpec, rails: Mapping[str, RailShare], *, start_s: float, seed: int
    ) -> None:
        self._spec = spec
        self._rails = rails
        self._seed = seed
        self._random = random.Random(seed)
        self._look_s = start_s
        # Above idle, summed since the last look, by cause.
        self._compute_j = self._memory_j = 0.0
        self._compute_w = self._memory_w = 0.0

    def add(self, draw: Draw, duration_s: float) -> None:
        """Take in what was drawn."""
        self._compute_j += draw.compute_w * duration_s
        self._memory_j += draw.memory_w * duration_s

    def rails_w(self, history: PowerHistory) -> dict[str, float]:
        """Every rail's power now, which is the history's end."""
        chip = self._spec.ina3221
        return self._means_w(history.end_s) if chip is None else self._registers_w(history, chip)

    def zone_c(self, temp_c: float) -> float:
        """A true temperature as its sensor gives it."""
        return self._seen(temp_c, self._spec.temp_noise_c, self._spec.temp_step_c)

    def _means_w(self, time_s: float) -> dict[str, float]:
        self._refresh(time_s)
        spec = self._spec
        seen_w = {
            name: self._seen(
                rail.power_w(self._compute_w, self._memory_w),
                spec.power_noise_w,
                spec.power_step_w,
            )
            for name, rail in self._rails.items()
        }
        return {name: max(0.0, power_w) for name, power_w in seen_w.items()}

    def _registers_w(self, history: PowerHistory, chip: Ina3221Spec) -> dict[str, float]:
        return {
            name: history.sensor_at(
                history.end_s, chip, channel=channel, rail=rail, seed=self._seed
            )
            for channel, (name, rail) in enumerate(self._rails.items())
        }

    def _refresh(self, time_s: float) -> None:
        """The mean since the last look; without time between, the value before."""
        duration_s = time_s - self._look_s
        if duration_s <= 0:
            return
        averaging_s = self._spec.averaging_s
        weight = 1.0 if averaging_s == 0 else 1 - math.exp(-duration_s / averaging_s)
        self._compute_w += weight * (self._compute_j / duration_s - self._compute_w)
        self._memory_w += weight * (self._memory_j / duration_s - self._memory_w)
        self._compute_j = self._memory_j = 0.0
        self._look_s = time_s

    def _seen(self, value: float, noise: float, step: float) -> float:
        if noise:
            value += self._random.gauss(0.0, noise)
        return round(value / step) * step if step else value
