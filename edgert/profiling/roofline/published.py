"""Figures that others published, as data with their sources, and what a model needs of each."""

import importlib.resources
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from edgert.boards import find_power_mode, load_board
from edgert.errors import ArtifactError
from edgert.profiling.roofline.architectures import published_graph
from edgert.profiling.roofline.kernels import GraphWork
from edgert.profiling.roofline.peaks import Peaks, peaks_of
from edgert.records import Positive, Precision, Record
from edgert.schema import record_from_object


class PublishedRow(Record, frozen=True, kw_only=True):
    """One published figure; exactly one of `rate_hz` and `latency_s` is given."""

    graph: str
    board: str
    power_mode: str
    precision: Precision
    rate_hz: Positive | None = None
    latency_s: Positive | None = None
    power_w: Positive | None = None
    use: Literal["fit", "check"]
    source: str

    def __post_init__(self) -> None:
        if (self.rate_hz is None) == (self.latency_s is None):
            raise ValueError("rate_hz or latency_s, one of them and not both")

    @property
    def published_s(self) -> float:
        """Seconds an inference."""
        if self.latency_s is not None:
            return self.latency_s
        return 1 / (self.rate_hz or 1.0)


@dataclass(frozen=True)
class Case:
    """A published row with its graph's work and its board's peaks."""

    row: PublishedRow
    architecture: str
    work: GraphWork
    peaks: Peaks


def load_published(path: Path | None = None) -> list[Case]:
    """Read published rows; without a path those that come with edgert.

    Raises:
        ArtifactError: A field is missing, unknown or of a wrong type, or no such graph is known.
        SettingsError: A row's board or power mode isn't known, or lacks what its peaks need.
    """
    if path is None:
        folder = importlib.resources.files("edgert.profiling.roofline")
        text = folder.joinpath("published.yaml").read_text(encoding="utf-8")
    else:
        text = path.read_text(encoding="utf-8")
    subject = f"read {path or 'published.yaml'}"
    rows = record_from_object(
        yaml.safe_load(text), list[PublishedRow], ArtifactError, subject=subject
    )
    return [_case(row) for row in rows]


def _case(row: PublishedRow) -> Case:
    board = load_board(row.board)
    mode = find_power_mode(board, row.power_mode)
    graph = published_graph(row.graph)
    return Case(row, graph.architecture, graph.work, peaks_of(board, mode, row.precision))
