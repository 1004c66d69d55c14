"""What happens around a board while it works: a recorded or a made-up day."""

from edgert.records.base import NotNegative, Positive, Record


class TracePoint(Record, frozen=True, kw_only=True):
    """What holds from `time_s` on, until a later point says otherwise. None: as before.

    The air alone does not step: `ambient_c` goes in a straight line from each point that states it
    to the next.

    `slowdown` is contention: engines take so many times as long as on a quiet board.
    `over_current_events` happen at `time_s`, by cause. Limits are the operator's.
    """

    time_s: NotNegative
    ambient_c: float | None = None
    fan_running: bool | None = None
    slowdown: Positive | None = None
    power_limit_w: Positive | None = None
    temp_limit_c: float | None = None
    deadline_s: Positive | None = None
    telemetry: bool | None = None  # False: sensors give nothing
    over_current_events: dict[str, int] = {}
    tag: str = ""  # what it stands for, in words
