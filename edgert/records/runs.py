"""Running: what the board tells, what is asked for, what is decided and what came of it."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from edgert.records.base import NotNegative, Positive, Provenance, Ratio, Record
from edgert.records.control import ControllerState
from edgert.records.profiles import Profile
from edgert.records.thermal import ThermalConstants


class TelemetrySample(Record, frozen=True, kw_only=True):
    """The board at one moment. A value that could not be read is absent, never zero.

    Names of rails, zones and clocks are the board's own: "VDD_CPU_GPU_CV", "tj", "gpu".
    """

    time_s: float  # on the reader's monotonic clock, when the sensors were read
    source: str
    provenance: Provenance
    age_s: NotNegative = 0.0  # of the values when the sample was handed out
    power_w: float | None = None  # the whole module, rails summed by the board's table
    temp_c: float | None = None  # the hottest zone
    rails_w: dict[str, float] = {}
    zones_c: dict[str, float] = {}
    trip_points_c: dict[str, dict[str, float]] = {}  # {"tj": {"passive": 99.0, "critical": 104.5}}
    clocks_hz: dict[str, float] = {}
    clock_caps_hz: dict[str, float] = {}  # in this power mode
    clock_ratio: float | None = None  # GPU or CPU clock over its cap in this power mode
    utilisation: dict[str, Ratio] = {}  # {"gpu": 0.93}
    power_mode: str = ""
    over_current_events: dict[str, int] = {}  # counters since boot, by cause: changes count
    fan_ratio: Ratio | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    throttled: bool | None = None
    throttle_reason: str = ""  # in words, while throttled
    gaps: dict[str, str] = {}  # what could not be read, and why: {"rail VDD_SOC": "vanished"}


class Limits(Record, frozen=True, kw_only=True):
    """What the operator asks for. None: no such limit."""

    deadline_s: Positive | None = None  # a frame's result is late after this
    period_s: Positive | None = None  # time from one frame to the next
    power_w: Positive | None = None
    temp_c: float | None = None
    energy_j: Positive | None = None  # for the whole mission
    mission_s: Positive | None = None  # how long that energy must last
    miss_ratio: Ratio = 0.005


class Decision(Record, frozen=True, kw_only=True):
    """Which configuration the next frame runs, and why, in words and in numbers."""

    configuration: str
    reason: str
    skip: bool = False
    numbers: Mapping[str, float] = {}


class FrameOutcome(Record, frozen=True, kw_only=True):
    """What came of a decision."""

    configuration: str
    latency_s: float
    met_deadline: bool
    power_w: float | None = None
    preprocess_s: float = 0.0  # the part of latency_s before the engine


class RunHeader(Record, frozen=True, kw_only=True):
    """First line of decisions.jsonl: what was run, under which limits, on what.

    With `profile`, `thermal` and `state` it has all that the controller was made from, so that
    the lines below can be replayed. Logs of before have none of them.
    """

    format: Literal[1] = 1
    family: str
    source: str
    device: str
    board: str = ""
    controller: str
    limits: Limits  # at the start; where they change, the frame's line has the new ones
    provenance: Provenance | None = None  # of power_w and temp_c in the lines below
    configurations: list[str]
    stale: list[str] = []  # what has changed since the profile was measured, in words
    telemetry: str = ""  # name of the source
    trace: str = ""  # the file that said what happened around the board
    profile: Profile | None = None
    thermal: ThermalConstants | None = None
    thermal_from: str = ""  # the file that they were read from
    state: ControllerState | None = None  # what the controller went on from
    state_note: str = ""  # why it did not go on from what was kept, in words
    goes_on: bool = False  # the controller had decided before: it knew more than `state` holds


class ShadowOutcome(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What the full configuration did with a frame that another one had served."""

    latency_s: NotNegative  # on the board, comparing included
    agreement: Ratio | None = None  # share of equal labels; None: it failed
    failure: str = ""  # why, in words


PICTURE = "(picture)"  # stands for the stream where a decision was taken for a picture sent in


class FrameLog(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One frame of a run, as decisions.jsonl keeps it; what is at its default is left out.

    A line holds what the controller was given: `now_s`, and of the telemetry `sample_s`,
    `power_w`, `temp_c`, `clock_ratio`, `throttled` and `over_current_events`.
    """

    frame: int
    time_s: float  # on the run's clock, 0 at the first frame
    configuration: str  # that ran, or that was decided on where the frame was skipped
    reason: str
    skip: bool = False
    switched: bool = False
    latency_s: float | None = None  # None for a skipped frame
    met_deadline: bool | None = None
    power_w: float | None = None
    temp_c: float | None = None
    throttled: bool | None = None
    clock_ratio: float | None = None
    over_current_events: dict[str, int] = {}
    sample_s: float | None = None  # when the telemetry was read; None: there was none
    now_s: float | None = None  # the frame's start on the clock of `sample_s`
    asked: str = ""  # what was decided on, where another configuration ran in its place
    limits: Limits | None = None  # from this frame on, where they changed
    pinned: str | msgspec.UnsetType | None = msgspec.UNSET  # from this frame on, where it changed
    stream: str = ""  # whose frame it was, where there are several
    lost: str = ""  # why nothing came of a frame that was decided on, in words; `skip` is true
    # Accuracies in place of the profile's from this frame on, where they changed; {}: none.
    believed: dict[str, Ratio] | None = None
    shadow: ShadowOutcome | None = None
    numbers: Mapping[str, float] = {}
