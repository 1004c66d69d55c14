"""How good a subnet is: on pictures after its statistics were taken anew, or by a predictor.

Each way says what its scores are, and whether they were measured; nothing else in the search
knows which one it has.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgert.backends.onnxruntime import session_from_bytes
from edgert.calibration.recalibration import measure_statistics
from edgert.errors import InferenceError
from edgert.families.ofa_space import Space, Subnet
from edgert.records import Provenance
from edgert.search.subnets.genes import word_of
from edgert.search.subnets.pictures import CalibrationBatches, ScoringInputs
from edgert.search.subnets.predictor import CAUTION, AccuracyPredictor, check_predictable
from edgert.search.subnets.result import SubnetMetric
from edgert.search.subnets.supernet import Supernet
from edgert.search.trial import serialised
from edgert.surgery.batchnorm import with_statistics
from edgert.surgery.graph import Graph

Array = NDArray[Any]


class Scorer(Protocol):
    """Scores subnets, 0..1; a larger one is better.

    Attributes:
        metric: What a score is.
        provenance: Measured, or modelled.
        caution: What has to be said wherever its scores are shown; may be empty.
        is_free: It takes no time worth a line in the journal.
    """

    metric: SubnetMetric
    provenance: Provenance
    caution: str
    is_free: bool

    def __call__(self, subnet: Subnet) -> float:
        """The score that chooses."""
        ...


class PredictedScore:
    """What the published predictor says; modelled.

    Args:
        predictor: Of OFA-ResNet50.
        space: That is searched.

    Raises:
        ArtifactError: The predictor does not know this space.
    """

    metric: SubnetMetric = "predicted top1"
    provenance: Provenance = "modelled"
    caution = CAUTION
    is_free = True

    def __init__(self, predictor: AccuracyPredictor, space: Space) -> None:
        check_predictable(space, "predict the accuracy of subnets")
        self._predictor = predictor

    def __call__(self, subnet: Subnet) -> float:
        """Predicted top-1."""
        return min(max(float(self._predictor([subnet])[0]), 0.0), 1.0)


class Recalibrator:
    """Derives a subnet and gives it statistics of its own.

    Args:
        supernet: What subnets are cut from.
        threads: Of the runtime; None: all.
    """

    def __init__(self, supernet: Supernet, *, threads: int | None) -> None:
        self.supernet, self._threads = supernet, threads

    def __call__(
        self, subnet: Subnet, batches: Iterable[Sequence[Array]]
    ) -> tuple[Graph, dict[str, Array]]:
        """A subnet's graph with its statistics taken anew on pictures, and these."""
        word = word_of(self.supernet.space, subnet)
        graph = self.supernet.derived(subnet, subject=f"derive {word}")
        statistics = measure_statistics(graph, batches, threads=self._threads)
        return with_statistics(graph, statistics, subject=f"recalibrate {word}"), statistics


class PictureScore:
    """Takes a subnet's statistics on some pictures and counts right answers on others.

    With labels an answer is right where it is the label, else where it is what the whole supernet
    answers, its own statistics taken anew likewise.

    Args:
        recalibrate: Gives subnets statistics of their own.
        inputs: Of all scoring pictures.
        batches: Of calibration pictures.
        choose: Scoring pictures that choose.
        report: Those that only report.
        threads: Of the runtime; None: all.
    """

    provenance: Provenance = "measured"
    caution = ""
    is_free = False

    def __init__(
        self,
        recalibrate: Recalibrator,
        inputs: ScoringInputs,
        batches: CalibrationBatches,
        *,
        choose: Sequence[int],
        report: Sequence[int],
        threads: int | None,
    ) -> None:
        self._recalibrate, self._batches, self._threads = recalibrate, batches, threads
        self._inputs, self._labels = inputs.inputs, inputs.labels
        self.choose, self.report = list(choose), list(report)
        self.metric: SubnetMetric = "agreement" if inputs.labels is None else "top1"

    def __call__(self, subnet: Subnet) -> float:
        """The score on the half that chooses, its statistics on the search's pictures."""
        graph, _ = self._recalibrate(subnet, self._batches.search)
        return float(self.right(graph, self.choose).mean())

    def right(self, graph: Graph, part: Sequence[int]) -> NDArray[np.bool_]:
        """Whether a graph's answer is the one that counts, for each picture of a part.

        Raises:
            InferenceError: Its logits are not finite.
        """
        answers = self._logits(graph, part).argmax(axis=1)
        right: NDArray[np.bool_] = answers == self._reference()[np.asarray(part)]
        return right

    def _reference(self) -> Array:
        """The label of each scoring picture: as given, or as the whole supernet answers."""
        if self._labels is None:
            full = self._recalibrate.supernet.full
            graph, _ = self._recalibrate(full, self._batches.final)
            self._labels = self._logits(graph, range(len(self._inputs))).argmax(axis=1)
        return self._labels

    def _logits(self, graph: Graph, part: Sequence[int]) -> Array:
        session = session_from_bytes(serialised(graph), threads=self._threads)
        name = session.inputs[0].name
        rows = []
        for index in part:
            [row] = session.run({name: self._inputs[index : index + 1]}).values()
            rows.append(row)
        session.close()
        logits: Array = np.concatenate(rows)
        if not np.isfinite(logits).all():
            raise InferenceError(
                "score a subnet",
                expected="finite logits",
                got="NaN or infinity",
                advice="Calibrate on more pictures",
            )
        return logits
