"""What is told of one controller on one day, and how it is reckoned from the books."""

from edgert.evaluation.day import Day
from edgert.evaluation.tally import Tally
from edgert.records import Record

MOST_BROKEN_WINDOWS = 0.001


class Outcome(Record, frozen=True, kw_only=True):
    """One run in figures, all of the true world and none of what sensors said.

    accuracy: Sum of the accuracies of frames that ran in time, over all frames that arrived:
        late, dropped, skipped frames and those after the energy was spent count zero.
    miss_ratio: Late and dropped frames over all that were not skipped on purpose.
    skipped_ratio: Frames skipped on purpose over all. They are no misses, but score nothing.
    unpowered_ratio: Frames that ran after the energy budget was spent, over all.
    hot_s, hot_k_s: Time of the die over the limit (s), integral of the excess (K s).
    hottest_c: Of the die.
    broken_window_ratio: Windows, one for each whole second, whose mean power exceeds the budget
        of that second, over all windows with a budget.
    energy_j, overdrawn_j, frame_j: Of the day; over its budget; for each frame that arrived.
    decide_p50_s, decide_p99_s: Wall time of `decide` and `observe` together, per frame.
    shares: Frames that ran on each configuration, over all that ran.
    """

    accuracy: float
    miss_ratio: float
    skipped_ratio: float
    unpowered_ratio: float
    hot_s: float
    hot_k_s: float
    hottest_c: float
    broken_window_ratio: float
    energy_j: float
    overdrawn_j: float
    frame_j: float
    switches_per_min: float
    throttled_s: float
    decide_p50_s: float
    decide_p99_s: float
    shares: dict[str, float]

    @property
    def keeps_limits(self) -> bool:
        """Never too hot, at most one power window of a thousand broken, nothing overdrawn."""
        broken = self.broken_window_ratio > MOST_BROKEN_WINDOWS
        return self.hot_s == 0 and not broken and self.overdrawn_j == 0


def outcome_from_tally(day: Day, tally: Tally, decide_s: list[float]) -> Outcome:
    """Reckon.

    Args:
        day: The day that was run.
        tally: Its books, closed.
        decide_s: Time of each decision; empty where nothing decided.
    """
    frames, budget_j = tally.frames, day.energy_j
    times = sorted(decide_s) or [0.0]
    return Outcome(
        accuracy=tally.score / frames,
        miss_ratio=(tally.late + tally.dropped) / max(frames - tally.skipped, 1),
        skipped_ratio=tally.skipped / frames,
        unpowered_ratio=tally.unpowered / frames,
        hot_s=tally.hot_s,
        hot_k_s=tally.hot_k_s,
        hottest_c=max(tally.die_c),
        broken_window_ratio=tally.broken_windows / max(tally.windows, 1),
        energy_j=tally.energy_j,
        overdrawn_j=0.0 if budget_j is None else max(tally.energy_j - budget_j, 0.0),
        frame_j=tally.energy_j / frames,
        switches_per_min=tally.switches / day.duration_s * 60,
        throttled_s=tally.throttled_s,
        decide_p50_s=times[len(times) // 2],
        decide_p99_s=times[min(int(len(times) * 0.99), len(times) - 1)],
        shares={
            name: runs / max(tally.ran, 1)
            for name, runs in zip(tally.names, tally.runs, strict=True)
        },
    )
