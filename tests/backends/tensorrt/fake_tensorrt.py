"""TensorRT's module in plain Python, for tests of what is built on it.

    cuda = FakeCuda()
    trt = FakeTensorRt(cuda)
    backend = TensorRtBackend(cuda=cuda, vendor=trt)

A plan is a header as NVIDIA writes it ("ftrt", the plan's size, the version) and the ONNX file.
Deserialising it takes device memory for the weights; an enqueue reads the inputs and writes the
outputs at the addresses that were set, computed by onnxruntime, and leaves the scratch block full
of its own number, so that nobody can count on it. What is captured keeps the addresses of that
moment. Engines and contexts give memory back when nobody holds them, as NVIDIA's bindings do.

Every call is in `calls`. The attributes of `FakeTensorRt` make it fail as TensorRT fails. The
classes have no name that the real ones lack: the conformance tests compare them.
"""

import enum
import json
import weakref
from pathlib import Path
from threading import get_ident

import numpy as np
import onnx
from onnx import numpy_helper

from edgert.backends.onnxruntime import graph_session
from edgert.errors import BackendError, EngineLoadError
from tests.backends.cuda_memory.fake_cuda import FakeCuda

NULL = "pybind11::init(): factory function returned nullptr"  # where the library has no device
HEADER_BYTES = 32
CACHE_TAG = b"FAKECACHE"
PERSISTENT_BYTES = 4096
DLA_OPERATORS = ("Conv", "Relu", "BatchNormalization")


