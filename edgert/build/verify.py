"""The parity gate: no engine is listed before it computes what its graph says.

The reference is the derived graph run with every optimisation off, on fixed inputs. What is
compared are numbers (largest difference against the largest output) and labels (argmax).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.backends.base import Session
from edgert.errors import VerificationError
from edgert.records import Parity, TensorSpec

# fp32 engines: reordered sums differ in the last bits, layer after layer. Measured on the bundled
# family the largest differences are near 1e-5; a wrong layer shows as 1e-2 and more.
MAX_RELATIVE_DIFFERENCE = 1e-4
MIN_LABEL_AGREEMENT = 0.999


def fixed_inputs(spec: TensorSpec, *, count: int = 3) -> list[NDArray[Any]]:
    """The inputs that engines are verified on: seeded noise, and smooth waves like a picture's.

    Args:
        spec: The engine's input, any static shape.
        count: How many; the first is noise, the others are waves of growing frequency.
    """
    generator = np.random.default_rng(20240415)
    inputs = [generator.standard_normal(spec.shape).astype(spec.dtype)]
    for index in range(1, count):
        grids = np.meshgrid(*[np.linspace(0.3, 3.7 * index, n) for n in spec.shape], indexing="ij")
        phase = sum((axis + 1) * grid for axis, grid in enumerate(grids))
        inputs.append((2 * np.sin(phase)).astype(spec.dtype))
    return inputs


def verify_engine(
    engine: Session, reference: Session, inputs: Sequence[NDArray[Any]], *, subject: str
) -> Parity:
    """Compare an engine with its reference.

    Args:
        engine: What will be listed.
        reference: The same graph without optimisation.
        inputs: Fixed inputs, each of the engine's input shape.
        subject: What is verified, for the error line.

    Returns:
        How far the two are apart over all inputs and all outputs.

    Raises:
        VerificationError: They differ by more than rounding explains, or in too many labels.
    """
    name = engine.inputs[0].name
    largest = mean = scale = 0.0
    agreements = []
    for tensor in inputs:
        expected = {k: v.copy() for k, v in reference.run({name: tensor}).items()}
        for output, got in engine.run({name: tensor}).items():
            want = expected[output]
            difference = np.abs(got.astype(np.float64) - want)
            # NaN would pass every comparison below, so it counts as infinitely far.
            largest = max(largest, float(np.nan_to_num(difference, nan=np.inf).max(initial=0)))
            mean = max(mean, float(difference.mean()))
            scale = max(scale, float(np.abs(want).max(initial=0)))
            if want.ndim > 1:
                agreements.append(float((got.argmax(axis=1) == want.argmax(axis=1)).mean()))
    parity = Parity(
        max_abs_difference=largest,
        mean_abs_difference=mean,
        reference_max_abs=scale,
        label_agreement=min(agreements, default=1.0),
        inputs=len(inputs),
    )
    _refuse_differences(parity, subject)
    return parity


def _refuse_differences(parity: Parity, subject: str) -> None:
    limit = MAX_RELATIVE_DIFFERENCE * parity.reference_max_abs
    if not parity.max_abs_difference <= limit:
        raise VerificationError(
            subject,
            expected=f"a difference from the unoptimised graph of {limit:.2e} or less",
            got=f"{parity.max_abs_difference:.2e} (largest output {parity.reference_max_abs:.3g})",
            advice="The runtime computes this graph wrongly; try another version of it",
        )
    if parity.label_agreement < MIN_LABEL_AGREEMENT:
        raise VerificationError(
            subject,
            expected=f"{MIN_LABEL_AGREEMENT:.1%} of labels as the unoptimised graph gives them",
            got=f"{parity.label_agreement:.2%}",
            advice="The runtime computes this graph wrongly; try another version of it",
        )
