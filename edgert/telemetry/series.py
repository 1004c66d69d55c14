"""Power over time in bounded memory: the newest samples whole, of the older ones their sums.

Pure arithmetic on numbers that are handed in.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BLOCK = 1 << 16  # samples that memory is taken for, and given back, at a time


class PowerSamples(NamedTuple):
    """Samples in order of time: (N,) each. `temp_c` is NaN where no zone could be read."""

    time_s: Floats
    power_w: Floats
    temp_c: Floats


class PowerSeries:
    """Keeps up to `max_samples`; a block of the oldest goes when there are more.

    What goes stays in the sums: `energy_j`, `duration_s` and `count` are of all samples, kept or
    dropped. A sample takes 24 bytes.
    """

    def __init__(self, max_samples: int) -> None:
        if max_samples < 2:
            raise ValueError(f"max_samples must be 2 or more, not {max_samples}")
        self.max_samples = max_samples
        self._block = min(_BLOCK, max(1, max_samples // 8))
        self._blocks: list[Floats] = []
        self._used = self._block  # of the last block
        self._last: tuple[float, float] | None = None
        self.count = 0
        self.dropped = 0
        self.energy_j = 0.0
        self.duration_s = 0.0
        self.longest_gap_s = 0.0
        self._lost_j = 0.0  # the part of a sum that float64 rounds away (Neumaier)

    @property
    def kept(self) -> int:
        """How many samples `arrays` gives."""
        return self.count - self.dropped

    @property
    def size_bytes(self) -> int:
        """Memory that the samples take."""
        return sum(block.nbytes for block in self._blocks)

    def add(self, time_s: float, power_w: float, temp_c: float) -> None:
        """Add a sample that is later than the last."""
        if self._used == self._block:
            self._make_room()
        self._blocks[-1][self._used] = (time_s, power_w, temp_c)
        self._used += 1
        if self._last is not None:
            step_s = time_s - self._last[0]
            self._sum((power_w + self._last[1]) / 2 * step_s)
            self.duration_s += step_s
            self.longest_gap_s = max(self.longest_gap_s, step_s)
        self._last = (time_s, power_w)
        self.count += 1

    def arrays(self) -> PowerSamples:
        """The samples that are kept, as copies."""
        if not self._blocks:
            return PowerSamples(np.empty(0), np.empty(0), np.empty(0))
        rows = np.concatenate([*self._blocks[:-1], self._blocks[-1][: self._used]])
        return PowerSamples(rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2].copy())

    def _make_room(self) -> None:
        if len(self._blocks) * self._block >= self.max_samples:
            self.dropped += self._block
            block = self._blocks.pop(0)
        else:
            block = np.empty((self._block, 3))
        self._blocks.append(block)
        self._used = 0

    def _sum(self, energy_j: float) -> None:
        total_j = self.energy_j + energy_j
        if abs(self.energy_j) >= abs(energy_j):
            self._lost_j += (self.energy_j - total_j) + energy_j
        else:
            self._lost_j += (energy_j - total_j) + self.energy_j
        self.energy_j = total_j

    @property
    def exact_energy_j(self) -> float:
        """`energy_j` with what rounding lost in a long sum."""
        return self.energy_j + self._lost_j
