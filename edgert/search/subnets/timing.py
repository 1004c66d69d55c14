"""Subnets timed on this device against the whole supernet, in rounds in which they take turns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.base import Session
from edgert.backends.onnxruntime import session_from_bytes
from edgert.families.ofa_space import Subnet
from edgert.search.latency import Cost, Run, measure_costs
from edgert.search.subnets.genes import word_of
from edgert.search.subnets.supernet import Supernet
from edgert.search.trial import serialised

_TOGETHER = 6  # engines that take turns with the whole one; each keeps its activations
_PATIENCE, _PATIENCE_FINAL = 2, 4  # times the rounds, on a busy machine


@dataclass(frozen=True)
class Timed:
    """Some subnets that took turns.

    Attributes:
        subnets: In the order they were asked for.
        costs: Of each, against the whole supernet in the same rounds.
        full: The whole supernet's own median seconds meanwhile.
    """

    subnets: list[Subnet]
    costs: list[Cost]
    full: Cost


class SubnetTimer:
    """Measures latency on this device.

    Args:
        supernet: What subnets are cut from.
        tensor: The model's input for one picture.
        threads: Of an engine; None: one for each core.
        rounds: Of timing for a final measurement; others take half.
    """

    def __init__(
        self, supernet: Supernet, *, tensor: NDArray[Any], threads: int | None, rounds: int
    ) -> None:
        self._supernet, self._tensor = supernet, np.array(tensor, np.float32)
        self._threads, self._rounds = threads, rounds
        self._full: Session | None = None

    def measure(self, subnets: Sequence[Subnet], *, final: bool = False) -> Iterator[Timed]:
        """Time subnets, some at a time; the numbers in them do not change what they cost.

        Args:
            subnets: Other than the whole supernet.
            final: For longer.
        """
        if self._full is None:
            self._full = self._session(self._supernet.full)
        for start in range(0, len(subnets), _TOGETHER):
            some = list(subnets[start : start + _TOGETHER])
            sessions = [self._session(subnet) for subnet in some]
            full, costs = measure_costs(
                self._run_of(self._full),
                {str(place): self._run_of(session) for place, session in enumerate(sessions)},
                rounds=self._rounds if final else max(2, self._rounds // 2),
                patience=_PATIENCE_FINAL if final else _PATIENCE,
            )
            for session in sessions:
                session.close()
            yield Timed(some, list(costs.values()), full)

    def close(self) -> None:
        """Let go of the whole supernet's engine."""
        if self._full is not None:
            self._full.close()
            self._full = None

    def _session(self, subnet: Subnet) -> Session:
        word = word_of(self._supernet.space, subnet)
        graph = self._supernet.derived(subnet, subject=f"derive {word}")
        return session_from_bytes(serialised(graph), threads=self._threads)

    def _run_of(self, session: Session) -> Run:
        feeds = {session.inputs[0].name: self._tensor}
        return lambda: session.run(feeds)
