from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edgert.build.inputs import CheckInput, check_inputs
from edgert.build.verify import TOLERANCE, Comparison, Tolerance, compare_runs, distance_of
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


def compare(engine: Linear, reference: Linear, checks=None, **options) -> Comparison:
    checks = checks or check_inputs([SPEC])
    return compare_runs(engine, [(c, reference.run(c.feeds)) for c in checks], **options)


# ---------------------------------------------------------------- inputs


def test_inputs_are_the_same_every_time():
    for one, two in zip(check_inputs([SPEC]), check_inputs([SPEC]), strict=True):
        assert one.name == two.name
        np.testing.assert_array_equal(one.feeds["x"], two.feeds["x"])


def test_a_graph_is_checked_on_noise_waves_frames_and_extremes():
    frame = np.full(SPEC.shape, 0.5, np.float32)
    checks = check_inputs([SPEC], frames=[frame], seeds=4)
    by_name = {check.name: check for check in checks}
    assert by_name["frame 1"].feeds["x"] is frame
    assert {f"noise {k}" for k in (1, 2, 3, 4)} | {"waves 1", "waves 2"} < set(by_name)
    assert {c.name for c in checks if not c.natural} == {
        "zeros", "ones", "large noise", "tiny noise"}  # fmt: skip
    assert np.abs(by_name["large noise"].feeds["x"]).max() > 100
    assert 0 < np.abs(by_name["tiny noise"].feeds["x"]).max() < 1e-3
    arrays = [check.feeds["x"] for check in checks]
    assert all(a.dtype == np.float32 and a.shape == SPEC.shape for a in arrays)
    distinct = {a.tobytes() for a in arrays}
    assert len(distinct) == len(checks)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16"])
def test_every_input_gets_an_array_of_its_type(dtype):
    other = TensorSpec(name="mask", shape=(2,), dtype=dtype)
    for check in check_inputs([SPEC, other], frames=[np.zeros(SPEC.shape, np.float32)]):
        assert set(check.feeds) == {"x", "mask"}
        mask = check.feeds["mask"]
        assert mask.shape == (2,)
        assert mask.dtype == dtype
        if dtype == "int64" and check.natural and not check.name.startswith("waves"):
            assert set(mask.tolist()) <= {0, 1}


# ---------------------------------------------------------------- comparing


def test_equal_engines_pass_with_zero_difference():
    found = compare(Linear(), Linear())
    assert found.failed is None
    assert found.parity.max_abs_difference == found.parity.mean_abs_difference == 0
    assert found.parity.label_agreement == 1
    assert found.parity.inputs == 9


def test_rounding_passes_and_is_reported():
    found = compare(Linear(1 + 1e-6), Linear())
    assert found.failed is None
    assert 0 < found.parity.mean_abs_difference < found.parity.max_abs_difference
    assert found.parity.max_abs_difference < 2e-6 * found.parity.reference_max_abs
    assert 0 < found.relative < 2e-6


def nan_in_one_place(y: NDArray) -> NDArray:
    y = y.copy()
    y[0, 0, 0, 0] = np.nan
    return y


@pytest.mark.parametrize(
    "engine",
    [Linear(1.01), Linear(offset=0.1), Linear(spoil=nan_in_one_place), Linear(spoil=np.flip)],
    ids=["scaled", "shifted", "nan", "flipped"],
)
def test_a_wrong_engine_fails_at_the_first_input(engine: Linear):
    found = compare(engine, Linear())
    assert found.failed is not None
    check, distance = found.failed
    assert check.name == "noise 1"
    assert distance.output == "y"
    assert distance.relative > TOLERANCE.difference
    assert found.parity.inputs == 1  # the rest is not run


