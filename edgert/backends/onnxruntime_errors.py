"""onnxruntime's exceptions as ours: which there are, and one line for each.

Whoever calls onnxruntime catches `vendor_errors()` and hands what it caught to `refuse`.
"""

import functools
import re
from typing import NoReturn

from edgert.errors import BackendError, EngineLoadError
from edgert.optional import needs
from edgert.units import text_from_bytes

# What was expected where onnxruntime raises its exception of that name; all derive from Exception.
_EXPECTED = {
    "EPFail": "an operator that runs",
    "EngineError": "an operator that runs",
    "Fail": "a graph with all its weights",
    "InvalidArgument": "a graph with nodes and tensors that fit",
    "InvalidGraph": "a valid graph of known operators",
    "InvalidProtobuf": "a whole ONNX file",
    "NoModel": "a graph",
    "NoSuchFile": "a file",
    "NotImplemented": "operators that the CPU can run",
    "RuntimeException": "enough memory and valid values",
}
_OUT_OF_MEMORY = re.compile(
    r"Available memory of (?P<left>\d+) is smaller than requested bytes of (?P<asked>\d+)"
)


@functools.cache
def vendor_errors() -> tuple[type[Exception], ...]:
    """What a call of onnxruntime may raise; a bug of ours (KeyError, TypeError) isn't among it."""
    state = needs("onnxruntime.capi.onnxruntime_pybind11_state", "", "to run engines")
    named = (getattr(state, name, None) for name in _EXPECTED)  # versions lack some
    return (*(error for error in named if error is not None), RuntimeError, MemoryError)


def refuse(error: Exception, subject: str, error_class: type[BackendError]) -> NoReturn:
    """Raise a vendor's exception as ours: its first line, without its own prefix.

    Args:
        error: What onnxruntime raised; it becomes the cause.
        subject: What was done to what: "load c1.onnx".
        error_class: The class to raise.

    Raises:
        BackendError: Always, as `error_class`.
    """
    text = (str(error) or type(error).__name__).splitlines()[0]
    if memory := _OUT_OF_MEMORY.search(text):
        raise error_class(
            subject,
            expected=f"{text_from_bytes(int(memory['asked']))} more memory for activations",
            got=f"{text_from_bytes(int(memory['left']))} left",
            advice="Free some memory, or use a model with a smaller input",
        ) from error
    if text.startswith("[ONNXRuntimeError]"):  # "[ONNXRuntimeError] : 1 : FAIL : what happened"
        text = text.split(" : ", 3)[-1]
    raise error_class(
        subject,
        expected=_EXPECTED.get(type(error).__name__, "onnxruntime to go on"),
        got=text.rstrip(". "),
        advice="Build the family again" if error_class is EngineLoadError else "Check the graph",
    ) from error
