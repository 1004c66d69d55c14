"""Timing choices in this process while no trial runs; their graphs are made by the workers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.base import Session
from edgert.backends.onnxruntime import session_from_bytes
from edgert.errors import ArtifactError, BackendError
from edgert.search.choice import Choice, key_of
from edgert.search.executor import Workers
from edgert.search.latency import Cost, Run, measure_costs
from edgert.search.trial import GRAPHS, prepare_timing

_PATIENCE, _PATIENCE_FINAL = 2, 4  # times the rounds, on a busy machine
_TOGETHER = 6  # engines that take turns with the full one; each keeps its activations


class Timer:
    """Measures latency on this device.

    Args:
        folder: The work folder.
        identity: Of the search.
        tensor: The model's input for one frame.
        workers: Who make the graphs.
        threads: Of an engine; None: one for each core.
        rounds: Of timing for a final measurement; others take half.
    """

    def __init__(
        self,
        folder: Path,
        identity: str,
        *,
        tensor: NDArray[Any],
        workers: Workers,
        threads: int | None,
        rounds: int,
    ) -> None:
        self._folder, self._identity, self._tensor = folder, identity, np.array(tensor)
        self._workers, self._threads, self._rounds = workers, threads, rounds
        self._full: Session | None = None

    def measure(
        self, choices: Sequence[Choice], *, final: bool = False
    ) -> Iterator[tuple[list[str], Mapping[str, Cost]]]:
        """Time choices, some at a time.

        Args:
            choices: Canonical, without the full model.
            final: Time the fitted graphs that final trials left, for longer.

        Yields:
            The keys that were tried, and the costs of those that could be run.
        """
        for start in range(0, len(choices), _TOGETHER):
            some = choices[start : start + _TOGETHER]
            keys = [key_of(choice) for choice in some]
            yield keys, self._measured(self._graphs(some, final=final), final=final)

    def _graphs(self, choices: Sequence[Choice], *, final: bool) -> dict[str, Path]:
        if final:
            folder = self._folder / GRAPHS
            paths = {key_of(choice): folder / f"{key_of(choice)}.onnx" for choice in choices}
            return {key: path for key, path in paths.items() if path.is_file()}
        return self._prepared(choices)

    def _prepared(self, choices: Sequence[Choice]) -> dict[str, Path]:
        arguments = [(str(self._folder), self._identity, choice) for choice in choices]
        results = self._workers.run(prepare_timing, arguments)
        for result in results:
            if "fatal" in result:
                raise ArtifactError(**result["fatal"])
        return {r["key"]: Path(r["graph"]) for r in results if "graph" in r}

    def _measured(self, graphs: Mapping[str, Path], *, final: bool) -> dict[str, Cost]:
        if self._full is None:
            [path] = self._prepared([{}]).values()
            self._full = self._session(path)
            path.unlink()
        sessions = {}
        for key, path in graphs.items():
            try:
                sessions[key] = self._session(path)
            except BackendError:  # the trial of this choice says why
                continue
            finally:
                if not final:
                    path.unlink()
        if not sessions:
            return {}
        _, costs = measure_costs(
            self._run_of(self._full),
            {key: self._run_of(session) for key, session in sessions.items()},
            rounds=self._rounds if final else max(2, self._rounds // 2),
            patience=_PATIENCE_FINAL if final else _PATIENCE,
        )
        for session in sessions.values():
            session.close()
        return costs

    def _session(self, path: Path) -> Session:
        return session_from_bytes(path.read_bytes(), threads=self._threads)

    def _run_of(self, session: Session) -> Run:
        feeds = {session.inputs[0].name: self._tensor}
        return lambda: session.run(feeds)
