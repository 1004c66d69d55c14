"""A day's frames as the oracle sees them: in groups that the same configurations serve."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgert.evaluation.day import Day
from edgert.records import Profile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Frames(NamedTuple):
    """Every frame and every configuration; configurations by latency, shortest first.

    block (N,): The second in which a frame arrives.
    busy_s (N, C): Time that a configuration takes for a frame.
    in_time (N, C): Whether that is within the frame's deadline.
    accuracy (C,): What a frame in time is worth.
    above_idle_w (C,): True power above idle while a configuration runs, without leakage.
    place (C,): Of the configurations in the profile.
    hurried: Whether a frame in time may outlast the period, so that there is too little time for
        all.
    """

    block: Ints
    busy_s: Floats
    in_time: npt.NDArray[np.bool_]
    accuracy: Floats
    above_idle_w: Floats
    place: list[int]
    hurried: bool

    @property
    def draw_j(self) -> Floats:
        """Energy above idle of a configuration for a frame, without leakage: (N, C)."""
        draws: Floats = self.busy_s * self.above_idle_w
        return draws


class Columns(NamedTuple):
    """What a plan may do: serve a group of frames by a configuration. Arrays of M columns.

    group: The group's number, `blocks` says in which second it lies.
    choice: The configuration, as in `Frames`.
    value: Accuracy that the whole group gains, as a share of all frames of the day.
    draw_j, busy_s: What the whole group takes.
    frames: How many frames the group has.
    """

    group: Ints
    choice: Ints
    value: Floats
    draw_j: Floats
    busy_s: Floats
    frames: Floats
    blocks: Ints

    @property
    def block(self) -> Ints:
        """The second of each column's group."""
        found: Ints = self.blocks[self.group]
        return found


def frames_from_day(day: Day, profile: Profile) -> Frames:
    """Lay out a day's frames; the arithmetic of latencies is the plant's."""
    order = sorted(range(len(profile.entries)), key=lambda i: profile.entries[i].latency_s)
    entries = [profile.entries[i] for i in order]
    latency_s = np.array([entry.latency_s for entry in entries])
    arrival = (np.arange(day.frames) + 1e-6) * day.period_s
    block = np.minimum(arrival.astype(np.int64), day.duration_s - 1)
    deadlines_s = np.array([limits.deadline_s or np.inf for limits in day.limits])
    busy_s = latency_s * np.array(day.slowdown)[:, None]
    in_time = busy_s <= deadlines_s[block][:, None]
    return Frames(
        block=block,
        busy_s=busy_s,
        in_time=in_time,
        accuracy=np.array([entry.accuracy or 0.0 for entry in entries]),
        above_idle_w=np.array([day.board.power_w(entry) - day.board.idle_w for entry in entries]),
        place=order,
        hurried=bool((busy_s[in_time] > day.period_s).any()),
    )


def columns_by_frame(frames: Frames) -> Columns:
    """Groups of a second's frames that the same configurations serve in time.

    A configuration serves a frame in time when every shorter one does, so groups are told by how
    many do. Of a group's configurations only those are kept that some price of energy favours.
    """
    count = frames.in_time.sum(axis=1)
    key = frames.block * (len(frames.accuracy) + 1) + count
    kinds, of_frame = np.unique(key[count > 0], return_inverse=True)
    blocks, counts = np.divmod(kinds, len(frames.accuracy) + 1)
    size = np.bincount(of_frame, minlength=len(kinds)).astype(float)
    # Busy times of all configurations go with the slowdown: one column tells the group's mean.
    busy_s = frames.busy_s[count > 0]
    mean_busy_s = np.stack(
        [np.bincount(of_frame, column, len(kinds)) / size for column in busy_s.T], axis=1
    )
    cost = frames.above_idle_w * frames.busy_s.mean(axis=0)
    favoured = [
        list(range(n)) if frames.hurried else _favoured(cost[:n], frames.accuracy[:n])
        for n in range(len(cost) + 1)
    ]
    group = np.repeat(np.arange(len(kinds)), [len(favoured[n]) for n in counts])
    choice = np.array([i for n in counts for i in favoured[n]], dtype=np.int64)
    share = size[group] / len(count)
    return _columns(
        frames,
        group=group,
        choice=choice,
        value=share * frames.accuracy[choice],
        mean_busy_s=mean_busy_s,
        size=size,
        blocks=blocks,
    )


def columns_by_block(frames: Frames) -> Columns:
    """One group a second, whose frames are served alike: late ones are lost and cost energy."""
    blocks, of_frame = np.unique(frames.block, return_inverse=True)
    size = np.bincount(of_frame).astype(float)

    def mean(values: npt.NDArray[np.generic]) -> Floats:
        sums = [np.bincount(of_frame, column, len(blocks)) for column in values.T]
        means: Floats = np.stack(sums, axis=1) / size[:, None]
        return means

    in_time = mean(frames.in_time)
    group, choice = np.nonzero(in_time)
    share = size[group] / len(of_frame) * in_time[group, choice]
    return _columns(
        frames,
        group=group,
        choice=choice,
        value=share * frames.accuracy[choice],
        mean_busy_s=mean(frames.busy_s),
        size=size,
        blocks=blocks,
    )


def _columns(
    frames: Frames,
    *,
    group: Ints,
    choice: Ints,
    value: Floats,
    mean_busy_s: Floats,
    size: Floats,
    blocks: Ints,
) -> Columns:
    busy_s = size[group] * mean_busy_s[group, choice]
    return Columns(
        group=group,
        choice=choice,
        value=value,
        draw_j=busy_s * frames.above_idle_w[choice],
        busy_s=busy_s,
        frames=size,
        blocks=blocks,
    )


def _favoured(cost: Floats, worth: Floats) -> list[int]:
    """Configurations on the upper hull of (cost, worth) that begins at nothing for nothing."""
    hull: list[tuple[float, float, int]] = [(0.0, 0.0, -1)]
    for c, w, i in sorted(zip(cost.tolist(), worth.tolist(), range(len(cost)), strict=True)):
        if w <= hull[-1][1]:
            continue
        while len(hull) > 1 and _rises(hull[-2], hull[-1]) <= _rises(hull[-2], (c, w, i)):
            hull.pop()
        hull.append((c, w, i))
    return [i for _, _, i in hull[1:]]


def _rises(low: tuple[float, float, int], high: tuple[float, float, int]) -> float:
    """Worth gained for each unit of cost."""
    cost = high[0] - low[0]
    return (high[1] - low[1]) / cost if cost > 0 else np.inf
