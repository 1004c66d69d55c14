"""ALERT's two scalar filters: the slowdown that all configurations share, and the idle ratio."""

import math
from typing import Annotated

import msgspec

from edgert.records import Positive, Record

Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class SlowdownConstants(Record, frozen=True, kw_only=True):
    """Start values and noise of the slowdown filter; the defaults are the published ones.

    Source:
        Wan, Santriaji, Rogers, Hoffmann, Maire, Lu: ALERT: Accurate Learning for Energy and
        Timeliness, USENIX ATC 2020, section 3.
    """

    gain: Positive = 0.5  # K(0)
    measurement_noise: Positive = 1e-3  # R
    least_process_noise: Positive = 0.1  # Q(0), which is its floor too
    mean: Positive = 1.0  # mu(0)
    variance: Positive = 0.1  # sigma^2(0)
    forgetting: Share = 0.3  # alpha


class SlowdownFilter:
    """How many times as long as in its profile an engine takes, as a normal distribution.

        y(n)      = t(n-1) / t_i - mu(n-1)
        Q(n)      = max(Q(0), alpha Q(n-1) + (1 - alpha) (K(n-1) y(n-1))^2)
        sigma2(n) = (1 - K(n-1)) sigma2(n-1) + Q(n)
        K(n)      = sigma2(n) / (sigma2(n) + R)
        mu(n)     = mu(n-1) + K(n) y(n)

    with y(0) = 0.

    Source:
        ALERT, USENIX ATC 2020, section 3.3; as published.
    """

    def __init__(self, constants: SlowdownConstants) -> None:
        self._constants = constants
        self.mean = constants.mean
        self.variance = constants.variance
        self.gain = constants.gain
        self._process_noise = constants.least_process_noise
        self._innovation = 0.0

    def update(self, ratio: float) -> None:
        """Take in one frame: its engine's time over its profiled time."""
        alpha = self._constants.forgetting
        spread = alpha * self._process_noise + (1 - alpha) * (self.gain * self._innovation) ** 2
        self._process_noise = max(self._constants.least_process_noise, spread)
        self._innovation = ratio - self.mean
        self.variance = (1 - self.gain) * self.variance + self._process_noise
        self.gain = self.variance / (self.variance + self._constants.measurement_noise)
        self.mean += self.gain * self._innovation

    def chance_within(self, ratio: float) -> float:
        """Probability that the next frame takes at most `ratio` times its profiled time."""
        spread = math.sqrt(2 * self.variance)
        return 0.5 * (1 + math.erf((ratio - self.mean) / spread))


class IdleRatioFilter:
    """Idle power over running power.

        W = (M + S) / (M + S + V);  M <- (1 - W)(M + S);  phi <- phi + W (p_idle / p_i - phi)

    Source:
        ALERT, USENIX ATC 2020, section 3.3; as published.

    Args:
        start: The ratio before the first observation.
    """

    process_noise = 1e-4  # S
    measurement_noise = 1e-3  # V

    def __init__(self, start: float) -> None:
        self.ratio = start
        self.variance = 0.01  # M(0)

    def update(self, ratio: float) -> None:
        """Take in one observation of the ratio."""
        predicted = self.variance + self.process_noise
        gain = predicted / (predicted + self.measurement_noise)
        self.variance = (1 - gain) * predicted
        self.ratio += gain * (ratio - self.ratio)
