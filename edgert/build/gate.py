"""The parity gate: an engine is not listed before it computes what its graph does.

What it computes is compared with the derived graph run by onnxruntime without any optimisation,
on noise, waves, extremes and real pictures: value by value, label by label, and by the task's own
score. An engine over a limit is refused, and the first node that it gets wrong is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from edgert.backends.base import Backend, Session
from edgert.build.check import check_graph
from edgert.build.engine_parts import part_opener
from edgert.build.graph_report import Parent
from edgert.build.task_parity import Progress, task_loss, task_parity
from edgert.build.verify import Tolerance
from edgert.errors import VerificationError
from edgert.preprocess import Preprocessor
from edgert.profiling.labelled import ScoringFrames
from edgert.records import Family, Parity

Array = NDArray[Any]


@dataclass(frozen=True)
class GateFrames:
    """Real pictures for the gate. Without any it has to do with noise, waves and extremes."""

    pictures: Sequence[Array] = ()  # (H, W, 3) uint8 RGB
    labelled: ScoringFrames | None = None  # for the task's score; the graph's own labels else

    def tensors(self, family: Family) -> list[Array]:
        """The pictures as the family's input takes them, (1, 3, H, W)."""
        preprocess = Preprocessor(family.input)
        return [preprocess(picture).copy() for picture in self.pictures]


def pass_gate(
    derived: Path,
    engine: Session,
    backend: Backend,
    *,
    family: Family,
    parent: Parent,
    frames: GateFrames,
    tolerance: Tolerance,
    subject: str,
    progress: Progress | None = None,
) -> Parity:
    """Compare an engine with the graph that it was compiled from.

    Args:
        derived: The graph.
        engine: The engine, loaded; it stays open unless it is wrong.
        backend: What compiled it, to find the first node that it gets wrong.
        family: Whose configuration it is.
        parent: The family's base graph; lossless edits have to compute what it does.
        frames: Pictures, with labels or without.
        tolerance: How far the two may be apart.
        subject: What errors begin with.
        progress: Called before each labelled frame.

    Raises:
        VerificationError: They are too far apart, with the first wrong node; or the graph itself
            is wrong.
    """
    tensors = frames.tensors(family)
    report = check_graph(
        derived,
        parent=parent,
        frames=tensors,
        engine=engine,
        open_part=part_opener(backend),
        tolerance=tolerance,
        measure=None,
        stages=("run", "optimisation", "parent", "cost"),
    )
    report.refuse_errors(subject)
    if report.optimised is None:
        raise RuntimeError("the stage 'optimisation' did not run")
    task = task_parity(
        derived, engine, family, tensors, labelled=frames.labelled, progress=progress
    )
    if task is not None and task.graph - task.engine > (lost := task_loss(task, tolerance)):
        raise VerificationError(
            subject,
            expected=f"{task.metric} of at least {task.graph - lost:.2%} against "
            f"{task.truth}, the graph's {task.graph:.2%} less {lost:.1%}",
            got=f"{task.engine:.2%} on {task.frames} frames",
            advice="The engine rounds too much for this model: build it in another precision",
        )
    return msgspec.structs.replace(report.optimised.parity, frames=len(tensors), task=task)
