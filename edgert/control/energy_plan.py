"""A mission's energy, spread over its time: "this battery must last three hours"."""

import math

from edgert.control.tuning import Tuning


class EnergyPlan:
    """What was spent, and what may be drawn now so that the rest lasts to the end.

    The even rate is what is left over the time that is left. What was saved against it may be
    spent within a while, so that a configuration just above the rate gets its turns.

    Attributes:
        spent_j: Since the mission began.
        elapsed_s: Likewise.
    """

    __slots__ = ("_saved_j", "_tuning", "elapsed_s", "spent_j")

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self.spent_j = self.elapsed_s = 0.0
        self._saved_j = 0.0

    def advance(
        self, past_s: float, used_j: float, energy_j: float, mission_s: float | None
    ) -> None:
        """Let `past_s` pass, in which `used_j` were drawn."""
        if mission_s is not None:
            rate_w = self.rate_w(energy_j=energy_j, mission_s=mission_s)
            if math.isfinite(rate_w):
                # What nothing can use for long goes back to the even rate.
                most_j = rate_w * self._tuning.energy_enter_s
                saved_j = self._saved_j + rate_w * past_s - used_j
                self._saved_j = min(max(saved_j, -most_j), most_j)
        self.spent_j += used_j
        self.elapsed_s += past_s

    def correct(self, more_j: float) -> None:
        """More was drawn than was booked, or less."""
        self.spent_j = max(self.spent_j + more_j, 0.0)
        self._saved_j -= more_j

    def rate_w(self, *, energy_j: float, mission_s: float) -> float:
        """What is left but for the savings, evenly over the time left; infinite after the end."""
        left_s = mission_s - self.elapsed_s
        if left_s <= 0:
            return math.inf
        usable_j = energy_j * (1 - self._tuning.energy_reserve_ratio) - self.spent_j
        return max(usable_j - self._saved_j, 0.0) / left_s

    def cap_w(self, horizon_s: float, *, energy_j: float, mission_s: float) -> float:
        """The power that savings would last for `horizon_s` at; a debt is paid back in it."""
        rate_w = self.rate_w(energy_j=energy_j, mission_s=mission_s)
        horizon_s = min(horizon_s, max(mission_s - self.elapsed_s, 0.1))
        return max(rate_w + self._saved_j / horizon_s, 0.0)
