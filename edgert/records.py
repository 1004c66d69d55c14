"""Frozen records that cross rooms. Quantities are SI and carry their unit in the name.

What is measured, what a model computed and what an emulator made up never share a name: every
energy or power figure travels with its `Provenance`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

Provenance = Literal["measured", "modelled", "emulated"]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=120)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]

# One edit as it is written: {"skip_residuals": {"branches": [...]}}, exactly one key.
Edit = dict[str, dict[str, Any]]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all records: frozen, keyword-only, and an unknown field is an error."""


# ---------------------------------------------------------------- models and families


class TensorSpec(Record, frozen=True, kw_only=True):
    """A tensor at a graph's edge: its name, static shape and numpy dtype name."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


class InputSpec(Record, frozen=True, kw_only=True):
    """How a frame becomes the model's input: (1, 3, H, W), `(pixel * scale - mean) / std`."""

    name: str
    shape: tuple[int, int, int, int]
    color_order: Literal["rgb", "bgr"] = "rgb"
    scale: Positive = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)

    @property
    def height(self) -> int:
        """Rows of the model's input."""
        return self.shape[2]

    @property
    def width(self) -> int:
        """Columns of the model's input."""
        return self.shape[3]


class Accuracy(Record, frozen=True, kw_only=True):
    """A score on labelled frames, with what it was measured on."""

    metric: Literal["miou", "top1"]
    value: Ratio
    frames: Annotated[int, msgspec.Meta(ge=1)]
    dataset: str


class Configuration(Record, frozen=True, kw_only=True):
    """One choice of edits on the base model; the paper's "dynamic configuration"."""

    name: Name
    edits: list[Edit] = []
    accuracy: Accuracy | None = None


class BaseModel(Record, frozen=True, kw_only=True):
    """The graph that every configuration of a family is derived from."""

    graph: FileName
    sha256: Sha256
    weights: FileName | None = None
    weights_sha256: Sha256 | None = None


class Family(Record, frozen=True, kw_only=True):
    """What family.yaml says: one base model and its configurations, dearest first."""

    format: Literal[1]
    name: Name
    task: Literal["segmentation", "classification"]
    base: BaseModel
    input: InputSpec
    labels: list[str]
    configurations: Annotated[list[Configuration], msgspec.Meta(min_length=1)]
    ignore_label: int | None = None
    license: str = ""


# ---------------------------------------------------------------- engines


class Cost(Record, frozen=True, kw_only=True):
    """What a graph costs by count. 1 MAC = one multiply-accumulate, as in the papers."""

    macs: int
    parameters: int
    activation_bytes: int
    unknown_operators: list[str] = []


class Parity(Record, frozen=True, kw_only=True):
    """How far an engine is from its graph run without optimisation, on fixed inputs."""

    max_abs_difference: float
    mean_abs_difference: float
    reference_max_abs: float
    label_agreement: Ratio
    inputs: int


class Engine(Record, frozen=True, kw_only=True):
    """A configuration compiled for one device by one backend."""

    name: Name
    file: FileName
    sha256: Sha256
    cost: Cost
    parity: Parity


class EngineManifest(Record, frozen=True, kw_only=True):
    """A built set: what it was built from, for what, and the engines with their hashes."""

    format: Literal[1]
    family: Name
    backend: str
    built_for: dict[str, str]  # anything here that changes makes the set stale
    built_from: dict[str, str]  # graph hash, weights hash, configurations hash
    weights: FileName
    weights_sha256: Sha256
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    baselines_macs: dict[str, int]  # "exported" and, where it differs, "merged"
    engines: Annotated[list[Engine], msgspec.Meta(min_length=1)]


# ---------------------------------------------------------------- profiles


class LatencyStatistics(Record, frozen=True, kw_only=True):
    """Seconds a run of one engine takes, over `runs` runs after `warmup_runs`."""

    median_s: Positive
    p95_s: Positive
    p99_s: Positive
    iqr_s: NotNegative  # spread: third minus first quartile
    runs: int
    warmup_runs: int


class ProfileEntry(Record, frozen=True, kw_only=True):
    """What one engine costs and gives on one board.

    `latency_s`, `power_w`, `energy_j` and `accuracy` are what a controller reads; the rest says
    where they come from. `power_w` is the board's power while the engine runs back to back.
    """

    name: Name
    latency_s: Positive
    power_w: Positive | None = None
    energy_j: Positive | None = None
    accuracy: Ratio | None = None
    accuracy_from: str = ""  # "miou, 101 frames of CamVid val" or "agreement with full, 40 frames"
    energy_from: Provenance | None = None
    latency: LatencyStatistics | None = None
    agreement: Ratio | None = None  # share of labels equal to the full configuration's
    macs: int | None = None


class Profile(Record, frozen=True, kw_only=True):
    """What was measured of each engine of a family on one board in one power mode."""

    format: Literal[1] = 1
    family: str
    device: str
    backend: str = ""
    board: str = ""
    baselines_macs: dict[str, int] = {}
    entries: Annotated[list[ProfileEntry], msgspec.Meta(min_length=1)]

    def entry(self, name: str) -> ProfileEntry:
        """The entry of one configuration; KeyError names the ones there are."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(f"{name!r} is not among {[e.name for e in self.entries]}")


# ---------------------------------------------------------------- running


class TelemetrySample(Record, frozen=True, kw_only=True):
    """The board at one moment. A value that could not be read is absent, never zero."""

    time_s: float
    source: str
    provenance: Provenance
    power_w: float | None = None  # the whole module
    temp_c: float | None = None  # the hottest zone
    rails_w: dict[str, float] = {}
    zones_c: dict[str, float] = {}
    clock_ratio: float | None = None  # GPU or CPU clock over its cap in this power mode
    throttled: bool | None = None
    throttle_reason: str = ""  # in words, while throttled


class Limits(Record, frozen=True, kw_only=True):
    """What the operator asks for. None: no such limit."""

    deadline_s: Positive | None = None  # a frame's result is late after this
    period_s: Positive | None = None  # time from one frame to the next
    power_w: Positive | None = None
    temp_c: float | None = None
    energy_j: Positive | None = None  # for the whole mission
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
    """First line of decisions.jsonl: what was run, under which limits, on what."""

    format: Literal[1] = 1
    family: str
    source: str
    device: str
    board: str = ""
    controller: str
    limits: Limits
    provenance: Provenance | None = None  # of power_w and temp_c in the lines below
    configurations: list[str]


class FrameLog(Record, frozen=True, kw_only=True):
    """One frame of a run, as decisions.jsonl keeps it."""

    frame: int
    time_s: float  # on the run's clock, 0 at the first frame
    configuration: str
    reason: str
    skip: bool = False
    switched: bool = False
    latency_s: float | None = None  # None for a skipped frame
    met_deadline: bool | None = None
    power_w: float | None = None
    temp_c: float | None = None
    throttled: bool | None = None
    numbers: Mapping[str, float] = {}
