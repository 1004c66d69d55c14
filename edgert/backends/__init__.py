"""What runs engines. One adapter for each runtime; the vendor's package is imported there only.

base          what a backend and a session are, and the check on what goes into a run
onnxruntime   the default: engines on the CPU, weights mapped from one file
tensorrt      engines on an NVIDIA GPU, launched as CUDA graphs
cuda_memory   the GPU's memory, streams and graphs, through the binding that is installed
cpu           which processor an engine was built for
"""

from importlib import import_module
from typing import Any, cast

from edgert.backends.base import Backend
from edgert.choice import chosen
from edgert.errors import BackendError

BACKENDS = {
    "onnxruntime": "edgert.backends.onnxruntime:OnnxRuntimeBackend",
    "tensorrt": "edgert.backends.tensorrt.backend:TensorRtBackend",
}


def open_backend(name: str, **options: Any) -> Backend:
    """Construct the backend of that name.

    Args:
        name: A key of BACKENDS.
        options: Keyword arguments of its class, as `threads=2`.

    Raises:
        BackendError: There is no backend of that name; the message lists them.
        MissingDependencyError: The vendor's package is not installed.
    """
    place = chosen(BACKENDS, name, "choose a backend", BackendError)
    module, _, attribute = place.partition(":")
    return cast("Backend", getattr(import_module(module), attribute)(**options))
