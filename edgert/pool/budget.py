"""What a pool may take on this machine, and the plan that follows from it."""

from typing import Protocol, runtime_checkable

from edgert.artifacts import BuiltSet
from edgert.backends.base import Backend
from edgert.backends.memory import available_bytes
from edgert.pool.residency import ResidencyPlan, plan_residency
from edgert.units import text_from_bytes

_SHARE = 0.9  # of what is left: the rest of the machine has to go on


@runtime_checkable
class KnowsFreeMemory(Protocol):
    """A backend that counts its device's memory itself; for the others the kernel does."""

    def free_bytes(self) -> int:
        """What is left on the device now."""
        ...


@runtime_checkable
class WarmsBeside(Protocol):
    """A backend that runs an engine once while it loads it beside others.

    It does so on scratch memory, inputs and outputs of its own, so that the running stream is left
    alone; the pool then counts these, and runs nothing itself.
    """

    warms_beside: bool


def plan_built(
    built: BuiltSet, backend: Backend, *, memory_bytes: int | None = None
) -> ResidencyPlan:
    """Plan which engines of a built set stay loaded; loads nothing.

    Args:
        built: The set.
        backend: What would load it.
        memory_bytes: What the pool may take. None: nine tenths of what the backend says is free,
            or of what the kernel says is left where the backend says nothing.

    Raises:
        BackendError: There is too little memory even for the active and the cheapest engine.
    """
    budget_bytes, budget_from = memory_bytes, "as asked for"
    left_bytes = free_bytes(backend) if memory_bytes is None else None
    if left_bytes is not None:
        budget_bytes = int(left_bytes * _SHARE)
        budget_from = f"{_SHARE:.0%} of the {text_from_bytes(left_bytes)} left"
    return plan_residency(
        built.manifest.engines,
        weights_bytes=built.weights_path.stat().st_size if built.weights_path else 0,
        budget_bytes=budget_bytes,
        budget_from=budget_from,
        warms_beside=warms_beside(backend),
    )


def free_bytes(backend: Backend) -> int | None:
    """What is left where the backend's engines lie; None where nobody knows."""
    return backend.free_bytes() if isinstance(backend, KnowsFreeMemory) else available_bytes()


def warms_beside(backend: Backend) -> bool:
    """Whether an engine that is loaded beside others comes warm, at the cost of a second lane."""
    return isinstance(backend, WarmsBeside) and backend.warms_beside
