"""The edit `compensate` as a family file writes it."""

import numpy as np
import pytest
from PIL import Image

from edgert.artifacts import load_family, save_family
from edgert.backends.onnxruntime import OnnxRuntimeBackend
from edgert.build.compile import build_family
from edgert.build.derive import derive, files_of
from edgert.calibration.fit import fit_compensation
from edgert.calibration.frames import read_calibration_frames
from edgert.calibration.reference import Reference
from edgert.errors import CalibrationError
from edgert.records import Configuration
from edgert.surgery.load import load_graph

SKIP = {"replace_residuals": {"branches": ["block2.mix"]}}


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "tiny" / "frames"
    random = np.random.default_rng(0)

    def make():
        folder.mkdir()
        for index in range(6):
            small = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(small).resize((32, 24)).save(folder / f"{index}.png")
        return folder

    return make


def _with(family_folder, name, edits):
    folder = load_family(family_folder)
    configurations = [*folder.family.configurations[:1], Configuration(name=name, edits=edits)]
    family = type(folder.family)(
        **{
            field: getattr(folder.family, field)
            for field in folder.family.__struct_fields__
            if field != "configurations"
        },
        configurations=configurations,
    )
    save_family(family_folder / "family.yaml", family)
    return load_family(family_folder)


def test_frames_in_a_folder_are_fitted_on_when_a_family_is_built(tiny_family, pictures):
    pictures()
    edits = [{"merge_linear": {}}, SKIP, {"compensate": {"calibration": "frames"}}]
    folder = _with(tiny_family, "small", edits)
    backend = OnnxRuntimeBackend(threads=1)
    built = build_family(folder, backend, device=backend.device()).built
    assert [engine.name for engine in built.manifest.engines] == ["full", "small"]


def test_fitting_from_frames_and_from_the_saved_file_give_the_same_graph(tiny_family, pictures):
    frames = pictures()
    family = load_family(tiny_family).family
    base = load_graph(tiny_family / "base.onnx")
    merged = derive(base, [{"merge_linear": {}}], subject="test")
    edited = derive(base, [{"merge_linear": {}}, SKIP], subject="test")
    tensors = read_calibration_frames(frames, family.input, count=41)
    reference = Reference.make(tiny_family / "reference", merged, tensors)
    fit_compensation(edited, reference).save(tiny_family / "fitted" / "small.npz")
    graphs = [
        derive(
            base,
            [{"merge_linear": {}}, SKIP, {"compensate": parameters}],
            subject="test",
            folder=tiny_family,
            input_spec=family.input,
        )
        for parameters in ({"fitted": "fitted/small.npz"}, {"calibration": "frames"})
    ]
    weights = [g.node("block2.mix/stand_in").inputs[1].const_value.numpy() for g in graphs]
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-3, atol=1e-6)
    assert np.abs(weights[0]).max() > 1e-3


def test_another_fit_makes_what_was_built_stale(tiny_family, pictures):
    frames = pictures()
    family = load_family(tiny_family).family
    base = load_graph(tiny_family / "base.onnx")
    merged = derive(base, [{"merge_linear": {}}], subject="test")
    reference = Reference.make(
        tiny_family / "reference", merged, read_calibration_frames(frames, family.input, count=4)
    )
    edited = derive(base, [{"merge_linear": {}}, SKIP], subject="test")
    path = tiny_family / "fitted" / "small.npz"
    fit_compensation(edited, reference).save(path)
    edits = [{"merge_linear": {}}, SKIP, {"compensate": {"fitted": "fitted/small.npz"}}]
    folder = _with(tiny_family, "small", edits)
    assert files_of(edits, tiny_family) == [path]
    backend = OnnxRuntimeBackend(threads=1)
    assert build_family(folder, backend, device="here").rebuilt
    assert not build_family(folder, backend, device="here").rebuilt
    fit_compensation(edited, reference, strength=10.0).save(path)
    again = build_family(folder, backend, device="here")
    assert again.rebuilt
    assert "edit file fitted/small.npz was " in again.reasons[0]


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, "expected either 'fitted' or 'calibration', got neither"),
        ({"fitted": "a.npz", "calibration": "frames"}, "got both"),
        ({"calibration": "nowhere"}, "no such folder"),
    ],
)
def test_parameters_that_do_not_fit_name_the_place(tiny_family, parameters, told):
    base = load_graph(tiny_family / "base.onnx")
    family = load_family(tiny_family).family
    with pytest.raises(CalibrationError, match=told) as error:
        derive(
            base,
            [SKIP, {"compensate": parameters}],
            subject="derive small",
            folder=tiny_family,
            input_spec=family.input,
        )
    assert str(error.value).startswith("derive small at edits[1]: ")


def test_a_bare_model_has_no_preprocessing_to_calibrate_with(tiny_family):
    base = load_graph(tiny_family / "base.onnx")
    with pytest.raises(CalibrationError, match="got a bare ONNX file"):
        derive(base, [SKIP, {"compensate": {"calibration": "frames"}}], subject="derive")
