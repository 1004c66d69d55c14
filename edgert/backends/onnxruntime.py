"""Engines on the CPU by onnxruntime.

An engine is the optimised graph as onnxruntime saves it: fused operators, weights in the layout
that this processor's instructions read, and beside them a packed copy of each matrix. Loading one
optimises nothing and copies no weights: they are mapped from the file, so all engines of a set
share one copy. Figures for that are in `pool`.

Everything vendor stays here, options and logging; its exceptions: `onnxruntime_errors`.
"""

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgert.backends.base import Progress, Session, check_engine_hash, check_feeds
from edgert.backends.cpu import CPUINFO, cpu_identity
from edgert.backends.memory import available_bytes
from edgert.backends.onnxruntime_errors import refuse, vendor_errors
from edgert.errors import BackendError, EngineLoadError, InferenceError
from edgert.optional import needs
from edgert.records import CompileReport, EngineMemory, TensorSpec

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}

# Where saved packed matrices lie: "Gemm+<hash>|<offset>;<length>;<checksum>[|...]". Kernels load
# them with instructions that fault off a cache line's start. onnxruntime (1.21 to 1.31.1) maps
# them from wherever it wrote them, which is not always there: ViT-S crashed on AVX-512.
_PACKED_MATRIX = re.compile(rb"\|(\d+);\d+;\d+")
_CACHE_LINE_BYTES = 64
_ARENA_RATIO = 0.9  # of the memory left: the rest of the machine has to go on
_WEIGHTS_MIN_BYTES = 1024  # smaller tensors stay in the engine's own file
_SESSION_BYTES = 4 << 20  # nodes and small tensors of one engine; 3.6 MB for SegFormer-B2
_FATAL = 4  # failures come as exceptions; on stderr they would come a second time


