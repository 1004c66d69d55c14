"""TensorRT as a backend: what it builds for, what it builds, and what it loads."""

import logging
import re
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from edgert.artifacts import write_atomically
from edgert.backends.base import Progress, Session, check_engine_hash
from edgert.backends.cuda_memory import open_cuda
from edgert.backends.cuda_memory.base import Cuda
from edgert.backends.memory import available_bytes
from edgert.backends.tensorrt.arena import Lane
from edgert.backends.tensorrt.builder import BuildOptions, BuiltPlan, build_plan
from edgert.backends.tensorrt.layers import inspect_engine
from edgert.backends.tensorrt.loading import OpenEngine, check_header, open_engine, open_runtime
from edgert.backends.tensorrt.network import parse_network
from edgert.backends.tensorrt.plan_header import plan_version
from edgert.backends.tensorrt.session import open_session
from edgert.backends.tensorrt.vendor import (
    installed_version,
    open_logger,
    open_vendor,
    version_text,
)
from edgert.boards import read_machine
from edgert.closing import Closing
from edgert.errors import BackendError, EngineLoadError
from edgert.records import CompileReport

TIMING_CACHE = "timing.cache"
_UNKNOWN = "unknown"

_log = logging.getLogger(__name__)


class TensorRtBackend(Closing):
    """NVIDIA's TensorRT on one GPU, and on a core of the DLA where a board has one.

    Nothing of NVIDIA's is imported, and no device opened, before it is needed.

    Args:
        threads: Of the builder, >= 1. None leaves it to TensorRT. Engines run on the GPU.
        cuda: The device; None opens the first, through `binding`.
        binding: A key of `cuda_memory.BINDINGS`; "" takes the one that is installed.
        vendor: The module tensorrt; None imports it.
        workspace_bytes: Scratch memory that one layer may take, > 0. None sets no limit.
        optimisation_level: Of the builder, 0 to 5.
        dla_core: The DLA's core that layers go to where they can, >= 0. None: the GPU alone.
        root: Of the file tree that says what machine this is.

    Raises:
        BackendError: A number is out of its range.
    """

    name = "tensorrt"
    engine_suffix = ".plan"
    carried_files: tuple[str, ...] = (TIMING_CACHE,)
    shared_weights_file = ""  # a plan holds its own
    warms_beside = True  # on a second lane, as large as the engine's scratch, inputs and outputs

    def __init__(
        self,
        threads: int | None = None,
        *,
        cuda: Cuda | None = None,
        binding: str = "",
        vendor: Any | None = None,
        workspace_bytes: int | None = None,
        optimisation_level: int = 3,
        dla_core: int | None = None,
        root: Path = Path("/"),
    ) -> None:
        _check("threads", threads, 1, None)
        _check("bytes of workspace", workspace_bytes, 1, None)
        _check("optimisation level", optimisation_level, 0, 5)
        _check("core of the DLA", dla_core, 0, None)
        self.options = BuildOptions(workspace_bytes, optimisation_level, dla_core, threads)
        self._given_cuda, self._binding, self._root = cuda, binding, root
        self._given_vendor = vendor
        self._opened: _Opened | None = None
        self._current = _Current()
        self._opening, self._loading = threading.Lock(), threading.Lock()

    def device(self) -> str:
        """Like "orin-sm87-p3767-0005": the GPU, and the module where the machine names it."""
        device = self._open().cuda.device
        capability = "".join(str(number) for number in device.compute_capability)
        part = read_machine(self._root).part_number
        text = "-".join(filter(None, (device.name, f"sm{capability}", part)))
        return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")

    def identity(self) -> dict[str, str]:
        """TensorRT with all four numbers, the GPU, the board's model, and what was asked for.

        Two boards with the same GPU are two devices: NVIDIA warns that a plan of one may be slow
        or fail on the other.
        """
        opened = self._open()
        device = opened.cuda.device
        return {
            "runtime": f"tensorrt {version_text(installed_version(opened.vendor))}",
            "compute_capability": ".".join(str(n) for n in device.compute_capability),
            "device": device.name,
            "board": read_machine(self._root).model or _UNKNOWN,
            **self.options.text(),
        }

    def conditions(self) -> dict[str, str]:
        """What times depend on besides the engine: versions, and the power mode."""
        opened = self._open()
        machine = read_machine(self._root)
        return {
            "runtime": f"tensorrt {version_text(installed_version(opened.vendor))}",
            "device": opened.cuda.device.name,
            "driver": opened.cuda.driver_version(),
            "l4t": machine.l4t or _UNKNOWN,
            "power_mode": machine.power_mode or _UNKNOWN,
        }

    def free_bytes(self) -> int:
        """What engines could take now.

        On an integrated device they take the machine's own memory, and the driver counts as used
        what the kernel would drop for them, files read lately above all; so the kernel is asked.
        """
        cuda = self._open().cuda
        left_bytes = available_bytes(self._root / "proc" / "meminfo")
        if cuda.device.integrated and left_bytes is not None:
            return left_bytes
        self._enter()
        return cuda.free_bytes()

    def compile(
        self, graph: Path, engine: Path, *, progress: Progress | None = None
    ) -> CompileReport:
        """Build a plan for this device; minutes on a small board.

        What kernels were measured meanwhile is kept in `timing.cache` beside the engine, and the
        next engine of that folder starts from it.

        Args:
            graph: ONNX with static shapes, batch size 1; its types are the engine's.
            engine: The file to write; one that is there is replaced when the new one is whole.
            progress: Told how far it is, in a hundred parts, from threads of TensorRT's.

        Raises:
            BackendError: TensorRT can't build the graph; of a node that it can't run, the message
                says the name.
            ArtifactError: The engine can't be written.
        """
        opened = self._open()
        cache_file = engine.with_name(TIMING_CACHE)
        parsed = parse_network(opened.vendor, opened.logger, graph)
        built = build_plan(
            opened.vendor,
            opened.logger,
            parsed,
            self.options,
            subject=f"compile {graph.name}",
            timing_cache=cache_file.read_bytes() if cache_file.is_file() else b"",
            progress=progress,
            prepare_thread=self._enter,
        )
        del parsed  # the builder's memory goes before the engine is loaded to look at it
        write_atomically(engine, built.plan)
        if built.timing_cache:
            write_atomically(cache_file, built.timing_cache)
        return self._report(opened, built, engine.name)

    def reserve(self, scratch_bytes: int) -> None:
        """Allocate the block of scratch memory that all sessions will share.

        Raises:
            BackendError: There is not that much memory, or sessions share a smaller one.
        """
        self._enter()
        self._open().lane.reserve(scratch_bytes)

    def load(self, engine: Path, sha256: str, *, beside: bool = False) -> Session:
        """Load a plan, once its hash and its version are checked, and run it twice.

        Beside running sessions it is tried on memory of its own, as large as its scratch, inputs
        and outputs, which is given back before this returns; its first run then takes two.

        Raises:
            EngineLoadError: The file is missing, another one, or of another version; TensorRT
                refuses it, memory is short, or it needs more scratch than the sessions share.
        """
        subject = f"load {engine.name}"
        with self._loading:
            try:
                loaded = self._engine(engine, sha256)
                opened = self._open()
                return open_session(
                    opened.vendor,
                    opened.logger,
                    loaded,
                    opened.lane,
                    opened.cuda,
                    name=engine.name,
                    beside=beside,
                    enter=self._enter,
                )
            except EngineLoadError:
                raise
            except BackendError as error:
                raise EngineLoadError(
                    f"{subject}, {error.subject}",
                    expected=error.expected,
                    got=error.got,
                    advice=error.advice,
                ) from error

    def close(self) -> None:
        """Give back what was reserved, and the device if this opened it.

        Sessions have to be closed before.
        """
        opened, self._opened = self._opened, None
        if opened is None:
            return
        self._current = _Current()  # another device may be opened later
        opened.runtime = None
        opened.lane.close()
        if self._given_cuda is None:
            opened.cuda.close()

    def _engine(self, engine: Path, sha256: str) -> OpenEngine:
        """Hash, then version, then TensorRT; the plan's bytes end with this call."""
        subject = f"load {engine.name}"
        plan = check_engine_hash(engine, sha256)
        self._enter()
        opened = self._open()
        check_header(opened.vendor, plan, subject=subject)
        return self._deserialised(opened, plan, subject)

    def _deserialised(self, opened: "_Opened", plan: bytes, subject: str) -> OpenEngine:
        runtime = self._runtime(opened)
        with opened.logger.listening() as said:
            return open_engine(opened.vendor, runtime, plan, opened.cuda, said, subject=subject)

    def _report(self, opened: "_Opened", built: BuiltPlan, name: str) -> CompileReport:
        """Load the plan once to ask the inspector; what fell back to the GPU is logged."""
        with closing(self._deserialised(opened, built.plan, f"inspect {name}")) as loaded:
            layers = inspect_engine(opened.vendor, loaded.engine, dla_layers=built.dla_layers)
        counts = layers.count_by_device()
        self._tell_fallback(built, counts, name)
        header = plan_version(built.plan)
        return CompileReport(
            version=version_text(header.numbers) if header else "",
            layers=counts,
            fallback_layers=list(built.fallback_layers),
        )

    def _tell_fallback(self, built: BuiltPlan, counts: dict[str, int], name: str) -> None:
        if built.fallback_layers:
            _log.warning(
                "%s: %d layers can't run on the DLA and run on the GPU: %s",
                name,
                len(built.fallback_layers),
                ", ".join(built.fallback_layers),
            )
        if self.options.dla_core is not None and not counts.get("DLA"):
            _log.warning("%s: asked for the DLA, and nothing was seen to run there", name)

    def _open(self) -> "_Opened":
        with self._opening:
            if self._opened is None:
                vendor = self._given_vendor if self._given_vendor is not None else open_vendor()
                cuda = self._given_cuda or open_cuda(self._binding)
                self._opened = _Opened(vendor, cuda)
            return self._opened

    def _runtime(self, opened: "_Opened") -> Any:
        if opened.runtime is None:
            core = self.options.dla_core
            opened.runtime = open_runtime(opened.vendor, opened.logger, dla_core=core)
        return opened.runtime

    def _enter(self) -> None:
        """Make the device this thread's own, once for each thread."""
        if not self._current.entered:
            self._open().cuda.use_in_this_thread()
            self._current.entered = True


class _Opened:
    """What is opened at first use and lasts."""

    def __init__(self, vendor: Any, cuda: Cuda) -> None:
        self.vendor, self.cuda = vendor, cuda
        self.logger = open_logger(vendor)
        self.runtime: Any = None
        self.lane = Lane(cuda)


class _Current(threading.local):
    entered = False


def _check(what: str, value: int | None, least: int, most: int | None) -> None:
    if value is None or (value >= least and (most is None or value <= most)):
        return
    raise BackendError(
        "open the backend tensorrt",
        expected=f"{what} from {least}" + ("" if most is None else f" to {most}"),
        got=str(value),
        advice="Leave it out for the default",
    )
