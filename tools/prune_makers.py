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

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import load_family
from edgert.backends.base import Session
from edgert.backends.onnxruntime import session_from_bytes
from edgert.build.derive import derive
from edgert.calibration.fit import fit_compensation
from edgert.calibration.ranking import rank_units, save_ranking
from edgert.calibration.reference import Reference
from edgert.errors import BuildError, PreconditionError, SurgeryError
from edgert.optional import needs
from edgert.records import Edit
from edgert.surgery.channel_groups import ChannelGroup, find_channel_groups
from edgert.surgery.channels_first import channels_first
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, save_graph
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.residuals import ResidualBranch, find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from edgert.units import text_from_count

MODEL = "model.onnx"
RANKING, REFERENCE = "ranking.json", "reference"
_RATIOS = 32  # widths go down in this many steps
_ALIGN = 8  # kernels are no faster for 60 channels than for 64

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


class UniformLadder:
    """Uniform choices from the dearest to the cheapest, with nothing to tune but the rung.

    Rung 0 edits nothing; each of the next replaces one more attention branch, the costliest
    first; each after that narrows the groups inside the other branches by one more step.

    Args:
        graph: After the lossless edits.
        folder: Holds the order of the channels; None narrows by weights alone.
    """

    def __init__(self, graph: Graph, folder: Path | None) -> None:
        self._graph, self._folder = graph, folder
        branches = sorted(attention_branches(graph), key=lambda branch: -branch.macs)
        self._attention = [branch.name for branch in branches]
        self._groups = inner_groups(graph)
        self.rungs = 1 + len(self._attention) + (_RATIOS - 1 if self._groups else 0)

    def edits(self, rung: int) -> list[Edit]:
        """The edits of a rung, 0 <= rung < rungs."""
        replaced, ratio = self.steps(rung)
        edits = [self._narrowed(group, ratio) for group in self._groups if ratio < 1]
        # a group is named after the maps that write it, so branches go last
        return [*edits, *([{"replace_residuals": {"branches": replaced}}] if replaced else [])]

    def steps(self, rung: int) -> tuple[list[str], float]:
        """The branches that a rung replaces, and the share of each width that it keeps."""
        narrower = max(0, rung - len(self._attention))
        return self._attention[:rung], 1 - narrower / _RATIOS

    def macs(self, rung: int) -> int:
        """What a rung costs."""
        edits = self.edits(rung)
        folder = self._folder or Path()
        return cost_of(derive(self._graph, edits, subject="derive uniform", folder=folder)).macs

    def within(self, most_macs: int) -> int:
        """The first rung that takes at most so many MACs, by bisection.

        Raises:
            BuildError: Not even the last one does.
        """
        if cost_of(self._graph).macs <= most_macs:
            return 0
        low, high = 1, max(1, self.rungs - 1)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.macs(middle) <= most_macs else (middle + 1, high)
        if self.macs(low) > most_macs:
            raise BuildError(
                "choose a uniform configuration",
                expected=f"one of at most {text_from_count(most_macs, 'MACs')}",
                got=f"{text_from_count(self.macs(low), 'MACs')} for the cheapest",
                advice="This budget needs other edits",
            )
        return low

    def _narrowed(self, group: ChannelGroup, ratio: float) -> Edit:
        keep = max(1, round(group.units * ratio))
        edit: dict[str, Any] = {"group": group.name, "keep": keep, "align": _ALIGN}
        if self._folder is not None:
            edit["ranking"] = RANKING
        return {"narrow_channels": edit}


def attention_branches(graph: Graph) -> list[ResidualBranch]:
    """Residual branches with a softmax in them."""
    softmax = {node.name for node in graph.nodes if node.op_type == "Softmax"}
    return [branch for branch in find_residual_branches(graph) if softmax & set(branch.nodes)]


def inner_groups(graph: Graph) -> list[ChannelGroup]:
    """Channel groups that can be cut and lie whole inside a branch without attention."""
    attention = {branch.name for branch in attention_branches(graph)}
    inside = [set(b.nodes) for b in find_residual_branches(graph) if b.name not in attention]
    return [
        group
        for group in find_channel_groups(graph)
        if not group.blocked and _lies_in(inside, [*group.producers, *group.readers])
    ]


def _lies_in(places: Sequence[set[str]], names: Sequence[str]) -> bool:
    return any(place.issuperset(names) for place in places)


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
    base = load_graph(opened.graph_path)
    costs = {}
    for configuration in opened.family.configurations:
        graph = derive(
            base,
            configuration.edits,
            subject=f"derive {configuration.name}",
            folder=opened.path,
            input_spec=opened.family.input,
        )
        (folder / configuration.name).mkdir(exist_ok=True)
        save_graph(graph, folder / configuration.name / MODEL)
        costs[configuration.name] = cost_of(graph).macs
    return {"macs": costs}
