"""The graph that edits work on: reading it, changing a copy of it, saving it.

`load` reads a file and brings it to the form that all of this relies on.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import PostconditionError
from edgert.optional import needs

_INLINE_BYTES = 1024  # smaller tensors stay inside the .onnx file


@dataclass(frozen=True)
class Graph:
    """An ONNX model in edgert's form. Edits never change it: they work on a `copy`.

    `model` is an onnx_ir.Model. Read it freely; change only a copy.
    """

    model: Any

    @property
    def nodes(self) -> Sequence[Any]:
        """The nodes in topological order."""
        return tuple(self.model.graph)

    @property
    def inputs(self) -> Sequence[Any]:
        """The graph's inputs (onnx_ir.Value), initializers not among them."""
        return tuple(self.model.graph.inputs)

    @property
    def outputs(self) -> Sequence[Any]:
        """The graph's outputs."""
        return tuple(self.model.graph.outputs)

    def copy(self) -> "Graph":
        """A graph that can be changed without touching this one; weights are shared."""
        return Graph(self.model.clone())

    def node(self, name: str) -> Any:
        """The node of that name; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)


def finished(graph: Graph, *, subject: str) -> Graph:
    """Close an edit: dead nodes and weights go, shapes are inferred anew, the checker runs.

    Args:
        graph: The edited copy; it is changed and handed back.
        subject: What was edited, for the error line.

    Raises:
        PostconditionError: The edited graph is not a valid ONNX model.
    """
    onnx = needs("onnx", "build", "to check ONNX graphs")
    infer = needs("onnx.shape_inference", "build", "to check ONNX graphs")
    remove_unused(graph)
    common = needs("onnx_ir.passes.common", "build", "to edit ONNX graphs")
    graph = Graph(common.TopologicalSortPass()(graph.model).model)
    declared = [value.shape for value in graph.outputs]
    _forget_shapes(graph)
    infer_shapes(graph)
    for value, shape in zip(graph.outputs, declared, strict=True):
        if static_shape(value) is None:  # inference stopped at an operator that it does not know
            value.shape = shape
    try:
        common.CheckerPass(full_check=False)(graph.model)
    except (onnx.checker.ValidationError, infer.InferenceError) as error:
        raise PostconditionError(
            subject,
            expected="a valid ONNX graph after the edit",
            got=str(error).strip().splitlines()[0],
            advice="Report this with the model: the edit made a graph that breaks the format",
        ) from error
    for value, shape in zip(graph.outputs, declared, strict=True):
        if value.shape != shape:
            raise PostconditionError(
                subject,
                expected=f"output {value.name} of shape {shape}",
                got=f"shape {value.shape}",
                advice="Report this with the model: an edit may not change an output's shape",
            )
    return graph


def save_graph(graph: Graph, path: Path, *, weights: str | None = None) -> None:
    """Write the graph as an .onnx file.

    Args:
        graph: What to write.
        path: The .onnx file; its folder exists.
        weights: Name of the file beside it that takes tensors of 1 KiB and more.
            None keeps everything in the .onnx file, which the format limits to 2 GiB.
    """
    ir = needs("onnx_ir", "build", "to write ONNX graphs")
    copy = graph.copy().model  # saving rewires tensors to their new file
    if weights is None:
        copy = ir.external_data.load_to_model(copy)  # the file it was read from stays behind
    ir.save(copy, path, external_data=weights, size_threshold_bytes=_INLINE_BYTES)


# ---------------------------------------------------------------- reading a graph


def static_shape(value: Any) -> tuple[int, ...] | None:
    """The value's shape where all of it is known, else None."""
    if value is None or value.shape is None:
        return None
    dims = tuple(value.shape)
    return tuple(int(d) for d in dims) if all(isinstance(d, int) for d in dims) else None


def constant_array(value: Any) -> NDArray[Any] | None:
    """The numbers of an initializer, or None for a value that is computed or absent."""
    if value is None or value.const_value is None or value.producer() is not None:
        return None
    array: NDArray[Any] = value.const_value.numpy()
    return array


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """A node's attribute as a plain Python value, or the default."""
    found = node.attributes.get(name)
    return default if found is None else found.value


def readers(value: Any) -> list[Any]:
    """The nodes that read a value, each once, in no particular order."""
    return list(dict.fromkeys(node for node, _ in value.uses()))


def scope_of(node: Any) -> str:
    """The dotted module path in a node's name: "/enc/block.0/fc/MatMul" gives "enc.block.0.fc"."""
    parts = [part for part in (node.name or "").split("/") if part]
    return ".".join(parts[:-1])


def values_of(graph: Graph) -> Iterator[Any]:
    """Every value of the graph: inputs, initializers and node outputs."""
    yield from graph.inputs
    yield from graph.model.graph.initializers.values()
    for node in graph.nodes:
        yield from node.outputs


# ---------------------------------------------------------------- keeping the form


def infer_shapes(graph: Graph) -> None:
    """Fill in the shapes and types that follow from the inputs, in place.

    Where inference stops (an operator it does not know) shapes stay unknown; `finished` and the
    readers of shapes notice.
    """
    common = needs("onnx_ir.passes.common", "build", "to infer shapes")
    logging.getLogger("onnx_ir").setLevel(logging.CRITICAL)  # it logs a traceback for each stop
    common.ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(graph.model)


def remove_unused(graph: Graph) -> None:
    """Remove nodes and initializers that no output depends on, in place."""
    common = needs("onnx_ir.passes.common", "build", "to edit ONNX graphs")
    common.RemoveUnusedNodesPass()(graph.model)


def add_initializer(graph: Graph, name: str, array: NDArray[Any]) -> Any:
    """Add a constant under a name not used yet (a number is appended if it is); in place."""
    ir = needs("onnx_ir", "build", "to edit ONNX graphs")
    taken = graph.model.graph.initializers
    unique, count = name, 1
    while unique in taken:
        unique, count = f"{name}.{count}", count + 1
    value = ir.Value(
        name=unique,
        shape=ir.Shape(array.shape),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
        const_value=ir.tensor(np.array(array, order="C"), name=unique),
    )
    graph.model.graph.register_initializer(value)
    return value


def _forget_shapes(graph: Graph) -> None:
    """Drop shapes of computed values: stale ones would be believed by shape inference."""
    for node in graph.nodes:
        for value in node.outputs:
            value.shape = None