def test_labels_that_flip_within_rounding_fail_on_natural_inputs_only():
    def tilt(y: NDArray) -> NDArray:
        y = y.copy()
        y[:, 1] += 1e-7
        return y

    reference = Linear(spoil=lambda y: np.concatenate([y[:, :2], y[:, 2:] - 1], axis=1))
    engine = Linear(spoil=lambda y: tilt(np.concatenate([y[:, :2], y[:, 2:] - 1], axis=1)))
    feeds = {"x": np.zeros(SPEC.shape, np.float32)}
    found = compare(engine, reference, [CheckInput("frame", feeds)])
    assert found.failed is not None
    assert found.failed[1].label_agreement == 0
    assert found.failed[1].relative < TOLERANCE.difference
    found = compare(engine, reference, [CheckInput("zeros", feeds, natural=False)])
    assert found.failed is None
    assert found.parity.label_agreement == 1


def test_a_large_input_makes_no_room_for_the_others():
    noise = np.ones(SPEC.shape, np.float32)
    checks = [
        CheckInput("large", {"x": 1000 * noise}, natural=False),
        CheckInput("noise", {"x": noise}),
    ]
    found = compare(Linear(offset=0.01), Linear(), checks)  # 1e-5 of the large, 1e-2 of the other
    assert found.failed is not None
    assert found.failed[0].name == "noise"


def test_extremes_have_a_limit_of_their_own():
    ones = {"x": np.ones(SPEC.shape, np.float32)}
    for offset, natural, passes in (
        (5e-4, False, True),
        (5e-4, True, False),
        (5e-3, False, False),
    ):
        found = compare(Linear(offset=offset), Linear(), [CheckInput("c", ones, natural=natural)])
        assert (found.failed is None) is passes
    wide = Tolerance(difference=1e-3)
    found = compare(Linear(offset=5e-4), Linear(), [CheckInput("c", ones)], tolerance=wide)
    assert found.failed is None


def test_the_farthest_of_several_outputs_counts():
    want = {"a": np.ones((1, 2)), "b": np.full((1, 2), 1e-3), "c": np.zeros(3)}
    got = {"a": want["a"] + 1e-6, "b": want["b"] + 1e-6, "c": np.zeros(3)}
    distance = distance_of(got, want)
    assert distance.output == "b"
    assert distance.relative == pytest.approx(1e-3)


def test_the_same_nan_or_infinity_is_no_difference_and_another_is():
    odd = np.array([[np.nan, np.inf, -np.inf, 1.0]])
    assert distance_of({"y": odd.copy()}, {"y": odd}).difference == 0
    assert distance_of({"y": -odd}, {"y": odd}).difference == np.inf
    assert distance_of({"y": np.zeros((1, 4))}, {"y": odd}).difference == np.inf


def test_whole_numbers_and_truths_are_compared_too():
    truths = np.array([[True, False]])
    assert distance_of({"y": truths}, {"y": truths}).difference == 0
    assert distance_of({"y": ~truths}, {"y": truths}).relative == 1
    large = np.array([[200, 10]], np.uint8)
    assert distance_of({"y": large}, {"y": np.array([[10, 200]], np.uint8)}).difference == 190


ARRAYS = hnp.arrays(
    np.float32, hnp.array_shapes(max_dims=4, max_side=4),
    elements=st.floats(-1e3, 1e3, width=32, allow_subnormal=False),
)  # fmt: skip


@given(ARRAYS, st.floats(1e-3, 1.0))
def test_a_shift_is_measured_exactly(array, shift):
    shifted = array.astype(np.float64) + shift
    distance = distance_of({"y": shifted}, {"y": array})
    assert distance.difference == pytest.approx(shift, rel=1e-6)
    assert distance.scale == pytest.approx(float(np.abs(array).max()))
    assert distance_of({"y": array}, {"y": array}).within(Tolerance(difference=0))


def test_labels_of_a_detector_are_taken_over_its_classes():
    """(1, queries, classes): near ties between queries say nothing about labels."""
    want = np.zeros((1, 4, 3), np.float32)
    want[0, :, 1] = 1.0
    got = want.copy()
    got[0, 2, 1] += 1e-3  # another query is the largest now, and no label is another
    assert distance_of({"y": got}, {"y": want}).label_agreement == 1.0
    got[0, 3] = [2, 0, 0]
    assert distance_of({"y": got}, {"y": want}).label_agreement == 0.75
