"""Which engines of a set stay loaded within a memory budget, and what that costs.

Pure arithmetic on what the manifest states, so that it can be told before anything is loaded. An
engine's own cost is its weights and what it holds as long as it is loaded. The rest is paid once
for all of them: the set's weights file, one block of scratch memory as large as the largest needs,
inputs and outputs. Where not all engines fit, some are loaded while others run; a backend that
warms them beside the running ones takes scratch, inputs and outputs a second time for that.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from edgert.errors import BackendError
from edgert.records import Engine
from edgert.units import text_from_bytes

_NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True)
class EngineCost:
    """What one engine takes for itself, as long as it is loaded."""

    name: str
    weights_bytes: int
    persistent_bytes: int

    @property
    def own_bytes(self) -> int:
        """What unloading it gives back."""
        return self.weights_bytes + self.persistent_bytes


@dataclass(frozen=True)
class SharedCosts:
    """What is paid once, however many engines are loaded."""

    weights_bytes: int = 0  # the set's weights file
    scratch_bytes: int = 0  # activations, of the engine that needs most
    io_bytes: int = 0  # inputs and outputs
    load_ahead_bytes: int = 0  # scratch, inputs and outputs of the engine being loaded

    @property
    def all_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.scratch_bytes + self.io_bytes + self.load_ahead_bytes


@dataclass(frozen=True)
class ResidencyPlan:
    """What is loaded around the active engine, and what it takes. See `plan_residency`.

    Attributes:
        costs: Of each engine, dearest configuration first.
        shared: What comes on top of them, once.
        active: The configuration that `resident` lies around.
        budget_bytes: What all of it may take; None: not known, so everything is loaded.
        budget_from: Where the budget comes from, in words.
        uncounted: What takes memory too and that nobody stated, in words.
    """

    costs: tuple[EngineCost, ...]
    shared: SharedCosts
    active: str
    budget_bytes: int | None = None
    budget_from: str = ""
    uncounted: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every configuration, dearest first."""
        return tuple(cost.name for cost in self.costs)

    @property
    def total_bytes(self) -> int:
        """What it takes to load every engine; nothing is loaded ahead then."""
        shared_bytes = self.shared.all_bytes - self.shared.load_ahead_bytes
        return shared_bytes + sum(cost.own_bytes for cost in self.costs)

    @property
    def all_resident(self) -> bool:
        """Whether every engine is loaded for good."""
        return self.budget_bytes is None or self.total_bytes <= self.budget_bytes

    @property
    def resident(self) -> tuple[str, ...]:
        """What is loaded at first, dearest first."""
        wanted = self.wanted(self.active)
        return tuple(name for name in self.names if name in wanted)

    @property
    def room_bytes(self) -> int:
        """What the engines that are loaded may take for themselves, together."""
        own_bytes = sum(cost.own_bytes for cost in self.costs)
        if self.all_resident or self.budget_bytes is None:
            return own_bytes
        return self.budget_bytes - self.shared.all_bytes

    @property
    def needed_bytes(self) -> int:
        """What it takes to load `resident`, and later others in their places."""
        if self.all_resident:
            return self.total_bytes
        return self.shared.all_bytes + self.own_bytes(self.resident)

    @property
    def left_bytes(self) -> int | None:
        """What of the budget stays free; None without a budget."""
        return None if self.budget_bytes is None else self.budget_bytes - self.needed_bytes

    @property
    def never(self) -> tuple[str, ...]:
        """Configurations that do not fit even if only the cheapest is loaded beside them."""
        cheapest = self.names[-1]
        return tuple(
            name for name in self.names if self.own_bytes({name, cheapest}) > self.room_bytes
        )

    def own_bytes(self, names: Iterable[str]) -> int:
        """What these engines take for themselves, together."""
        chosen = set(names)
        return sum(cost.own_bytes for cost in self.costs if cost.name in chosen)

    def order(self, active: str) -> tuple[str, ...]:
        """Every configuration by how much it is wanted loaded when `active` is the one to run.

        The cheapest first, as it is the safe choice at any moment; then the active one, the next
        cheaper, the next dearer, the second cheaper, and so on outwards.

        Raises:
            ValueError: There is no such configuration.
        """
        names = self.names
        place = names.index(active)
        outwards = sorted(range(len(names)), key=lambda other: (abs(other - place), other < place))
        return (names[-1], *(names[other] for other in outwards if other != len(names) - 1))

    def wanted(self, active: str, *, without: AbstractSet[str] = _NOBODY) -> tuple[str, ...]:
        """What is to be loaded when `active` is the one to run, most wanted first.

        As much of `order` as fits, without gaps: what does not fit ends it, so that more memory
        never means that an engine has to go. If `active` itself can't fit, its neighbours are
        wanted without it.

        Args:
            active: A configuration.
            without: Configurations that can't be loaded.
        """
        if self.all_resident:
            return tuple(name for name in self.order(active) if name not in without)
        passed = {*without, active} if active in self.never else without
        chosen: list[str] = []
        for name in self.order(active):
            if name in passed:
                continue
            if self.own_bytes([*chosen, name]) > self.room_bytes:
                break
            chosen.append(name)
        return tuple(chosen)


