"""Scales for int8 from calibration frames: how large a step each quantised input takes."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgert.calibration.value_ranges import BINS, Histogram, histograms
from edgert.errors import CalibrationError, PreconditionError
from edgert.surgery.graph import Graph
from edgert.surgery.half_plan import check_keep
from edgert.surgery.quantizable import quantizable
from edgert.surgery.quantize import InputScale, Scales

Array = NDArray[Any]
Method = Literal["mse", "max"]
_STEPS = 127
_CANDIDATES = 100
_LEAST_SHARE = 0.1  # of the largest value: no candidate clips below


def find_scales(
    graph: Graph, frames: Sequence[Array], *, method: Method = "mse", keep: Sequence[str] = ()
) -> Scales:
    """Find scales for all that `surgery.quantizable` names.

    Args:
        graph: What is to be quantised; one input.
        frames: The model's input for each frame.
        method: "mse" clips where the mean square of what rounding and clipping change is least;
            "max" clips nothing.
        keep: Operators, and names of nodes, that are left as they are.

    Raises:
        CalibrationError: There are no frames, or a value is not finite on one.
        PreconditionError: An entry of `keep` fits no node, or there is nothing to quantise.
    """
    subject = "find scales for int8"
    if not frames:
        raise CalibrationError(
            subject, expected="a frame or more", got="none", advice="Name frames to calibrate on"
        )
    check_keep(subject, graph, keep)
    places = quantizable(graph, keep=keep)
    if not places:
        raise PreconditionError(
            subject,
            expected="convolutions or matrix products with constant weights",
            got="none that is not kept",
            advice="Leave quantize out for this model",
        )
    values = list(dict.fromkeys(node.inputs[index] for node, index in places))
    found = histograms(graph, values, frames)
    scales = {value: scale_from_histogram(each, method) for value, each in found.items()}
    return Scales(
        method=method,
        frames=len(frames),
        inputs=[
            InputScale(node=node.name, input=index, scale=scales[node.inputs[index]])
            for node, index in places
        ],
    )


def scale_from_histogram(histogram: Histogram, method: Method) -> float:
    """The step of 127 steps either way; exact in float32. Of zeros alone it is 1 / 127."""
    largest = histogram.largest or 1.0
    clip = largest if method == "max" else largest * _least_error_share(histogram.counts)
    return float(np.float32(clip / _STEPS))


def _least_error_share(counts: Array) -> float:
    """The share of the largest value to clip at, by the mean square error over a histogram."""
    shares = np.linspace(_LEAST_SHARE, 1.0, _CANDIDATES)
    occupied = np.flatnonzero(counts)
    centres = (occupied + 0.5) / BINS
    errors = []
    for share in shares:
        step = share / _STEPS
        rounded = np.minimum(np.rint(centres / step), _STEPS) * step
        errors.append(float((counts[occupied] * (centres - rounded) ** 2).sum()))
    return float(shares[int(np.argmin(errors))])
