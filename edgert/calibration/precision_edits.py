"""The edits `lower_precision` and `quantize`, as family.yaml writes them.

By edgert's own means, or by NVIDIA's ModelOpt where that is installed.
"""

from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from edgert.calibration import modelopt
from edgert.calibration.frames import read_calibration_frames
from edgert.calibration.scales import Method, find_scales
from edgert.calibration.value_ranges import largest_values
from edgert.errors import CalibrationError
from edgert.records import InputSpec
from edgert.surgery.graph import Graph
from edgert.surgery.lower_precision import lower_precision as lowered
from edgert.surgery.quantize import quantize as quantized
from edgert.surgery.quantize import read_scales

FRAMES = 32


def lower_precision(
    graph: Graph,
    *,
    input_spec: InputSpec | None,
    to: Literal["fp16"],
    by: Literal["edgert", "autocast"] = "edgert",
    keep: list[str] | None = None,
    calibration: Path | None = None,
    frames: int = FRAMES,
) -> Graph:
    """Compute in half precision where that is safe.

    Args:
        graph: The graph that the edits before this one make. It stays unchanged.
        input_spec: How pictures become the model's input; needed for `calibration`.
        to: The precision.
        by: Who converts: edgert, or ModelOpt's AutoCast (the extra `modelopt`).
        keep: Operators, and names of nodes, that stay in float32 on top of those that always do.
        calibration: A folder of frames; what comes near float16's largest number on one of them
            stays in float32.
        frames: How many of them to use, spread evenly.

    Raises:
        PreconditionError: As `surgery.lower_precision`.
        CalibrationError: The frames can't be used.
        MissingDependencyError: ModelOpt is asked for and not installed.
    """
    tensors = _frames("lower_precision", calibration, input_spec, frames)
    if by == "autocast":
        return modelopt.autocast(graph, keep=keep or (), frames=tensors)
    largest = largest_values(graph, tensors) if tensors else None
    return lowered(graph, keep=keep or (), largest=largest)


def quantize(
    graph: Graph,
    *,
    input_spec: InputSpec | None,
    scales: Path | None = None,
    calibration: Path | None = None,
    frames: int = FRAMES,
    by: Literal["edgert", "modelopt"] = "edgert",
    method: Method = "mse",
    keep: list[str] | None = None,
) -> Graph:
    """Compute in int8 by Q/DQ.

    Args:
        graph: The graph that the edits before this one make. It stays unchanged.
        input_spec: How pictures become the model's input; needed for `calibration`.
        scales: Scales that were found before, a JSON file: every build is the same, and needs no
            frames.
        calibration: A folder of unlabelled frames to find scales on now.
        frames: How many of them to use, spread evenly.
        by: Who finds places and scales: edgert, or ModelOpt (the extra `modelopt`).
        method: How edgert finds a scale, see `calibration.scales.find_scales`.
        keep: Operators, and names of nodes, that are left as they are.

    Raises:
        PreconditionError: As `surgery.quantize`, or the file can't be read.
        CalibrationError: Neither or both of `scales` and `calibration` are given, or the frames
            can't be used.
        MissingDependencyError: ModelOpt is asked for and not installed.
    """
    if scales is not None and calibration is None:
        if keep:
            raise CalibrationError(
                "quantize",
                expected="'keep' where scales are found",
                got=f"it beside 'scales': {', '.join(keep)}",
                advice="Leave it out, or find the scales again without these",
            )
        return quantized(graph, read_scales(scales), subject=f"quantize from {scales}")
    if calibration is None or scales is not None:
        raise CalibrationError(
            "quantize",
            expected="either 'scales' or 'calibration'",
            got="both" if scales else "neither",
            advice="Name a file of scales, or a folder of frames to find them on",
        )
    tensors = _frames("quantize", calibration, input_spec, frames)
    if by == "modelopt":
        found = modelopt.find_scales(graph, tensors, keep=keep or ())
    else:
        found = find_scales(graph, tensors, method=method, keep=keep or ())
    return quantized(graph, found)


def _frames(
    subject: str, folder: Path | None, spec: InputSpec | None, count: int
) -> list[NDArray[Any]]:
    if folder is None:
        return []
    if spec is None:
        raise CalibrationError(
            subject,
            expected="a family, whose input says how pictures are preprocessed",
            got="a bare ONNX file",
            advice="Leave 'calibration' out, or build a family",
        )
    return read_calibration_frames(folder, spec, count=count)
