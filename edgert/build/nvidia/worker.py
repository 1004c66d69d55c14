"""The process in which NVIDIA's code runs: opened once, then asked for one graph after the other.

A fault in it ends the process and nothing else. What comes and goes over the connection is plain
data: paths in, `Ready` or `Failed` once, then a `Compilation` for each path.
"""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from edgert.backends.tensorrt.builder import BuildOptions, build_plan
from edgert.backends.tensorrt.network import ParsedNetwork, parse_network
from edgert.backends.tensorrt.vendor import one_line, open_logger
from edgert.build.nvidia.report import Compilation, Refusal
from edgert.build.nvidia.survey import layer_types, low_precision_layers
from edgert.clock import Clock, MonotonicClock
from edgert.errors import BackendError, EdgertError
from edgert.optional import needs
from edgert.processes import end_with_parent

# Of a machine without a GPU: NVIDIA's code adds it to errors that have another cause.
_NO_DEVICE = re.compile(
    r"\[checkMacros\.cpp::catchCudaError::\d+\] Error Code 1: Cuda Runtime "
    r"\(In catchCudaError at [^()]*\(cudaError 35: [^()]*\)\)"
)


@dataclass(frozen=True)
class Ready:
    """NVIDIA's code is loaded."""

    version: str


@dataclass(frozen=True)
class Failed:
    """It can't be loaded: an EdgertError in its parts."""

    kind: type[EdgertError]
    subject: str
    expected: str
    got: str
    advice: str

    def error(self) -> EdgertError:
        """The error."""
        return self.kind(self.subject, expected=self.expected, got=self.got, advice=self.advice)


def serve(connection: Connection, module: str, capability: str, words: Path) -> None:
    """Answer until the other end closes.

    Args:
        connection: To the process that started this one.
        module: NVIDIA's Python module.
        capability: For which GPUs to compile, as NVIDIA's module names them: "SM86".
        words: A file that takes what native code prints.
    """
    end_with_parent()
    _print_to(words)
    try:
        vendor = open_rtx(module)
    except EdgertError as error:
        failed = Failed(type(error), error.subject, error.expected, error.got, error.advice)
        connection.send(failed)
        return
    rtx = Rtx(vendor, capability=capability)
    connection.send(Ready(vendor.__version__))
    while True:
        try:
            graph, name = connection.recv()
        except EOFError:
            return
        connection.send(rtx.compile(Path(graph), name))


def open_rtx(module: str) -> Any:
    """NVIDIA's module.

    Raises:
        MissingDependencyError: It is not installed.
        BackendError: It is, and does not load.
    """
    try:
        return needs(module, "rtx", "to compile with TensorRT-RTX")
    except ImportError as error:  # no MissingDependencyError: that one is no ImportError
        raise BackendError(
            f"import {module}",
            expected="the libraries that it loads",
            got=one_line(str(error)),
            advice="Run: pip install --force-reinstall 'edgert[rtx]'",
        ) from error


class Rtx:
    """NVIDIA's module, loaded.

    Args:
        vendor: The module.
        capability: For which GPUs to compile.
        clock: For parse and compile times.
    """

    def __init__(self, vendor: Any, *, capability: str, clock: Clock | None = None) -> None:
        self._vendor, self._capability = vendor, capability
        self._clock = clock or MonotonicClock()
        self._logger = open_logger(vendor)

    def compile(self, graph: Path, name: str) -> Compilation:
        """Parse and compile one graph, and tell what came of it.

        Args:
            graph: An ONNX file with static shapes.
            name: What errors call it.
        """
        with _collected() as warnings:
            found = self._compiled(graph, name)
        return replace(found, warnings=tuple(dict.fromkeys(warnings)))

    def _compiled(self, graph: Path, name: str) -> Compilation:
        started_s = self._clock.now_s()
        try:
            parsed = parse_network(self._vendor, self._logger, graph)
        except BackendError as error:
            parse_s = self._clock.now_s() - started_s
            return Compilation(refused=_refusal("parse", error), parse_s=parse_s)
        parsed_s = self._clock.now_s()
        found = Compilation(
            layers=layer_types(parsed.network),
            low_precision=low_precision_layers(self._vendor, parsed.network),
            parse_s=parsed_s - started_s,
        )
        try:
            found = replace(found, plan_bytes=self._plan_bytes(parsed, f"compile {name}"))
        except BackendError as error:
            found = replace(found, refused=_refusal("compile", error))
        return replace(found, compile_s=self._clock.now_s() - parsed_s)

    def _plan_bytes(self, parsed: ParsedNetwork, subject: str) -> int:
        known = self._vendor.ComputeCapability.__members__

        def aim(config: Any) -> None:
            config.num_compute_capabilities = 1
            asked = known.get(self._capability)
            if asked is None or not config.set_compute_capability(asked, 0):
                raise BackendError(
                    subject,
                    expected=f"one of {', '.join(sorted(known))}",
                    got=self._capability,
                    advice="Ask for another compute capability",
                )

        options = BuildOptions()
        built = build_plan(
            self._vendor, self._logger, parsed, options, subject=subject, adjust=aim
        )
        return len(built.plan)


def _refusal(stage: Any, error: BackendError) -> Refusal:
    told = Refusal.of(stage, error)
    return replace(told, got=one_line(_NO_DEVICE.sub("", told.got)))


@contextmanager
def _collected() -> Iterator[list[str]]:
    """Warnings of NVIDIA's code, which the backend hands on to Python's logging."""
    collected: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: collected.append(  # type: ignore[method-assign]
        one_line(_NO_DEVICE.sub("", record.getMessage()))
    )
    logger = logging.getLogger("edgert.backends.tensorrt")
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield collected
    finally:
        logger.propagate = propagate
        logger.removeHandler(handler)


def _print_to(words: Path) -> None:
    """Native code prints to the numbers 1 and 2, whatever Python's sys.stdout is."""
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