class OnnxRuntimeBackend:
    """onnxruntime's CPU provider.

    Args:
        threads: Of one engine, >= 1. None: one for each core that the process may use.
        cpuinfo: The kernel's description of the processor.

    Raises:
        BackendError: `threads` is below 1.
    """

    name = "onnxruntime"
    engine_suffix = ".onnx"
    carried_files: tuple[str, ...] = ()
    shared_weights_file = "weights.bin"

    def __init__(self, threads: int | None = None, *, cpuinfo: Path = CPUINFO) -> None:
        if threads is not None and threads < 1:
            raise BackendError(
                "open the backend onnxruntime",
                expected="one thread or more",
                got=str(threads),
                advice="Leave the number out to use every core",
            )
        self.threads = threads or len(os.sched_getaffinity(0))
        self._cpuinfo = cpuinfo

    def device(self) -> str:
        """The machine's architecture after "cpu-"."""
        return f"cpu-{cpu_identity(self._cpuinfo)['machine']}"

    def identity(self) -> dict[str, str]:
        """Version, processor, and what the optimiser was asked for.

        The number of threads isn't part of it: an engine runs with any.
        """
        return {
            "runtime": f"onnxruntime {_vendor().get_version_string()}",
            "optimisation": "all, weights packed",
            **cpu_identity(self._cpuinfo),
        }

    def conditions(self) -> dict[str, str]:
        """What times depend on besides the engine: runtime, processor, threads."""
        identity = self.identity()
        return {
            "runtime": identity["runtime"],
            "cpu": identity["cpu"],
            "threads": str(self.threads),
        }

    def compile(
        self, graph: Path, engine: Path, *, progress: Progress | None = None
    ) -> CompileReport:
        """Optimise a graph for this processor and save it; weights go to `<engine>.data`.

        Args:
            graph: ONNX with static shapes.
            engine: The file to write; one that is there is replaced.
            progress: Not told anything: it takes a second.

        Raises:
            BackendError: onnxruntime can't optimise the graph or can't write the engine.
        """
        ort, weights = _vendor(), engine.with_name(f"{engine.name}.data")
        options = _options(ort, self.threads, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
        options.optimized_model_filepath = str(engine)
        prefix = "session.optimized_model_external_initializers"
        options.add_session_config_entry(f"{prefix}_file_name", weights.name)
        options.add_session_config_entry(f"{prefix}_min_size_in_bytes", str(_WEIGHTS_MIN_BYTES))
        # Packed matrices are saved, so that they are mapped too instead of packed at each load.
        options.add_session_config_entry(
            "session.save_external_prepacked_constant_initializers", "1"
        )
        weights.unlink(missing_ok=True)
        _open(ort, graph, options, f"compile {graph.name}", BackendError)
        return CompileReport(version=ort.get_version_string())

    def reserve(self, scratch_bytes: int) -> None:
        """Nothing to do: the arena that all sessions share grows as it is used."""

    def load(self, engine: Path, sha256: str, *, beside: bool = False) -> Session:
        """Load an engine as `compile` wrote it, or as `build.pack` repacked it.

        Only repacking makes sure that saved packed matrices can be used. As `compile` wrote it,
        an engine may run without them, up to a fifth slower.

        Raises:
            EngineLoadError: The file is missing, damaged or another one, or its weights are.
        """
        content = check_engine_hash(engine, sha256)
        ort = _vendor()
        _share_arena()
        options = _options(ort, self.threads, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
        options.add_session_config_entry("session.use_env_allocators", "1")
        if not _packed_matrices_aligned(content):
            options.add_session_config_entry("session.disable_prepacking", "1")
        subject = f"load {engine.name}"
        return _OrtSession(_open(ort, engine, options, subject, EngineLoadError), engine.name)


def reference_session(graph: Path) -> Session:
    """A graph run as it is written, without any optimisation: what engines are compared with.

    Raises:
        EngineLoadError: onnxruntime can't run the graph.
    """
    ort = _vendor()
    options = _reference_options(ort)
    return _OrtSession(
        _open(ort, graph, options, f"load {graph.name}", EngineLoadError), graph.name
    )


def graph_session(model: bytes, folder: Path, *, name: str, optimised: bool = False) -> Session:
    """A graph that need not be a file of its own, such as the first nodes of another.

    Args:
        model: A serialised ONNX model.
        folder: Where weights outside the model lie.
        name: What errors call it.
        optimised: With all optimisations, as `compile` has them, or as it is written.

    Raises:
        EngineLoadError: onnxruntime can't run the graph.
    """
    ort = _vendor()
    options = _reference_options(ort)
    if optimised:
        level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options = _options(ort, len(os.sched_getaffinity(0)), level)
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(folder.resolve())
    )
    return _OrtSession(_created(ort, model, options, f"load {name}", EngineLoadError), name)


def _reference_options(ort: Any) -> Any:
    threads = len(os.sched_getaffinity(0))
    options = _options(ort, threads, ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    # A weight that is packed beforehand may be summed in another order than one that isn't.
    options.add_session_config_entry("session.disable_prepacking", "1")
    return options


def session_from_bytes(model: bytes, *, threads: int | None = None) -> Session:
    """A serialised graph, optimised and ready to run, that is not kept as an engine.

    Args:
        model: The graph with its weights inside, at most 2 GB.
        threads: None: one for each core that the process may use.

    Raises:
        EngineLoadError: onnxruntime can't run the graph.
    """
    ort = _vendor()
    threads = threads or len(os.sched_getaffinity(0))
    options = _options(ort, threads, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except vendor_errors() as error:
        refuse(error, "load a part of the graph", EngineLoadError)
    return _OrtSession(session, "a part of the graph")


class _OrtSession:
    """One onnxruntime session behind the `Session` protocol."""

    def __init__(self, vendor_session: Any, name: str) -> None:
        self._vendor_session, self._name = vendor_session, name
        self.inputs = tuple(_spec(node, name) for node in vendor_session.get_inputs())
        self.outputs = tuple(_spec(node, name) for node in vendor_session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]
        self.memory = EngineMemory(
            persistent_bytes=_SESSION_BYTES,
            io_bytes=sum(spec.size_bytes for spec in (*self.inputs, *self.outputs)),
        )

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name; each run gives arrays of its own."""
        if self._vendor_session is None:
            raise ValueError(f"{self._name} is closed")
        subject = f"run {self._name}"
        check_feeds(feeds, self.inputs, subject=subject)
        try:
            results = self._vendor_session.run(self._output_names, dict(feeds))
        except vendor_errors() as error:
            refuse(error, subject, InferenceError)
        return dict(zip(self._output_names, results, strict=True))

    def close(self) -> None:
        """Drop the vendor's session; its activations return to the arena that others share."""
        self._vendor_session = None


def _vendor() -> Any:
    ort = needs("onnxruntime", "", "to run engines")
    ort.set_default_logger_severity(_FATAL)
    return ort


def _options(ort: Any, threads: int, level: Any) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    options.graph_optimization_level = level
    # Planned memory comes on top of what was allocated to make the plan: SegFormer-B2 at 512x512
    # takes 1.34 GB with it and 0.75 GB without, at the same speed.
    options.enable_mem_pattern = False
    # Threads spin while they wait for work, which is quick inside a run and only burns power
    # between frames: 30 ms of CPU time of each thread per run. Never spinning costs 5 to 9 %.
    # (SegFormer-B0 and B2, onnxruntime 1.31.1, 2 cores of an Intel Xeon, November 2026.)
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


@functools.cache
def _share_arena() -> None:
    """Let all sessions of the process take their activations from one arena.

    The arena belongs to onnxruntime's environment, of which there is one in a process; hence once.
    It ends below the memory that is left now, so that an engine that needs more is refused with
    an error and nothing is killed. Its blocks are as large as asked for, not powers of two.
    """
    ort = _vendor()
    info = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    same_as_requested, default, unlimited = 1, -1, 0
    limit_bytes = int((available_bytes() or unlimited) * _ARENA_RATIO)
    arena = ort.OrtArenaCfg(limit_bytes, same_as_requested, default, default)
    try:
        ort.create_and_register_allocator(info, arena)
    except RuntimeError as error:  # the host program shares one already: that serves as well
        if "already been registered" not in str(error):
            refuse(error, "share memory between engines", BackendError)


def _packed_matrices_aligned(engine: bytes) -> bool:
    """Whether all begin at a cache line; also true where there are none."""
    places = _PACKED_MATRIX.findall(engine)
    return all(int(offset) % _CACHE_LINE_BYTES == 0 for offset in places)


def _open(
    ort: Any, path: Path, options: Any, subject: str, error_class: type[BackendError]
) -> Any:
    if not path.is_file():
        raise error_class(
            subject, expected=f"a file {path}", got="none", advice="Build the family again"
        )
    return _created(ort, str(path), options, subject, error_class)


def _created(
    ort: Any, model: str | bytes, options: Any, subject: str, error_class: type[BackendError]
) -> Any:
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except vendor_errors() as error:
        refuse(error, subject, error_class)


def _spec(node: Any, name: str) -> TensorSpec:
    """The vendor's description of an input or output as ours; dynamic sizes are refused."""
    dtype = _DTYPES.get(node.type)
    if dtype is None or not all(isinstance(size, int) for size in node.shape):
        raise EngineLoadError(
            f"load {name}, tensor {node.name}",
            expected=f"static sizes and one of {', '.join(_DTYPES.values())}",
            got=f"{node.type} {node.shape}",
            advice="Export the model with a fixed input size",
        )
    return TensorSpec(name=node.name, shape=tuple(node.shape), dtype=dtype)
