"""What comes out is made ready: statistics from all calibration pictures, both halves scored."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import make_folder, write_atomically
from edgert.backends.onnxruntime import session_from_bytes
from edgert.build.statistics_origin import origin_of
from edgert.calibration.picture_batches import Batches
from edgert.families.ofa_space import Subnet
from edgert.records import Configuration
from edgert.search.score import drop_error
from edgert.search.subnets.genes import word_of
from edgert.search.subnets.scoring import PictureScore, Recalibrator, Scorer
from edgert.search.trial import serialised
from edgert.surgery.batchnorm import Statistics, bytes_of_statistics
from edgert.surgery.graph import Graph

Array = NDArray[Any]
_PARTS = ("choose", "report")


class Finisher:
    """Takes a subnet's last statistics and its last scores, and keeps what writing needs.

    Args:
        folder: In the work folder; made if it is not there.
        recalibrate: Gives subnets statistics of their own.
        batches: Of all calibration pictures.
        scorer: Scores both halves where it works on pictures.
        probe: The model's input for one picture; what is written is compared with on it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        recalibrate: Recalibrator,
        batches: Batches,
        scorer: Scorer,
        probe: Array,
    ) -> None:
        make_folder(folder)
        self._folder, self._recalibrate, self._batches = folder, recalibrate, batches
        self._scorer, self._probe = scorer, np.array(probe, np.float32)
        np.save(folder / "probe.npy", self._probe)

    def __call__(self, subnet: Subnet) -> dict[str, Any]:
        """Finish one subnet; the whole one has to be the first.

        Returns:
            "scores" and "errors" by half, and the score "before" of the reporting half with the
            supernet's own statistics; only the score "choose" where a predictor scores.
        """
        word = word_of(self._recalibrate.supernet.space, subnet)
        graph, statistics = self._recalibrate(subnet, self._batches)
        about = {
            **self._origin(subnet),
            "subnet": word,
            "count": len(self._batches.paths),
            "batch": self._batches.size,
        }
        content = bytes_of_statistics(Statistics(statistics, about))
        write_atomically(statistics_path(self._folder, word), content)
        result = self._scored(subnet, graph, word)
        np.save(probe_path(self._folder, word), logits_of(graph, self._probe))
        return result

    def _origin(self, subnet: Subnet) -> dict[str, str]:
        """What builds hold the statistics against: the model, and the edits in front of them."""
        supernet = self._recalibrate.supernet
        edits = supernet.edits(subnet)
        return origin_of(supernet.folder, Configuration(name="any", edits=edits), edits, [])

    def _scored(self, subnet: Subnet, graph: Graph, word: str) -> dict[str, Any]:
        if not isinstance(self._scorer, PictureScore):
            return {"scores": {"choose": self._scorer(subnet)}, "errors": {}}
        full = word_of(self._recalibrate.supernet.space, self._recalibrate.supernet.full)
        scores: dict[str, float] = {}
        errors: dict[str, float | None] = {}
        for part in _PARTS:
            right = self._scorer.right(graph, getattr(self._scorer, part))
            np.save(self._folder / f"{word}.{part}.npy", right)
            whole = np.load(self._folder / f"{full}.{part}.npy")
            scores[part] = float(right.mean())
            errors[part] = drop_error(_counts(whole), _counts(right))
        plain = self._recalibrate.supernet.derived(subnet, subject=f"derive {word}")
        scores["before"] = float(self._scorer.right(plain, self._scorer.report).mean())
        return {"scores": scores, "errors": errors}


def statistics_path(folder: Path, word: str) -> Path:
    """Where the statistics of a finished subnet lie."""
    return folder / f"{word}.npz"


def probe_path(folder: Path, word: str) -> Path:
    """Where a finished subnet's answer to the probe lies."""
    return folder / f"{word}.probe.npy"


def logits_of(graph: Graph, tensor: Array) -> Array:
    """What a graph answers to one input."""
    session = session_from_bytes(serialised(graph), threads=1)
    [logits] = session.run({session.inputs[0].name: tensor}).values()
    session.close()
    answer: Array = np.array(logits)
    return answer


def _counts(right: NDArray[np.bool_]) -> Array:
    return np.stack([right, np.ones_like(right)], axis=1).astype(np.int64)
