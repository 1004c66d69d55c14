"""Calibration frames, and what the full model computes on them."""

import numpy as np
import pytest

from edgert.calibration.reference import Reference
from edgert.calibration.sites import to_rows
from edgert.errors import ArtifactError, CalibrationError
from tests.calibration.graphs import frames, run, token_net


def test_rows_are_the_graphs_values_at_the_sampled_positions(tmp_path):
    inputs = frames(3)
    reference = Reference.make(tmp_path / "reference", token_net(), inputs, threads=1)
    output = reference.graph.outputs[0]
    rows = reference.rows(output, 2)
    assert rows.shape == (3, 16, 3)
    for index, tensor in enumerate(inputs):
        positions = reference.positions(index, output, 2)
        wanted = to_rows(run(token_net(), tensor), 2)[positions]
        np.testing.assert_allclose(rows[index], wanted, atol=1e-5)


def test_a_worker_opens_what_another_process_made(tmp_path):
    made = Reference.make(tmp_path / "reference", token_net(), frames(3), threads=1)
    opened = Reference.open(tmp_path / "reference", threads=1)
    np.testing.assert_array_equal(opened.frames, made.frames)
    value = opened.graph.node("block1/Add").outputs[0]
    np.testing.assert_array_equal(opened.rows(value, 2), made.rows(value, 2))


def test_a_value_that_nobody_thought_of_is_computed_on_first_use(tmp_path):
    reference = Reference.make(tmp_path / "reference", token_net(), frames(2), threads=1)
    before = len(list((tmp_path / "reference" / "targets").iterdir()))
    value = reference.graph.node("block1.act/Relu").outputs[0]
    assert reference.rows(value, 2).shape == (2, 16, 16)
    assert len(list((tmp_path / "reference" / "targets").iterdir())) == before + 1
    assert (np.asarray(reference.rows(value, 2)) >= 0).all()


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ([], "got 0"),
        (frames(1), "two frames or more"),
        ([np.zeros((1, 3, 4, 4), np.float32)] * 2, r"expected shape \(1, 3, 8, 8\)"),
        ([frames(1)[0], np.full((1, 3, 8, 8), np.nan, np.float32)], "frame 1.*192 that are NaN"),
    ],
)
def test_bad_frames_are_one_line_and_leave_nothing(tmp_path, inputs, told):
    with pytest.raises(CalibrationError, match=told):
        Reference.make(tmp_path / "reference", token_net(), inputs, threads=1)
    assert not (tmp_path / "reference").exists()


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ArtifactError, match=r"expected a folder with frames\.npy"):
        Reference.open(tmp_path / "nothing")


def test_progress_counts_frames(tmp_path):
    seen = []
    Reference.make(
        tmp_path / "r", token_net(), frames(3), threads=1, progress=lambda *s: seen.append(s)
    )
    assert [step[:2] for step in seen] == [(0, 3), (1, 3), (2, 3)]
