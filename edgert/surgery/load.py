"""Reading an ONNX file and bringing it to the one form that edits work on.

That form, whatever exporter wrote the file: static shapes on every value, constants as
initializers, shape arithmetic folded away, no Identity and no Dropout, one spelling of GELU, node
names that carry the module path they came from.
"""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgert.errors import ArtifactError, PreconditionError
from edgert.optional import needs
from edgert.surgery.control_flow import refuse_control_flow, take_known_branches
from edgert.surgery.fold import fold_static_values
from edgert.surgery.gelu import spell_gelu
from edgert.surgery.graph import Graph, infer_shapes, remove_unused, static_shape
from edgert.surgery.model_file import read_model
from edgert.surgery.operators import STANDARD
from edgert.surgery.unused_names import UnusedNames

_SMALL_BYTES = 1024


def load_graph(path: Path, *, input_shapes: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """Read an ONNX file and bring it to edgert's form.

    Args:
        path: The .onnx file; external weights are found beside it.
        input_shapes: Static shapes for inputs that have free dimensions. A free leading
            dimension without an entry is taken as a batch of 1.

    Raises:
        ArtifactError: The file or its weights are missing, truncated or no ONNX model.
        PreconditionError: An input dimension is free and no shape was given, a node has
            branches or a loop, or a shape follows from the values in a frame. Operators of an
            own domain are let through as they are: nothing is known of them, also not shapes.
    """
    ir = needs("onnx_ir", "build", "to read ONNX graphs")
    subject = f"read {path}"
    graph = Graph(_deserialised(read_model(path), subject))
    ir.external_data.set_base_dir(graph.model.graph, path.parent)
    _load_small_tensors(graph)
    _set_input_shapes(graph, str(path), input_shapes or {})
    graph = normalised(graph, subject=subject)
    refuse_control_flow(graph.model.graph, subject)
    _refuse_shapes_of_values(graph, subject)
    return graph


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
    # What one round makes known, the next may need.
    while fold_static_values(model.graph) or _took_branches(graph):
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


def _deserialised(proto: Any, subject: str) -> Any:
    ir = needs("onnx_ir", "build", "to read ONNX graphs")
    serde = needs("onnx_ir.serde", "build", "to read ONNX graphs")
    try:
        return ir.from_proto(proto)
    except serde.SerdeError as error:
        cause = error.__cause__ or error
        raise ArtifactError(
            subject,
            expected="an ONNX model that can be read",
            got=str(cause).strip().splitlines()[0],
            advice="Export the model again",
        ) from error


def _took_branches(graph: Graph) -> bool:
    """Take the branches that are known now; their constants become initializers as all others."""
    common = needs("onnx_ir.passes.common", "build", "to edit ONNX graphs")
    if not take_known_branches(graph.model.graph):
        return False
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(graph.model)
    _name_nodes_by_scope(graph.model)
    return True


def _refuse_shapes_of_values(graph: Graph, subject: str) -> None:
    """Refuse the first node of the standard that makes a size out of the values of a frame."""
    for node in graph.nodes:
        if node.domain not in STANDARD or any(
            static_shape(value) is None for value in node.inputs if value is not None
        ):
            continue
        for value in node.outputs:
            if static_shape(value) is None and (value.uses() or value.is_graph_output()):
                raise PreconditionError(
                    f"{subject}, node {node.name} ({node.op_type})",
                    expected=f"an output {value.name} of static shape",
                    got=f"shape {value.shape}, which depends on the values in a frame",
                    advice="Export the model up to this node, or with a fixed number of results",
                )


def _load_small_tensors(graph: Graph) -> None:
    """Take small external tensors into memory: shape inference looks at no file."""
    ir = needs("onnx_ir", "build", "to read ONNX graphs")
    values = [
        value
        for value in graph.model.graph.initializers.values()
        if isinstance(value.const_value, ir.ExternalTensor)
        and value.const_value.nbytes <= _SMALL_BYTES
    ]
    tensors = ir.external_data.convert_tensors_from_external([v.const_value for v in values])
    for value, tensor in zip(values, tensors, strict=True):
        value.const_value = tensor


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
    names = UnusedNames()
    for node in model.graph:
        scopes = node.metadata_props.get("pkg.torch.onnx.name_scopes")
        name = node.name or node.op_type
        if scopes:
            path = [scope for scope in ast.literal_eval(scopes)[:-1] if scope]
            name = f"{path[-1] if path else ''}/{node.op_type}"
        node.name = names.take(name)
        node.doc_string = None
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
