"""The last minutes of an emulated board's power, to the microsecond, in bounded memory.

The same questions as `PowerTrace` answers for a run that is known beforehand, one time per call,
for a board that lives on: `energy_j`, `mean_w`, `power_at`, `sensor_at`, `registers_at`.
"""

import math
import random
from bisect import bisect_left, bisect_right

from edgert.emulator import ina3221
from edgert.emulator.ina3221 import Ina3221Spec
from edgert.emulator.rails import RailShare

_Asked = tuple[Ina3221Spec, int, RailShare | None, int]
_MOST_REGISTERS = 64
_PRUNE_AT = 512  # points: often enough to stay small, seldom enough to cost nothing


class PowerHistory:
    """Energies above idle by cause, summed up to each time at which the power changed.

    Args:
        whole: The share of the whole board, what is asked for where no rail is named.
        start_s: When the board began; before that it idled.
        keep_s: How far back questions may go. Older points are dropped.
    """

    def __init__(self, whole: RailShare, *, start_s: float, keep_s: float) -> None:
        self.whole = whole
        self.keep_s = keep_s
        self._born_s = start_s
        self._times_s = [start_s]
        self._compute_j = [0.0]
        self._memory_j = [0.0]
        self._prune_at = _PRUNE_AT
        # A register stands still between two conversions: its last value by who asks.
        self._registers: dict[_Asked, tuple[float, float]] = {}

    def __len__(self) -> int:
        """How many points are held."""
        return len(self._times_s)

    @property
    def end_s(self) -> float:
        """Up to when the board has lived."""
        return self._times_s[-1]

    def add(self, end_s: float, compute_w: float, memory_w: float) -> None:
        """Append a stretch of constant draw above idle, from `end_s` before to `end_s` now."""
        duration_s = end_s - self._times_s[-1]
        self._compute_j.append(self._compute_j[-1] + compute_w * duration_s)
        self._memory_j.append(self._memory_j[-1] + memory_w * duration_s)
        self._times_s.append(end_s)
        if len(self._times_s) >= self._prune_at:
            self._prune()

    def energy_j(self, from_s: float, to_s: float, rail: RailShare | None = None) -> float:
        """True energy (J) between two times.

        Raises:
            ValueError: A time that the board has not lived up to yet, or that is forgotten.
        """
        rail = rail or self.whole
        start, end = self._summed(from_s), self._summed(to_s)
        return (
            rail.idle_w * (to_s - from_s)
            + rail.compute_ratio * (end[0] - start[0])
            + rail.memory_ratio * (end[1] - start[1])
        )

    def mean_w(self, from_s: float, to_s: float, rail: RailShare | None = None) -> float:
        """True mean power (W) between two times; errors as `energy_j`."""
        return self.energy_j(from_s, to_s, rail) / (to_s - from_s)

    def power_at(self, time_s: float, rail: RailShare | None = None) -> float:
        """True power (W) at a time; at an edge, what came before it. Errors as `energy_j`."""
        self._check(time_s)
        place = bisect_left(self._times_s, time_s)
        rail = rail or self.whole
        if place == 0:
            return rail.idle_w
        return self.mean_w(self._times_s[place - 1], self._times_s[place], rail)

    def sensor_at(
        self,
        time_s: float,
        chip: Ina3221Spec,
        *,
        channel: int = 0,
        rail: RailShare | None = None,
        seed: int = 0,
    ) -> float:
        """Power (W) that a reader of the chip's registers gets at a time: V times I."""
        steps = self._current_steps(time_s, chip, channel, rail, seed)
        return float(steps * (chip.current_step_a * ina3221.bus_v(chip)))

    def registers_at(
        self,
        time_s: float,
        chip: Ina3221Spec,
        *,
        channel: int = 0,
        rail: RailShare | None = None,
        seed: int = 0,
    ) -> tuple[int, int]:
        """The same as the Linux driver gives it: whole mV and whole mA."""
        steps = self._current_steps(time_s, chip, channel, rail, seed)
        return ina3221.driver_units(chip, steps)

    def _current_steps(
        self, time_s: float, chip: Ina3221Spec, channel: int, rail: RailShare | None, seed: int
    ) -> float:
        batch = float(ina3221.batches_at(chip, channel, time_s))
        key = (chip, channel, rail, seed)
        known = self._registers.get(key)
        if known is None or known[0] != batch:
            if len(self._registers) >= _MOST_REGISTERS:
                self._registers.clear()
            known = batch, self._convert(batch, *key)
            self._registers[key] = known
        return known[1]

    def _convert(
        self, batch: float, chip: Ina3221Spec, channel: int, rail: RailShare | None, seed: int
    ) -> float:
        first_s = ina3221.first_look_s(chip, channel, batch)
        seen_w = 0.0
        for look in range(chip.samples):
            start_s = first_s + look * chip.look_period_s
            seen_w += self.mean_w(start_s, min(start_s + chip.conversion_s, self.end_s), rail)
        noise_v = 0.0
        if chip.shunt_noise_v:
            # Of the register value, not of the read: a value read twice is the same.
            noise_v = random.Random(f"{seed}/{channel}/{batch}").gauss(0.0, chip.shunt_noise_v)
        return float(ina3221.current_steps(chip, seen_w / chip.samples, noise_v))

    def _summed(self, time_s: float) -> tuple[float, float]:
        self._check(time_s)
        place = bisect_right(self._times_s, time_s)
        if place == 0:
            return 0.0, 0.0
        if place == len(self._times_s):
            return self._compute_j[-1], self._memory_j[-1]
        before_s, after_s = self._times_s[place - 1], self._times_s[place]
        share = (time_s - before_s) / (after_s - before_s)
        compute, memory = self._compute_j, self._memory_j
        return (
            compute[place - 1] + share * (compute[place] - compute[place - 1]),
            memory[place - 1] + share * (memory[place] - memory[place - 1]),
        )

    def _check(self, time_s: float) -> None:
        if time_s > self._times_s[-1] or math.isnan(time_s):
            raise ValueError(f"the board has lived up to {self.end_s} s, not to {time_s} s")
        if time_s < self._times_s[0] and self._times_s[0] > self._born_s:
            raise ValueError(
                f"{time_s} s is forgotten: the history of {self.keep_s} s begins at"
                f" {self._times_s[0]} s"
            )

    def _prune(self) -> None:
        first = max(0, bisect_right(self._times_s, self.end_s - self.keep_s) - 1)
        for column in (self._times_s, self._compute_j, self._memory_j):
            del column[:first]
        self._prune_at = max(_PRUNE_AT, 2 * len(self._times_s))
