"""A daemon at work: its streams, what is asked of it, what it tells."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from edgert.records.base import (
    Name,
    NotNegative,
    NotNegativeInt,
    Positive,
    Provenance,
    Ratio,
    Record,
)
from edgert.records.runs import Limits, TelemetrySample

StreamState = Literal["connecting", "running", "offline", "ended", "failed"]
ServiceState = Literal["starting", "ready", "paused", "draining"]
EventKind = Literal[
    "switch",  # another configuration runs, with the decision's reason
    "throttle",  # the board slows itself down, or stops doing so
    "over-current",
    "stream",  # connected, offline, reconnected, ended, failed
    "telemetry",  # lost, and back
    "limits",  # somebody changed what is asked for
    "engines",  # a set was taken, refused, or is stale
    "service",  # started, paused, reloaded, draining
]


class SourceFigures(Record, frozen=True, kw_only=True):
    """What a source of frames tells of itself at one moment."""

    state: StreamState
    reason: str = ""  # why it is not running, in words, without credentials
    uri: str  # without credentials
    decoder: str = ""  # "pyav", "gstreamer avdec_h264", "gstreamer nvv4l2decoder", "pattern"
    decoder_reason: str = ""  # why frames are not decoded in hardware
    live: bool | None = None  # None: never connected so far
    width: int | None = None
    height: int | None = None
    fps: float | None = None  # as the stream announces it
    decoded: NotNegativeInt = 0  # frames
    dropped: dict[str, int] = {}  # decoded frames that nobody got, by cause: {"newer frame": 3}
    reconnects: NotNegativeInt = 0
    damaged: NotNegativeInt = 0  # places that could not be decoded, or only in part
    resized: NotNegativeInt = 0  # how often the stream changed its size
    last_frame_age_s: NotNegative | None = None


class StreamStatus(Record, frozen=True, kw_only=True):
    """One stream: where its frames come from, and what became of them."""

    name: Name
    source: SourceFigures
    sinks: list[str] = []  # without credentials
    sink_problem: str = ""  # why pictures are not written, in words
    served: NotNegativeInt = 0  # frames that an engine ran on
    skipped: NotNegativeInt = 0  # frames that the controller left out
    misses: NotNegativeInt = 0
    served_fps: NotNegative = 0.0  # over the last seconds
    latency_median_s: NotNegative | None = None  # preprocessing and inference, newest frames
    latency_p95_s: NotNegative | None = None
    wait_median_s: NotNegative | None = None  # from a frame's arrival to its turn
    wait_p95_s: NotNegative | None = None


class Agreement(Record, frozen=True, kw_only=True):
    """How often a configuration says what the full one says, on frames that it has served."""

    mean: Ratio
    low: Ratio  # 95 % interval
    high: Ratio
    frames: NotNegativeInt


class ConfigurationStatus(Record, frozen=True, kw_only=True):
    """One configuration: what its profile says, and what was seen of it since the start."""

    name: Name
    resident: bool
    active: bool
    absence: str = ""  # why it is not loaded, in words
    latency_s: NotNegative | None = None  # None: the profile does not have it
    power_w: NotNegative | None = None
    energy_j: NotNegative | None = None
    provenance: Provenance | None = None  # of `power_w` and `energy_j`; None: not stated
    accuracy: float | None = None
    metric: str = ""  # what `accuracy` is by the profile: "mIoU", "agreement with full"
    agreement: Agreement | None = None  # of shadow runs; None: there was none
    frames: NotNegativeInt = 0
    expected_latency_s: NotNegative | None = None  # on the board as it is now


class ShadowStatus(Record, frozen=True, kw_only=True):
    """What shadow runs took so far."""

    runs: NotNegativeInt = 0
    refused: dict[str, int] = {}  # why none was made where one was due: {"no time": 12}
    failed: NotNegativeInt = 0  # of the runs
    failure: str = ""  # the last one's, in words
    busy_s: NotNegative = 0.0
    energy_j: NotNegative | None = None  # above idle
    energy_from: Literal["", "telemetry", "controller", "profile"] = ""  # how that is known
    delayed_frames: NotNegativeInt = 0  # that came while a shadow run was going on
    delay_s: NotNegative = 0.0  # what they waited for it, together


class Wanted(Record, frozen=True, kw_only=True):
    """All that an operator asks for."""

    limits: Limits
    pinned: str | None = None  # the configuration that runs whatever the limits say
    paused: bool = False  # frames are taken and thrown away


class WantedChange(Record, frozen=True, kw_only=True):
    """A change of `Wanted`: absent fields stay, null takes a limit away."""

    deadline_s: Positive | msgspec.UnsetType | None = msgspec.UNSET
    period_s: Positive | msgspec.UnsetType | None = msgspec.UNSET
    power_w: Positive | msgspec.UnsetType | None = msgspec.UNSET
    temp_c: float | msgspec.UnsetType | None = msgspec.UNSET
    energy_j: Positive | msgspec.UnsetType | None = msgspec.UNSET
    mission_s: Positive | msgspec.UnsetType | None = msgspec.UNSET
    miss_ratio: Ratio | msgspec.UnsetType = msgspec.UNSET
    pinned: str | msgspec.UnsetType | None = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET


class Event(Record, frozen=True, kw_only=True):
    """Something that somebody may want to know when it happens."""

    id: NotNegativeInt  # counts up from 1 since the start
    time_s: float  # on the daemon's monotonic clock
    unix_s: float  # on the wall's
    kind: EventKind
    text: str  # in words, without credentials
    facts: Mapping[str, Any] = {}  # {"from": "full", "to": "c630"}


class ServiceStatus(Record, frozen=True, kw_only=True):
    """The daemon at one moment."""

    version: str
    state: ServiceState
    ready: bool
    reasons: list[str] = []  # why it is not ready, or what is wrong although it is
    uptime_s: NotNegative
    unix_s: float
    family: str = ""  # "" without engines
    device: str = ""
    board: str = ""  # emulated one; "" on real sensors
    engine_set: str = ""  # first digits of the manifest's hash
    stale: list[str] = []
    controller: str = ""
    configuration: str = ""  # active
    reason: str = ""  # of the last decision
    wanted: Wanted
    telemetry: TelemetrySample | None = None
    telemetry_gaps: NotNegativeInt = 0
    numbers: dict[str, float] = {}  # behind the last decision: cap_w, expected_latency_s, …
    forecast_c: float | None = None  # the die's temperature in `forecast_s`, if all stays so
    forecast_s: Positive | None = None
    frames: NotNegativeInt = 0  # of all streams that were decided on: served and skipped ones
    skipped: NotNegativeInt = 0  # of `frames`
    misses: NotNegativeInt = 0  # of those served
    switches: NotNegativeInt = 0
    latency_s: NotNegative | None = None  # of the last frame
    latency_median_s: NotNegative | None = None
    latency_p95_s: NotNegative | None = None
    energy_j: NotNegative | None = None  # since the start, of the whole board
    pictures: NotNegativeInt = 0  # inferred on request
    streams: list[StreamStatus] = []
    shadow: ShadowStatus | None = None  # None: switched off
    log_problem: str = ""  # why decisions are not logged, in words


class PictureResult(Record, frozen=True, kw_only=True):
    """What came of one picture that was sent in."""

    configuration: str
    reason: str
    latency_s: NotNegative
    wait_s: NotNegative
    task: str
    width: int  # of the picture
    height: int
    labels: dict[str, Ratio]  # segmentation: share of pixels; classification: best five scores
    map_shape: list[int] = []  # of `map_base64`, [rows, columns]
    map_base64: str = ""  # segmentation on request: label numbers, uint8, row by row
