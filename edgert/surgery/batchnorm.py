"""The statistics of BatchNormalization nodes: reading them, giving them others, files of them.

Measuring them is calibration's business. Keys are "<node name>.mean" and "<node name>.var".
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgert.errors import PreconditionError
from edgert.surgery.graph import Graph, add_initializer, constant_array, finished

Array = NDArray[Any]
STATISTICS = {"mean": 3, "var": 4}  # by kind, the node's input
_ABOUT = "about"  # no node's key: these end in .mean or .var


@dataclass(frozen=True)
class Statistics:
    """Statistics of every BatchNormalization of one graph.

    Attributes:
        tensors: Means and biased variances by key, (C,) each, float32.
        about: What they were measured of and on, for whoever wants to know whether they still
            hold; empty where nobody said.
    """

    tensors: Mapping[str, Array]
    about: Mapping[str, Any] = field(default_factory=dict)


def is_batchnorm(node: Any) -> bool:
    """Whether a node is a BatchNormalization with constant statistics."""
    return bool(
        node.op_type == "BatchNormalization"
        and len(node.outputs) == 1
        and all(constant_array(value) is not None for value in node.inputs[1:])
    )


def statistics_of(graph: Graph) -> dict[str, Array]:
    """The statistics in a graph, by key, in graph order."""
    return {
        f"{node.name}.{kind}": node.inputs[index].const_value.numpy()
        for node in graph.nodes
        if is_batchnorm(node)
        for kind, index in STATISTICS.items()
    }


def with_statistics(graph: Graph, tensors: Mapping[str, Array], *, subject: str) -> Graph:
    """The graph with other statistics in all of its BatchNormalization nodes.

    Args:
        graph: Stays unchanged.
        tensors: By key, exactly those of the graph.
        subject: What is done, for the error line.

    Raises:
        PreconditionError: The numbers are of another graph: a key is missing or none of the
            graph's, or a shape differs; or they are no statistics.
    """
    _check(statistics_of(graph), tensors, subject)
    edited = graph.copy()
    for node in edited.nodes:
        if is_batchnorm(node):
            for kind, index in STATISTICS.items():
                array = tensors[f"{node.name}.{kind}"].astype(node.inputs[index].dtype.numpy())
                fresh = add_initializer(edited, f"{node.name}.{kind}", array)
                node.replace_input_with(index, fresh)
    return finished(edited, subject=subject)


def bytes_of_statistics(statistics: Statistics) -> bytes:
    """The .npz file of statistics; the same bytes for the same statistics."""
    buffer = io.BytesIO()
    about = np.array(json.dumps(dict(statistics.about), sort_keys=True))
    np.savez(buffer, allow_pickle=False, **statistics.tensors, **{_ABOUT: about})
    return buffer.getvalue()


def read_statistics(path: Path) -> Statistics:
    """Read a file that `bytes_of_statistics` made.

    Raises:
        PreconditionError: It is not there, damaged, or something else.
    """
    try:
        with path.open("rb") as file:  # numpy leaves a damaged file of its own opening open
            archive = np.load(file, allow_pickle=False)
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(str(arrays.pop(_ABOUT, "{}")))
    except (OSError, ValueError, AttributeError, BadZipFile, EOFError) as error:
        raise PreconditionError(
            f"recalibrate_batchnorm from {path}",
            expected="an .npz file of BatchNorm statistics",
            got=(getattr(error, "strerror", None) or "a damaged one, or something else").lower(),
            advice="Measure them: edgert recalibrate FAMILY --images DIR",
        ) from error
    return Statistics(arrays, about)


def _check(known: Mapping[str, Array], given: Mapping[str, Array], subject: str) -> None:
    for key in [*known, *given]:
        if key not in given:
            raise _misfit(subject, f"{key} of shape {known[key].shape}", "none of that key")
        if key not in known:
            raise _misfit(subject, f"a BatchNormalization for {key}", "none of that name")
        if given[key].shape != known[key].shape:
            wanted = f"{key} of shape {known[key].shape}"
            raise _misfit(subject, wanted, f"shape {given[key].shape}")
        if not _are_statistics(key, given[key]):
            wrong = "others" if key.endswith(".var") else "some that are not"
            wanted = "finite numbers" + (" of 0 and more" if key.endswith(".var") else "")
            raise _misfit(subject, f"{wanted} for {key}", wrong)


def _are_statistics(key: str, array: Array) -> bool:
    numbers = np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()
    return bool(numbers and (not key.endswith(".var") or (array >= 0).all()))


def _misfit(subject: str, expected: str, got: str) -> PreconditionError:
    return PreconditionError(
        subject,
        expected=expected,
        got=got,
        advice="These statistics are of another graph: measure them again",
    )
