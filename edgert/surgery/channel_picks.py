"""How channels pass through operators that pick or join indices of an axis: links.

Owns the rules of Concat, Split, Slice, Gather and Pad.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.surgery.channel_ties import (
    OTHER,
    OUTPUT,
    Flow,
    Labels,
    Link,
    Tie,
    View,
    same_axes,
    shape_at,
)
from edgert.surgery.graph import attribute, constant_array


def _concat(node: Any) -> Flow:
    shape = shape_at(node, OUTPUT)
    along = int(attribute(node, "axis")) % len(shape)
    ends = range(len(node.inputs))
    ties = tuple(
        Tie((View(OUTPUT, axis), *(View(end, axis) for end in ends)))
        for axis in range(len(shape))
        if axis != along
    )
    links, start = [], 0
    for end in ends:
        size = shape_at(node, end)[along]
        index = np.full(shape[along], OTHER, dtype=np.int64)
        index[start : start + size] = np.arange(size)
        links.append(Link(View(end, along), View(OUTPUT, along), index))
        start += size
    return Flow(ties, tuple(links))


def _split(node: Any) -> Flow:
    shape = shape_at(node, 0)
    along = int(attribute(node, "axis", 0)) % len(shape)
    ends = [~index for index in range(len(node.outputs))]
    ties = tuple(
        Tie((View(0, axis), *(View(end, axis) for end in ends)))
        for axis in range(len(shape))
        if axis != along
    )
    links, start = [], 0
    for end in ends:
        size = shape_at(node, end)[along]
        index = np.arange(start, start + size)
        links.append(Link(View(0, along), View(end, along), index))
        start += size
    return Flow(ties, tuple(links))


def slices_of(node: Any) -> dict[int, Labels] | None:
    """The indices that a Slice takes of each axis it names; None where bounds are computed."""
    shape = shape_at(node, 0)
    bounds = [constant_array(value) for value in node.inputs[1:]]
    given = [array for array in bounds if array is not None]
    if len(given) < 2 or len(given) != sum(value is not None for value in node.inputs[1:]):
        return None
    starts, ends = given[:2]
    axes = _or_default(bounds[2:3], np.arange(len(starts)))
    steps = _or_default(bounds[3:4], np.ones(len(starts), dtype=np.int64))
    named = zip(starts, ends, axes, steps, strict=True)
    return {
        int(axis) % len(shape): _sliced(int(start), int(end), int(step), shape[int(axis)])
        for start, end, axis, step in named
    }


def _sliced(start: int, end: int, step: int, size: int) -> Labels:
    """ONNX's bounds: negative ones count from the end, those outside are moved inside."""
    lowest, highest = (0, size) if step > 0 else (-1, size - 1)
    start, end = (bound + size if bound < 0 else bound for bound in (start, end))
    return np.arange(min(max(start, 0), highest), min(max(end, lowest), highest), step)


def _or_default(given: list[NDArray[Any] | None], default: Labels) -> NDArray[Any]:
    return given[0] if given and given[0] is not None else default


def _slice(node: Any) -> Flow:
    taken = slices_of(node)
    if taken is None:
        return Flow(why_not=f"Slice {node.name} has computed bounds")
    whole = [axis for axis in range(len(shape_at(node, 0))) if axis not in taken]
    links = (Link(View(0, a), View(OUTPUT, a), index) for a, index in taken.items())
    return Flow(same_axes(node, {a: a for a in whole}), tuple(links))


def _gather(node: Any) -> Flow:
    shape, picked = shape_at(node, 0), constant_array(node.inputs[1])
    along = int(attribute(node, "axis", 0)) % len(shape)
    grown = len(shape_at(node, OUTPUT)) - len(shape)
    whole = {a: a if a < along else a + grown for a in range(len(shape)) if a != along}
    links: tuple[Link, ...] = ()
    if picked is not None and picked.ndim == 1:
        index = picked.astype(np.int64) % shape[along]
        links = (Link(View(0, along), View(OUTPUT, along), index),)
    return Flow(same_axes(node, whole), links)


def _pad(node: Any) -> Flow:
    shape = shape_at(node, 0)
    pads = constant_array(node.inputs[1]) if len(node.inputs) > 1 else None
    if pads is None:
        return Flow(why_not=f"Pad {node.name} has computed widths")
    given = constant_array(node.inputs[3]) if len(node.inputs) > 3 else None
    axes = [int(a) % len(shape) for a in (range(len(shape)) if given is None else given)]
    constant = attribute(node, "mode", "constant") in ("constant", b"constant")
    whole, links = [a for a in range(len(shape)) if a not in axes], []
    for position, axis in enumerate(axes):
        before, after = int(pads[position]), int(pads[position + len(axes)])
        if before == after == 0:
            whole.append(axis)
        elif constant and min(before, after) >= 0:
            index = np.full(before + shape[axis] + after, OTHER, dtype=np.int64)
            index[before : before + shape[axis]] = np.arange(shape[axis])
            links.append(Link(View(0, axis), View(OUTPUT, axis), index))
    return Flow(same_axes(node, {a: a for a in whole}), tuple(links))


PICK_RULES: Mapping[str, Callable[[Any], Flow]] = {
    "Concat": _concat,
    "Gather": _gather,
    "Pad": _pad,
    "Slice": _slice,
    "Split": _split,
}
