"""What a search over subnets found, as it is written to result.json and printed."""

from typing import Literal

from edgert.records import Provenance, Record
from edgert.search.options import CostKind

SubnetMetric = Literal["top1", "agreement", "predicted top1"]


class FoundSubnet(Record, frozen=True, kw_only=True):
    """One subnet of the frontier. Scores and drops are 0..1; drops are below "full".

    Attributes:
        name: Of its configuration: "s" and its millions of MACs.
        word: Its indices, as in the journal.
        depth: The paper's d.
        expand: The paper's e.
        width: The paper's w, indices.
        image_size: Rows and columns that it sees.
        macs: Counted.
        cost: Of the full one's; measured on this device, or counted where MACs are the cost.
        cost_error: Its standard error; 0 where it is counted.
        latency_s: Median seconds, measured on this device; None where MACs are the cost.
        choose: Score on the half that chose, or what the predictor says.
        report: Score on the other half; None where a predictor chose.
        report_drop: Below the full one's.
        report_error: Standard error of that; None where there are too few pictures to tell.
        before: Score on the reporting half with the supernet's own statistics.
    """

    name: str
    word: str
    depth: tuple[int, ...]
    expand: tuple[float, ...]
    width: tuple[int, ...]
    image_size: int
    macs: int
    cost: float
    cost_error: float
    latency_s: float | None
    choose: float
    report: float | None
    report_drop: float | None
    report_error: float | None
    before: float | None


class ModelCheck(Record, frozen=True, kw_only=True):
    """How far the latency model is off, each over the measured latency.

    `median`, `p90`, `rank_correlation` and `median_by_macs` by cross-validation over the subnets
    that were timed before the search; `candidates` are the medians, round by round, on the
    candidates that the model itself had put forward, before they were timed.
    """

    median: float
    p90: float
    rank_correlation: float
    median_by_macs: float
    subnets: int
    candidates: list[float]


class SubnetResult(Record, frozen=True, kw_only=True):
    """All that a search found.

    `caution` is what has to be said wherever the scores are shown; empty for measured ones.
    """

    family: str
    space: str
    metric: SubnetMetric
    score_provenance: Provenance
    cost: CostKind
    device: str
    images: dict[str, int]
    full: FoundSubnet
    frontier: list[FoundSubnet]
    latency_model: ModelCheck | None
    timed: int
    scored: int
    minutes: float
    caution: str = ""
