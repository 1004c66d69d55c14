"""The parity gate: no engine is listed before it computes what its graph says.

The reference is the derived graph run with every optimisation off, on fixed inputs; `check` brings
the two together. What is compared are numbers (largest difference against the largest output) and
labels (argmax), input by input and output by output: one that is large must not make room for the
others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.base import Session
from edgert.build.inputs import CheckInput
from edgert.records import Parity, Precision


@dataclass(frozen=True)
class Tolerance:
    """How far two runs of the same graph may be apart.

    fp32 engines: reordered sums differ in the last bits, layer after layer. Measured on the
    bundled family the largest differences are near 1e-5; a wrong layer shows as 1e-2 and more.
    """

    difference: float = 1e-4  # largest, of the largest output
    label_agreement: float = 0.999
    extreme_difference: float = 1e-3  # on inputs that no camera gives; labels may tie there
    task_loss: float = 0.005  # of the task's score against labels, from the graph to its engine
    own_label_loss: float = 0.005  # the same where the graph's own labels are the truth


TOLERANCE = Tolerance()
# Measured on three configurations of the bundled family (onnxruntime 1.31.1, a Xeon with AVX-512,
# November 2026), of the largest output:
# fp16: 4e-4 on frames, 7e-4 on noise, 2e-3 on extremes between the graph as it is written and as
#   it is optimised, and 1e-3 between the graph and its float32 parent, which a runtime that rounds
#   less often comes close to; labels agree to 99.94 % and more. A layer whose weights are zero or
#   in another order shows as 8e-2 and more, one wrong number of one layer as 2e-3 to 4e-1.
# int8: a value that lies between two steps falls to either side, and what comes after sees a whole
#   step: 4e-2 on frames, 7e-2 on noise, 1.1e-1 on extremes, 97.8 % of labels and more, as far as
#   int8 is from float32 itself. Layers in another order show as 1.2e-1 and more, 7e-1 in the
#   median; a single wrong number need not show at all, so an engine's task score is looked at too.
_TOLERANCES: dict[Precision, Tolerance] = {
    "fp32": TOLERANCE,
    "fp16": Tolerance(
        difference=1e-2, label_agreement=0.995, extreme_difference=5e-2, own_label_loss=0.05
    ),
    "int8": Tolerance(
        difference=1.2e-1,
        label_agreement=0.965,
        extreme_difference=3e-1,
        task_loss=0.02,
        own_label_loss=0.25,  # a class of a few pixels counts as much as the road
    ),
}


def tolerance_for(precision: Precision) -> Tolerance:
    """How far an engine may be from its own graph, by the precision that the graph computes in.

    An int8 engine is compared with the Q/DQ graph that it was compiled from, not with float32:
    what is allowed for is where roundings fall, not what quantisation costs.
    """
    return _TOLERANCES[precision]


@dataclass(frozen=True)
class Distance:
    """How far two results for one input are apart, at the output where they are farthest."""

    output: str
    difference: float  # largest, absolute; infinite where one is NaN or infinite and one is not
    mean_difference: float
    scale: float  # largest absolute value of the expected output
    label_agreement: float  # least over outputs

    @property
    def relative(self) -> float:
        """The largest difference, of the largest output."""
        return self.difference / self.scale if self.scale else self.difference

    def within(self, tolerance: Tolerance, *, natural: bool = True) -> bool:
        """Whether rounding explains it."""
        if not natural:
            return self.relative <= tolerance.extreme_difference
        return (
            self.relative <= tolerance.difference
            and self.label_agreement >= tolerance.label_agreement
        )


def distance_of(got: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> Distance:
    """Compare all outputs of a run with what was expected of them, name by name."""
    farthest = Distance("", 0.0, 0.0, 0.0, 1.0)
    agreement = 1.0
    for name, want in expected.items():
        found = _distance(name, got[name], want)
        agreement = min(agreement, found.label_agreement)
        if not farthest.output or found.relative > farthest.relative:
            farthest = found
    return Distance(
        farthest.output, farthest.difference, farthest.mean_difference, farthest.scale, agreement
    )


@dataclass(frozen=True)
class Comparison:
    """Two executions over several inputs, and the first input on which they are too far apart."""

    parity: Parity
    relative: float  # farthest distance, of the largest output
    failed: tuple[CheckInput, Distance] | None = None


def compare_runs(
    session: Session,
    expected: Iterable[tuple[CheckInput, Mapping[str, NDArray[Any]]]],
    *,
    tolerance: Tolerance = TOLERANCE,
) -> Comparison:
    """Run a session on inputs whose results are known, up to the first that it gets wrong.

    Raises:
        InferenceError: The session fails on an input.
    """
    distances: list[tuple[bool, Distance]] = []
    failed = None
    for check, want in expected:
        distance = distance_of(session.run(check.feeds), want)
        distances.append((check.natural, distance))
        if not distance.within(tolerance, natural=check.natural):
            failed = check, distance
            break
    parity = Parity(
        max_abs_difference=max((d.difference for _, d in distances), default=0.0),
        mean_abs_difference=max((d.mean_difference for _, d in distances), default=0.0),
        reference_max_abs=max((d.scale for _, d in distances), default=0.0),
        label_agreement=min((d.label_agreement for n, d in distances if n), default=1.0),
        inputs=len(distances),
    )
    relative = max((d.relative for _, d in distances), default=0.0)
    return Comparison(parity, relative, failed)


def _distance(name: str, got: NDArray[Any], want: NDArray[Any]) -> Distance:
    wide = np.abs(want.astype(np.float64))
    with np.errstate(invalid="ignore"):  # inf - inf, which counts as the same below
        difference = np.abs(got.astype(np.float64) - want)
    same = (got == want) | ((got != got) & (want != want))  # noqa: PLR0124 - NaN
    # NaN would pass every comparison, so where only one has it they are infinitely far apart.
    difference = np.where(same, 0.0, np.nan_to_num(difference, nan=np.inf, posinf=np.inf))
    agreement = 1.0
    if want.ndim > 1 and want.size:
        axis = -1 if want.ndim == 3 else 1  # (B, N, C) of transformers, else (B, C, ...)
        agreement = float((got.argmax(axis=axis) == want.argmax(axis=axis)).mean())
    return Distance(
        output=name,
        difference=float(difference.max(initial=0)),
        mean_difference=float(difference.mean()) if difference.size else 0.0,
        scale=float(np.max(wide, initial=0, where=np.isfinite(wide))),
        label_agreement=agreement,
    )
