"""Sizes that are written down in a graph, brought along: of Reshape, Resize, Slice and others.

Rules as `size_rules` has them, for the operators that shape, enlarge, repeat and pick.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgert.surgery.graph import attribute, constant_array, static_shape
from edgert.surgery.sizes import (
    Axes,
    Extent,
    NotResizedError,
    Side,
    Sizes,
    changed_axes,
    is_changed,
    laid_out,
    new_shape,
    old_shape,
    side_of,
)

Rule = Callable[[Any, Sizes], "Axes | None"]

PLACES: Mapping[int, Side] = {2: "rows", 3: "columns"}  # of (B, C, H, W)


def _reshape(node: Any, sizes: Sizes) -> Axes:
    """Reshape, Flatten, Squeeze and Unsqueeze: the same numbers in the same order."""
    axes = laid_out(node, sizes.of(node.inputs[0]), static_shape(node.outputs[0]) or ())
    if node.op_type == "Reshape" and changed_axes(axes):
        if constant_array(node.inputs[1]) is None:
            raise NotResizedError(node, "computes its shape")
        sizes.constants[node, 1] = np.array(new_shape(axes), np.int64)
    return axes


def _resize(node: Any, sizes: Sizes) -> None:
    """Scales stay; sizes become what the map of the old size became, or keep their ratio."""
    given = constant_array(node.inputs[3]) if len(node.inputs) > 3 else None
    if given is None or not given.size:
        return
    axes = sizes.of(node.inputs[0])
    named = attribute(node, "axes")
    places = range(len(axes)) if named is None else [int(a) % len(axes) for a in named]
    new = [_followed(node, sizes, axes, a, int(s)) for a, s in zip(places, given, strict=True)]
    if new != given.tolist():
        sizes.constants[node, 3] = np.array(new, np.int64)


def _followed(node: Any, sizes: Sizes, axes: Axes, place: int, wanted: int) -> int:
    """What the size that an axis is brought to becomes."""
    [old], [new] = old_shape(axes[place : place + 1]), new_shape(axes[place : place + 1])
    if wanted == old:
        return new
    side = _side(axes, place)
    met = sizes.counterpart(side, wanted) if side else set()
    exact = wanted * new // old if wanted * new % old == 0 else None
    if len(met) == 1:
        return next(iter(met))
    if exact is not None and (not met or exact in met):
        return exact
    raise NotResizedError(
        node,
        f"brings {old} {side or 'places'} to {wanted}, which at another size may be "
        + (" or ".join(map(str, sorted(met))) or f"{wanted * new / old:.2f}"),
        tied=False,
    )


def _side(axes: Axes, place: int) -> Side:
    """The side that an axis is; of an image (B, C, H, W) where its maker is not known too."""
    return side_of(axes[place]) or (PLACES.get(place, "") if len(axes) == 4 else "")


def _expand(node: Any, sizes: Sizes) -> None:
    """An axis of one number is repeated as often as the map has rows or columns."""
    target, axes = static_shape(node.outputs[0]) or (), sizes.of(node.inputs[0])
    given = constant_array(node.inputs[1])
    if given is None:
        raise NotResizedError(node, "computes its shape")
    padded = (*(((Extent(1, 1),),) * (len(target) - len(axes))), *axes)
    new = [_repeated(node, sizes, padded, place, size) for place, size in enumerate(target)]
    if new != list(target):
        sizes.constants[node, 1] = np.array(new, np.int64)


def _tile(node: Any, sizes: Sizes) -> None:
    given, axes = constant_array(node.inputs[1]), sizes.of(node.inputs[0])
    if given is None:
        raise NotResizedError(node, "computes how often it repeats")
    old = old_shape(axes)
    new = [
        _repeated(node, sizes, axes, place, int(count)) if old[place] == 1 else int(count)
        for place, count in enumerate(given)
    ]
    if new != given.tolist():
        sizes.constants[node, 1] = np.array(new, np.int64)


def _repeated(node: Any, sizes: Sizes, axes: Axes, place: int, wanted: int) -> int:
    """How often an axis of one number is repeated, or how many an axis has already."""
    if old_shape(axes)[place] == wanted:
        return new_shape(axes)[place]
    side = PLACES.get(place, "") if len(axes) == 4 else ""
    asked = [side] if side else list(PLACES.values())
    met = {new for each in asked for new in sizes.counterpart(each, wanted)}
    if not met or met == {wanted}:
        return wanted
    if side and len(met) == 1:
        return met.pop()
    raise NotResizedError(node, f"repeats {wanted} times, which may follow the size or not")


# ---------------------------------------------------------------- places


def _slice(node: Any, sizes: Sizes) -> None:
    axes = sizes.of(node.inputs[0])
    changed = changed_axes(axes)
    if not changed:
        return
    given = [constant_array(value) for value in node.inputs[1:]]
    numbers = [array.astype(np.int64) for array in given if array is not None]
    if len(given) < 2 or len(numbers) < len(given):
        raise NotResizedError(node, "cuts at computed places")
    starts, ends = numbers[0], numbers[1].copy()
    named = numbers[2] if len(numbers) > 2 else np.arange(len(starts))
    steps = numbers[3] if len(numbers) > 3 else np.ones_like(starts)
    for number, place in enumerate(int(axis) % len(axes) for axis in named):
        if place in changed:
            bounds = int(starts[number]), int(ends[number]), int(steps[number])
            ends[number] = _end(node, sizes, axes, place, bounds)
    if not np.array_equal(ends, numbers[1]):
        sizes.constants[node, 2] = ends


def _end(node: Any, sizes: Sizes, axes: Axes, place: int, bounds: tuple[int, int, int]) -> int:
    """Where a slice of an axis that changes ends, if it may be taken at another size."""
    start, end, step = bounds
    old = old_shape(axes)[place]
    if step < 1 or not (-old <= start < max(step, 2)):
        raise NotResizedError(node, f"starts at place {start} of {old}, which may follow the size")
    if end >= old:
        return 2**31 - 1
    if end < 0:
        return end
    met = sizes.counterpart(side_of(axes[place]), end) if side_of(axes[place]) else set()
    if len(met) == 1:
        return met.pop()
    raise NotResizedError(node, f"ends at place {end} of {old}, which may follow the size")


def _gather(node: Any, sizes: Sizes) -> None:
    axes, picked = sizes.of(node.inputs[0]), constant_array(node.inputs[1])
    place = int(attribute(node, "axis", 0)) % len(axes)
    if is_changed(axes[place]) and (picked is None or not np.isin(picked, (0, -1)).all()):
        raise NotResizedError(node, f"picks among {old_shape(axes)[place]} places by number")


def _split(node: Any, sizes: Sizes) -> None:
    axes = sizes.of(node.inputs[0])
    place = int(attribute(node, "axis", 0)) % len(axes)
    if is_changed(axes[place]):
        raise NotResizedError(node, f"splits {old_shape(axes)[place]} places into fixed parts")


WRITTEN_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    "Expand": _expand,
    "Gather": _gather,
    "Resize": _resize,
    "Slice": _slice,
    "Split": _split,
    "Tile": _tile,
}
