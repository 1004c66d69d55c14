"""Lists of engine runs with their exact times, as arrays: what a power trace is made from."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Runs(NamedTuple):
    """Engine runs as arrays (N,): from when to when, and how much of the board each keeps busy.

    A ratio of 1 draws the full power of the board file. Runs that overlap add up.
    """

    start_s: Array
    end_s: Array
    compute_ratio: Array
    memory_ratio: Array

    @classmethod
    def at(
        cls,
        start_s: npt.ArrayLike,
        busy_s: npt.ArrayLike,
        *,
        compute_ratio: npt.ArrayLike = 1.0,
        memory_ratio: npt.ArrayLike = 1.0,
    ) -> "Runs":
        """Runs that begin at `start_s` and take `busy_s`; a single value stands for all."""
        starts = np.atleast_1d(np.asarray(start_s, np.float64))
        columns = [
            np.broadcast_to(np.asarray(value, np.float64), starts.shape)
            for value in (busy_s, compute_ratio, memory_ratio)
        ]
        if any((column < 0).any() for column in columns) or not np.isfinite(starts).all():
            raise ValueError("runs need finite starts, and times and ratios of 0 or more")
        return cls(starts, starts + columns[0], columns[1], columns[2])

    @classmethod
    def back_to_back(
        cls,
        *,
        start_s: float,
        busy_s: float,
        count: int,
        compute_ratio: float = 1.0,
        memory_ratio: float = 1.0,
    ) -> "Runs":
        """`count` runs, each right behind the one before."""
        return cls.paced(
            start_s=start_s,
            period_s=busy_s,
            busy_s=busy_s,
            count=count,
            compute_ratio=compute_ratio,
            memory_ratio=memory_ratio,
        )

    @classmethod
    def paced(
        cls,
        *,
        start_s: float,
        period_s: float,
        busy_s: npt.ArrayLike,
        count: int,
        jitter_s: npt.ArrayLike = 0.0,
        compute_ratio: float = 1.0,
        memory_ratio: float = 1.0,
    ) -> "Runs":
        """`count` runs, one every `period_s` as a camera asks for them, late by their jitter."""
        starts = start_s + period_s * np.arange(count) + np.asarray(jitter_s)
        return cls.at(starts, busy_s, compute_ratio=compute_ratio, memory_ratio=memory_ratio)

    @classmethod
    def join(cls, *parts: "Runs") -> "Runs":
        """All runs of several lists."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))
