"""Applying fitted numbers: what calibration found to make up for what other edits took away.

The numbers lie in an .npz file that `edgert.calibration` wrote for one list of edits; fitting
them is its business. A file for other edits does not fit, and is refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgert.errors import PreconditionError
from edgert.surgery.fold_stand_ins import fold_stand_ins
from edgert.surgery.graph import Graph, add_initializer, finished
from edgert.surgery.linear_maps import linear_map
from edgert.surgery.refit import set_numbers

_SUBJECT = "compensate"
_BATCHNORM_INPUTS = {"mean": 3, "var": 4}
KINDS = ("weight", "bias", "factor", "shift", *_BATCHNORM_INPUTS)


def compensate(graph: Graph, *, fitted: Path) -> Graph:
    """Write fitted numbers into the linear maps and normalisations that they were fitted for.

    Args:
        graph: The graph that the edits before this one make. It stays unchanged.
        fitted: The .npz file, keys "<node name>.weight", ".bias", ".mean", ".var".

    Returns:
        A graph of the same nodes with other numbers. Only the sum around a stand-in that reads
        what it is added to is gone: it is folded into the stand-in.

    Raises:
        PreconditionError: The file can't be read, or it was made for another graph.

    Source:
        ReplaceMe (arXiv 2505.02819) and CORP (arXiv 2602.05243): closed-form fits on calibration
        frames. Differs: on any graph, in graph order, see `edgert.calibration.fit`.
    """
    return with_numbers(graph, _read(fitted), subject=f"{_SUBJECT} from {fitted}")


def with_numbers(graph: Graph, tensors: Mapping[str, NDArray[Any]], *, subject: str) -> Graph:
    """The graph with other numbers in the nodes that the keys name; see `compensate`."""
    edited = graph.copy()
    nodes = {node.name: node for node in edited.nodes}
    for node_name, numbers in _by_node(tensors).items():
        node = nodes.get(node_name)
        if node is None:
            raise _misfit(subject, f"a node {node_name}", "none of that name")
        for kind in numbers:
            if kind not in KINDS:
                raise _misfit(subject, f"one of {', '.join(KINDS)} for {node_name}", kind)
        _write(edited, node, numbers, subject)
    fold_stand_ins(edited)
    return finished(edited, subject=subject)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as file:  # numpy leaves a damaged file of its own opening open
            archive = np.load(file, allow_pickle=False)
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, BadZipFile, EOFError) as error:
        raise PreconditionError(
            f"{_SUBJECT} from {path}",
            expected="an .npz file of fitted numbers",
            got=str(error).splitlines()[0],
            advice="Copy the family's folder again, whole, or run the search again",
        ) from error


def _by_node(tensors: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    grouped: dict[str, dict[str, NDArray[Any]]] = {}
    for key, array in tensors.items():
        name, _, kind = key.rpartition(".")
        grouped.setdefault(name, {})[kind] = array
    return grouped


def _write(graph: Graph, node: Any, numbers: Mapping[str, NDArray[Any]], subject: str) -> None:
    for kind, index in _BATCHNORM_INPUTS.items():
        if kind in numbers:
            _replace_vector(graph, node, index, numbers[kind], subject)
    if "factor" in numbers:  # the Mul of a stand-in that scales, and the Add behind it
        _replace_vector(graph, node, 1, numbers["factor"], subject)
        [(add, _)] = node.outputs[0].uses()
        _replace_vector(graph, add, 1, numbers["shift"], subject)
    if "weight" not in numbers:
        return
    linear = linear_map(node)
    if linear is None or linear.weight.shape != numbers["weight"].shape:
        found = "no linear map" if linear is None else f"{linear.weight.shape}"
        raise _misfit(subject, f"{node.name} of shape {numbers['weight'].shape}", found)
    set_numbers(graph, linear, numbers["weight"], numbers.get("bias"))


def _replace_vector(
    graph: Graph, node: Any, index: int, array: NDArray[Any], subject: str
) -> None:
    old = node.inputs[index] if index < len(node.inputs) else None
    if old is None or old.const_value is None or old.const_value.size != array.size:
        found = "no constant" if old is None else str(old.shape)
        raise _misfit(subject, f"{node.name} with {array.size} numbers at input {index}", found)
    shaped = array.reshape(tuple(old.shape)).astype(old.dtype.numpy())
    node.replace_input_with(index, add_initializer(graph, f"{node.name}.{index}", shaped))


def _misfit(subject: str, expected: str, got: str) -> PreconditionError:
    return PreconditionError(
        subject,
        expected=expected,
        got=got,
        advice="The file was fitted for other edits: fit it again",
    )
