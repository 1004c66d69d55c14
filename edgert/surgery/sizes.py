"""The shapes inside a graph when its picture has another size: every axis old and new.

Owns the walk from the input to the outputs and what it knows of each axis: which rows, columns or
numbers it is made of. `size_rules` has what single operators do to that; nothing here changes a
graph.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

from numpy.typing import NDArray

from edgert.surgery.graph import static_shape
from edgert.surgery.token_rules import label

Side = Literal["rows", "columns", ""]


@dataclass(frozen=True)
class Extent:
    """Numbers that lie side by side in the old graph and in the new one.

    Attributes:
        old: How many there were.
        new: How many there will be.
        side: What they are of the picture; empty where they are neither its rows nor its columns,
            or both.
    """

    old: int
    new: int
    side: Side = ""

    @property
    def changed(self) -> bool:
        """Whether there will be more or fewer."""
        return self.old != self.new


Axis = tuple[Extent, ...]  # from the outermost to the innermost; most axes have one
Axes = tuple[Axis, ...]


class NotResizedError(Exception):
    """The picture's size can't be changed: `node` says where, `reason` why.

    Args:
        node: The first node that stands in the way.
        reason: In words.
        tied: Whether the graph is tied to its size: no other one would do either.
    """

    def __init__(self, node: Any, reason: str, *, tied: bool = True) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = f"{label(node)} {reason}"
        self.tied = tied


@dataclass
class Sizes:
    """What is known of a graph at its new size.

    Attributes:
        axes: Of every value that was met; those not in here are as they were.
        constants: New numbers for constant inputs, by node and index.
        attributes: New whole numbers for attributes, by node and name.
    """

    axes: dict[Any, Axes] = field(default_factory=dict)
    constants: dict[tuple[Any, int], NDArray[Any]] = field(default_factory=dict)
    attributes: dict[tuple[Any, str], tuple[int, ...]] = field(default_factory=dict)
    _met: dict[Side, dict[int, set[int]]] = field(default_factory=dict)

    def of(self, value: Any) -> Axes:
        """The axes of a value; one that was not met has its static shape."""
        if value in self.axes:
            return self.axes[value]
        return tuple((Extent(size, size),) for size in static_shape(value) or ())

    def note(self, value: Any, axes: Axes) -> None:
        """Keep what was found of a value."""
        self.axes[value] = axes
        for axis in axes:
            if len(axis) == 1 and axis[0].side:
                met = self._met.setdefault(axis[0].side, {})
                met.setdefault(axis[0].old, set()).add(axis[0].new)

    def counterpart(self, side: Side, old: int) -> set[int]:
        """What a number of rows or columns became where it was met before; empty: nowhere."""
        return self._met.get(side, {}).get(old, set())


def old_shape(axes: Sequence[Axis]) -> tuple[int, ...]:
    """The sizes that axes had."""
    return tuple(prod(extent.old for extent in axis) for axis in axes)


def new_shape(axes: Sequence[Axis]) -> tuple[int, ...]:
    """The sizes that axes get."""
    return tuple(prod(extent.new for extent in axis) for axis in axes)


def is_changed(axis: Axis) -> bool:
    """Whether anything in an axis changes its number."""
    return any(extent.changed for extent in axis)


def changed_axes(axes: Sequence[Axis]) -> list[int]:
    """The positions of axes that change."""
    return [index for index, axis in enumerate(axes) if is_changed(axis)]


def side_of(axis: Axis) -> Side:
    """The side that an axis is, where it is one alone."""
    return axis[0].side if len(axis) == 1 else ""


def laid_out(node: Any, axes: Axes, target: Sequence[int]) -> Axes:
    """The axes that a Reshape makes: the same extents in the same order, cut anew.

    Args:
        node: For the error.
        axes: Of its input.
        target: The sizes of its output in the old graph.

    Raises:
        NotResizedError: An extent that changes would be cut in two, and which part changes can't
            be told.
    """
    made: list[Axis] = []
    for extents, sizes in _aligned(axes, target):
        if len(extents) == len(sizes) == 1:
            made.append(extents)
        elif not any(extent.changed for extent in extents):
            made += [(Extent(size, size),) for size in sizes]
        else:
            left = [extent for extent in extents if extent.changed or extent.old > 1]
            made += [_taken(node, left, size) for size in sizes]
            if left:
                raise NotResizedError(node, f"loses {left[0].side or 'places'} that were one")
    return tuple(made)


def _aligned(
    axes: Axes, target: Sequence[int]
) -> Iterator[tuple[tuple[Extent, ...], tuple[int, ...]]]:
    """Runs of input and output axes that hold the same numbers, as short as possible."""
    inputs, outputs = list(axes), list(target)
    while inputs or outputs:
        extents: list[Extent] = list(inputs.pop(0)) if inputs else []
        sizes = [outputs.pop(0)] if outputs else []
        while (have := prod(extent.old for extent in extents)) != (want := prod(sizes)):
            if have < want:
                extents += inputs.pop(0)
            else:
                sizes.append(outputs.pop(0))
        yield tuple(extents), tuple(sizes)


def _taken(node: Any, left: list[Extent], size: int) -> Axis:
    """The extents that make up an output axis; they are taken off the list."""
    taken: list[Extent] = []
    while size > 1:
        first = left.pop(0)
        if size % first.old == 0:
            taken.append(first)
            size //= first.old
        elif first.old % size == 0 and not first.changed:
            taken.append(Extent(size, size))
            left.insert(0, Extent(first.old // size, first.old // size))
            size = 1
        else:
            raise NotResizedError(
                node,
                f"cuts {first.old} {first.side or 'places'} into parts of which it can't be told "
                "which one follows the size",
            )
    return tuple(taken) or (Extent(1, 1),)
