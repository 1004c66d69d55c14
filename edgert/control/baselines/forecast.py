"""What a configuration would cost now, from its profile and from how the present one does."""

from collections.abc import Sequence

from edgert.records import FrameOutcome, ProfileEntry

GREATEST_BUSY = 0.9  # above it, too little idle time is left to tell idle power by
SMOOTHING = 0.2  # weight of the newest frame
GREATEST_JUMP = 1.5  # one frame counts at most this many times the estimate: lone hiccups


class Forecast:
    """Latency and power of any rung, scaled by what the frames of late took.

    Learned are `slowdown`, an engine's time over its profiled time (clock, contention),
    `preprocess_s`, the part of a frame before its engine, and the time from frame to frame.
    """

    def __init__(self, rungs: Sequence[ProfileEntry]) -> None:
        self._rungs = rungs
        self._place = {entry.name: index for index, entry in enumerate(rungs)}
        self.slowdown = 1.0
        self.preprocess_s = 0.0
        self._interval_s = 0.0  # from the start of one frame to the next; 0: not known yet
        self._start_s: float | None = None

    def begin(self, now_s: float) -> None:
        """A frame starts."""
        if self._start_s is not None:
            lasted_s = now_s - self._start_s
            weight = SMOOTHING if self._interval_s else 1.0
            self._interval_s += weight * (lasted_s - self._interval_s)
        self._start_s = now_s

    def observe(self, outcome: FrameOutcome) -> None:
        """Take in one frame; a configuration that is not in the profile teaches nothing."""
        index = self._place.get(outcome.configuration)
        if index is None:
            return
        engine_s = max(outcome.latency_s - outcome.preprocess_s, 0.0)
        ratio = min(engine_s / self._rungs[index].latency_s, self.slowdown * GREATEST_JUMP)
        self.slowdown = max(self.slowdown + SMOOTHING * (ratio - self.slowdown), 1e-3)
        self.preprocess_s += SMOOTHING * (outcome.preprocess_s - self.preprocess_s)

    def latency_s(self, index: int) -> float:
        """Expected seconds of a frame on a rung, preprocessing included."""
        return self.preprocess_s + self._rungs[index].latency_s * self.slowdown

    def power_w(self, index: int, *, current: int, observed_w: float) -> float | None:
        """Expected power on a rung while frames keep coming at today's pace.

        With u the busy share of the time from frame to frame and p the profile's back-to-back
        power, P = idle (1 - u) + p u: the observed power gives idle, and idle gives the other
        rung's power. Without a gap between frames that tells idle apart, power scales with p and
        is bounded by the rung's own.

        Returns:
            Watts; None when the profile lacks the power of either rung.
        """
        here_w, there_w = self._rungs[current].power_w, self._rungs[index].power_w
        if here_w is None or there_w is None:
            return None
        busy = self._busy_ratio(current)
        if busy > GREATEST_BUSY:
            return min(there_w, observed_w * there_w / here_w)
        idle_w = (observed_w - here_w * busy) / (1 - busy)
        idle_w = min(max(idle_w, 0.0), here_w, there_w)
        there_busy = self._busy_ratio(index)
        return idle_w * (1 - there_busy) + there_w * there_busy

    def _busy_ratio(self, index: int) -> float:
        """Share of the time between frame starts that an engine takes; 1 before it is known."""
        if self._interval_s <= 0:
            return 1.0
        return min(self._rungs[index].latency_s * self.slowdown / self._interval_s, 1.0)
