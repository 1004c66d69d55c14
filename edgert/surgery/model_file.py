"""What an .onnx file holds, read as it lies there, and refused in one line where it breaks a rule.

The rules are those of the format that libraries pass over in silence or with an error of their
own: sizes, names, operators, the order of nodes. Where weights lie beside the model is
`external_weights`' part; what the graph means, and its one form, `load`'s.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edgert.errors import ArtifactError
from edgert.optional import needs
from edgert.surgery.external_weights import bytes_of, check_external_weights
from edgert.surgery.model_names import check_names, check_order, node_label, subgraphs
from edgert.surgery.operators import STANDARD
from edgert.units import text_from_bytes

# Where tensors that are not raw bytes keep their numbers, by TensorProto.DataType.
_NUMBERS_IN = {1: "float_data", 6: "int32_data", 7: "int64_data", 9: "int32_data",
               10: "int32_data", 11: "double_data"}  # fmt: skip
_PROTOBUF_LIMIT_BYTES = 1 << 31  # a message that is longer can't be parsed by anyone


def read_model(path: Path) -> Any:
    """The file as an onnx.ModelProto; weights beside it are not read, but they are there.

    Raises:
        ArtifactError: The file or its weights are missing, truncated, no ONNX model, or one that
            breaks a rule of the format; the line names the node or tensor.
    """
    model = _parsed(path)
    subject = f"read {path}"
    _refuse_sparse(model, subject)
    _check_opset(model, subject)
    _check_operators(model, subject)
    check_names(model.graph, subject)
    check_order(model.graph, subject)
    check_external_weights(tensors_of(model), path)
    _check_inline_weights(model, subject)
    return model


def tensors_of(model: Any) -> Iterator[Any]:
    """Every tensor of a model: initializers and attributes, those of subgraphs too."""
    for graph in _graphs(model.graph):
        yield from graph.initializer
        yield from _node_tensors(graph.node)
    for function in model.functions:
        yield from _node_tensors(function.node)


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and all inside its nodes."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from _graphs(inner)


def _nodes(graph: Any) -> Iterator[Any]:
    for each in _graphs(graph):
        yield from each.node


def _node_tensors(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        for entry in node.attribute:
            if entry.HasField("t"):
                yield entry.t
            yield from entry.tensors


def _parsed(path: Path) -> Any:
    onnx = needs("onnx", "build", "to read ONNX graphs")
    message = needs("google.protobuf.message", "build", "to read ONNX graphs")
    subject = f"read {path}"
    try:
        size_bytes = path.stat().st_size
        if size_bytes >= _PROTOBUF_LIMIT_BYTES:
            raise ArtifactError(
                subject,
                expected="a file below 2 GiB, which is all that the format can hold",
                got=text_from_bytes(size_bytes),
                advice="Save it again with its weights in a file beside it (external data)",
            )
        model = onnx.load(str(path), load_external_data=False)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(
            subject, expected="an ONNX file", got="no such file", advice="Check the path"
        ) from error
    except IsADirectoryError as error:
        raise ArtifactError(
            subject,
            expected="an ONNX file",
            got="a folder",
            advice="Name the file in it; a family's is base.onnx",
        ) from error
    except PermissionError as error:
        raise ArtifactError(
            subject,
            expected="a file that may be read",
            got="permission denied",
            advice="Change its owner or mode, or run as a user who may read it",
        ) from error
    except message.DecodeError as error:
        raise ArtifactError(
            subject,
            expected="an ONNX file",
            got=f"something else or a truncated one ({str(error).splitlines()[0]})",
            advice="Export or copy it again",
        ) from error
    if not model.graph.node or not model.opset_import:
        raise ArtifactError(
            subject,
            expected="an ONNX model with nodes and an opset",
            got=f"{size_bytes} bytes without them",
            advice="Export or copy it again",
        )
    return model


def _refuse_sparse(model: Any, subject: str) -> None:
    for graph in _graphs(model.graph):
        for tensor in graph.sparse_initializer:
            raise ArtifactError(
                f"{subject}, weight {tensor.values.name}",
                expected="a dense tensor",
                got="a sparse initializer",
                advice="Export the model with dense weights",
            )


def _check_opset(model: Any, subject: str) -> None:
    defs = needs("onnx.defs", "build", "to read ONNX graphs")
    newest = defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in STANDARD and not 1 <= entry.version <= newest:
            raise ArtifactError(
                subject,
                expected=f"opset 1 to {newest}, which the onnx installed here knows",
                got=f"opset {entry.version}",
                advice="Export with an older opset" if entry.version > newest else "Export again",
            )


def _check_operators(model: Any, subject: str) -> None:
    """Operators of the standard have to be in it; other domains only have to be declared."""
    defs = needs("onnx.defs", "build", "to read ONNX graphs")
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    standard = opsets.get("", opsets.get("ai.onnx"))
    functions = {(function.domain, function.name) for function in model.functions}
    for node in _nodes(model.graph):
        place = f"{subject}, node {node_label(node)}"
        if node.domain not in STANDARD:
            if node.domain not in opsets:
                raise ArtifactError(
                    place,
                    expected=f"an opset for the operator's domain {node.domain}",
                    got="none in the model",
                    advice="Export it again with the extension that defines the operator",
                )
            continue
        if (node.domain, node.op_type) in functions:
            continue
        if standard is None or not _is_standard(defs, node.op_type, standard):
            raise ArtifactError(
                place,
                expected=f"an operator of opset {standard}",
                got=f"{node.op_type}, {_when_it_came(defs, node.op_type)}",
                advice="Export the model again with an opset that has all its operators",
            )


def _is_standard(defs: Any, op_type: str, opset: int) -> bool:
    try:
        return not defs.get_schema(op_type, opset, "").deprecated
    except defs.SchemaError:
        return False


def _when_it_came(defs: Any, op_type: str) -> str:
    versions = [
        schema.since_version
        for schema in defs.get_all_schemas_with_history()
        if schema.name == op_type and schema.domain == "" and not schema.deprecated
    ]
    return f"which came with opset {min(versions)}" if versions else "which no opset has"


def _check_inline_weights(model: Any, subject: str) -> None:
    """A tensor inside the file has as many numbers as its shape and type say."""
    for tensor in tensors_of(model):
        if tensor.external_data:
            continue
        field = _NUMBERS_IN.get(tensor.data_type)
        if tensor.HasField("raw_data"):
            needed, got, unit = bytes_of(tensor, subject), len(tensor.raw_data), "bytes"
        elif field is not None:
            needed, got, unit = math.prod(tensor.dims), len(getattr(tensor, field)), "numbers"
        else:
            continue
        if needed != got:
            raise ArtifactError(
                f"{subject}, tensor {tensor.name}",
                expected=f"{needed} {unit} for its shape {tuple(tensor.dims)}",
                got=str(got),
                advice="Export or copy it again",
            )
