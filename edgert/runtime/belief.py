"""From agreement with the full configuration to the accuracies that a controller chooses by."""

import math
from collections.abc import Mapping

from edgert.records import Agreement, Profile

LEAST_FRAMES = 30  # shadow runs of a configuration, before it is believed
WIDEST = 0.06  # interval, from low to high
STEP = 0.003  # a smaller change of every accuracy is not worth telling the controller
_LEAST_RATIO, _MOST_RATIO = 0.1, 10.0


def accuracies_from_agreement(
    profile: Profile,
    full: str,
    agreements: Mapping[str, Agreement],
    *,
    least_frames: int = LEAST_FRAMES,
    widest: float = WIDEST,
) -> dict[str, float]:
    """Accuracies of all configurations, or none of any where too little was seen.

    A configuration's accuracy is the full one's times their agreement: what it would be if it
    were never right where the full one is wrong, and wrong wherever they differ. Both are nearly
    so for engines that were cut from one model, and both err downwards, alike for all, so the
    order stays. It is not so where compensation or luck makes a cheaper engine better than the
    full one: agreement cannot see that, and such an engine is put below it. Nor is a share of
    labels an mIoU: a class with few pixels hardly shows in it.

    Stored accuracies and agreements do not mix. So as soon as one configuration has been seen
    enough, all of them are put on the scale of agreement. Those not seen enough get what the
    profile has as their agreement, their disagreement times a common factor: how much more the
    seen ones disagree live than in the profile. A harder scene is harder for all, but it may be
    that only this one engine copes badly; so the square root of the factor is taken, and an engine
    that has gone bad is left for one that nobody has looked at. Where the profile has no
    agreement, their stored accuracy over the full one's stands in for it.

    Args:
        profile: Stored accuracies and agreements.
        full: The configuration that others are held against.
        agreements: Live, by name.
        least_frames: Fewer shadow runs of a configuration do not count.
        widest: Nor does a wider interval, from low to high.
    """
    seen = {
        name: agreement.mean
        for name, agreement in agreements.items()
        if name != full
        and agreement.frames >= least_frames
        and agreement.high - agreement.low <= widest
    }
    stored = {entry.name: _stored(profile, full, entry.name) for entry in profile.entries}
    if not seen or any(stored[name] is None for name in stored if name not in seen):
        return {}
    whole = profile.entry(full).accuracy
    scale = 1.0 if whole is None else whole
    factor = _factor(seen, stored)
    believed = {}
    for name, known in stored.items():
        agreed = seen.get(name)
        if agreed is None:
            agreed = min(max(1 - (1 - (known or 0.0)) * factor, 0.0), 1.0)
        believed[name] = scale * (1.0 if name == full else agreed)
    return believed


def is_news(before: Mapping[str, float], now: Mapping[str, float], *, step: float = STEP) -> bool:
    """Whether beliefs differ by enough to be told: of any one, by `step` or more."""
    return before.keys() != now.keys() or any(
        abs(before[name] - value) >= step for name, value in now.items()
    )


def _stored(profile: Profile, full: str, name: str) -> float | None:
    """A configuration's agreement by the profile, or what stands in for it."""
    entry, whole = profile.entry(name), profile.entry(full)
    if name == full:
        return 1.0
    if entry.agreement is not None:
        return entry.agreement
    if entry.accuracy is None or not whole.accuracy:
        return None
    return min(entry.accuracy / whole.accuracy, 1.0)


def _factor(seen: Mapping[str, float], stored: Mapping[str, float | None]) -> float:
    """How much more the unseen are taken to disagree than stored: by what the seen ones do."""
    pairs = [(1 - live, 1 - known) for name, live in seen.items()
             if (known := stored.get(name)) is not None]  # fmt: skip
    stored_sum = sum(known for _, known in pairs)
    if stored_sum <= 0:
        return 1.0
    ratio = sum(live for live, _ in pairs) / stored_sum
    return math.sqrt(min(max(ratio, _LEAST_RATIO), _MOST_RATIO))
