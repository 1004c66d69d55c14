"""The choice itself: the most accurate configuration that keeps what must be kept.

A pure function of what each configuration is expected to cost now and of two caps, one to stay
and one to enter: without the second every noise would be a switch.
"""

from collections.abc import Sequence
from typing import NamedTuple

from edgert.control.options import Option


class Expected(NamedTuple):
    """What a configuration would cost if the next frame ran it.

    `latency_s` has the margin in it, and the first frame's surcharge where it does not run yet.
    """

    option: Option
    latency_s: float
    power_w: float


class Room(NamedTuple):
    """What a frame may take: seconds and watts; infinite where there is no limit."""

    deadline_s: float
    power_w: float


class Choice(NamedTuple):
    """What is best now, and whether it keeps the limits."""

    expected: Expected
    keeps_deadline: bool
    keeps_power: bool


def choose(candidates: Sequence[Expected], room: Room) -> Choice:
    """The most accurate candidate within the room; of equals the one that draws least.

    Where nothing fits, power goes before the deadline, since heat and current are what a board
    is switched off for: the most accurate of the fastest that keep the power, else the one that
    draws least.

    Args:
        candidates: At least one.
        room: What may be taken.
    """
    best: Expected | None = None
    for one in candidates:
        if one.latency_s > room.deadline_s or one.power_w > room.power_w:
            continue
        if best is None or rank(one) > rank(best):
            best = one
    if best is not None:
        return Choice(best, keeps_deadline=True, keeps_power=True)
    cool = [one for one in candidates if one.power_w <= room.power_w]
    if cool:
        fastest = min(cool, key=lambda one: (one.latency_s, -one.option.accuracy, *_last(one)))
        return Choice(fastest, keeps_deadline=False, keeps_power=True)
    least = min(candidates, key=lambda one: (one.power_w, one.latency_s, *_last(one)))
    return Choice(least, keeps_deadline=least.latency_s <= room.deadline_s, keeps_power=False)


def skip_ratio(power_w: float, cap_w: float, idle_w: float, *, most: float) -> float:
    """Share of frames to leave out so that the mean power comes down to the cap."""
    if power_w <= cap_w:
        return 0.0
    above_w = power_w - idle_w
    if above_w <= 0:
        return 0.0
    return min(max((power_w - cap_w) / above_w, 0.0), most)


def rank(one: Expected) -> tuple[float, float, float, str]:
    """What is better sorts higher: accuracy, then less power, then less time; never a tie."""
    return one.option.accuracy, -one.power_w, -one.latency_s, one.option.name


def _last(one: Expected) -> tuple[float, str]:
    """What decides between equals, so that their order does not."""
    return one.power_w, one.option.name
