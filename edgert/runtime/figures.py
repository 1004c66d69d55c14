"""What a loop of several streams tells of itself at one moment, and of each frame."""

from collections import Counter, deque
from collections.abc import Mapping
from typing import NamedTuple

from edgert.records import (
    Agreement,
    FrameLog,
    Limits,
    ShadowStatus,
    StreamStatus,
    TelemetrySample,
    Wanted,
)
from edgert.runtime.serving import KEPT_LIVE
from edgert.runtime.summary import quantile


class ServedFrame(NamedTuple):
    """A frame of a stream that was served, or left out by the controller."""

    stream: str
    line: FrameLog
    sample: TelemetrySample | None
    wait_s: float  # from its arrival to its turn


class LoopFigures(NamedTuple):
    """Everything at one moment; latencies are over the newest 300 frames.

    Attributes:
        alive_s: When the loop last did something, on its clock: at most about a second ago, but
            for an engine that hangs.
        wanted: What is asked for, without a pin that the engines don't have.
        limits: What the controller holds: `wanted.limits` shared among the running streams.
        note: The newest thing worth telling, as that a pin was dropped; "" so far.
        running: Streams that deliver frames.
        names: Every configuration, dearest first.
        resident: Those that are loaded.
        absences: Why the others are not, in words.
        active: The configuration that ran last; "" before the first.
        reason, numbers: Of the last decision.
        ran: Frames and decided pictures by configuration.
        energy_j: Of the whole board since the loop began; None without power readings.
        telemetry: The last sample that there was.
        forecast_c: The die's temperature in `forecast_s`, if all stays so.
        lost_frames: Frames that an engine failed on.
        agreements: Of shadow runs, by configuration.
    """

    alive_s: float
    wanted: Wanted
    limits: Limits
    note: str
    running: int
    names: tuple[str, ...]
    resident: tuple[str, ...]
    absences: Mapping[str, str]
    active: str
    reason: str
    numbers: Mapping[str, float]
    ran: Mapping[str, int]
    frames: int
    skipped: int
    misses: int
    switches: int
    pictures: int
    lost_frames: int
    latency_s: float | None
    latency_median_s: float | None
    latency_p95_s: float | None
    energy_j: float | None
    telemetry: TelemetrySample | None
    telemetry_gaps: int
    forecast_c: float | None
    forecast_s: float
    streams: list[StreamStatus]
    shadow: ShadowStatus | None
    agreements: Mapping[str, Agreement]
    log_problem: str


class Account:
    """Counts of frames in bounded memory. Not locked: its owner does that."""

    def __init__(self) -> None:
        self.served = self.skipped = self.misses = self.switches = 0
        self.ran: Counter[str] = Counter()
        self.latencies_s: deque[float] = deque(maxlen=KEPT_LIVE)
        self.waits_s: deque[float] = deque(maxlen=KEPT_LIVE)
        self.ends_s: deque[float] = deque(maxlen=KEPT_LIVE)

    def count(self, line: FrameLog, wait_s: float, end_s: float) -> None:
        """Count one frame.

        Args:
            line: As it was logged.
            wait_s: From its arrival to its turn.
            end_s: When its result was there.
        """
        self.switches += line.switched
        self.waits_s.append(wait_s)
        if line.latency_s is None:
            self.skipped += 1
            return
        self.served += 1
        self.ran[line.configuration] += 1
        self.misses += line.met_deadline is False
        self.latencies_s.append(line.latency_s)
        self.ends_s.append(end_s)


def middle_and_p95(values: list[float]) -> tuple[float | None, float | None]:
    """Median and 95 % quantile; None of nothing."""
    ordered = sorted(values)
    return quantile(ordered, 0.5), quantile(ordered, 0.95)
