"""Seconds an inference takes on a board that is not at hand: a roofline, fitted and held out.

Each kernel takes the longer of its arithmetic and its memory traffic, both at a fitted share of
the board's peak, and a fitted number of GPU clocks besides, for its start and its end:

    t = sum over kernels of max(operations / (a * peak), bytes / (b * bandwidth)) + n * c / f

Three parameters for all graphs, boards and precisions, because there are few published figures.
Source of the form: Williams, Waterman, Patterson, Roofline, CACM 2009. Differs: by kernel, with a
fixed part. `FORMS` has the others that were tried on the same rows.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.profiling.roofline.kernels import GraphWork
from edgert.profiling.roofline.peaks import Peaks
from edgert.profiling.roofline.published import Case

Array = NDArray[np.float64]

_STARTS = ((0.3, 0.7), (0.5, 0.9), (3e3, 1e4))  # compute share, memory share, clocks a kernel
_STEPS = 100
_TINY = 1e-4


@dataclass(frozen=True)
class Parameters:
    """What is fitted: shares of the peaks, and GPU clocks for each kernel."""

    compute_ratio: float
    memory_ratio: float
    clocks_per_kernel: float


@dataclass(frozen=True)
class _Times:
    """A graph on a board at its peaks: seconds of each kernel, and of one clock."""

    compute_s: Array
    memory_s: Array
    clock_s: float


Form = Callable[[_Times, Parameters], float]


def _by_kernel(times: _Times, p: Parameters) -> float:
    roof_s = np.maximum(times.compute_s / p.compute_ratio, times.memory_s / p.memory_ratio)
    return float(roof_s.sum()) + _fixed_s(times, p)


def _whole_graph(times: _Times, p: Parameters) -> float:
    compute_s, memory_s = times.compute_s.sum(), times.memory_s.sum()
    return float(max(compute_s / p.compute_ratio, memory_s / p.memory_ratio)) + _fixed_s(times, p)


def _no_overlap(times: _Times, p: Parameters) -> float:
    compute_s, memory_s = times.compute_s.sum(), times.memory_s.sum()
    return float(compute_s / p.compute_ratio + memory_s / p.memory_ratio) + _fixed_s(times, p)


def _fixed_s(times: _Times, p: Parameters) -> float:
    return len(times.compute_s) * p.clocks_per_kernel * times.clock_s


FORMS: dict[str, Form] = {
    "by kernel": _by_kernel,
    "whole graph": _whole_graph,
    "no overlap": _no_overlap,
}
FORM = "by kernel"


@dataclass(frozen=True)
class RowError:
    """A published row, and what the model says of it when it was fitted without it.

    graph_left_out_s: fitted without any row of the same graph.
    architecture_left_out_s: fitted without any row of the same architecture, which is where a
        graph of an architecture that nobody published figures of stands.
    """

    case: Case
    graph_left_out_s: float
    architecture_left_out_s: float

    @property
    def graph_error(self) -> float:
        """Modelled over published, minus one: -0.3 is 30 % too fast."""
        return self.graph_left_out_s / self.case.row.published_s - 1

    @property
    def architecture_error(self) -> float:
        """The same with the architecture left out."""
        return self.architecture_left_out_s / self.case.row.published_s - 1


@dataclass(frozen=True)
class Roofline:
    """A fitted model with its errors on published figures.

    `errors` are of the rows that it was fitted on; `checks` of rows that were never fitted on.
    """

    parameters: Parameters
    errors: tuple[RowError, ...]
    checks: tuple[RowError, ...]
    form: str = FORM

    def latency_s(self, work: GraphWork, peaks: Peaks) -> float:
        """Modelled seconds of one inference."""
        return FORMS[self.form](_times(work, peaks), self.parameters)

    @property
    def method(self) -> str:
        """How its figures came about, as it is written beside them."""
        graph = [abs(error.graph_error) for error in self.errors]
        architecture = [abs(error.architecture_error) for error in self.errors]
        return (
            f"modelled (roofline, fitted on {len(self.errors)} published rows, "
            f"leave-one-out error median {np.median(graph):.0%}, worst {max(graph):.0%}; "
            f"with the whole architecture left out median {np.median(architecture):.0%}, "
            f"worst {max(architecture):.0%}{self._checked()})"
        )

    def _checked(self) -> str:
        """What the rows that were never fitted on say, in words."""
        if not self.checks:
            return ""
        slower = [1 / (1 + check.graph_error) for check in self.checks]
        return (
            f"; {len(self.checks)} rows of unstated power mode, never fitted on, took "
            f"{min(slower):.1f} to {max(slower):.1f} times as long as modelled"
        )


def fit_roofline(cases: Sequence[Case], *, form: str = FORM) -> Roofline:
    """Fit on the rows that may be fitted on, and for each row's errors without those like it.

    Args:
        cases: Published rows, of both uses.
        form: One of `FORMS`.

    Raises:
        ValueError: Fewer architectures than parameters, once one is left out.
    """
    fitted = [case for case in cases if case.row.use == "fit"]
    architectures = {case.architecture for case in fitted}
    if len(architectures) < 4:
        raise ValueError(
            f"three parameters and one left out need 4 architectures: {architectures}"
        )
    by_graph: dict[str, Parameters] = {}
    by_architecture: dict[str, Parameters] = {}
    for case in cases:
        name, kind = case.row.graph, case.architecture
        if name not in by_graph:
            by_graph[name] = _fit([c for c in fitted if c.row.graph != name], form)
        if kind not in by_architecture:
            by_architecture[kind] = _fit([c for c in fitted if c.architecture != kind], form)
    errors = {
        use: tuple(
            RowError(
                case,
                _modelled_s(case, by_graph[case.row.graph], form),
                _modelled_s(case, by_architecture[case.architecture], form),
            )
            for case in cases
            if case.row.use == use
        )
        for use in ("fit", "check")
    }
    return Roofline(_fit(fitted, form), errors["fit"], errors["check"], form)


def _modelled_s(case: Case, parameters: Parameters, form: str) -> float:
    return FORMS[form](_times(case.work, case.peaks), parameters)


def _times(work: GraphWork, peaks: Peaks) -> _Times:
    operations = np.array([2.0 * kernel.macs for kernel in work.kernels])
    sizes = np.array([float(kernel.elements) * peaks.element_bytes for kernel in work.kernels])
    return _Times(operations / peaks.operations_per_s, sizes / peaks.bytes_per_s, 1 / peaks.gpu_hz)


def _fit(cases: Sequence[Case], form: str) -> Parameters:
    """Least squares on the logarithm of modelled over published, from several starts.

    The logarithm weighs "half" like "double", and a fast network like a slow one.
    """
    times = [_times(case.work, case.peaks) for case in cases]
    published_s = np.array([case.row.published_s for case in cases])

    def residuals(logs: Array) -> Array:
        parameters = _parameters(logs)
        modelled_s = np.array([FORMS[form](time, parameters) for time in times])
        logs_off: Array = np.log(modelled_s / published_s)
        return logs_off

    fits = [_descend(residuals, np.log(start)) for start in itertools.product(*_STARTS)]
    return _parameters(min(fits, key=lambda logs: float(np.sum(residuals(logs) ** 2))))


def _parameters(logs: Array) -> Parameters:
    """No share of a peak is more than all of it."""
    return Parameters(math.exp(min(logs[0], 0)), math.exp(min(logs[1], 0)), math.exp(logs[2]))


def _descend(residuals: Callable[[Array], Array], start: Array) -> Array:
    """Levenberg and Marquardt's damped least squares; three parameters need no library."""
    point, damping = start, 1e-2
    now = residuals(point)
    for _ in range(_STEPS):
        slopes: Array = np.stack(
            [(residuals(point + _TINY * axis) - now) / _TINY for axis in np.eye(len(point))],
            axis=1,
        )
        hessian: Any = slopes.T @ slopes + damping * np.eye(len(point))
        step = np.linalg.solve(hessian, -slopes.T @ now)
        tried = residuals(point + np.clip(step, -1, 1))
        if np.sum(tried**2) < np.sum(now**2):
            if np.sum(now**2) - np.sum(tried**2) < 1e-10:
                return point
            point, now, damping = point + np.clip(step, -1, 1), tried, damping / 3
        else:
            damping *= 3
            if damping > 1e8:
                return point
    return point
