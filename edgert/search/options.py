"""What the operator asks of a search."""

from typing import Annotated, Literal

import msgspec

from edgert.records import Positive, Record

CostKind = Literal["latency", "macs"]
_Count = Annotated[int, msgspec.Meta(ge=1)]


class SearchOptions(Record, frozen=True, kw_only=True):
    """How to search.

    Attributes:
        calibration: Folder of unlabelled frames that fits are made on.
        labels: Folder of labelled frames that choose and report; None: agreement with the full
            model on calibration frames that are held out.
        cost: What is saved: measured latency, or multiply-accumulates.
        max_drop: Largest loss of score, 0..1, that is looked into.
        minutes: For everything together.
        trials: At most this many in the multi-objective search; None: as minutes allow.
        configurations: At most this many are written, "full" among them.
        align: Channels are kept in multiples of this.
        only: Patterns of names; others stay as they are.
        exclude: Patterns of names that stay as they are.
        sizes: Shares of each side of the picture that the network may see instead of all of it.
        fit_frames: Calibration frames that trials are fitted on.
        frames: Calibration frames that the written configurations are fitted on.
        label_frames: At most this many labelled frames; None: all.
        rounds: Of timing, for what may be written; the search itself takes half.
        seed: Of everything that is drawn.
        threads: Of a timed engine; None: one for each core.
        jobs: Worker processes; None: one for each core.
        dask: Address of a Dask scheduler, instead of worker processes.
    """

    calibration: str
    labels: str | None = None
    cost: CostKind = "latency"
    max_drop: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05
    minutes: Positive = 35.0
    trials: Annotated[int, msgspec.Meta(ge=0)] | None = None
    configurations: Annotated[int, msgspec.Meta(ge=2)] = 12
    align: _Count = 8
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    sizes: tuple[Annotated[float, msgspec.Meta(gt=0, lt=1)], ...] = ()
    fit_frames: _Count = 16
    frames: _Count = 40
    label_frames: _Count | None = None
    rounds: Annotated[int, msgspec.Meta(ge=2)] = 12
    seed: int = 0
    threads: _Count | None = None
    jobs: _Count | None = None
    dask: str | None = None
