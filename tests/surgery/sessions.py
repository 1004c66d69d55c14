"""Graphs in ONNX Runtime as they are written, without a copy of their weights on the way.

Weights of a hundred megabytes, written out, parsed and copied anew for each of some fifty edits of
a graph, took longer than running them.
"""

import numpy as np
import onnx_ir as ir
import onnxruntime

from edgert.surgery.graph import Graph

_HANDED_OVER_BYTES = 4096  # smaller ones are written into the model


def session_of(graph: Graph, *, threads: int = 0) -> onnxruntime.InferenceSession:
    """The graph unoptimised; `threads` 0: one for each core. Its weights stay where they are."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the core from those that work, on a busy machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = graph.model.clone()
    fed = {value.name for value in model.graph.inputs}  # these may be given anew in each run
    names, weights = [], []
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor.nbytes < _HANDED_OVER_BYTES or name in fed or not value.uses():
            continue  # the runtime looks in vain for what nothing reads
        names.append(name)
        weights.append(
            onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(tensor.numpy()))
        )
        value.const_value = ir.ExternalTensor(
            "handed over", 0, tensor.nbytes, tensor.dtype, shape=tensor.shape, name=name
        )
    if names:
        options.add_external_initializers(names, weights)
    content = ir.to_proto(model).SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