def plan_residency(
    engines: Sequence[Engine],
    *,
    weights_bytes: int,
    budget_bytes: int | None,
    budget_from: str = "as asked for",
    warms_beside: bool = False,
    active: str | None = None,
) -> ResidencyPlan:
    """Plan which engines stay loaded.

    All of them where they fit. Else the cheapest, which is the last, and a window around the
    active one.

    Args:
        engines: Of one set, dearest configuration first; at least one.
        weights_bytes: Size of the weights file that they share; 0: there is none.
        budget_bytes: What the pool may take; None: not known.
        budget_from: Where the budget comes from, in words.
        warms_beside: Loading one while others run takes a second block of scratch memory, and
            inputs and outputs of its own.
        active: The configuration to begin with; None: the dearest.

    Raises:
        BackendError: The budget does not hold even the active and the cheapest engine.
        ValueError: There is no such configuration.
    """
    memories = [engine.memory for engine in engines]
    scratch_bytes = max(memory.scratch_bytes for memory in memories)
    io_bytes = max(memory.io_bytes for memory in memories)
    plan = ResidencyPlan(
        costs=tuple(
            EngineCost(engine.name, engine.memory.weights_bytes, engine.memory.persistent_bytes)
            for engine in engines
        ),
        shared=SharedCosts(
            weights_bytes=weights_bytes,
            scratch_bytes=scratch_bytes,
            io_bytes=io_bytes,
            load_ahead_bytes=scratch_bytes + io_bytes if warms_beside else 0,
        ),
        active=engines[0].name if active is None else active,
        budget_bytes=budget_bytes,
        budget_from=budget_from,
        uncounted=_uncounted(engines, weights_bytes),
    )
    _check(plan)
    return plan


def _check(plan: ResidencyPlan) -> None:
    if plan.active not in plan.names:
        raise ValueError(f"{plan.active!r} is not among {plan.names}")
    least = dict.fromkeys((plan.active, plan.names[-1]))
    least_bytes, which = plan.shared.all_bytes + plan.own_bytes(least), " and ".join(least)
    if plan.total_bytes < least_bytes:  # without a lane to load ahead on
        least_bytes, which = plan.total_bytes, f"all {len(plan.names)} engines"
    if plan.budget_bytes is None or least_bytes <= plan.budget_bytes:
        return
    raise BackendError(
        "plan the pool's memory",
        expected=f"{text_from_bytes(least_bytes)} for {which}, the least to run",
        got=f"{text_from_bytes(plan.budget_bytes)} ({plan.budget_from})",
        advice="Allow it more memory, free some, or build smaller configurations",
    )


def _uncounted(engines: Sequence[Engine], weights_bytes: int) -> tuple[str, ...]:
    """What the manifest states nothing of; a backend that can't know leaves it at zero."""
    memories = [engine.memory for engine in engines]
    kinds = {
        "weights": weights_bytes or any(memory.weights_bytes for memory in memories),
        "loaded engines": any(memory.persistent_bytes for memory in memories),
        "activations": any(memory.scratch_bytes for memory in memories),
        "inputs and outputs": any(memory.io_bytes for memory in memories),
    }
    largest_bytes = max(engine.size_bytes for engine in engines)
    return (
        *(
            f"{kind}, of which the backend states nothing"
            for kind, said in kinds.items()
            if not said
        ),
        f"a copy of an engine's file while it is loaded, {text_from_bytes(largest_bytes)} at most",
        "the runtime itself",
    )
