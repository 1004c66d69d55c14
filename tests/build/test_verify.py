from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from edgert.build.verify import fixed_inputs, verify_engine
from edgert.errors import VerificationError
from edgert.records import TensorSpec

SPEC = TensorSpec(name="x", shape=(1, 3, 4, 5))


class Linear:
    """A session that computes factor * x + offset, or whatever it is told to."""

    def __init__(self, factor: float = 1.0, offset: float = 0.0, spoil=None) -> None:
        self.inputs = (SPEC,)
        self.outputs = (TensorSpec(name="y", shape=SPEC.shape),)
        self._factor, self._offset, self._spoil = factor, offset, spoil

    def run(self, feeds: Mapping[str, NDArray]) -> dict[str, NDArray]:
        y = self._factor * feeds["x"] + self._offset
        return {"y": self._spoil(y) if self._spoil else y}

    def close(self) -> None:
        pass


def test_inputs_are_the_same_every_time_and_not_alike():
    first, second = fixed_inputs(SPEC), fixed_inputs(SPEC)
    assert len(first) == 3
    for one, two in zip(first, second, strict=True):
        assert one.shape == SPEC.shape
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, two)
    assert not np.allclose(first[1], first[2])


def test_equal_engines_pass_with_zero_difference():
    parity = verify_engine(Linear(), Linear(), fixed_inputs(SPEC), subject="verify x")
    assert parity.max_abs_difference == parity.mean_abs_difference == 0
    assert parity.label_agreement == 1
    assert parity.inputs == 3


def test_rounding_passes_and_is_reported():
    parity = verify_engine(Linear(1 + 1e-6), Linear(), fixed_inputs(SPEC), subject="verify x")
    assert 0 < parity.mean_abs_difference < parity.max_abs_difference < 1e-5


def nan_in_one_place(y: NDArray) -> NDArray:
    y = y.copy()
    y[0, 0, 0, 0] = np.nan
    return y


@pytest.mark.parametrize(
    "engine",
    [Linear(1.01), Linear(offset=0.1), Linear(spoil=nan_in_one_place), Linear(spoil=np.flip)],
    ids=["scaled", "shifted", "nan", "flipped"],
)
def test_a_wrong_engine_is_refused(engine: Linear):
    with pytest.raises(VerificationError, match="verify x: expected a difference"):
        verify_engine(engine, Linear(), fixed_inputs(SPEC), subject="verify x")


def test_labels_that_flip_within_rounding_are_refused():
    inputs = [np.zeros(SPEC.shape, np.float32)]

    def tilt(y: NDArray) -> NDArray:
        y = y.copy()
        y[:, 1] += 1e-7
        return y

    reference = Linear(spoil=lambda y: np.concatenate([y[:, :2], y[:, 2:] - 1], axis=1))
    engine = Linear(spoil=lambda y: tilt(np.concatenate([y[:, :2], y[:, 2:] - 1], axis=1)))
    with pytest.raises(VerificationError, match="of labels"):
        verify_engine(engine, reference, inputs, subject="verify x")
