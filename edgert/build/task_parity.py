"""The task's own score of an engine beside its graph's: mean IoU or top-1, on the same frames."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgert.backends.base import Session
from edgert.backends.onnxruntime import reference_session
from edgert.build.verify import Tolerance
from edgert.preprocess import Preprocessor
from edgert.profiling.accuracy import is_right, measure_miou
from edgert.profiling.labelled import ScoringFrames
from edgert.profiling.scores import metric_of
from edgert.records import Family, TaskParity

Array = NDArray[Any]
Progress = Callable[[int, int, str], None]  # steps done, steps in all, what they are

_OWN_LABELS = "the graph's own labels"


def task_parity(
    derived: Path,
    engine: Session,
    family: Family,
    tensors: Sequence[Array],
    *,
    labelled: ScoringFrames | None = None,
    progress: Progress | None = None,
) -> TaskParity | None:
    """Score an engine and its graph, run without optimisation, by the family's task.

    Args:
        derived: The graph.
        engine: The engine, loaded.
        family: Says the task.
        tensors: Pictures as inputs (1, 3, H, W); the graph's own labels are the truth of them.
        labelled: Takes their place where given.
        progress: Called before each labelled frame.

    Returns:
        Both scores; None without pictures.
    """
    if not tensors and labelled is None:
        return None
    graph = reference_session(derived)
    say = progress or (lambda *_: None)
    try:
        sides = _Sides(engine, graph, family)
        if metric_of(family) == "top1":
            return sides.top1(tensors, labelled, say)
        if labelled is None:
            return sides.miou_of_own_labels(tensors)
        return sides.miou(labelled, say)
    finally:
        graph.close()


def task_loss(task: TaskParity, tolerance: Tolerance) -> float:
    """How much of the task's score an engine may lose."""
    limit = tolerance.own_label_loss if task.truth == _OWN_LABELS else tolerance.task_loss
    # A picture counts as a whole: of few, one whose two best classes lie close together may turn.
    return max(limit, 1 / task.frames) if task.metric == "top1" else limit


@dataclass(frozen=True)
class _Sides:
    """An engine, its graph, and whose they are."""

    engine: Session
    graph: Session
    family: Family

    def top1(
        self, tensors: Sequence[Array], labelled: ScoringFrames | None, progress: Progress
    ) -> TaskParity:
        pairs: Iterable[tuple[Array, Array | None]] = [(tensor, None) for tensor in tensors]
        if labelled is not None:
            pairs = self._inputs(labelled, progress, start=0, total=len(labelled))
        right_engine, right_graph = [], []
        for tensor, label in pairs:
            logits = _run(self.graph, tensor)
            truth = logits.argmax(axis=1) if label is None else label
            right_graph.append(is_right(logits, truth))
            right_engine.append(is_right(_run(self.engine, tensor), truth))
        count = len(right_graph)
        return TaskParity(
            metric="top1",
            engine=sum(right_engine) / count,
            graph=sum(right_graph) / count,
            frames=count,
            truth=_truth(labelled),
        )

    def miou_of_own_labels(self, tensors: Sequence[Array]) -> TaskParity:
        pairs = [(x, _run(self.graph, x)[0].argmax(axis=0)) for x in tensors]
        score, count = measure_miou(
            lambda x: _run(self.engine, x),
            pairs,
            classes=len(self.family.labels),
            ignore_label=None,
        )
        return TaskParity(metric="miou", engine=score, graph=1.0, frames=count, truth=_truth(None))

    def miou(self, labelled: ScoringFrames, progress: Progress) -> TaskParity:
        total = 2 * len(labelled)
        (of_engine, count), (of_graph, _) = (
            measure_miou(
                lambda x, session=session: _run(session, x),  # type: ignore[misc]
                self._inputs(labelled, progress, start=turn * len(labelled), total=total),
                classes=len(self.family.labels),
                ignore_label=self.family.ignore_label,
            )
            for turn, session in enumerate((self.engine, self.graph))
        )
        return TaskParity(
            metric="miou", engine=of_engine, graph=of_graph, frames=count, truth=_truth(labelled)
        )

    def _inputs(
        self, labelled: ScoringFrames, progress: Progress, *, start: int, total: int
    ) -> Iterator[tuple[Array, Array]]:
        """Labelled frames as model inputs, with progress told before each."""
        preprocess = Preprocessor(self.family.input)
        for done, (picture, labels) in enumerate(labelled.read()):
            progress(start + done, total, "labelled frames")
            yield preprocess(picture), labels


def _truth(labelled: ScoringFrames | None) -> str:
    return _OWN_LABELS if labelled is None else f"labels of {labelled.name}"


def _run(session: Session, tensor: Array) -> Array:
    outputs = session.run({session.inputs[0].name: tensor})
    return outputs[session.outputs[0].name]