class Severity(enum.Enum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class FakeILogger:
    Severity = Severity
    INTERNAL_ERROR, ERROR, WARNING = Severity.INTERNAL_ERROR, Severity.ERROR, Severity.WARNING
    INFO, VERBOSE = Severity.INFO, Severity.VERBOSE

    def __init__(self) -> None:
        self._ready = True

    def log(self, severity, msg) -> None:
        raise NotImplementedError


class FakeIProgressMonitor:
    def __init__(self) -> None:
        self._ready = True

    def phase_start(self, phase_name, parent_phase, num_steps):
        raise NotImplementedError

    def step_complete(self, phase_name, step):
        raise NotImplementedError

    def phase_finish(self, phase_name):
        raise NotImplementedError


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH, STRONGLY_TYPED = range(2)


class ProfilingVerbosity(enum.Enum):
    LAYER_NAMES_ONLY, NONE, DETAILED = range(3)


class MemoryPoolType(enum.Enum):
    WORKSPACE, DLA_MANAGED_SRAM = range(2)


class BuilderFlag(enum.Enum):
    TF32, GPU_FALLBACK = range(2)


class DeviceType(enum.Enum):
    GPU, DLA = range(2)


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class TensorLocation(enum.Enum):
    DEVICE, HOST = range(2)


class LayerInformationFormat(enum.Enum):
    ONELINE, JSON = range(2)


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class DataType(enum.Enum):
    FLOAT, HALF, INT32, INT64, BOOL, UINT8, BF16 = (
        "float32", "float16", "int32", "int64", "bool", "uint8", "bfloat16"
    )  # fmt: skip


class ErrorCode(enum.Enum):
    MODEL_DESERIALIZE_FAILED, INVALID_NODE, UNSUPPORTED_NODE = range(3)


ENUMS = (
    NetworkDefinitionCreationFlag, ProfilingVerbosity, MemoryPoolType, BuilderFlag, DeviceType,
    TensorIOMode, TensorLocation, LayerInformationFormat, ExecutionContextAllocationStrategy,
    DataType, ErrorCode,
)  # fmt: skip


class FakeTensorRt:
    """The module.

    Args:
        cuda: The device that engines compute on.
        version: What the module says of itself, and what plans are stamped with.
    """

    ILogger, IProgressMonitor = FakeILogger, FakeIProgressMonitor

    def __init__(self, cuda: FakeCuda, version: str = "10.3.0.30") -> None:
        self.cuda, self.__version__ = cuda, version
        self.stamp = tuple(int(part) for part in version.split("."))
        self.calls: list[tuple] = []
        self.has_device = True
        self.dla_cores = 0
        self.unsupported: set[str] = set()  # operators that the parser refuses
        self.scratch_bytes = 1024  # of the engines built from here on
        self.build_error = ""  # logged, and no plan
        self.deserialize_error = ""
        self.context_error = ""
        self.enqueue_error = ""
        self.capture = "right"  # "refused", "empty", "invalid", "wrong", "stale"
        self.stopped_after = 0  # steps that a stopped build had done
        for kind in ENUMS:
            setattr(self, kind.__name__, kind)

    def Builder(self, logger):  # noqa: N802  # NVIDIA's name
        self._need_device(logger)
        return FakeBuilder(self, logger)

    def OnnxParser(self, network, logger):  # noqa: N802
        return FakeOnnxParser(self, network, logger)

    def Runtime(self, logger):  # noqa: N802
        self._need_device(logger)
        return FakeRuntime(self, logger)

    def nptype(self, trt_type):
        if trt_type is DataType.BF16:
            raise TypeError("Could not resolve TensorRT datatype to an equivalent numpy datatype.")
        return np.dtype(trt_type.value).type

    def called(self, name):
        """The arguments of every call of that name."""
        return [call[1:] for call in self.calls if call[0] == name]

    def plan(self, model: bytes, scratch_bytes: int, *, dla: bool = False) -> bytes:
        stamp = self.stamp if len(self.stamp) == 4 else (*self.stamp, 30)
        size = HEADER_BYTES + 8 + len(model)
        return b"".join(
            (b"ftrt", bytes(4), (2).to_bytes(8, "little"), size.to_bytes(8, "little"),
             bytes(stamp), bytes([dla, 0, 0, 0]), scratch_bytes.to_bytes(8, "little"), model)
        )  # fmt: skip

    def _need_device(self, logger):
        assert logger._ready
        if not self.has_device:
            logger.log(Severity.ERROR, "CUDA initialization failure with error: 35.")
            raise TypeError(NULL)


# ---------------------------------------------------------------- building


class FakeBuilder:
    def __init__(self, trt, logger):
        self._trt, self._logger, self._tell = trt, logger, logger.log
        self.max_threads = 0

    @property
    def num_DLA_cores(self):  # noqa: N802
        return self._trt.dla_cores

    def create_network(self, flags):
        self._trt.calls.append(("create_network", flags))
        return FakeINetworkDefinition()

    def create_builder_config(self):
        return FakeIBuilderConfig(self._trt, self._logger)

    def build_serialized_network(self, network, config):
        trt = self._trt
        trt.calls.append(("build", config, self.max_threads))
        if get_ident() not in trt.cuda.threads:
            self._tell(Severity.ERROR, "no CUDA context in this thread")
            return None
        if trt.build_error:
            self._tell(Severity.ERROR, trt.build_error)
            return None
        nodes = list(network._model.graph.node)
        if not self._report(config, len(nodes)):
            return None
        if config._cache is not None:
            config._cache._keys |= {_key(node) for node in nodes}
        dla = config.default_device_type is DeviceType.DLA
        if dla:
            on_dla = [n.name for n in nodes if n.op_type in DLA_OPERATORS]
            self._tell(Severity.INFO, "---------- Layers Running on DLA ----------")
            for name in on_dla:
                self._tell(Severity.INFO, f"[DlaLayer] {{ForeignNode[{name}]}}")
        return trt.plan(network._model.SerializeToString(), trt.scratch_bytes, dla=dla)

    def _report(self, config, steps):
        monitor = config.progress_monitor
        if monitor is None:
            return True
        monitor.phase_start("Building engine", None, 2)
        going = monitor.step_complete("Building engine", 0)
        monitor.phase_start("Timing tactics", "Building engine", steps)
        for step in range(steps):
            going = going and monitor.step_complete("Timing tactics", step)
            if not going:
                self._trt.stopped_after = step
                break
        monitor.phase_finish("Timing tactics")
        monitor.phase_finish("Building engine")
        return going


def _key(node):
    return f"{node.op_type}:{node.name}".encode()


class FakeINetworkDefinition:
    def __init__(self):
        self._model = onnx.ModelProto()

    @property
    def num_inputs(self):
        return len(self._model.graph.input)

    @property
    def num_outputs(self):
        return len(self._model.graph.output)

    @property
    def num_layers(self):
        return len(self._model.graph.node)

    def get_input(self, index):
        return FakeITensor(self._model.graph.input[index])

    def get_layer(self, index):
        return FakeILayer(self._model.graph.node[index])


class FakeITensor:
    def __init__(self, value):
        self.name, self.shape = value.name, _shape(value)


class FakeILayer:
    def __init__(self, node):
        self.name, self._operator = node.name, node.op_type


class FakeIBuilderConfig:
    def __init__(self, trt, logger):
        self._trt, self._logger, self._tell = trt, logger, logger.log
        self._flags, self._cache = {BuilderFlag.TF32}, None
        self._limits: dict[MemoryPoolType, int] = {}
        self.builder_optimization_level = 3
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.default_device_type, self.DLA_core = DeviceType.GPU, -1
        self.progress_monitor = None

    def set_memory_pool_limit(self, pool, pool_size):
        self._limits[pool] = pool_size

    def set_flag(self, flag):
        self._flags.add(flag)

    def clear_flag(self, flag):
        self._flags.discard(flag)

    def create_timing_cache(self, serialized_timing_cache):
        content = bytes(serialized_timing_cache)
        self._trt.calls.append(("create_timing_cache", content))
        return FakeITimingCache(content)

    def set_timing_cache(self, cache, ignore_mismatch):
        assert not ignore_mismatch
        if cache._foreign:
            self._tell(Severity.ERROR, "timing cache of another CUDA device")
            return False
        self._cache = cache
        return True

    def can_run_on_DLA(self, layer):  # noqa: N802
        return layer._operator in DLA_OPERATORS


class FakeITimingCache:
    def __init__(self, content):
        self._foreign = bool(content) and not content.startswith(CACHE_TAG)
        self._keys = (
            set() if self._foreign else set(content[len(CACHE_TAG) :].split(b"\n")) - {b""}
        )

    def serialize(self):
        return memoryview(CACHE_TAG + b"\n".join(sorted(self._keys)))


class FakeOnnxParser:
    def __init__(self, trt, network, logger):
        self._trt, self._network, self._tell = trt, network, logger.log
        self._errors: list[FakeParserError] = []

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, index):
        return self._errors[index]

    def parse_from_file(self, model):
        try:
            content = onnx.load(model)
        except Exception as error:  # noqa: BLE001  # protobuf's own
            failed = FakeParserError(ErrorCode.MODEL_DESERIALIZE_FAILED, str(error), None, -1)
            self._errors.append(failed)
            return False
        for index, node in enumerate(content.graph.node):
            node.name = node.name or f"node_of_{node.output[0]}"
            if not onnx.defs.has(node.op_type) or node.op_type in self._trt.unsupported:
                code = ErrorCode.UNSUPPORTED_NODE
                self._errors.append(FakeParserError(code, "false", node, index))
        for error in self._errors:
            self._tell(Severity.ERROR, f"While parsing node {error.node()}")
        self._network._model = content
        return not self._errors


