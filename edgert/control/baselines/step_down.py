"""A rung lower near the temperature limit, a rung back when it is cool: no model of heat."""

from typing import Annotated

import msgspec

from edgert.control.baselines.figures import Timer, finite_or_none, fresh
from edgert.records import NotNegative, Positive, Record, TelemetrySample

Celsius = Annotated[float, msgspec.Meta(ge=0, le=100)]


class StepDownTuning(Record, frozen=True, kw_only=True):
    """How early and how fast the cap moves.

    guard_c: A rung lower from so far below the limit on, since heat goes on rising for a moment.
    band_c: A rung back only so far below the limit.
    settle_s: Least time between two steps down, so that the first can act.
    dwell_s: Least time between any step and a step back.
    """

    guard_c: NotNegative = 1.0
    band_c: Positive = 3.0
    settle_s: NotNegative = 1.0
    dwell_s: NotNegative = 3.0


DEFAULT_STEP_DOWN = StepDownTuning()


class StepDown:
    """The dearest rung that heat allows, as an index into rungs that are dearest first.

    Args:
        count: How many rungs there are.
        tuning: The constants.
    """

    def __init__(self, count: int, tuning: StepDownTuning = DEFAULT_STEP_DOWN) -> None:
        self.tuning = tuning
        self.cap = 0
        self._last = count - 1
        self._down, self._moved = Timer(), Timer()

    def update(
        self,
        now_s: float,
        telemetry: TelemetrySample | None,
        limit_c: float | None,
        *,
        running: int,
    ) -> str:
        """Move the cap where the temperature asks for it.

        Args:
            now_s: The time of the decision.
            telemetry: The newest sample. Without a fresh one the cap stays.
            limit_c: The temperature limit; None: there is none, and no cap.
            running: The rung of the last frame; a step down leads below it.

        Returns:
            What holds the cap, in words; empty while there is none.
        """
        if limit_c is None:
            self.cap = 0
            return ""
        sample = fresh(now_s, telemetry)
        temp_c = finite_or_none(None if sample is None else sample.temp_c)
        if temp_c is None:
            return f"no fresh temperature, cap {self._words}"
        if temp_c >= limit_c - self.tuning.guard_c:
            if self._down.elapsed_s(now_s) >= self.tuning.settle_s:
                self._move(now_s, min(max(self.cap, running) + 1, self._last))
                self._down.start(now_s)
            return f"temperature {temp_c:.1f} °C near {limit_c:.1f} °C, cap {self._words}"
        cool = temp_c <= limit_c - self.tuning.band_c
        if cool and self.cap and self._moved.elapsed_s(now_s) >= self.tuning.dwell_s:
            self._move(now_s, self.cap - 1)
        return f"temperature {temp_c:.1f} °C, cap {self._words}" if self.cap else ""

    @property
    def _words(self) -> str:
        return f"{self.cap} below the dearest" if self.cap else "at the dearest"

    def _move(self, now_s: float, cap: int) -> None:
        self.cap = cap
        self._moved.start(now_s)
