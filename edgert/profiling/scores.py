"""An engine's score as a profile states it: a figure, where it comes from, how sure it is."""

from dataclasses import dataclass
from typing import Literal

from edgert.errors import ArtifactError
from edgert.profiling.accuracy import top1_interval
from edgert.records import Accuracy, Family, TensorSpec

Metric = Literal["miou", "top1"]
METRIC_NAMES: dict[Metric, str] = {"miou": "mIoU", "top1": "top-1"}
_LOGIT_AXES = {"segmentation": 4, "classification": 2}  # (1, C, h, w) and (1, C)


@dataclass(frozen=True)
class Score:
    """A score in 0..1.

    Attributes:
        value: The score.
        source: In words, beginning with the metric.
        frames: How many labelled frames it was measured on; None for an agreement.
        interval: 95 %, of top-1; nobody has one of mIoU here.
    """

    value: float
    source: str
    frames: int | None = None
    interval: tuple[float, float] | None = None


def metric_of(family: Family) -> Metric:
    """What labelled frames of a family's task are scored by."""
    return "top1" if family.task == "classification" else "miou"


def measured_score(family: Family, value: float, frames: int, *, dataset: str) -> Score:
    """What was measured on so many labelled frames of a set of that name."""
    metric = metric_of(family)
    source = f"{METRIC_NAMES[metric]} measured on {frames} labelled frames of {dataset}"
    return Score(value, source, frames, _interval(metric, value, frames))


def card_score(card: Accuracy) -> Score:
    """What the family's card says, with its source."""
    source = f"{METRIC_NAMES[card.metric]} on {card.frames} frames of {card.dataset}"
    return Score(card.value, source, card.frames, _interval(card.metric, card.value, card.frames))


def refuse_other_classes(family: Family, output: TensorSpec) -> None:
    """Scores need a logit for each of the family's labels, for segmentation at every place.

    Raises:
        ArtifactError: The engines' output has other classes or axes.
    """
    classes, axes = len(family.labels), _LOGIT_AXES[family.task]
    if len(output.shape) != axes or output.shape[1] != classes:
        raise ArtifactError(
            f"score {output.name} of {family.name}",
            expected=f"logits of {classes} classes, "
            + ("(1, C)" if axes == 2 else "(1, C, h, w)"),
            got=f"shape {output.shape}",
            advice="Correct the task or the labels in family.yaml",
        )


def _interval(metric: Metric, value: float, frames: int) -> tuple[float, float] | None:
    return top1_interval(value, frames) if metric == "top1" else None
