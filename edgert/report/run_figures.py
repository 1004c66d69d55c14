"""A run in figures, from its log alone: how good, how late, how far over its limits."""

import itertools
import statistics
from collections.abc import Sequence
from typing import Literal

from edgert.records import FrameLog, Limits, Profile, Provenance, Record, RunHeader


class RunFigures(Record, frozen=True, kw_only=True):
    """What a run came to. Everything that can't be known is None.

    accuracy: Mean over all frames, by the profile's accuracy of what ran; late and skipped
        frames count zero.
    over_temp_s, over_power_s: Time with a reading over the limit of that moment.
    slowdown: Median of the engines' times over the profile's: how fast the machine was.
    energy_j: Trapezoids between power readings; frame_j: the same for each frame.
    """

    controller: str
    frames: int
    duration_s: float
    accuracy: float | None
    late: int
    skipped: int
    switches: int
    slowdown: float | None
    over_temp_s: float
    over_power_s: float
    temp_max_c: float | None
    energy_j: float | None
    frame_j: float | None
    provenance: Provenance | None
    shares: dict[str, float]


def figures_from_run(header: RunHeader, frames: Sequence[FrameLog]) -> RunFigures:
    """The figures of one run; its header has to hold the profile for an accuracy."""
    limits = limits_of_frames(header, frames)
    temps_c = [frame.temp_c for frame in frames if frame.temp_c is not None]
    energy_j = _energy_j(frames)
    so_far = accuracy_so_far(header.profile, frames)
    ran = [frame.configuration for frame in frames if not frame.skip]
    return RunFigures(
        controller=header.controller,
        frames=len(frames),
        duration_s=frames[-1].time_s + (frames[-1].latency_s or 0.0) if frames else 0.0,
        accuracy=so_far[-1] if so_far else None,
        late=sum(frame.met_deadline is False for frame in frames),
        skipped=sum(frame.skip for frame in frames),
        switches=sum(frame.switched for frame in frames),
        slowdown=_slowdown(header.profile, frames),
        over_temp_s=seconds_over(frames, limits, "temp_c"),
        over_power_s=seconds_over(frames, limits, "power_w"),
        temp_max_c=max(temps_c, default=None),
        energy_j=energy_j,
        frame_j=None if energy_j is None else energy_j / len(frames),
        provenance=header.provenance,
        shares={name: ran.count(name) / len(ran) for name in dict.fromkeys(ran)},
    )


def limits_of_frames(header: RunHeader, frames: Sequence[FrameLog]) -> list[Limits]:
    """The limits that each frame ran under."""
    held, limits = [], header.limits
    for frame in frames:
        limits = frame.limits or limits
        held.append(limits)
    return held


def seconds_over(
    frames: Sequence[FrameLog], limits: Sequence[Limits], field: Literal["temp_c", "power_w"]
) -> float:
    """Time with a reading over its limit.

    A reading speaks for the time since the one before it, under the limits of then: as the run's
    own summary counts.
    """
    over_s = 0.0
    known = [
        (frame.time_s, getattr(frame, field), getattr(held, field))
        for frame, held in zip(frames, limits, strict=True)
        if getattr(frame, field) is not None
    ]
    for (before_s, _, limit), (time_s, reading, _) in itertools.pairwise(known):
        if limit is not None and reading > limit:
            over_s += time_s - before_s
    return over_s


def accuracy_so_far(profile: Profile | None, frames: Sequence[FrameLog]) -> list[float]:
    """After each frame, the mean accuracy up to it; empty where a configuration's is not known."""
    known = {entry.name: entry.accuracy for entry in (profile.entries if profile else ())}
    total, means = 0.0, []
    for count, frame in enumerate(frames, start=1):
        accuracy = known.get(frame.configuration)
        if accuracy is None:
            return []
        total += 0.0 if frame.skip or frame.met_deadline is False else accuracy
        means.append(total / count)
    return means


def _energy_j(frames: Sequence[FrameLog]) -> float | None:
    known = [(frame.time_s, frame.power_w) for frame in frames if frame.power_w is not None]
    if len(known) < 2:
        return None
    return sum(
        (before_w + power_w) / 2 * (time_s - before_s)
        for (before_s, before_w), (time_s, power_w) in itertools.pairwise(known)
    )


def _slowdown(profile: Profile | None, frames: Sequence[FrameLog]) -> float | None:
    known = {entry.name: entry.latency_s for entry in (profile.entries if profile else ())}
    ratios = [
        (frame.latency_s - frame.numbers.get("preprocess_s", 0.0)) / known[frame.configuration]
        for frame in frames
        if frame.latency_s is not None and frame.configuration in known
    ]
    return statistics.median(ratios) if ratios else None
