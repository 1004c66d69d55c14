"""What the installed onnxruntime runs, by the lists that it gives of itself."""

import functools
from collections.abc import Mapping
from pathlib import Path

from edgert.backends.onnxruntime import graph_session
from edgert.backends.onnxruntime_kernels import Kernel, KernelTable, kernel_table
from edgert.build.targets.base import NodeUse
from edgert.errors import EngineLoadError
from edgert.optional import needs

_HALF, _FLOAT = "tensor(float16)", "tensor(float)"


class OnnxRuntimeTarget:
    """onnxruntime's CPU provider, by the lists of operators and kernels that it gives of itself.

    Types are not judged of an operator that onnxruntime can also expand into others (a function
    of the standard), nor is anything inside it: the load stage finds out. Without the lists, only
    opset and operator are judged, by the definitions of the onnx package.

    Args:
        table: None where onnxruntime does not tell.
    """

    name = "onnxruntime"

    def __init__(self, table: KernelTable | None) -> None:
        self._table = table

    @classmethod
    def installed(cls) -> "OnnxRuntimeTarget":
        """The onnxruntime that is installed here."""
        return cls(kernel_table())

    def supports(self, node: NodeUse) -> str | None:
        """None if the node runs, else why not."""
        if node.domain == "" and node.opset > (newest := newest_opset()):
            return f"opset {node.opset}, where the runtime knows those up to {newest}"
        if self._table is None:
            return None if node.domain else _undefined(node)
        since = self._table.since_version(node.domain, node.op_type, node.opset)
        if since is None:
            return self._unknown(node, self._table)
        if _is_function(node, since) or (node.domain, node.op_type) == ("", "Constant"):
            return None
        kernels = self._table.kernels.get((node.domain, node.op_type), ())
        serving = [kernel for kernel in kernels if kernel.serves(since)]
        if not serving:
            return f"no kernel for {node.op_type} of opset {since}"
        types = _types(node, self._table.signatures[node.domain, node.op_type, since])
        if any(_accepts(kernel, types) for kernel in serving):
            return None
        # Where a kernel for halves is missing, onnxruntime converts to float and back.
        widened = {key: _FLOAT if t == _HALF else t for key, t in types.items()}
        if any(_accepts(kernel, widened) for kernel in serving):
            return None
        told = ", ".join(f"{key} = {kind}" for key, kind in types.items())
        return f"no kernel for {node.op_type} with {told}"

    def _unknown(self, node: NodeUse, table: KernelTable) -> str:
        versions = table.versions.get((node.domain, node.op_type))
        if versions:
            return f"{node.op_type} at opset {node.opset}, which came with opset {min(versions)}"
        where = f"domain {node.domain}" if node.domain else "the standard"
        return f"{node.op_type} of {where}, which the runtime does not know"


@functools.cache
def newest_opset() -> int:
    """The newest opset that the installed runtime loads, found by trying.

    Its list of operators can't tell: it has some of the opset that is still being written.
    """
    onnx = needs("onnx", "build", "to check ONNX graphs")
    helper = onnx.helper
    value = functools.partial(helper.make_tensor_value_info, elem_type=1, shape=[1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "probe", [value("x")], [value("y")]
    )
    for opset in range(onnx.defs.onnx_opset_version(), 1, -1):
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        try:
            graph_session(model.SerializeToString(), Path(), name=f"opset {opset}").close()
        except EngineLoadError:
            continue
        return opset
    return 1


def _undefined(node: NodeUse) -> str | None:
    defs = needs("onnx.defs", "build", "to check ONNX graphs")
    if defs.has(node.op_type, node.opset, node.domain):
        return None
    return f"{node.op_type}, which is not in opset {node.opset}"


def _is_function(node: NodeUse, since: int) -> bool:
    """Whether the standard writes the operator in terms of others."""
    defs = needs("onnx.defs", "build", "to check ONNX graphs")
    if not defs.has(node.op_type, since, node.domain):
        return False
    schema = defs.get_schema(node.op_type, since, node.domain)
    return bool(schema.has_function or schema.has_context_dependent_function)


def _types(node: NodeUse, signature: tuple[tuple[str, ...], tuple[str, ...]]) -> dict[str, str]:
    """The types that the node gives to its operator's type parameters."""
    types: dict[str, str] = {}
    for kinds, parameters in zip((node.inputs, node.outputs), signature, strict=True):
        for index, kind in enumerate(kinds):
            if kind is not None and parameters:  # the last parameter may stand for many values
                types.setdefault(parameters[min(index, len(parameters) - 1)], kind)
    return types


def _accepts(kernel: Kernel, types: Mapping[str, str]) -> bool:
    return all(kind in kernel.types.get(key, (kind,)) for key, kind in types.items())
