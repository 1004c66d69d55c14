"""What compensation is worth on the bundled model and real frames, where these are at hand."""

from pathlib import Path

import pytest

from edgert.artifacts import load_family
from edgert.backends.onnxruntime import session_from_bytes
from edgert.calibration.fit import fit_compensation
from edgert.calibration.frames import read_calibration_frames
from edgert.calibration.reference import Reference
from edgert.families.segformer import branch_names
from edgert.preprocess import Preprocessor
from edgert.profiling.accuracy import measure_miou
from edgert.profiling.dataset import open_labelled_frames
from edgert.search.trial import serialised
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.skip_residuals import skip_residuals

ATTENTION = [name for name in branch_names((2, 2, 2, 2)) if name.endswith("attention")]
LEAST_GAIN = 0.06


@pytest.mark.slow
def test_compensation_wins_six_points_where_all_attention_goes(
    tmp_path: Path, bundled_family: Path, camvid: Path
):
    family = load_family(bundled_family)
    full = merge_linear(load_graph(family.graph_path))
    frames = read_calibration_frames(camvid / "train", family.family.input, count=16)
    reference = Reference.make(tmp_path / "reference", full, frames)
    skipped = skip_residuals(full, branches=ATTENTION)
    fitted = fit_compensation(skipped, reference).graph
    preprocess = Preprocessor(family.family.input)
    held_out = [
        (preprocess(image).copy(), labels)
        for image, labels in open_labelled_frames(camvid / "val", limit=25)
    ]

    def miou(graph) -> float:
        session = session_from_bytes(serialised(graph))

        def run(tensor):
            return session.run({"pixel_values": tensor})["logits"]

        return measure_miou(run, held_out, classes=11, ignore_label=11)[0]

    scores = {name: miou(graph) for name, graph in
              (("full", full), ("skipped", skipped), ("fitted", fitted))}  # fmt: skip
    assert scores["fitted"] - scores["skipped"] >= LEAST_GAIN, scores
    assert scores["fitted"] >= scores["full"] - 0.03, scores