class FakeParserError:
    def __init__(self, code, desc, node, index):
        self._code, self._desc, self._node, self._index = code, desc, node, index

    def code(self):
        return self._code

    def desc(self):
        return self._desc

    def node(self):
        return self._index

    def node_name(self):
        return self._node.name if self._node else ""

    def node_operator(self):
        return self._node.op_type if self._node else ""


# ---------------------------------------------------------------- running


class FakeRuntime:
    def __init__(self, trt, logger):
        self._trt, self._logger, self._tell = trt, logger, logger.log
        self.engine_host_code_allowed, self.DLA_core = False, -1

    def deserialize_cuda_engine(self, serialized_engine):
        trt, plan = self._trt, bytes(serialized_engine)
        trt.calls.append(("deserialize", self.engine_host_code_allowed, self.DLA_core, len(plan)))
        error = trt.deserialize_error
        if int.from_bytes(plan[16:24], "little") != len(plan):
            error = "Serialization assertion plan.header.size == blobSize failed."
        if not error:
            try:
                return FakeICudaEngine(trt, self._logger, plan)
            except EngineLoadError:
                error = "Serialization assertion failed."
            except BackendError:
                error = "Cuda Runtime (out of memory)"
        self._tell(Severity.ERROR, f"[runtime.cpp::deserialize] Error Code 1: {error}")
        self._tell(Severity.ERROR, "[checkMacros.cpp] Error Code 1: what follows from it")
        return None


