"""The board's own protection: a clock that steps down above a trip point.

Stands for the kernel's step-wise thermal governor, which knows nothing of deadlines.
"""

from typing import Annotated

import msgspec

from edgert.records import Positive, Record


class ThrottleSpec(Record, frozen=True, kw_only=True):
    """Trip point, release point (°C) and the steps of the clock.

    Every `poll_s` the clock goes down by `clock_step_ratio` at or above `trip_c`, not below
    `clock_floor_ratio`, and up again by as much at or below `release_c`.
    """

    trip_c: float
    release_c: float
    clock_step_ratio: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.1
    clock_floor_ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.4
    poll_s: Positive = 0.25

    def __post_init__(self) -> None:
        if self.release_c >= self.trip_c:
            raise ValueError("release_c must lie below trip_c")


class Throttle:
    """The clock ratio that follows from the temperatures seen so far."""

    def __init__(self, spec: ThrottleSpec) -> None:
        self.spec = spec
        self.clock_ratio = 1.0
        self.reason = ""

    @property
    def throttled(self) -> bool:
        """Whether the clock is below its maximum."""
        return self.clock_ratio < 1.0

    def poll(self, temp_c: float) -> None:
        """Look at the temperature once, as the governor does every `poll_s`."""
        spec = self.spec
        if temp_c >= spec.trip_c:
            self.clock_ratio = max(
                self.clock_ratio - spec.clock_step_ratio, spec.clock_floor_ratio
            )
        elif temp_c <= spec.release_c:
            # Rounding errors of the steps must not leave a clock of 0.9999999 throttled.
            ratio = self.clock_ratio + spec.clock_step_ratio
            self.clock_ratio = 1.0 if ratio > 1 - spec.clock_step_ratio / 2 else ratio
        self.reason = self._words(temp_c) if self.throttled else ""

    def _words(self, temp_c: float) -> str:
        clock = f"clock at {self.clock_ratio:.0%}"
        if temp_c >= self.spec.trip_c:
            return f"{temp_c:.1f} °C at or over the trip point {self.spec.trip_c:.1f} °C: {clock}"
        return f"{temp_c:.1f} °C, released below {self.spec.release_c:.1f} °C: {clock}"
