"""Engines: what is built of a family for one device, and what was seen of it."""

from typing import Annotated, Literal

import msgspec

from edgert.records.base import (
    FileName,
    Name,
    NotNegative,
    NotNegativeInt,
    Precision,
    Ratio,
    Record,
    Sha256,
)
from edgert.records.families import TensorSpec


class Cost(Record, frozen=True, kw_only=True):
    """What a graph costs by count. 1 MAC = one multiply-accumulate, as in the papers."""

    macs: int
    parameters: int
    activation_bytes: int
    unknown_operators: list[str] = []


class TaskParity(Record, frozen=True, kw_only=True):
    """The task's own score of an engine and of its graph, on the same frames."""

    metric: Literal["miou", "top1"]
    engine: Ratio
    graph: Ratio  # 1 where the graph's own labels are taken for the truth
    frames: Annotated[int, msgspec.Meta(ge=1)]
    truth: str  # "labels of camvid/val", "the graph's own labels"


class Parity(Record, frozen=True, kw_only=True):
    """How far an engine is from its graph run without optimisation, on fixed inputs."""

    max_abs_difference: float
    mean_abs_difference: float
    reference_max_abs: float
    label_agreement: Ratio
    inputs: int
    frames: int = 0  # of the inputs: how many are pictures, and not noise, waves or extremes
    task: TaskParity | None = None


class EngineMemory(Record, frozen=True, kw_only=True):
    """What a loaded engine holds on its device, in bytes."""

    weights_bytes: NotNegativeInt = 0  # its own; what a set shares lies in the set's weights file
    persistent_bytes: NotNegativeInt = 0  # context and captured graph, as long as it is loaded
    scratch_bytes: NotNegativeInt = 0  # activations: one block, of the largest, serves all
    io_bytes: NotNegativeInt = 0  # inputs and outputs, which engines with the same ones share


class CompileReport(Record, frozen=True, kw_only=True):
    """What a compiler says of an engine that it made; empty where it says nothing."""

    version: str = ""  # of the compiler, as the engine's own header states it
    layers: dict[str, int] = {}  # how many run on which unit: {"GPU": 41, "DLA": 12}
    fallback_layers: list[str] = []  # asked to run on the DLA, and placed on the GPU


class Engine(Record, frozen=True, kw_only=True):
    """A configuration compiled for one device by one backend."""

    name: Name
    file: FileName
    sha256: Sha256
    size_bytes: NotNegativeInt
    graph_sha256: Sha256  # of the derived graph with its weights
    precision: Precision = "fp32"
    cost: Cost
    parity: Parity
    memory: EngineMemory = EngineMemory()
    compiled: CompileReport = CompileReport()
    build_s: NotNegative = 0.0  # compile alone


class EngineManifest(Record, frozen=True, kw_only=True):
    """A built set: what it was built from, for what, and the engines with their hashes."""

    format: Literal[2]
    family: Name
    backend: str
    built_for: dict[str, str]  # anything here that changes makes the set stale
    built_from: dict[str, str]  # hashes of graph, weights, configurations, files that edits read
    weights: FileName | None = None  # shared by the engines, where they keep theirs outside
    weights_sha256: Sha256 | None = None
    carried: dict[FileName, Sha256] = {}  # files that the next build starts from
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    baselines_macs: dict[str, int]  # "exported" and, where it differs, "merged"
    engines: Annotated[list[Engine], msgspec.Meta(min_length=1)]
