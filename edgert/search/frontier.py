"""Which choices are worth having: no other is both cheaper and better; and how fronts compare."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SURE = 2.0  # standard errors between two costs that are not the same


@dataclass(frozen=True)
class Point:
    """A choice by its cost and its score.

    Attributes:
        key: Of the choice.
        cost: Of the full model's, smaller is better.
        score: 0..1, larger is better.
        cost_error: Standard error of the cost.
    """

    key: str
    cost: float
    score: float
    cost_error: float = 0.0


def non_dominated(points: Iterable[Point]) -> list[Point]:
    """The points that no other matches or beats in both, cheapest first.

    Of several at the same place the first one stays.
    """
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.score)):
        if not front or point.score > front[-1].score:
            front.append(point)
    return front


def without_noise(points: Iterable[Point]) -> list[Point]:
    """Points that are dearer than a better one, or as dear within what the device can tell, go.

    Args:
        points: Any.

    Returns:
        Dearest first. A point stays if it is cheaper than every better one by more than twice the
        standard error of the difference.
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.score, p.cost)):
        margin = (_SURE * (point.cost_error**2 + other.cost_error**2) ** 0.5 for other in kept)
        if all(point.cost < other.cost - room for other, room in zip(kept, margin, strict=True)):
            kept.append(point)
    return kept


def hypervolume(points: Iterable[Point], *, worst_cost: float, worst_score: float) -> float:
    """Share of the rectangle from the worst corner to (cost 0, the best score) that is dominated.

    Args:
        points: Any points; those beyond the corner add nothing.
        worst_cost: Of the corner, > 0.
        worst_score: Of the corner.

    Returns:
        Area between the points and the corner, cost divided by `worst_cost`; score as it is.
    """
    inside = [p for p in points if p.cost < worst_cost and p.score > worst_score]
    area, reached = 0.0, worst_score
    for point in non_dominated(inside):
        area += (worst_cost - point.cost) * (point.score - reached)
        reached = point.score
    return area / worst_cost


def best_at_cost(points: Iterable[Point], cost: float) -> Point | None:
    """The point with the best score among those that cost no more; None if there are none."""
    among = (point for point in points if point.cost <= cost)
    return max(among, key=lambda point: (point.score, -point.cost), default=None)


def thinned(front: Sequence[Point], count: int) -> list[Point]:
    """At most `count` points, both ends among them, those that are nearest in cost left out."""
    kept = sorted(front, key=lambda point: -point.cost)
    while len(kept) > max(2, count):
        gaps = [kept[i - 1].cost - kept[i + 1].cost for i in range(1, len(kept) - 1)]
        del kept[1 + gaps.index(min(gaps))]
    return kept
