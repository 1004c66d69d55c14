"""How an energy is measured: for how long, how often, and what counts as steady."""

from typing import Annotated

import msgspec

from edgert.profiling.energy.steady import Steady
from edgert.records import NotNegative, Positive, Record

PUBLISH_WINDOW_S = 60.0  # of a figure that is given to others


class Plan(Record, frozen=True, kw_only=True):
    """A measurement.

    windows, window_s: how many of each engine, at least so long each. Below three windows their
        spread says next to nothing, and intervals from single windows don't hold what they say.
    idle_s: before and after.
    lead_s: how long a load runs before a window, so that the sensor shows nothing else, and how
        long the board rests before idle; never less than twice the sensor's own averaging.
    paced_hz: frames a second; None: back to back.
    locked: clocks are fixed (jetson_clocks), and one that moves rejects a window. None: taken for
        fixed back to back, where a governor holds them too, and for free at a frame rate.
    warm_up_s, warm_up_most_s: at least and at most; it ends when the board is steady.
    attempts: how often a window is tried.
    seed: of the pauses between windows.
    """

    windows: Annotated[int, msgspec.Meta(ge=3)] = 5
    window_s: Positive = 10.0
    idle_s: Positive = 30.0
    lead_s: Positive = 1.0
    paced_hz: Positive | None = None
    locked: bool | None = None
    warm_up_s: NotNegative = 30.0
    warm_up_most_s: Positive = 600.0
    steady: Steady = Steady()
    attempts: Annotated[int, msgspec.Meta(ge=1)] = 3
    seed: int = 0

    @property
    def governed(self) -> bool:
        """Whether clocks may follow the load."""
        return self.paced_hz is not None if self.locked is None else not self.locked

    def most_gap_s(self, interval_s: float) -> float:
        """The longest time without a sample that a window is let pass with."""
        return max(5 * interval_s, self.window_s / 20)

    def identity(self) -> str:
        """What of a plan its windows depend on, in words."""
        pace = "back to back" if self.paced_hz is None else f"{self.paced_hz:g} fps"
        return f"{self.windows} windows of {self.window_s:g} s, {pace}, idle {self.idle_s:g} s"
