"""Profiles: what was measured of engines on one board, or computed for it."""

from typing import Annotated, Literal

import msgspec

from edgert.records.base import Name, NotNegative, Positive, Provenance, Ratio, Record


class LatencyStatistics(Record, frozen=True, kw_only=True):
    """Seconds a run of one engine takes, over `runs` runs after `warmup_runs`."""

    median_s: Positive
    p95_s: Positive
    p99_s: Positive
    iqr_s: NotNegative  # spread: third minus first quartile
    runs: int
    warmup_runs: int


class EnergyRatio(Record, frozen=True, kw_only=True):
    """Energy of an engine over that of a baseline, from windows that took turns.

    Intervals are (low, high), 95 %. `marginal` is None where a power above idle was not positive.
    """

    baseline: str
    total: Positive
    total_interval: tuple[float, float]
    marginal: Positive | None = None
    marginal_interval: tuple[float, float] | None = None
    pairs: Annotated[int, msgspec.Meta(ge=2)]


class EnergyFigure(Record, frozen=True, kw_only=True):
    """Energy of one inference, its 95 % interval, and what it depends on.

    `total_j` is everything that the board drew in the window, shared among the inferences;
    `marginal_j` what it drew above idle. Intervals are (low, high). Ranges too.
    """

    total_j: Positive
    total_interval_j: tuple[float, float]
    marginal_j: float
    marginal_interval_j: tuple[float, float]
    power_w: Positive  # mean over the windows
    idle_w: NotNegative
    provenance: Provenance
    source: str  # of the telemetry
    board: str
    power_mode: str = ""
    rails: list[str] = []  # that were summed
    sensor_bound: str = ""  # what of the sensor's own errors is in the intervals
    clocks_hz: dict[str, tuple[float, float]] = {}
    temp_range_c: tuple[float, float] | None = None
    over_current_events: dict[str, int] = {}  # during the windows, by cause
    paced_hz: Positive | None = None  # frames a second; None: back to back
    windows: Annotated[int, msgspec.Meta(ge=1)]
    window_s: Positive
    inferences: Annotated[int, msgspec.Meta(ge=1)]
    samples: Annotated[int, msgspec.Meta(ge=2)]
    interval_s: Positive | None = None  # mean time between samples
    baseline: EnergyRatio | None = None
    rejected: list[str] = []  # windows that did not count, and why
    notes: list[str] = []  # what a reader should know, as that the board did not get steady


class ProfileEntry(Record, frozen=True, kw_only=True):
    """What one engine costs and gives on one board.

    `latency_s`, `power_w`, `energy_j` and `accuracy` are what a controller reads; the rest says
    where they come from. `power_w` is the board's power while the engine runs back to back.
    """

    name: Name
    engine_sha256: str = ""  # of what was measured, "" where it is not stated
    graph_sha256: str = ""  # its graph with the weights, which may lie outside
    latency_s: Positive
    power_w: Positive | None = None
    energy_j: Positive | None = None
    accuracy: Ratio | None = None
    latency_from: Provenance = "measured"
    accuracy_from: str = ""  # "mIoU on 101 frames of CamVid val" or "agreement with full"
    accuracy_frames: int | None = None  # how many labelled frames it was measured on
    accuracy_interval: tuple[Ratio, Ratio] | None = None  # 95 %, of top-1; mIoU has none here
    energy_from: Provenance | None = None
    energy: EnergyFigure | None = None
    latency: LatencyStatistics | None = None
    agreement: Ratio | None = None  # share of labels equal to the full configuration's
    macs: int | None = None


class Profile(Record, frozen=True, kw_only=True):
    """What was measured, or modelled, of a family's engines on one board in one power mode."""

    format: Literal[1] = 1
    family: str
    device: str
    backend: str = ""
    board: str = ""
    measured_under: dict[str, str] = {}  # anything here that changes makes the figures stale
    baselines_macs: dict[str, int] = {}
    method: str = ""  # how figures that are not measured came about, with their error
    entries: Annotated[list[ProfileEntry], msgspec.Meta(min_length=1)]

    def entry(self, name: str) -> ProfileEntry:
        """The entry of one configuration; KeyError names the ones there are."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(f"{name!r} is not among {[e.name for e in self.entries]}")
