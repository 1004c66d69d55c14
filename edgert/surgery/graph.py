"""The graph that edits work on: loading, bringing to one form, indexing, saving.

Owns the one form that every edit relies on, whatever exporter wrote the file: static shapes on
every value, constants as initializers, shape arithmetic folded away, no Identity and no Dropout,
node names that carry the module path they came from. Edits are left to their own files.
"""

import ast
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.errors import ArtifactError, PostconditionError, PreconditionError
from edgert.optional import needs
from edgert.surgery.fold import fold_static_values
from edgert.surgery.gelu import spell_gelu

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


def load_graph(path: Path, *, input_shapes: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """Read an ONNX file and bring it to edgert's form.

    Args:
        path: The .onnx file; external weights are found beside it.
        input_shapes: Static shapes for inputs that have free dimensions. A free leading
            dimension without an entry is taken as a batch of 1.

    Raises:
        ArtifactError: The file or its weights are missing, truncated or no ONNX model.
        PreconditionError: An input dimension is free and no shape was given.
    """
    ir = needs("onnx_ir", "build", "to read ONNX graphs")
    model = _parse(path)
    _check_external_weights(model, path)
    graph = Graph(ir.from_proto(model))
    ir.external_data.set_base_dir(graph.model.graph, path.parent)
    _set_input_shapes(graph, str(path), input_shapes or {})
    return normalised(graph, subject=f"read {path}")


def normalised(graph: Graph, *, subject: str = "normalise graph") -> Graph:
    """Bring a graph to edgert's form, as the module describes it. The argument is consumed."""
    common = needs("onnx_ir.passes.common", "build", "to edit ONNX graphs")
    model = graph.model
    for make_pass in (
        common.InlinePass,
        lambda: common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.RemoveInitializersFromInputsPass,
        common.TopologicalSortPass,
    ):
        model = make_pass()(model).model
    _name_nodes_by_scope(model)
    graph = Graph(model)
    infer_shapes(graph)
    while fold_static_values(model.graph):  # what one round makes known, the next may need
        infer_shapes(graph)
    for node in list(model.graph):
        if node.op_type in ("Identity", "Dropout") and not node.outputs[0].is_graph_output():
            node.outputs[0].replace_all_uses_with(node.inputs[0])
    spell_gelu(model.graph)
    remove_unused(graph)
    if not graph.nodes or not graph.outputs:
        raise ArtifactError(
            subject,
            expected="a graph with nodes and outputs",
            got=f"{len(graph.nodes)} nodes and {len(graph.outputs)} outputs",
            advice="Export the model again",
        )
    return graph


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


def _parse(path: Path) -> Any:
    onnx = needs("onnx", "build", "to read ONNX graphs")
    message = needs("google.protobuf.message", "build", "to read ONNX graphs")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"read {path}", expected="an ONNX file", got="no such file", advice="Check the path"
        ) from error
    except (message.DecodeError, IsADirectoryError, PermissionError) as error:
        raise ArtifactError(
            f"read {path}",
            expected="an ONNX file",
            got=f"something else or a truncated one ({str(error).splitlines()[0]})",
            advice="Export or copy it again",
        ) from error
    if not model.graph.node or not model.opset_import:
        raise ArtifactError(
            f"read {path}",
            expected="an ONNX model with nodes and an opset",
            got=f"{path.stat().st_size} bytes without them",
            advice="Export or copy it again",
        )
    return model


def _check_external_weights(model: Any, path: Path) -> None:
    """Say early, in one line, that a weights file is missing or too short."""
    for tensor in model.graph.initializer:
        if not tensor.external_data:
            continue
        entry = {item.key: item.value for item in tensor.external_data}
        weights = path.parent / entry.get("location", "")
        needed = int(entry.get("offset", 0)) + int(entry.get("length", 0))
        size_bytes = weights.stat().st_size if weights.is_file() else None
        if size_bytes is None or size_bytes < needed:
            raise ArtifactError(
                f"read {path}: weights {weights.name} of tensor {tensor.name}",
                expected=f"a file of {needed} bytes or more beside the model",
                got="no such file" if size_bytes is None else f"{size_bytes} bytes",
                advice="Copy model and weights again, together",
            )


def _set_input_shapes(graph: Graph, path: str, input_shapes: Mapping[str, Sequence[int]]) -> None:
    ir = needs("onnx_ir", "build", "to read ONNX graphs")
    initializers = graph.model.graph.initializers
    unknown = set(input_shapes) - {value.name for value in graph.inputs}
    if unknown:
        raise PreconditionError(
            f"read {path}: input shapes",
            expected=f"names among {[v.name for v in graph.inputs]}",
            got=f"{sorted(unknown)}",
            advice="Correct the name",
        )
    for value in graph.inputs:
        if value.name in initializers:
            continue
        if value.name in input_shapes:
            value.shape = ir.Shape(tuple(input_shapes[value.name]))
        elif static_shape(value) is None and value.shape is not None:
            dims = [
                1 if i == 0 and not isinstance(d, int) else d for i, d in enumerate(value.shape)
            ]
            value.shape = ir.Shape(dims)
        if static_shape(value) is None:
            raise PreconditionError(
                f"read {path}: input {value.name}",
                expected="a static shape",
                got=str(value.shape),
                advice=f"Give one: --input-shape {value.name}=1,3,224,224",
            )


def _name_nodes_by_scope(model: Any) -> None:
    """Give every node a unique name that starts with its module path; drop exporter's notes.

    TorchScript exports name nodes "/module/path/Op"; the dynamo exporter keeps the path in the
    node's metadata, beside source lines of the machine that ran it.
    """
    taken: set[str] = set()
    for node in model.graph:
        scopes = node.metadata_props.get("pkg.torch.onnx.name_scopes")
        name = node.name or node.op_type
        if scopes:
            path = [scope for scope in ast.literal_eval(scopes)[:-1] if scope]
            name = f"{path[-1] if path else ''}/{node.op_type}"
        unique, count = name, 1
        while unique in taken:
            unique, count = f"{name}_{count}", count + 1
        taken.add(unique)
        node.name = unique
        node.doc_string = None
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
