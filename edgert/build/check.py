"""Every derived graph before it is used: eight stages, each for a kind of fault.

The kinds are those that a study of converters found in the field (Jajal et al., Interoperability
in Deep Learning: A User Survey and Failure Analysis of ONNX Model Converters, ISSTA 2024, arXiv
2303.17708): what crashes a load, and what loads and computes something else.

    format        the file, its names, order and weights        no runtime needed
    operators     operators, opset and types for the target      no runtime needed
    shapes        static shapes and types for every value        no runtime needed
    load          the real runtime takes it, in both ways
    run           finite results that depend on the frame
    optimisation  the same results with and without optimisation
    parent        its inputs and outputs; after lossless edits its results too
    cost          no dearer than its parent, and not its parent
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgert.backends.base import Session
from edgert.build.finding import STAGES, Stage
from edgert.build.graph_report import GraphReport, LatencyMeter, Parent
from edgert.build.mismatch import PartOpener
from edgert.build.regression import COST_LIMITS, CostLimits, measure_latency
from edgert.build.stages import GraphCheck
from edgert.build.targets import OnnxRuntimeTarget, Target
from edgert.build.verify import Tolerance
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph
from edgert.surgery.model_file import read_model


def check_graph(
    path: Path,
    *,
    parent: Parent | None = None,
    frames: Sequence[NDArray[Any]] = (),
    engine: Session | None = None,
    open_part: PartOpener | None = None,
    target: Target | None = None,
    tolerance: Tolerance | None = None,
    limits: CostLimits = COST_LIMITS,
    measure: LatencyMeter | None = measure_latency,
    stages: Sequence[Stage] = STAGES,
    progress: Callable[[Stage], None] | None = None,
) -> GraphReport:
    """Check a graph, stage by stage; a stage that finds an error is the last.

    Args:
        path: An ONNX file with static shapes.
        parent: What it was derived from; None leaves out the stages parent and cost.
        frames: Real arrays for its first input, on top of noise, waves and extremes.
        engine: The graph compiled and loaded, compared in the stage optimisation and left open
            unless it is wrong; None lets the runtime optimise it here.
        open_part: What compiled the engine, to find the first node that it gets wrong.
        target: Where it is to run; None is the onnxruntime installed here.
        tolerance: How far results may be apart; None: as the graph's precision allows.
        limits: How much dearer than its parent it may be.
        measure: What times two runs against each other; None leaves latency out.
        stages: Which of STAGES are asked for; a stage that needs an earlier one's result gets it.
        progress: Called before each stage.

    Returns:
        Everything found; `refuse_errors` makes the first error an exception.

    Raises:
        EdgertError: The parent itself can't be read or run.
        ValueError: A stage that there is not.
    """
    unknown = set(stages) - set(STAGES)
    if unknown:
        raise ValueError(f"no such stages: {sorted(unknown)}")
    report = GraphReport()
    check = GraphCheck(
        path,
        report,
        parent=parent,
        frames=frames,
        engine=engine,
        open_part=open_part,
        target=target or OnnxRuntimeTarget.installed(),
        tolerance=tolerance,
        limits=limits,
        measure=measure,
    )
    with check:
        for stage, find in check.stages.items():
            if stage not in stages or (stage in ("parent", "cost") and parent is None):
                continue
            if progress is not None:
                progress(stage)
            report.stages.append(stage)
            report.findings += find()
            if report.errors:
                break
    return report


def static_model(
    path: Path, folder: Path, *, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> Path:
    """The model itself, or where its inputs have free sizes a copy in edgert's form that hasn't.

    Args:
        path: An ONNX file.
        folder: Takes the copy and its weights; it exists.
        input_shapes: As in `load_graph`, which fills in a batch of 1 by itself.

    Raises:
        ArtifactError, PreconditionError: As `load_graph`.
    """
    if not input_shapes:
        inputs = read_model(path).graph.input
        dims = (dim for value in inputs for dim in value.type.tensor_type.shape.dim)
        if all(dim.HasField("dim_value") for dim in dims):
            return path
    copy = folder / path.name
    save_graph(load_graph(path, input_shapes=input_shapes), copy, weights=f"{path.stem}.weights")
    return copy
