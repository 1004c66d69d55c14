"""What a search found, as it is written to result.json and printed."""

from edgert.records import Record
from edgert.search.choice import Level
from edgert.search.score import Metric


class Found(Record, frozen=True, kw_only=True):
    """One configuration of the frontier. Scores and drops are 0..1; drops are below "full".

    `choose` is the half of the scoring frames that the search chose by, `report` the other one.
    `cost` is of the full model's; `latency_s` is None where MACs were the cost. `uncompensated` is
    what the same edits score on the reporting half without the fit.
    """

    name: str
    key: str
    choice: dict[str, Level]
    macs: int
    cost: float
    cost_error: float
    latency_s: float | None
    choose: float
    choose_drop: float
    choose_error: float | None
    report: float
    report_drop: float
    report_error: float | None
    uncompensated: float | None = None


class Method(Record, frozen=True, kw_only=True):
    """One way of searching, by the configurations it would have offered, refitted alike.

    Hypervolumes are shares of the rectangle between the full model's cost and 0, and between
    the full model's score and the largest drop. `at_cost` has, for each cost, the reporting
    score of what the choosing half prefers among what costs no more; None where nothing does.
    """

    trials: int
    offered: int
    hypervolume_choose: float
    hypervolume_report: float
    at_cost: dict[str, float | None]


class Flattery(Record, frozen=True, kw_only=True):
    """How much better choices look on the half that chose them: mean report minus choose drop.

    `random` is the same for as many trials drawn at random, which nothing chose.
    """

    frontier: float
    random: float | None
    configurations: int


class Spot(Record, frozen=True, kw_only=True):
    """One trial as the plot shows it."""

    cost: float
    score: float
    error: float | None
    stage: str


class SearchResult(Record, frozen=True, kw_only=True):
    """All that a search found."""

    family: str
    metric: Metric
    cost: str
    device: str
    frames: dict[str, int]
    full: Found
    frontier: list[Found]
    methods: dict[str, Method]
    flattery: Flattery
    trials: dict[str, int]
    failed: dict[str, str]
    left_out: dict[str, str]
    minutes: float
    evaluated_now: int
    spots: list[Spot]
