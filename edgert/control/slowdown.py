"""How much longer engines take than their profile says: one filter for all configurations.

The filter is ALERT's (Wan et al., "ALERT: Accurate Learning for Energy and Timeliness", USENIX
ATC 2020, section 3). Differs: smaller noises; a lone spike is clipped and two in a row are taken
for a jump; the room for the next frame is a quantile that is learned (adaptive conformal
inference, Gibbs and Candès, NeurIPS 2021) instead of a normal distribution's; the first frame
after a switch is looked at apart.
"""

import math

from edgert.control.tuning import Tuning

LEAST_RATIO = 1e-3
FIRST_GAIN = 0.2  # weight of the newest first frame
NORMAL_99_5 = 2.58  # standard deviations
SURPRISE = 2.5  # a frame this many standard deviations off is not noise when another follows


class Slowdown:
    """Estimate, spread and margin of an engine's time over its profiled time.

    Attributes:
        ratio: The estimate.
        margin_ratio: What the next frame may take on top.

    Args:
        tuning: The constants.
        noise: Variance of one latency relative to its median, where the profile has it.
    """

    __slots__ = (
        "_first",
        "_gain",
        "_noise",
        "_off",
        "_process",
        "_tuning",
        "_variance",
        "margin_ratio",
        "ratio",
    )

    def __init__(self, tuning: Tuning, *, noise: float | None = None) -> None:
        self._tuning = tuning
        self._noise = max(noise or 0.0, tuning.measurement_noise)
        self.ratio = 1.0
        # A quantile of a normal distribution to begin with, where the spread is known.
        margin = max(tuning.margin_ratio, NORMAL_99_5 * math.sqrt(noise or 0.0))
        self.margin_ratio = min(margin, tuning.margin_most_ratio)
        self._gain, self._process, self._variance = 0.5, tuning.process_noise, 0.1
        self._off = 0  # sign of the last frame's surprise; 0: none
        self._first = {"warm": 1.0, "cold": 1.0}

    def observe_deadline(self, *, met: bool, miss_ratio: float) -> None:
        """Move the margin so that the share of late frames goes to `miss_ratio`.

        What counts is what was late, not what was longer than expected: between two
        configurations there is often more room than the margin, and a spike that no margin could
        hold must not widen it for ever.
        """
        tuning = self._tuning
        step = tuning.margin_step * ((0.0 if met else 1.0) - miss_ratio)
        margin = self.margin_ratio + step
        self.margin_ratio = min(max(margin, tuning.margin_least_ratio), tuning.margin_most_ratio)

    def observe(self, ratio: float) -> None:
        """Take in one frame's time over its profiled time; not the first after a switch."""
        tuning, expected = self._tuning, self.ratio
        residual = ratio / expected - 1
        spread = SURPRISE * math.sqrt(self._noise)
        off = 1 if residual > spread else -1 if residual < -spread else 0
        if off and off == self._off:
            self._jump(ratio)
        else:
            most = tuning.spike_ratio
            self._filter(min(max(ratio, expected / most), most * expected))
        self._off = off

    def observe_first(self, ratio: float, *, cold: bool) -> None:
        """Take in the first frame after a switch."""
        kind = "cold" if cold else "warm"
        seen = min(max(ratio / self.ratio, 1.0), 3.0)
        self._first[kind] += FIRST_GAIN * (seen - self._first[kind])

    def first_ratio(self, *, cold: bool) -> float:
        """How much longer the first frame after a switch takes, at least 1."""
        return self._first["cold" if cold else "warm"]

    def restore(self, ratio: float, margin_ratio: float) -> None:
        """Go on from an earlier estimate."""
        self.ratio = max(ratio, LEAST_RATIO)
        self.margin_ratio = min(
            max(margin_ratio, self._tuning.margin_least_ratio), self._tuning.margin_most_ratio
        )

    def rescale(self, factor: float, *, noise: float | None) -> None:
        """Go on against other figures, by which what was seen is `factor` times as slow.

        Args:
            factor: The old profile's time of what ran over the new one's.
            noise: As for the constructor, by the new profile.
        """
        self.ratio = max(self.ratio * factor, LEAST_RATIO)
        self._noise = max(noise or 0.0, self._tuning.measurement_noise)
        self._off = 0

    def _filter(self, ratio: float) -> None:
        """ALERT's equations for gain, process noise and estimate, noises relative to it."""
        tuning, scale = self._tuning, self.ratio
        innovation = ratio / scale - 1
        before = (1 - self._gain) * self._variance
        process = 0.3 * self._process + 0.7 * (self._gain * innovation) ** 2
        self._process = max(tuning.process_noise, min(process, 0.1))
        self._gain = (before + self._process) / (before + self._process + self._noise)
        self._variance = before + self._process
        self.ratio = max(scale * (1 + self._gain * innovation), LEAST_RATIO)

    def _jump(self, ratio: float) -> None:
        self.ratio = max(self.ratio + self._tuning.jump_gain * (ratio - self.ratio), LEAST_RATIO)
