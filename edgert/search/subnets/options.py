"""What the operator asks of a search over subnets."""

from typing import Annotated

import msgspec

from edgert.records import Positive, Record
from edgert.search.options import CostKind

_Count = Annotated[int, msgspec.Meta(ge=1)]


class SubnetOptions(Record, frozen=True, kw_only=True):
    """How to search.

    Attributes:
        calibration: Folder of unlabelled pictures that BatchNorm statistics are taken on.
        labels: Folder of labelled pictures that choose and report; None: see `predictor`.
        predictor: File of the published accuracy predictor, which then chooses; None, with no
            labels either: agreement with the largest subnet on calibration pictures held out.
        cost: What is saved: measured latency, or multiply-accumulates.
        minutes: For everything together.
        configurations: At most this many come out, "full" among them.
        timed: Subnets timed before the search, so that the others' latency can be modelled.
        scored: At most this many subnets are scored on pictures; None: as minutes allow.
        images: Calibration pictures for the statistics of what comes out.
        search_images: Of these, for a subnet that is only tried.
        label_images: At most this many labelled pictures; None: all.
        rounds: Of timing, for what comes out; the others take half.
        seed: Of everything that is drawn.
        threads: Of an engine; None: one for each core.
    """

    calibration: str
    labels: str | None = None
    predictor: str | None = None
    cost: CostKind = "latency"
    minutes: Positive = 30.0
    configurations: Annotated[int, msgspec.Meta(ge=2)] = 10
    timed: Annotated[int, msgspec.Meta(ge=12)] = 50
    scored: Annotated[int, msgspec.Meta(ge=2)] | None = None
    images: _Count = 200
    search_images: _Count = 48
    label_images: _Count | None = None
    rounds: Annotated[int, msgspec.Meta(ge=2)] = 12
    seed: int = 0
    threads: _Count | None = None
