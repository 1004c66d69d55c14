"""A proportional-integral loop that shares its output with others: the lowest one rules."""

import math

from edgert.records import Positive, Record


class PiGains(Record, frozen=True, kw_only=True):
    """Of a loop whose output is 1 for the dearest rung and 0 for the cheapest.

    proportional: Output for each unit of error.
    integral_s: A lasting error moves the output by as much again in this time.
    tracking_s: Time constant with which a loop that does not rule follows the output that does.
    """

    proportional: Positive
    integral_s: Positive
    tracking_s: Positive


class PiLoop:
    """u = k e + I, with an integral that does not wind up.

    While another loop or the end of the range rules, the integral is drawn to the output that
    was applied (back-calculation), so that this loop takes over soon when its error asks for it.

    Source:
        Astrom, Hagglund: Advanced PID Control, 2006, chapter 3.5; as published, in steps of the
        sensor's own.

    Args:
        gains: The constants.
        start: The output before the first measurement.
    """

    def __init__(self, gains: PiGains, *, start: float) -> None:
        self._gains = gains
        self._integral = start
        self._error: float | None = None

    @property
    def output(self) -> float:
        """What this loop asks for."""
        return self._gains.proportional * (self._error or 0.0) + self._integral

    def update(self, error: float, *, elapsed_s: float, applied: float) -> None:
        """Take in one measurement.

        Args:
            error: Room to the set point; negative past it.
            elapsed_s: Since the measurement before.
            applied: The output that ruled since then.
        """
        gains = self._gains
        if self._error is not None:
            share = 1 - math.exp(-elapsed_s / gains.tracking_s)
            self._integral += share * (applied - self.output)
            self._integral += gains.proportional * error * elapsed_s / gains.integral_s
        self._error = error

    def rest(self, start: float) -> None:
        """There is nothing to hold: start again when there is."""
        self._integral, self._error = start, None