class FakeICudaEngine:
    def __init__(self, trt, logger, plan):
        self._trt, self._logger, self._tell = trt, logger, logger.log
        self._dla = bool(plan[28])
        self.device_memory_size_v2 = int.from_bytes(plan[32:40], "little")
        self._model = onnx.load_from_string(plan[40:])
        self._session = graph_session(plan[40:], Path(), name="a fake engine")
        graph = self._model.graph
        self._values = {value.name: value for value in (*graph.input, *graph.output)}
        self._inputs = [value.name for value in graph.input]
        self._weights = trt.cuda.allocate(len(plan))
        self._weights.name = f"weights of {self._number()}"
        weakref.finalize(self, self._weights.close)

    def _number(self):
        """Tells engines apart: a sum of all weights."""
        arrays = (numpy_helper.to_array(t) for t in self._model.graph.initializer)
        return f"{sum(float(array.sum()) for array in arrays):.4f}"

    @property
    def num_io_tensors(self):
        return len(self._values)

    def get_tensor_name(self, index):
        return list(self._values)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return _shape(self._values[name])

    def get_tensor_dtype(self, name):
        kind = self._values[name].type.tensor_type.elem_type
        if kind == onnx.TensorProto.BFLOAT16:
            return DataType.BF16
        return DataType(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind)).name)

    def get_tensor_location(self, name):
        return TensorLocation.DEVICE

    def create_execution_context(self, strategy=ExecutionContextAllocationStrategy.STATIC):
        self._trt.calls.append(("create_execution_context", strategy))
        error = self._trt.context_error
        if not error:
            try:
                return FakeIExecutionContext(self, self._trt, self._logger)
            except BackendError:
                error = "Error Code 1: out of memory"
        self._tell(Severity.ERROR, error)
        return None

    def create_engine_inspector(self):
        return FakeEngineInspector(self._model, dla=self._dla)


class FakeIExecutionContext:
    def __init__(self, engine, trt, logger):
        self._engine, self._trt, self._tell = engine, trt, logger.log
        self._addresses: dict[str, int] = {}
        self._scratch = (0, 0)
        persistent = trt.cuda.allocate(PERSISTENT_BYTES)
        weakref.finalize(self, persistent.close)

    def set_device_memory(self, memory, size):
        self._trt.calls.append(("set_device_memory", memory, size))
        assert memory % 256 == 0
        assert size >= self._engine.device_memory_size_v2
        self._scratch = (memory, size)

    def set_tensor_address(self, name, memory):
        self._trt.calls.append(("set_tensor_address", name, memory))
        if name not in self._engine._values:
            self._tell(Severity.ERROR, f"no tensor {name}")
            return False
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        trt, stream = self._trt, self._trt.cuda.stream_of(stream_handle)
        trt.calls.append(("execute_async_v3", self._engine._number(), stream.capturing))
        if trt.enqueue_error:
            self._tell(Severity.ERROR, trt.enqueue_error)
            return False
        missing = set(self._engine._values) - set(self._addresses)
        if missing or not self._scratch[0]:
            self._tell(Severity.ERROR, f"no address for {sorted(missing) or 'scratch'}")
            return False
        if stream.capturing and trt.capture == "refused":
            self._tell(Severity.ERROR, "Error Code 1: operation not permitted when capturing")
            return False
        if stream.capturing and trt.capture == "invalid":
            stream.invalidate_capture()
        if not (stream.capturing and trt.capture == "empty"):
            work = self._work(wrong=stream.capturing and trt.capture == "wrong")
            stream.submit(f"infer {self._engine._number()}", work)
        return True

    def _work(self, *, wrong):
        """The work with the addresses as they are now: what a graph keeps."""
        engine, addresses, scratch, cuda = (
            self._engine, dict(self._addresses), self._scratch, self._trt.cuda
        )  # fmt: skip

        def _run():
            cuda.memory(*scratch)[:] = len(engine._model.graph.node) & 0xFF
            feeds = {
                spec.name: self._memory(cuda, addresses, spec) for spec in engine._session.inputs
            }
            for name, result in engine._session.run(feeds).items():
                spec = next(s for s in engine._session.outputs if s.name == name)
                self._memory(cuda, addresses, spec)[...] = result + wrong

        return _run

    @staticmethod
    def _memory(cuda, addresses, spec):
        content = cuda.memory(addresses[spec.name], spec.size_bytes)
        return content.view(spec.dtype).reshape(spec.shape)


class FakeEngineInspector:
    def __init__(self, model, *, dla):
        self._model, self._dla = model, dla

    def get_engine_information(self, format):  # noqa: A002  # NVIDIA's name
        assert format is LayerInformationFormat.JSON
        edge = {"Format/Datatype": "Row major linear FP32 format"}
        layers = [
            {"Name": self._name(n), "LayerType": n.op_type, "Inputs": [edge], "Outputs": [edge]}
            for n in self._model.graph.node
        ]
        names = [v.name for v in (*self._model.graph.input, *self._model.graph.output)]
        return json.dumps({"Layers": layers, "Bindings": names})

    def _name(self, node):
        on_dla = self._dla and node.op_type in DLA_OPERATORS
        return f"{{ForeignNode[{node.name}]}}" if on_dla else node.name


def _shape(value):
    sizes = value.type.tensor_type.shape.dim
    return tuple(-1 if size.dim_param else size.dim_value for size in sizes)
