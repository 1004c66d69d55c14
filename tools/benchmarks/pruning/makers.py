"""The makers that `benchmark.py prune` compares, each a step of `own_process`.

A maker writes folder/model.onnx, weights inside. None of them sees a label. What is compared:

onnxsim       apply_transformer_block_pruning and apply_structured_wanda_pruning of onnxsim.pruning
plain         branches skipped and nothing made up for, as in arXiv 2212.02687, those first whose
              loss alone changes the fewest of the full model's labels on the calibration frames
uniform       edgert with nothing tuned: lossless edits, attention branches replaced (costliest
              first, as many as the budget takes), then the other branches narrowed to one ratio,
              then fitted
family        the configurations that the family has already
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.pruning.uniform import RANKING, UniformLadder, inner_groups
from edgert.artifacts import load_family
from edgert.backends.base import Session
from edgert.backends.onnxruntime import session_from_bytes
from edgert.build.derive import derive, derive_configuration
from edgert.build.family_graphs import FamilyGraphs
from edgert.calibration.fit import fit_compensation
from edgert.calibration.ranking import rank_units, save_ranking
from edgert.calibration.reference import Reference
from edgert.errors import BuildError, PreconditionError, SurgeryError
from edgert.optional import needs
from edgert.surgery.channels_first import channels_first
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, save_graph
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals

MODEL = "model.onnx"
REFERENCE = "reference"

# ---------------------------------------------------------------- the peer


def onnxsim(
    folder: Path, *, graph: str, frames: str, method: str, amount: float
) -> dict[str, Any]:
    """Prune by "blocks", so many of them, or by "wanda", that share of each width."""
    onnx = needs("onnx", "build", "to hand a model to onnxsim")
    package = needs("onnxsim", "export", "to compare with it")
    pruning = needs("onnxsim.pruning", "export", "to compare with it")
    model = onnx.load(graph)
    name = model.graph.input[0].name
    data = [{name: np.asarray(frame)} for frame in np.load(frames, mmap_mode="r")]
    if method == "blocks":
        pruned = pruning.apply_transformer_block_pruning(
            model, calibration_data=data, num_blocks_to_drop=int(amount)
        )
    else:
        pruned = pruning.apply_structured_wanda_pruning(
            model, calibration_data=data, sparsity=amount
        )
    onnx.save(pruned, str(folder / MODEL))
    return {"version": str(package.__version__)}


# ---------------------------------------------------------------- plain skipping


def skip_losses(folder: Path, *, graph: str, frames: str, threads: int | None) -> dict[str, Any]:
    """The share of labels that each branch changes when it alone is skipped."""
    full = load_graph(Path(graph))
    [source] = full.inputs
    tensors = np.load(frames, mmap_mode="r")

    def labels(edited: Graph) -> list[NDArray[Any]]:
        session = _session(edited, folder, threads)
        answers = [
            next(iter(session.run({source.name: np.asarray(tensor)}).values())).argmax(axis=1)
            for tensor in tensors
        ]
        session.close()
        return answers

    right, losses = labels(full), {}
    for branch in find_residual_branches(full):
        try:
            found = labels(skip_residuals(full, branches=[branch.name]))
        except SurgeryError:  # this one can't go
            continue
        losses[branch.name] = float(
            np.mean([np.mean(a != b) for a, b in zip(right, found, strict=True)])
        )
    return {"losses": losses}


def skip(folder: Path, *, graph: str, losses: dict[str, float], count: int) -> dict[str, Any]:
    """Skip the branches with the smallest losses."""
    branches = sorted(losses, key=losses.__getitem__)[:count]
    if len(branches) < count:
        raise BuildError(
            f"skip {count} branches",
            expected=f"{count} residual branches or more",
            got=str(len(branches)),
            advice="Compare fewer",
        )
    save_graph(skip_residuals(load_graph(Path(graph)), branches=branches), folder / MODEL)
    return {"branches": branches}


def _session(graph: Graph, folder: Path, threads: int | None) -> Session:
    file = folder / "part.onnx"
    save_graph(graph, file)
    return session_from_bytes(file.read_bytes(), threads=threads)


# ---------------------------------------------------------------- edgert, uniform


def merge(folder: Path, *, graph: str) -> dict[str, Any]:
    """Only merge_linear, where it merges something."""
    full = load_graph(Path(graph))
    merged = _merged(full)
    save_graph(merged, folder / MODEL)
    return {"merged": merged is not full}


def calibrate(folder: Path, *, graph: str, frames: str, threads: int | None) -> dict[str, Any]:
    """What every fit needs: the full model's values, and an order of the channels."""
    full = _merged(load_graph(Path(graph)))
    tensors = np.load(frames, mmap_mode="r")
    reference = Reference.make(folder / REFERENCE, full, tensors, threads=threads)
    groups = [group.name for group in inner_groups(reference.graph)]
    save_ranking(folder / RANKING, rank_units(reference, groups=groups, threads=threads))
    return {"groups": groups}


def uniform(
    folder: Path, *, graph: str, calibration: str, most_macs: int, threads: int | None
) -> dict[str, Any]:
    """The dearest uniform choice within a budget, fitted; without edits it needs no frames."""
    full = _merged(load_graph(Path(graph)))
    source = Path(calibration)
    ladder = UniformLadder(full, source)
    rung = ladder.within(most_macs)
    edits = ladder.edits(rung)
    edited = derive(full, edits, subject="derive uniform", folder=source)
    if edits:
        reference = Reference.open(source / REFERENCE, threads=threads)
        edited = fit_compensation(edited, reference, threads=threads).graph
    save_graph(_channels_first(edited), folder / MODEL)
    replaced, ratio = ladder.steps(rung)
    return {"edits": edits, "replaced": len(replaced), "ratio": ratio}


def _merged(graph: Graph) -> Graph:
    try:
        return merge_linear(graph)
    except PreconditionError:  # nothing merges
        return graph


def _channels_first(graph: Graph) -> Graph:
    try:
        return channels_first(graph)
    except PreconditionError:  # nothing moves
        return graph


# ---------------------------------------------------------------- edgert, the family's own


def configurations(folder: Path, *, family: str) -> dict[str, Any]:
    """Derive every configuration of the family, to folder/<name>/model.onnx."""
    opened = load_family(Path(family))
    graphs = FamilyGraphs(opened)
    costs = {}
    for configuration in opened.family.configurations:
        subject = f"derive {configuration.name}"
        graph = derive_configuration(opened, configuration, base=graphs, subject=subject)
        (folder / configuration.name).mkdir(exist_ok=True)
        save_graph(graph, folder / configuration.name / MODEL)
        costs[configuration.name] = cost_of(graph).macs
    return {"macs": costs}
