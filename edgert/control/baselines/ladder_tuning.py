"""The constants of the ladder. Chosen on the emulated board, not fitted to a device."""

from typing import Annotated

import msgspec

from edgert.records import NotNegative, Positive, Ratio, Record

Count = Annotated[int, msgspec.Meta(ge=1)]


class LadderTuning(Record, frozen=True, kw_only=True):
    """How fast and how carefully the ladder moves.

    dwell_s: Least time between a switch and a switch up.
    settle_s: Least time between two steps down for heat or power, so that the first can act.
    undo_s, longest_wait_s: A step up that is undone within `undo_s` doubles the wait before the
        next one, up to `longest_wait_s`; one that holds longer sets it back to `dwell_s`.
    misses, miss_window: Step down when so many of the last so many frames were late.
    latency_margin_ratio, power_margin_ratio: Room that the rung above must leave.
    temp_guard_c: Step down this far below the limit, since heat goes on rising for a moment.
    temp_band_c: Step up only this far below the limit.
    stale_s: A sample older than this does not count.
    blind_step_s: Without samples that a limit needs, one rung down each time this has passed.
    power_smoothing_s: Time constant of the mean of power readings.
    skip_step_ratio, skip_most_ratio: How the share of skipped frames grows, and its bound, when
        the cheapest rung is still too hot or draws too much.
    """

    dwell_s: Positive = 2.0
    settle_s: Positive = 1.0
    undo_s: Positive = 10.0
    longest_wait_s: Positive = 60.0
    misses: Count = 2
    miss_window: Count = 10
    latency_margin_ratio: Ratio = 0.05
    power_margin_ratio: Ratio = 0.05
    temp_guard_c: NotNegative = 1.0
    temp_band_c: Positive = 4.0
    stale_s: Positive = 2.0
    blind_step_s: Positive = 5.0
    power_smoothing_s: Positive = 0.3
    skip_step_ratio: Ratio = 0.25
    skip_most_ratio: Ratio = 0.75


DEFAULT_TUNING = LadderTuning()
