"""Which positions of a feature map a fit looks at, and what a linear map reads there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.calibration.sites import to_rows
from edgert.surgery.graph import attribute, static_shape
from edgert.surgery.linear_maps import LinearMap, is_pointwise

Array = NDArray[Any]


def sampled_positions(frame: int, positions: int, count: int) -> Array:
    """At most `count` of a frame's positions, ascending; always the same for the same frame."""
    if positions <= count:
        return np.arange(positions)
    generator = np.random.default_rng((frame, positions))
    return np.sort(generator.choice(positions, count, replace=False))


def read_features(linear: LinearMap, array: Array, rows: Array) -> Array:
    """What a map reads for some of its output positions.

    Args:
        linear: The map.
        array: Its input, of the shape that the graph states.
        rows: Output positions, counted in the order of the output's axes without the channels.

    Returns:
        (len(rows), in * kernel), in the order of the weight's axes.
    """
    if is_pointwise(linear):
        return to_rows(array, linear.in_axis)[rows]
    node = linear.node
    kernel = (static_shape(node.inputs[1]) or ())[2:]
    rank = len(kernel)
    strides = attribute(node, "strides") or [1] * rank
    dilations = attribute(node, "dilations") or [1] * rank
    begin = _begin_pads(node, array.shape[2:], kernel, strides, dilations)
    out = (static_shape(node.outputs[0]) or ())[2:]
    ends = [
        max(0, (o - 1) * s + (k - 1) * d + 1 - b - n)
        for o, s, k, d, b, n in zip(
            out, strides, kernel, dilations, begin, array.shape[2:], strict=True
        )
    ]
    padded = np.pad(array, [(0, 0), (0, 0), *zip(begin, ends, strict=True)])
    batch, *places = np.unravel_index(rows, (array.shape[0], *out))
    taps = []
    for tap in np.ndindex(*kernel):
        steps = zip(places, strides, tap, dilations, strict=True)
        where = (batch, slice(None), *(p * s + t * d for p, s, t, d in steps))
        taps.append(padded[where])
    return np.stack(taps, axis=-1).reshape(len(rows), -1)


def _begin_pads(node: Any, sizes: Any, kernel: Any, strides: Any, dilations: Any) -> list[int]:
    """Padding in front of each spatial axis."""
    auto = attribute(node, "auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for n, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
            total = max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
            pads.append(total // 2 if auto == "SAME_UPPER" else total - total // 2)
        return pads
    given = attribute(node, "pads") if auto == "NOTSET" else None
    return list(given[: len(kernel)]) if given else [0] * len(kernel)
