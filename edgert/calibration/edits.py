"""The edit `compensate`, as family.yaml writes it: from fitted numbers, or from frames."""

import tempfile
from pathlib import Path

from edgert.calibration.fit import fit_compensation
from edgert.calibration.frames import read_calibration_frames
from edgert.calibration.reference import Reference
from edgert.errors import CalibrationError
from edgert.records import InputSpec
from edgert.surgery import compensate as fitted_numbers
from edgert.surgery.graph import Graph

FRAMES = 41


def compensate(
    graph: Graph,
    *,
    reference: Graph,
    input_spec: InputSpec | None,
    fitted: Path | None = None,
    calibration: Path | None = None,
    frames: int = FRAMES,
) -> Graph:
    """Make up for the edits before this one.

    Args:
        graph: The edited graph.
        reference: The graph before its first edit that is not lossless.
        input_spec: How pictures become the model's input; needed for `calibration`.
        fitted: Numbers that were fitted before, an .npz file.
        calibration: A folder of unlabelled frames to fit on now.
        frames: How many of them to use, spread evenly.

    Raises:
        CalibrationError: Neither or both are given, or the frames can't be used.
        PreconditionError: The file does not belong to these edits.
    """
    if fitted is not None and calibration is None:
        return fitted_numbers.compensate(graph, fitted=fitted)
    if calibration is None or fitted is not None:
        raise CalibrationError(
            "compensate",
            expected="either 'fitted' or 'calibration'",
            got="both" if fitted else "neither",
            advice="Name a file of fitted numbers, or a folder of frames to fit them on",
        )
    if input_spec is None:
        raise CalibrationError(
            "compensate",
            expected="a family, whose input says how pictures are preprocessed",
            got="a bare ONNX file",
            advice="Name fitted numbers instead, or build a family",
        )
    tensors = read_calibration_frames(calibration, input_spec, count=frames)
    with tempfile.TemporaryDirectory() as folder:
        opened = Reference.make(Path(folder) / "reference", reference, tensors)
        return fit_compensation(graph, opened).graph
