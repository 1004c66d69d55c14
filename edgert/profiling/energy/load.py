"""Engine runs over a stretch of time: back to back, or at a frame rate."""

from collections.abc import Callable
from typing import NamedTuple

from edgert.clock import Clock

Run = Callable[[], object]

_MOST_LATE = 0.02  # of the frames


class Load(NamedTuple):
    """What ran from when to when; `late` frames were due before the one before them had ended."""

    from_s: float
    to_s: float
    inferences: int
    late: int
    longest_s: float


def run_load(run: Run, clock: Clock, duration_s: float, paced_hz: float | None) -> Load:
    """Run an engine for a while, for whole inferences and, at a frame rate, whole frames.

    Args:
        run: Runs the engine once and returns when its result is there: it synchronises, so that
            both stamps lie where no work is under way.
        clock: Real or virtual.
        duration_s: At least that long; one inference at least.
        paced_hz: Frames a second; None: back to back. A frame that is late is not dropped.
    """
    if not duration_s > 0:
        raise ValueError(f"a window needs time, not {duration_s} s")
    begun_s = before_s = clock.now_s()
    count = late = 0
    longest_s = 0.0
    while count == 0 or before_s - begun_s < duration_s * (1 - 1e-9):
        run()
        count += 1
        now_s = clock.now_s()
        longest_s = max(longest_s, now_s - before_s)
        if now_s < before_s:
            break  # the clock went back: without this the window might not end
        if paced_hz is not None:
            due_s = begun_s + count / paced_hz
            late += now_s > due_s
            clock.sleep(due_s - now_s)
            now_s = clock.now_s()
        before_s = now_s
    return Load(begun_s, clock.now_s(), count, late, longest_s)


def why_reject_load(load: Load) -> str:
    """Why a window with this load does not count; "" where it does."""
    if not load.to_s > load.from_s:
        return f"a window of {load.to_s - load.from_s:g} s: the clock stood still or went back"
    if load.late > _MOST_LATE * load.inferences:
        return (
            f"{load.late} of {load.inferences} frames were late: the engine is too slow for them"
        )
    return ""
