"""A plan's bytes made an engine, after all that can be checked without handing them to TensorRT.

To deserialise a plan may be to run its code. So its hash is compared by the caller, its header
here, and only then does the runtime see it; code within a plan stays off in any case.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgert.backends.cuda_memory.base import Cuda
from edgert.backends.tensorrt.network import check_shape
from edgert.backends.tensorrt.plan_header import PlanVersion, plan_version
from edgert.backends.tensorrt.vendor import Said, installed_version, is_rtx, version_text
from edgert.errors import BackendError, EngineLoadError
from edgert.records import TensorSpec
from edgert.units import text_from_bytes


@dataclass
class OpenEngine:
    """A deserialised engine and what it states of itself.

    Nothing else holds the engine: an error's traceback keeps what functions held, and with it the
    engine's memory for as long as the error.
    """

    engine: Any  # None once it is closed, as is the runtime
    runtime: Any
    weights_bytes: int = 0
    scratch_bytes: int = 0
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    def close(self) -> None:
        """Let go of the engine, and so of its weights, once its contexts are gone."""
        self.engine = None
        self.runtime = None  # has to live as long


def open_runtime(vendor: Any, logger: Any, *, dla_core: int | None = None) -> Any:
    """NVIDIA's runtime, which runs no code that a plan carries.

    Raises:
        BackendError: There is no device that it can use.
    """
    with logger.listening() as said:
        try:
            runtime = vendor.Runtime(logger)
        except TypeError as error:  # what the bindings raise where the library returns null
            raise BackendError(
                "open TensorRT's runtime",
                expected="a CUDA device that it can use",
                got=said.first,
                advice="Run on the device; edgert doctor says what it has",
            ) from error
    runtime.engine_host_code_allowed = False  # the default, and here the point
    if dla_core is not None:
        runtime.DLA_core = dla_core
    return runtime


def check_header(vendor: Any, plan: bytes, *, subject: str) -> PlanVersion:
    """Refuse what is no plan, or one of another version than is installed.

    Raises:
        EngineLoadError: In one line, which says the versions.
    """
    header = plan_version(plan)
    product = "TensorRT-RTX" if is_rtx(vendor) else "TensorRT"
    installed = installed_version(vendor)
    if header is None:
        raise EngineLoadError(
            subject,
            expected=f"a plan built by {product} {version_text(installed)}",
            got=f"{text_from_bytes(len(plan))} that do not begin as one" if plan else "no bytes",
            advice="Build the family again",
        )
    if header.product != product or header.numbers[: len(installed)] != installed:
        raise EngineLoadError(
            subject,
            expected=f"a plan built by {product} {version_text(installed)}, which is installed",
            got=f"one built by {header}",
            advice="Build the family again",
        )
    return header


def open_engine(
    vendor: Any, runtime: Any, plan: bytes, cuda: Cuda, said: Said, *, subject: str
) -> OpenEngine:
    """Deserialise a plan whose hash and header were checked.

    Args:
        vendor: The module tensorrt.
        runtime: From `open_runtime`.
        plan: Its bytes.
        cuda: Asked how much memory is left before and after.
        said: Collects TensorRT's complaints meanwhile.
        subject: What errors say was being done.

    Raises:
        EngineLoadError: TensorRT refuses it, in TensorRT's own words; or memory is short, or an
            edge has a type or a shape that a session can't have.
    """
    free_bytes = cuda.free_bytes()
    opened = OpenEngine(runtime.deserialize_cuda_engine(plan), runtime)
    if opened.engine is None:
        raise refusal(said, cuda, len(plan), subject=subject)
    taken_bytes = free_bytes - cuda.free_bytes()
    # Another process may have given memory back meanwhile; the plan is mostly weights.
    opened.weights_bytes = taken_bytes if taken_bytes > 0 else len(plan)
    with ExitStack() as undo:
        undo.callback(opened.close)
        _read_edges(vendor, opened, subject)
        opened.scratch_bytes = opened.engine.device_memory_size_v2
        undo.pop_all()
    return opened


def refusal(said: Said, cuda: Cuda, asked_bytes: int | None, *, subject: str) -> EngineLoadError:
    """TensorRT's complaint as an error; of memory, with what was asked for and what is left."""
    if said.out_of_memory:
        asked = "enough" if asked_bytes is None else f"about {text_from_bytes(asked_bytes)} of"
        return EngineLoadError(
            subject,
            expected=f"{asked} free device memory",
            got=f"{text_from_bytes(cuda.free_bytes())} left ({said.out_of_memory})",
            advice="Free some memory, or keep fewer engines resident",
        )
    return EngineLoadError(
        subject,
        expected="a plan that TensorRT takes",
        got=said.first,
        advice="Build the family again on this device",
    )


def _read_edges(vendor: Any, opened: OpenEngine, subject: str) -> None:
    for index in range(opened.engine.num_io_tensors):
        name = opened.engine.get_tensor_name(index)
        spec = _spec(vendor, opened, name, subject)
        if opened.engine.get_tensor_mode(name) == vendor.TensorIOMode.INPUT:
            check_shape(name, spec.shape, subject, EngineLoadError)
            opened.inputs += (spec,)
        else:
            opened.outputs += (spec,)


def _spec(vendor: Any, opened: OpenEngine, name: str, subject: str) -> TensorSpec:
    dtype = opened.engine.get_tensor_dtype(name)
    try:
        known = np.dtype(vendor.nptype(dtype)).name
    except TypeError:  # bfloat16, fp8, int4: numpy has none of them
        known = ""
    in_place = opened.engine.get_tensor_location(name) == vendor.TensorLocation.DEVICE
    if not known or not in_place:
        raise EngineLoadError(
            f"{subject}, tensor {name}",
            expected="a type that numpy has, in the device's memory",
            got=f"{dtype}, in the device's memory" if in_place else f"{dtype}, on the host",
            advice="Export the model with float32 inputs and outputs",
        )
    return TensorSpec(name=name, shape=tuple(opened.engine.get_tensor_shape(name)), dtype=known)
