"""Memory, streams, graphs and events of one NVIDIA GPU, through whichever binding is installed.

base                  the protocols: what engines may ask of CUDA, and no more
lifetime              everything given back once, in any order, the rest with the device
failures              what CUDA refuses, as error lines with the code's name
cuda_python           NVIDIA's own binding, with its _calls (status to error) and _stream
pycuda                where only that is installed, with its _calls, _stream and _threads
"""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from edgert.backends.cuda_memory.base import Cuda
from edgert.choice import chosen
from edgert.errors import BackendError, MissingDependencyError

# In the order in which they are tried: pycuda knows no graphs.
BINDINGS = {
    "cuda-python": "edgert.backends.cuda_memory.cuda_python:CudaPython",
    "pycuda": "edgert.backends.cuda_memory.pycuda:PyCuda",
}


def open_cuda(
    binding: str = "", *, ordinal: int = 0, bindings: Mapping[str, str] = BINDINGS
) -> Cuda:
    """Open one device through one binding.

    Args:
        binding: A key of BINDINGS; "" takes the first that is installed. One that is installed
            and finds no driver is not passed over: the next would find none either.
        ordinal: Which of the devices that the driver lists.
        bindings: What there is to choose from.

    Raises:
        BackendError: There is no binding of that name, no NVIDIA driver, or no such device.
        MissingDependencyError: The binding is not installed, or none is; the message names the
            extra that brings one.
    """
    if binding:
        advice = "Name one of them, or none to take what is installed"
        entry = chosen(bindings, binding, "choose a CUDA binding", BackendError, advice=advice)
        return _opened(entry, ordinal)
    for entry in bindings.values():
        try:
            return _opened(entry, ordinal)
        except MissingDependencyError:
            continue
    raise MissingDependencyError(
        "use the GPU",
        expected=f"one of the CUDA bindings {', '.join(bindings)}",
        got="none installed",
        advice="Run: pip install 'edgert[cuda]'",
    )


def _opened(entry: str, ordinal: int) -> Cuda:
    module, _, attribute = entry.partition(":")
    return cast("Cuda", getattr(import_module(module), attribute)(ordinal))
