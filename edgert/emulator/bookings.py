"""Work that a board was told of and has yet to live through.

Two kinds: work without a place in time, which is spread evenly over the time until the board is
next looked at, and runs with a start and an end. A run waits for the one before it, as on one
GPU, and never reaches into time that the board has lived through already.
"""

import math
from collections import deque
from typing import NamedTuple


class Rates(NamedTuple):
    """Work per second (1 = full-clock capacity), share of time busy, until when it stays so."""

    compute: float
    memory: float
    busy: float
    until_s: float


class _Run(NamedTuple):
    start_s: float
    end_s: float
    compute: float
    memory: float


class Bookings:
    """What is booked on one board.

    Args:
        start_s: The time that the board starts at.
    """

    def __init__(self, start_s: float) -> None:
        self._loose_busy_s = self._loose_compute_s = self._loose_memory_s = 0.0
        self._runs: deque[_Run] = deque()
        self._free_s = start_s

    def add_loose(self, busy_s: float, compute_s: float, memory_s: float) -> None:
        """Book work that takes `busy_s` some time before the next look."""
        self._loose_busy_s += busy_s
        self._loose_compute_s += compute_s
        self._loose_memory_s += memory_s

    def add_run(
        self, start_s: float, busy_s: float, compute_s: float, memory_s: float, *, lived_s: float
    ) -> float:
        """Book a run; returns when it begins, which is later than asked if it had to wait."""
        start_s = max(start_s, self._free_s, lived_s)
        self._free_s = start_s + busy_s
        if busy_s > 0:
            rates = (compute_s / busy_s, memory_s / busy_s)
            self._runs.append(_Run(start_s, self._free_s, *rates))
        return start_s

    def spread_loose(self, duration_s: float) -> Rates:
        """Take out what fits into `duration_s` of the loose work."""
        busy_s = self._loose_busy_s
        share = 1.0 if busy_s <= duration_s else duration_s / busy_s
        rates = Rates(
            self._loose_compute_s * share / duration_s,
            self._loose_memory_s * share / duration_s,
            busy_s * share / duration_s,
            math.inf,
        )
        self._loose_busy_s *= 1 - share
        self._loose_compute_s *= 1 - share
        self._loose_memory_s *= 1 - share
        return rates

    def at(self, time_s: float) -> Rates:
        """The rates of the run at a time; earlier runs are forgotten, so times only go on."""
        while self._runs and self._runs[0].end_s <= time_s:
            self._runs.popleft()
        if not self._runs:
            return Rates(0.0, 0.0, 0.0, math.inf)
        run = self._runs[0]
        if run.start_s > time_s:
            return Rates(0.0, 0.0, 0.0, run.start_s)
        return Rates(run.compute, run.memory, 1.0, run.end_s)
