"""How often a configuration says what the full one says: a mean that forgets, with its interval.

Frames of a video are alike, so what they show of an engine comes in runs of good and bad. Counting
such samples as independent gives an interval that is too narrow: here it follows from the
effective number of samples,

    n_e = n_w (1 - l r) / (1 + l r),  n_w = (sum w)^2 / sum w^2

with w the weights (a sample's weight halves every `half_life` samples), l their ratio from one to
the next and r the samples' correlation from one to the next, taken to fall off geometrically. A
correlation is estimated too low from few samples: it is corrected for that (by (1 + 3 r) / n:
Kendall, Biometrika 41, 1954) and shrunk to a middling one. Student's t with n_e - 1 degrees of
freedom then makes few samples a wide interval; a standard deviation of `SPREAD` counts as one.
Answers that are right or wrong get Wilson's interval with the same n_e, as all of few answers
being right proves little.

What correlates slowly besides a lot of noise has a small r and a long memory all the same: then
the interval is too narrow. Shadow runs lie tens of frames apart, at random, which works against
that.
"""

import math
from itertools import pairwise

from edgert.records import Agreement

HALF_LIFE = 200.0  # samples
SPREAD = 0.05  # of the agreement from frame to frame, before any was seen
CORRELATION, CORRELATION_SAMPLES = 0.4, 4.0  # assumed at first; what that is worth, in samples
MOST_CORRELATION = 0.97

# Student's t, two-sided 95 %, by degrees of freedom; between them 1 / dof is linear enough.
_T95 = (
    (1.0, 12.706), (1.5, 6.112), (2.0, 4.303), (2.5, 3.558), (3.0, 3.182), (4.0, 2.776),
    (5.0, 2.571), (6.0, 2.447), (8.0, 2.306), (10.0, 2.228), (15.0, 2.131), (20.0, 2.086),
    (30.0, 2.042), (60.0, 2.000), (1e9, 1.960),
)  # fmt: skip


class AgreementEstimate:
    """Samples of one configuration, in constant memory.

    Args:
        half_life: After so many samples one weighs half.
        binary: A sample is 0 or 1 (one label a frame), not a share of many.

    Attributes:
        count: Samples so far.
        mean: Weighted; 0 before the first.
    """

    __slots__ = (
        "_after",
        "_before",
        "_binary",
        "_keep",
        "_last",
        "_pairs",
        "_products",
        "_squares",
        "_weight",
        "_weight2",
        "count",
        "mean",
    )

    def __init__(self, *, half_life: float = HALF_LIFE, binary: bool = False) -> None:
        if not half_life > 0:
            raise ValueError(f"a half-life is longer than 0 samples, not {half_life}")
        self._keep = 0.5 ** (1 / half_life)
        self._binary = binary
        self.count, self.mean = 0, 0.0
        self._weight = self._weight2 = self._squares = 0.0
        # Of neighbours: weight, sums of the later, of the earlier, and of their products.
        self._pairs = self._after = self._before = self._products = 0.0
        self._last: float | None = None

    def add(self, share: float) -> None:
        """Take in one sample.

        Raises:
            ValueError: It is no share from 0 to 1.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"an agreement is a share from 0 to 1, not {share}")
        keep = self._keep
        self.count += 1
        self._weight = keep * self._weight + 1
        self._weight2 = keep * keep * self._weight2 + 1
        off = share - self.mean
        self.mean += off / self._weight
        self._squares = keep * self._squares + off * (share - self.mean)
        if self._last is not None:
            self._pairs = keep * self._pairs + 1
            self._after = keep * self._after + share
            self._before = keep * self._before + self._last
            self._products = keep * self._products + share * self._last
        self._last = share

    @property
    def correlation(self) -> float:
        """Of a sample with the next, corrected for few of them; never below 0."""
        if self._squares <= 0 or self.count < 3:
            return CORRELATION
        mean, samples = self.mean, self._samples()
        shared = self._products - mean * (self._after + self._before) + mean**2 * self._pairs
        raw = min(max(shared / self._squares, -1.0), 1.0)
        corrected = raw + (1 + 3 * raw) / samples
        weighed = samples * corrected + CORRELATION_SAMPLES * CORRELATION
        return min(max(weighed / (samples + CORRELATION_SAMPLES), 0.0), MOST_CORRELATION)

    def agreement(self) -> Agreement | None:
        """Mean and 95 % interval; None before the first sample."""
        if not self.count:
            return None
        low, high = self._interval()
        mean = min(max(self.mean, 0.0), 1.0)
        return Agreement(
            mean=mean, low=min(max(low, 0.0), mean), high=max(min(high, 1.0), mean),
            frames=self.count,
        )  # fmt: skip

    def _samples(self) -> float:
        """How many samples of equal weight they stand for."""
        return self._weight**2 / self._weight2

    def _interval(self) -> tuple[float, float]:
        correlation = self._keep * self.correlation
        independent = self._samples() * (1 - correlation) / (1 + correlation)
        if self.count < 2:
            return 0.0, 1.0
        student = student_t95(independent - 1)
        if self._binary:
            return wilson(self.mean, independent, student)
        # A variance about the mean of few independent samples is too small by 1 / n_e.
        unbiased = independent / (independent - 1) if independent > 1.5 else 3.0
        weight = self._samples()
        variance = (weight * unbiased * self._squares / self._weight + SPREAD**2) / (weight + 1)
        half = student * math.sqrt(variance / independent)
        return self.mean - half, self.mean + half


def student_t95(degrees: float) -> float:
    """Two-sided 95 % quantile of Student's t; below one degree of freedom that of one."""
    degrees = max(degrees, 1.0)
    for (low, above), (high, below) in pairwise(_T95):
        if degrees <= high:
            part = (1 / low - 1 / degrees) / (1 / low - 1 / high)
            return above + part * (below - above)
    return _T95[-1][1]


def wilson(share: float, samples: float, quantile: float) -> tuple[float, float]:
    """Interval of a share among so many independent answers, each right or wrong.

    Source:
        Wilson, J. Am. Stat. Assoc. 22 (1927); here with Student's quantile for a normal's.
    """
    extra = quantile**2 / samples
    middle = (share + extra / 2) / (1 + extra)
    spread = math.sqrt(share * (1 - share) / samples + extra / (4 * samples)) * quantile
    return middle - spread / (1 + extra), middle + spread / (1 + extra)
