"""NVIDIA's ModelOpt: AutoCast to half precision, and where and how to quantise for TensorRT.

An adapter: ModelOpt reads and writes files, edgert graphs. Of its quantisation edgert takes the
places and the scales, and writes them into its own graph: so they can be kept in a file, and node
names stay.
"""

import contextlib
import io
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.calibration.value_ranges import only_input
from edgert.errors import CalibrationError, MissingDependencyError, PreconditionError
from edgert.optional import needs
from edgert.surgery.graph import Graph, finished, save_graph
from edgert.surgery.half_plan import NORMALISING, REDUCING
from edgert.surgery.load import normalised
from edgert.surgery.quantize import InputScale, Scales

Array = NDArray[Any]
_EXTRA = "modelopt"
_LOGGERS = ("modelopt.onnx", "modelopt.onnx.autocast")
_METHOD = "entropy"
# What ModelOpt 0.47 and the onnxruntime that it calibrates with raise for graphs they can't take.
_ERRORS = (RuntimeError, ValueError, AssertionError, KeyError, IndexError, TypeError)


def autocast(
    graph: Graph,
    *,
    keep: Sequence[str] = (),
    frames: Sequence[Array] = (),
    vendor: Any | None = None,
) -> Graph:
    """Half precision by ModelOpt's AutoCast; normalisations and reductions stay in float32.

    Args:
        graph: What to convert; it stays unchanged.
        keep: Operators, and names of nodes, that stay in float32 too.
        frames: The model's input for each frame; nodes whose values get large on them stay in
            float32. None: AutoCast draws random numbers.
        vendor: The module modelopt.onnx.autocast; None imports it.

    Raises:
        MissingDependencyError: ModelOpt is not installed.
        PreconditionError: ModelOpt can't convert the graph.
    """
    vendor = vendor or _modelopt("modelopt.onnx.autocast", "to convert by AutoCast")
    ir = needs("onnx_ir", "build", "to read ONNX graphs")
    operators = {node.op_type for node in graph.nodes}
    kept = operators & (NORMALISING | REDUCING | set(keep))
    names = [name for name in keep if name not in operators]
    subject = "lower the precision by AutoCast"
    with tempfile.TemporaryDirectory() as name, _refusing(subject):
        folder = Path(name)
        save_graph(graph, folder / "graph.onnx")
        proto = vendor.convert_to_mixed_precision(
            onnx_path=str(folder / "graph.onnx"),
            low_precision_type="fp16",
            keep_io_types=True,
            op_types_to_exclude=sorted(kept),
            nodes_to_exclude=[f"^{re.escape(each)}$" for each in names],
            calibration_data=_written(graph, frames, folder / "frames") if frames else None,
        )
        converted = normalised(Graph(ir.from_proto(proto)), subject=subject)
    return finished(converted, subject=subject)


def find_scales(
    graph: Graph,
    frames: Sequence[Array],
    *,
    keep: Sequence[str] = (),
    vendor: Any | None = None,
) -> Scales:
    """Where ModelOpt puts Q/DQ for TensorRT, and with what scales.

    Args:
        graph: What is to be quantised; one input.
        frames: The model's input for each frame.
        keep: Operators, and names of nodes, that are left as they are.
        vendor: The module modelopt.onnx.quantization; None imports it.

    Raises:
        MissingDependencyError: ModelOpt is not installed.
        PreconditionError: ModelOpt can't quantise the graph, or quantises nothing.
        CalibrationError: There are no frames.
    """
    subject = "find scales by ModelOpt"
    if not frames:
        raise CalibrationError(
            subject, expected="a frame or more", got="none", advice="Name frames to calibrate on"
        )
    vendor = vendor or _modelopt("modelopt.onnx.quantization", "to quantise by ModelOpt")
    onnx = needs("onnx", "build", "to read ONNX graphs")
    operators = {node.op_type for node in graph.nodes}
    source = only_input(graph)
    with tempfile.TemporaryDirectory() as name, _refusing(subject):
        given, made = Path(name) / "graph.onnx", Path(name) / "quantised.onnx"
        save_graph(graph, given)
        vendor.quantize(
            str(given),
            quantize_mode="int8",
            calibration_data={source.name: np.concatenate([np.asarray(f) for f in frames])},
            calibration_method=_METHOD,
            calibration_eps=["cpu"],
            op_types_to_exclude=[each for each in keep if each in operators],
            nodes_to_exclude=[re.escape(each) for each in keep if each not in operators],
            high_precision_dtype="fp32",
            output_path=str(made),
            log_level="ERROR",
        )
        found = quantised_inputs(onnx.load(str(made)))
    if not found:
        raise PreconditionError(
            subject,
            expected="something that ModelOpt quantises",
            got="nothing",
            advice="Leave quantize out for this model",
        )
    return Scales(method=f"modelopt {_METHOD}", frames=len(frames), inputs=found)


def quantised_inputs(proto: Any) -> list[InputScale]:
    """The computed inputs that a model reads through Q and DQ, with their steps, in node order."""
    numpy_helper = needs("onnx.numpy_helper", "build", "to read ONNX graphs")
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    makers = {name: node for node in proto.graph.node for name in node.output}
    found = []
    for node in proto.graph.node:
        for index, name in enumerate(node.input):
            dequantize = makers.get(name)
            if dequantize is None or dequantize.op_type != "DequantizeLinear":
                continue
            quantise = makers.get(dequantize.input[0])
            if quantise is not None and quantise.input[0] not in constants:
                scale = numpy_helper.to_array(constants[dequantize.input[1]])
                found.append(InputScale(node=node.name, input=index, scale=float(scale.item())))
    return found


def _modelopt(module: str, purpose: str, *, load: Callable[..., Any] = needs) -> Any:
    """A module of ModelOpt's, which without its own optional packages is not installed either."""
    try:
        return load(module, _EXTRA, purpose)
    except ImportError as error:
        raise MissingDependencyError(
            f"import {module} {purpose}",
            expected="ModelOpt with what it needs for ONNX",
            got=str(error).splitlines()[0],
            advice=f"Run: pip install 'edgert[{_EXTRA}]'",
        ) from error


def _written(graph: Graph, frames: Sequence[Array], folder: Path) -> str:
    """Frames as AutoCast reads them: a folder with one archive for each."""
    source = only_input(graph)
    folder.mkdir()
    for index, frame in enumerate(frames):
        arrays: dict[str, Any] = {source.name: np.asarray(frame)}
        np.savez(folder / f"{index:05}.npz", **arrays)
    return str(folder)


@contextlib.contextmanager
def _refusing(subject: str) -> Iterator[None]:
    """ModelOpt's failures as one line, and its progress bars and notes to nowhere."""
    for logger in _LOGGERS:
        logging.getLogger(logger).setLevel(logging.ERROR)
    silence: Callable[[], Any] = io.StringIO
    try:
        with contextlib.redirect_stdout(silence()), contextlib.redirect_stderr(silence()):
            yield
    except _ERRORS as error:
        raise PreconditionError(
            subject,
            expected="a graph that ModelOpt takes",
            got=(str(error).strip() or type(error).__name__).splitlines()[0],
            advice="Use edgert's own conversion: leave 'by' out",
        ) from error
