"""A limit over time: a dashed line, with steps where it changes and gaps where there is none."""

from collections.abc import Sequence
from typing import Any

from edgert.records import FrameLog, Limits

Steps = list[tuple[float, float | None]]


def steps_of(frames: Sequence[FrameLog], held: Sequence[Limits], field: str) -> Steps:
    """Where a limit changes, as (time_s, limit), ended by the last frame's time.

    Args:
        frames: Of a run.
        held: The limits that each of them ran under.
        field: Of the limits.
    """
    steps: Steps = []
    for frame, limits in zip(frames, held, strict=True):
        limit = getattr(limits, field)
        if not steps or limit != steps[-1][1]:
            steps.append((frame.time_s, limit))
    if steps:
        steps.append((frames[-1].time_s, steps[-1][1]))
    return steps


def draw_limit(axis: Any, steps: Steps, *, color: str, scale: float = 1.0) -> str:
    """Draw a limit.

    Returns:
        Its value in words, "8" or "6 to 8"; "" where there is none at all.
    """
    known = [limit * scale for _, limit in steps if limit is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    style = {"color": color, "linewidth": 1.1, "linestyle": "--"}
    if low == high and len(known) == len(steps):
        axis.axhline(low, **style)
    else:
        values = [float("nan") if limit is None else limit * scale for _, limit in steps]
        axis.step([time_s for time_s, _ in steps], values, where="post", **style)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
