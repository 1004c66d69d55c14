"""What runs engines. One adapter for each runtime; the vendor's package is imported there only.

base          what a backend and a session are, and the check on what goes into a run
onnxruntime   the default: engines on the CPU, weights mapped from one file
cpu           which processor an engine was built for
"""

from importlib import import_module
from typing import Any, cast

from edgert.backends.base import Backend
from edgert.errors import BackendError

BACKENDS = {
    "onnxruntime": "edgert.backends.onnxruntime:OnnxRuntimeBackend",
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
    if name not in BACKENDS:
        raise BackendError(
            "choose a backend",
            expected=f"one of {', '.join(BACKENDS)}",
            got=repr(name),
            advice="Name one of them",
        )
    module, _, attribute = BACKENDS[name].partition(":")
    return cast("Backend", getattr(import_module(module), attribute)(**options))
