"""Stands in for NVIDIA's module: as much of it as parsing and compiling touches.

It makes a layer of every node, by the operator's name. Operators of the domain "test" do what
their names say: Refused and Unbuildable are errors of the parser and of the compiler, Warned is
talked about, Crashed ends the process, Raised is a fault of the bindings, Hung never ends; it
tells so whoever reads the pipe beside the graph, if there is one.
"""

import enum
import os
import signal
import sys
import threading
from pathlib import Path

import onnx

__version__ = "9.8.7.6"

ComputeCapability = enum.Enum("ComputeCapability", "CURRENT SM86 SM89")
BuilderFlag = enum.Enum("BuilderFlag", "TF32")
ProfilingVerbosity = enum.Enum("ProfilingVerbosity", "DETAILED")
ErrorCode = enum.Enum("ErrorCode", "UNSUPPORTED_NODE")
ReduceOperation = enum.Enum("ReduceOperation", "SUM AVG MAX")
LayerType = enum.Enum(
    "LayerType", "CONVOLUTION ELEMENTWISE ACTIVATION NORMALIZATION REDUCE SOFTMAX CAST OTHER"
)
DataType = enum.Enum("DataType", "FLOAT HALF INT64 OTHER")

_KINDS = {
    "Conv": "CONVOLUTION", "Add": "ELEMENTWISE", "Relu": "ACTIVATION",
    "LayerNormalization": "NORMALIZATION", "ReduceMean": "REDUCE", "ReduceMax": "REDUCE",
    "Softmax": "SOFTMAX", "Cast": "CAST",
}  # fmt: skip
_REDUCTIONS = {"ReduceMean": ReduceOperation.AVG, "ReduceMax": ReduceOperation.MAX}
_TYPES = {onnx.TensorProto.FLOAT: DataType.FLOAT, onnx.TensorProto.FLOAT16: DataType.HALF}


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def log(self, severity, msg):
        raise NotImplementedError


class IProgressMonitor:
    pass


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class Tensor:
    def __init__(self, name, dtype, shape=()):
        self.name, self.dtype, self.shape = name, dtype, shape


class ILayer:
    num_outputs = 1

    def __init__(self, node, dtype):
        self.name, self.node = node.name, node
        self.type = LayerType[_KINDS.get(node.op_type, "OTHER")]
        self._output = Tensor(node.output[0], dtype)

    def get_output(self, index):
        return self._output


class IReduceLayer(ILayer):
    @property
    def op(self):
        return _REDUCTIONS[self.node.op_type]


class Network:
    def __init__(self):
        self.layers, self.inputs, self.num_outputs = [], [], 0

    @property
    def num_layers(self):
        return len(self.layers)

    def get_layer(self, index):
        return self.layers[index]

    @property
    def num_inputs(self):
        return len(self.inputs)

    def get_input(self, index):
        return self.inputs[index]


class ParserError:
    def __init__(self, index, node):
        self._index, self._node = index, node

    def code(self):
        return ErrorCode.UNSUPPORTED_NODE

    def desc(self):
        return "Assertion failed: it is refused."

    def node(self):
        return self._index

    def node_name(self):
        return self._node.name

    def node_operator(self):
        return self._node.op_type


class OnnxParser:
    def __init__(self, network, logger):
        self._network, self._logger, self._errors = network, logger, []

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, index):
        return self._errors[index]

    def parse_from_file(self, path):
        graph = onnx.shape_inference.infer_shapes(onnx.load(path, load_external_data=False)).graph
        types = {
            value.name: _TYPES.get(value.type.tensor_type.elem_type, DataType.OTHER)
            for value in (*graph.value_info, *graph.output)
        }
        for index, node in enumerate(graph.node):
            if node.op_type == "Refused":
                self._errors.append(ParserError(index, node))
            if node.op_type == "Warned":
                said = f"{node.name} is odd."
                self._logger.log(ILogger.WARNING, said)
                self._logger.log(ILogger.WARNING, said)
            type_ = types.get(node.output[0], DataType.FLOAT)
            self._network.layers.append(ILayer(node, type_))
        for value in graph.input:
            sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            self._network.inputs.append(Tensor(value.name, DataType.FLOAT, sizes))
        self._network.num_outputs = len(graph.output)
        self._network.pipe = Path(path).with_suffix(".pipe")
        return not self._errors


class Config:
    def __init__(self):
        self.capabilities = []

    def clear_flag(self, flag):
        assert flag is BuilderFlag.TF32

    def set_compute_capability(self, capability, index):
        assert self.num_compute_capabilities == 1
        assert index == 0
        self.capabilities.append(capability)
        return capability is not ComputeCapability.CURRENT  # that one needs a GPU


class Builder:
    def __init__(self, logger):
        self._logger = logger

    def create_network(self, flags):
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return Network()

    def create_builder_config(self):
        return Config()

    def build_serialized_network(self, network, config):
        operators = {layer.node.op_type: layer.name for layer in network.layers}
        if "Crashed" in operators:
            print("a last word from native code.", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if "Raised" in operators:
            os.write(2, b"Traceback\nTypeError: a fault of the bindings\n")
            os._exit(1)
        if "Hung" in operators:
            if network.pipe.exists():
                network.pipe.open("w").close()
            threading.Event().wait()
        if "Unbuildable" in operators:
            said = f"Error Code 4: no tactic for {operators['Unbuildable']}"
            self._logger.log(ILogger.ERROR, said)
            return None
        assert config.capabilities == [ComputeCapability.SM86]
        return bytes(100 * network.num_layers)
