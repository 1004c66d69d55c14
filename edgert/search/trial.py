"""One trial: a choice becomes a graph, is fitted, and is scored. Runs in worker processes.

Everything that goes in and comes out is plain data, and failures are results too: an exception
would need its class, and all it holds, on the other side.
"""

import time
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.onnxruntime import session_from_bytes
from edgert.build.derive import derive
from edgert.calibration.fit import fit_compensation
from edgert.errors import ArtifactError, EdgertError, InferenceError, PreconditionError
from edgert.optional import needs
from edgert.search.choice import Choice, edits_of, key_of, size_edits_of
from edgert.search.score import drop_error, frame_counts, score_of
from edgert.search.workspace import Part, Workspace, open_workspace
from edgert.surgery.channels_first import channels_first
from edgert.surgery.compensate import with_numbers
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, save_graph

Array = NDArray[Any]
Result = dict[str, Any]
FITTED, GRAPHS = "final/fitted", "final/graphs"


def evaluate(folder: str, identity: str, choice: Choice, final: bool) -> Result:
    """Derive, fit and score a choice.

    Args:
        folder: The work folder.
        identity: Of the search.
        choice: Canonical.
        final: Fit on all calibration frames, score both halves, keep the fitted numbers and the
            graph; otherwise fit on the search's frames and score the half that chooses.

    Returns:
        "key", "choice", "seconds" and either "failed" (the reason in words), "fatal" (what no
        other trial could do either, an error's parts), or "macs", "parameters", "scores" and
        "errors" by part; a final trial has an "uncompensated" score too, on the reporting half.
    """
    start_s = time.perf_counter()
    result: Result = {"key": key_of(choice), "choice": dict(choice)}
    try:
        result.update(_evaluated(open_workspace(folder, identity), choice, final=final))
    except ArtifactError as error:
        result["fatal"] = parts_of(error)
    except EdgertError as error:
        result["failed"] = str(error)
    except np.linalg.LinAlgError as error:
        result["failed"] = f"fit: {error}"
    result["seconds"] = round(time.perf_counter() - start_s, 3)
    return result


def prepare_timing(folder: str, identity: str, choice: Choice) -> Result:
    """Write a choice's graph, unfitted, to be timed: numbers do not change what it costs.

    Returns:
        "key", "choice" and either "failed", "fatal", or "graph", the file.
    """
    result: Result = {"key": key_of(choice), "choice": dict(choice)}
    try:
        workspace = open_workspace(folder, identity)
        path = workspace.folder / "timing" / f"{result['key']}.onnx"
        folded = with_numbers(derived(workspace, choice), {}, subject="prepare a timing")
        save_graph(_laid_out(folded, choice), path)
        result["graph"] = str(path)
    except ArtifactError as error:
        result["fatal"] = parts_of(error)
    except EdgertError as error:
        result["failed"] = str(error)
    return result


def parts_of(error: EdgertError) -> dict[str, str]:
    """An error as plain data."""
    return {
        "subject": error.subject,
        "expected": error.expected,
        "got": error.got,
        "advice": error.advice,
    }


def derived(workspace: Workspace, choice: Choice) -> Graph:
    """The graph of a choice, before it is fitted and before its picture has another size."""
    graph = workspace.reference.graph
    subject = f"derive {key_of(choice)}"
    return derive(graph, edits_of(choice), subject=subject, folder=workspace.folder)


def fitted_path(key: str) -> PurePosixPath:
    """Where the fitted numbers of a final trial lie in the work folder."""
    return PurePosixPath(FITTED) / f"{key}.npz"


def serialised(graph: Graph) -> bytes:
    """A graph as an ONNX file in memory, its weights inside."""
    ir = needs("onnx_ir", "build", "to run graphs")
    model = ir.external_data.load_to_model(graph.copy().model)
    content: bytes = ir.to_proto(model).SerializeToString()
    return content


def score_graph(workspace: Workspace, graph: Graph, frames: Sequence[int]) -> Array:
    """Run a graph on scoring frames and count, one entry for each frame."""
    setup = workspace.setup
    name = graph.inputs[0].name
    session = session_from_bytes(serialised(graph), threads=1)
    counts = []
    for index in frames:
        tensor, labels = workspace.scoring_frame(index)
        logits = next(iter(session.run({name: np.asarray(tensor)}).values()))
        if not np.isfinite(logits).all():
            raise InferenceError(
                f"score frame {index}",
                expected="finite logits",
                got="NaN or infinity",
                advice="Fit on more frames",
            )
        counts.append(
            frame_counts(
                logits,
                np.asarray(labels),
                metric=setup.metric,
                classes=setup.classes,
                ignore_label=setup.ignore_label,
            )
        )
    session.close()
    return np.stack(counts)


def _evaluated(workspace: Workspace, choice: Choice, *, final: bool) -> Result:
    key = key_of(choice)
    graph = plain = derived(workspace, choice)
    if edits_of(choice):
        reference = workspace.final_reference if final else workspace.reference
        compensation = fit_compensation(graph, reference, threads=1)
        graph = compensation.graph
        if final:
            compensation.save(workspace.folder / fitted_path(key))
    laid_out = _laid_out(graph, choice)
    if final:
        save_graph(laid_out, workspace.folder / GRAPHS / f"{key}.onnx")
    cost = cost_of(laid_out)
    parts: tuple[Part, ...] = ("choose", "report") if final else ("choose",)
    scores: dict[str, float] = {}
    errors: dict[str, float | None] = {}
    for part in parts:
        counts = score_graph(workspace, laid_out, getattr(workspace.setup, part))
        scores[part] = score_of(counts.sum(axis=0))
        full = counts if not choice else workspace.counts(key_of({}), part)
        errors[part] = None if full is None else drop_error(full, counts)
        workspace.save_counts(key, f"final-{part}" if choice and final else part, counts)
    if final and choice:  # what the same edits give with the old weights
        counts = score_graph(workspace, _laid_out(plain, choice), workspace.setup.report)
        scores["uncompensated"] = score_of(counts.sum(axis=0))
    return {"macs": cost.macs, "parameters": cost.parameters, "scores": scores, "errors": errors}


def _laid_out(graph: Graph, choice: Choice) -> Graph:
    """The graph as it would be built: at its size, which fits know nothing of, and its layout."""
    graph = derive(graph, size_edits_of(choice), subject=f"derive {key_of(choice)}")
    try:
        return channels_first(graph)
    except PreconditionError:  # nothing to move
        return graph
