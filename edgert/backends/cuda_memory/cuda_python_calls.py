"""Functions of NVIDIA's binding as calls that return their results or raise.

They return a tuple, a status and then the results. They raise only where the driver lacks the
function, or answers with a number that the binding is too old to know.
"""

from collections.abc import Callable
from typing import Any

from edgert.backends.cuda_memory.failures import cuda_failure

SUCCESS = "CUDA_SUCCESS"


def run(subject: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """Call the driver.

    Args:
        subject: What is being done, for an error: "launch a graph".
        call: A function of the binding.
        arguments: Its arguments.

    Returns:
        What comes behind the status: None, one thing, or a list of things.

    Raises:
        BackendError: The status is another than CUDA_SUCCESS.
    """
    code, results = run_for_status(subject, call, *arguments)
    if code != SUCCESS:
        raise cuda_failure(subject, code, call=call.__name__)
    if len(results) < 2:
        return results[0] if results else None
    return results


def run_for_status(
    subject: str, call: Callable[..., Any], *arguments: Any
) -> tuple[str, list[Any]]:
    """Call the driver, and leave it to the caller what each status means.

    Returns:
        The status by its name, and what comes behind it.

    Raises:
        BackendError: The driver has no such function, or the binding can't name its status.
    """
    try:
        status, *results = call(*arguments)
    except RuntimeError as error:  # 'Function "cu…" not found': a driver older than the binding
        raise cuda_failure(
            subject, f"a driver that lacks it ({error})", call=call.__name__
        ) from error
    except (KeyError, ValueError) as error:  # how 12 and how 13 fail on a number without a name
        raise cuda_failure(
            subject, f"a status unknown to the binding ({error})", call=call.__name__
        ) from error
    return status.name, results
