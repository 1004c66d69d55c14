"""What a power sensor may be off by as its maker states it, however long it is read (type B).

Time averages out scatter, never a gain, an offset or the rounding of a value that stands still.
Each error is taken as uniform between its bounds, as a data sheet's limits are.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edgert.records import NotNegative, Record

Floats = npt.NDArray[np.float64]

# INA3221, TI SBOS576: largest gain error of shunt and of bus, largest offsets, steps.
_GAIN_RATIO = 0.0025
_SHUNT_OFFSET_V, _SHUNT_STEP_V = 80e-6, 40e-6
_BUS_OFFSET_V, _BUS_STEP_V = 16e-3, 8e-3
_STILL = 0.98

Shares = dict[int, float]


class SensorBound(Record, frozen=True, kw_only=True):
    """Bounds of a board's power sensor. An unknown sensor has none, and its figures say so.

    ratios: errors that grow with the power, each its bound over the power.
    offsets_w: errors that are always the same; they fall out of a power above idle.
    step_w: what a value is rounded to; 0: not rounded.
    update_s: how long a value stands before the sensor has the next one; 0: not known.
    source: where the bounds come from, in words.
    """

    ratios: list[NotNegative] = msgspec.field(default_factory=list)
    offsets_w: list[NotNegative] = msgspec.field(default_factory=list)
    step_w: NotNegative = 0.0
    update_s: NotNegative = 0.0
    source: str = "unknown: not included"

    def bound_w(self, power_w: float) -> float:
        """All bounds at once at a power, as root sum of squares over root 3: a standard error."""
        squares = [(ratio * power_w) ** 2 for ratio in self.ratios]
        squares += [offset_w**2 for offset_w in self.offsets_w] + [(self.step_w / 2) ** 2]
        return math.sqrt(sum(squares) / 3)


def ina3221_bound(
    rails: Sequence[tuple[float, float]], *, update_s: float = 6.6e-3
) -> SensorBound:
    """Bounds of rails measured by INA3221 chips and summed.

    Args:
        rails: Shunt (ohm) and supply voltage (V) of every rail in the sum.
        update_s: From one value of a channel to the next: six conversions, times how many the
            chip averages; the mean of many is rounded like one.

    Source:
        TI SBOS576: gain 0.25 % of shunt and of bus, offsets 80 uV and 16 mV, steps 40 uV and
        8 mV. Differs: the gains of several channels and chips are taken for one and the same
        error, which is the worst they can do together; the shunt itself counts as exact.
    """
    if not rails:
        raise ValueError("no rails")
    lowest_v = min(supply_v for _, supply_v in rails)
    return SensorBound(
        ratios=[
            _GAIN_RATIO,
            _GAIN_RATIO,
            _BUS_OFFSET_V / lowest_v,
            _BUS_STEP_V / 2 / lowest_v,
        ],
        offsets_w=[supply_v * _SHUNT_OFFSET_V / shunt_ohm for shunt_ohm, supply_v in rails],
        # Of several rails the sum has the finest of their steps, and is off by all of them.
        step_w=sum(supply_v * _SHUNT_STEP_V / shunt_ohm for shunt_ohm, supply_v in rails),
        update_s=update_s,
        source=f"INA3221 data sheet (TI SBOS576), {len(rails)} rails"
        if len(rails) > 1
        else "INA3221 data sheet (TI SBOS576)",
    )


def level_shares(power_w: Floats, weights_s: Floats, step_w: float) -> Shares:
    """How much of the weight lies on each level of a rounded sensor, by its number."""
    if not step_w:
        return {}
    levels = np.round(power_w / step_w).astype(np.int64)
    lowest = int(levels.min())
    shares = np.bincount(levels - lowest, weights_s / weights_s.sum())
    return {lowest + int(above): float(shares[above]) for above in np.flatnonzero(shares > 0)}


def rounding_w(shares: Shares, idle: Shares, step_w: float) -> list[float]:
    """Half widths of what rounding may do to a mean power, or to one above idle.

    A value that stands still is off by up to half a step, the same in every sample. One that
    wanders over several levels is off by less: see `_Group`. Power above idle has the errors of
    both, but where an engine pauses, the sensor shows the level of idle again, and what is wrong
    with that level cancels. Where it shows nothing but that level, nothing cancels.

    Args:
        shares: From `level_shares`, under load.
        idle: The same in idle; empty for the total.
        step_w: The step.
    """
    groups = _groups(shares)
    if [group.level for group in groups] == [group.level for group in _groups(idle)]:
        # No engine is seen at all. It may still draw something: two values on one level are up
        # to a step apart.
        return [step_w * group.factor for group in groups]
    for level, share, factor in _groups(idle):
        same = [group for group in groups if group.level == level and group.factor == factor == 1]
        groups = [group for group in groups if group not in same]
        groups.append(_Group(level, share - sum(group.share for group in same), factor))
    groups.sort(key=lambda group: -group.share * group.factor)
    return [abs(group.share) * group.factor * step_w / 2 for group in groups if group.share]


class _Group(NamedTuple):
    """Levels next to each other: one value, that stands still or wanders.

    `factor` is how far their mean may be off, in half steps: the sum of squares of what share
    each level has. 1 on one level. A value that flickers between two lies at their border, and
    its mean is off by the difference of their shares, which the sum of squares is never below.
    Over many levels errors of both signs cancel.
    """

    level: int
    share: float
    factor: float


def _groups(shares: Shares) -> list[_Group]:
    runs: list[dict[int, float]] = []
    for level in sorted(level for level, share in shares.items() if share > 0):
        if not runs or level - 1 not in runs[-1]:
            runs.append({})
        runs[-1][level] = shares[level]
    return [_group(run) for run in runs]


def _group(run: dict[int, float]) -> _Group:
    share = sum(run.values())
    level, largest = max(run.items(), key=lambda item: item[1])
    if largest >= _STILL * share:  # the rest are looks that fell on an edge
        return _Group(level, share, 1.0)
    return _Group(level, share, sum(part**2 for part in run.values()) / share**2)
