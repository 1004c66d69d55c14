"""The last stage: what looks best is made ready, timed for longer, and what then holds stays."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from edgert.families.ofa_cost import macs_of_subnet
from edgert.families.ofa_space import Subnet
from edgert.search.frontier import Point, thinned, without_noise
from edgert.search.latency import FULL_COST
from edgert.search.prepare import Frames
from edgert.search.subnets.frontier_search import FrontierSearch
from edgert.search.subnets.genes import word_of
from edgert.search.subnets.ledger import SubnetLedger
from edgert.search.subnets.options import SubnetOptions
from edgert.search.subnets.result import FoundSubnet, SubnetResult
from edgert.search.write import names_of

STAGE = "frontier"
_OFFERED = 1.5  # times the configurations wanted are made ready
Made = dict[str, Any]  # what became of a subnet, as the ledger keeps it


def selected(
    ledger: SubnetLedger, frames: Frames, options: SubnetOptions, device: str
) -> SubnetResult:
    """Search, and keep the subnets that are worth having with their last numbers."""
    supernet, search = ledger.supernet, FrontierSearch(ledger, options)
    front = search.run()
    wanted = options.configurations - 1
    offered = _thinned(ledger, front, math.ceil(_OFFERED * wanted))
    whole, *records = ledger.finish([supernet.full, *offered], stage=STAGE)
    made = dict(zip(offered, records, strict=True))
    ledger.time(offered, stage=STAGE, final=True)
    frontier = _worth_having(ledger, whole, made, wanted)
    names = names_of([macs_of_subnet(supernet.space, subnet) for subnet in frontier], "s")
    return SubnetResult(
        family=supernet.folder.family.name,
        space=supernet.space.name,
        metric=ledger.scorer.metric,
        score_provenance=ledger.scorer.provenance,
        caution=ledger.scorer.caution,
        cost=options.cost,
        device=device,
        images={
            "calibration": min(len(frames.fit), options.images),
            "choose": len(frames.choose),
            "report": len(frames.report),
        },
        full=_full(ledger, whole, frontier),
        frontier=[
            _found(ledger, name, subnet, made[subnet], whole)
            for name, subnet in zip(names, frontier, strict=True)
        ],
        latency_model=search.check,
        timed=len(search.timed),
        scored=ledger.scored,
        minutes=ledger.budget.spent_s / 60,
    )


def _worth_having(
    ledger: SubnetLedger, whole: Made, made: dict[Subnet, Made], count: int
) -> list[Subnet]:
    """What no other beats, the whole supernet among these others, dearest first."""
    subnets = list(made)
    points = [Point("", 1.0, whole["scores"]["choose"])]
    for place, subnet in enumerate(subnets):
        cost = ledger.cost(subnet, final=True)
        if cost is not None:
            score = made[subnet]["scores"]["choose"]
            points.append(Point(str(place), cost.ratio, score, cost.error))
    kept = [point for point in without_noise(points) if point.key]
    return [subnets[int(point.key)] for point in thinned(kept, count)]


def _thinned(ledger: SubnetLedger, front: Sequence[Subnet], count: int) -> list[Subnet]:
    """At most `count` of a frontier, dearest first."""
    costs = [ledger.cost(subnet) for subnet in front]
    points = [Point(str(i), cost.ratio, 0.0) for i, cost in enumerate(costs) if cost is not None]
    return [front[int(point.key)] for point in thinned(points, count)]


def _full(ledger: SubnetLedger, whole: Made, frontier: Sequence[Subnet]) -> FoundSubnet:
    """The whole supernet's row; its seconds are those while the others were timed."""
    found = _found(ledger, "full", ledger.supernet.full, whole, whole)
    return msgspec.structs.replace(found, latency_s=ledger.full_s(frontier))


def _found(
    ledger: SubnetLedger, name: str, subnet: Subnet, made: Made, whole: Made
) -> FoundSubnet:
    space = ledger.supernet.space
    cost = ledger.cost(subnet, final=True) or FULL_COST
    scores, report = made["scores"], made["scores"].get("report")
    return FoundSubnet(
        name=name,
        word=word_of(space, subnet),
        depth=subnet.depth,
        expand=subnet.expand,
        width=subnet.width,
        image_size=subnet.image_size,
        macs=macs_of_subnet(space, subnet),
        cost=cost.ratio,
        cost_error=cost.error,
        latency_s=cost.median_s,
        choose=scores["choose"],
        report=report,
        report_drop=None if report is None else whole["scores"]["report"] - report,
        report_error=made["errors"].get("report"),
        before=scores.get("before"),
    )
