"""The edits `lower_precision` and `quantize` as a family file writes them."""

import msgspec
import numpy as np
import onnx_ir
import pytest
from PIL import Image

from edgert.artifacts import load_family, save_family
from edgert.backends.onnxruntime import OnnxRuntimeBackend, session_from_bytes
from edgert.build.compile import build_family, reasons_to_build
from edgert.build.derive import derive, files_of
from edgert.calibration.frames import read_calibration_frames
from edgert.calibration.scales import find_scales
from edgert.calibration.value_ranges import largest_values
from edgert.errors import BuildError, CalibrationError, PreconditionError
from edgert.records import Configuration, InputSpec
from edgert.surgery.load import load_graph
from edgert.surgery.operator_types import is_single
from edgert.surgery.precision import precision_of
from edgert.surgery.quantize import text_from_scales
from tests.skeletons import skeleton
from tests.surgery.graphs_linear import difference, operators, perturbed

MERGE = {"merge_linear": {}}
INT8_ERROR = 0.05  # of the largest output; random weights lose more than trained ones
HALF = {"lower_precision": {"to": "fp16"}}


@pytest.fixture
def frames(tiny_family):
    folder = tiny_family / "frames"
    folder.mkdir()
    random = np.random.default_rng(0)
    for index in range(4):
        small = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((32, 24)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def scales(tiny_family, frames):
    """A file of scales for the merged tiny model."""
    folder = load_family(tiny_family)
    graph = derive(load_graph(folder.graph_path), [MERGE], subject="test")
    tensors = read_calibration_frames(frames, folder.family.input, count=4)
    path = tiny_family / "quantized" / "full.json"
    path.parent.mkdir()
    path.write_text(text_from_scales(find_scales(graph, tensors)))
    return path


def derived(tiny_family, *edits, spec: InputSpec | None = None):
    folder = load_family(tiny_family)
    return derive(
        load_graph(folder.graph_path),
        [MERGE, *edits],
        subject="derive test",
        folder=tiny_family,
        input_spec=spec or folder.family.input,
    )


def difference_on_a_frame(one, other, tiny_family):
    """Scales are for pictures: on noise they clip."""
    spec = load_family(tiny_family).family.input
    [frame] = read_calibration_frames(tiny_family / "frames", spec, count=1)
    results = [
        session_from_bytes(onnx_ir.to_proto(graph.model).SerializeToString()).run(
            {spec.name: frame}
        )
        for graph in (one, other)
    ]
    first, second = (result["logits"] for result in results)
    return float(np.abs(first - second).max() / np.abs(first).max())


def test_half_precision_by_default_is_edgerts_own(tiny_family):
    full, half = derived(tiny_family), derived(tiny_family, HALF)
    assert precision_of(half) == "fp16"
    assert 0 < difference(full, half) < 5e-3


def test_kept_operators_are_written_in_yaml(tiny_family):
    half = derived(tiny_family, {"lower_precision": {"to": "fp16", "keep": ["Resize"]}})
    [resize] = [node for node in half.nodes if node.op_type == "Resize"]
    assert is_single(resize.inputs[0])


def test_values_that_are_large_on_frames_stay(tiny_family, frames):
    spec = load_family(tiny_family).family.input
    usual_frames = read_calibration_frames(frames, spec, count=2)
    largest = max(largest_values(derived(tiny_family), usual_frames).values())
    loud = msgspec.structs.replace(spec, scale=spec.scale * 40_000 / largest)
    edit = {"lower_precision": {"to": "fp16", "calibration": "frames", "frames": 2}}
    usual, careful = derived(tiny_family, edit), derived(tiny_family, edit, spec=loud)
    assert operators(usual) == operators(derived(tiny_family, HALF))
    singles = [is_single(node.inputs[0]) for node in careful.nodes if node.op_type == "Conv"]
    assert 0 < sum(singles) < len(singles)


def test_scales_found_now_and_scales_from_the_file_make_one_graph(tiny_family, frames, scales):
    found = derived(tiny_family, {"quantize": {"calibration": "frames"}})
    stored = derived(tiny_family, {"quantize": {"scales": "quantized/full.json"}})
    assert precision_of(stored) == "int8"
    assert difference(found, stored) == 0
    full = derived(tiny_family)
    assert 0 < difference_on_a_frame(full, stored, tiny_family) < INT8_ERROR
    name = next(node.name for node in full.nodes if node.op_type == "Conv")
    wrong = perturbed(full, name, factor=-1.0)
    assert difference_on_a_frame(wrong, stored, tiny_family) > INT8_ERROR


def test_int8_with_the_rest_in_half_precision(tiny_family, scales):
    edits = [{"quantize": {"scales": "quantized/full.json"}}, HALF]
    both = derived(tiny_family, *edits)
    assert precision_of(both) == "int8"
    full = derived(tiny_family)
    assert difference_on_a_frame(full, both, tiny_family) < 2 * INT8_ERROR  # rounded twice
    name = next(node.name for node in full.nodes if node.op_type == "Conv")
    wrong = perturbed(full, name, factor=-1.0)
    assert difference_on_a_frame(wrong, both, tiny_family) > 2 * INT8_ERROR


def test_every_precision_is_a_configuration_of_its_own(tiny_family, scales):
    folder = load_family(tiny_family)
    quantise = {"quantize": {"scales": "quantized/full.json"}}
    configurations = [
        Configuration(name="full", edits=[MERGE]),
        Configuration(name="full-fp16", edits=[MERGE, HALF]),
        Configuration(name="full-int8", edits=[MERGE, quantise]),
    ]
    family = msgspec.structs.replace(folder.family, configurations=configurations)
    save_family(tiny_family / "family.yaml", family)
    folder = load_family(tiny_family)
    backend = OnnxRuntimeBackend(threads=1)
    built = build_family(folder, backend, device="cpu").built
    precisions = {engine.name: engine.precision for engine in built.manifest.engines}
    assert precisions == {"full": "fp32", "full-fp16": "fp16", "full-int8": "int8"}
    assert all(engine.parity.inputs == 9 for engine in built.manifest.engines)
    # another scale is another engine
    assert reasons_to_build(folder, backend, built.path) == []
    text = scales.read_text()
    scales.write_text(text.replace('"scale":0.', '"scale":1.', 1))
    assert reasons_to_build(folder, backend, built.path) != []


def test_scales_are_a_file_of_the_edit_and_frames_are_not(tiny_family, frames, scales):
    edits = [
        {"quantize": {"scales": "quantized/full.json"}},
        {"quantize": {"calibration": "frames"}},
        {"lower_precision": {"to": "fp16", "calibration": "frames"}},
    ]
    assert files_of(edits, tiny_family) == [scales]


@pytest.mark.parametrize(
    ("edit", "error", "says"),
    [
        ({"lower_precision": {}}, BuildError, "no 'to'"),
        ({"lower_precision": {"to": "fp8"}}, BuildError, "one of fp16"),
        ({"lower_precision": {"to": "fp16", "by": "hand"}}, BuildError, "one of edgert, autocast"),
        ({"lower_precision": {"to": "fp16", "keep": ["Konv"]}}, PreconditionError, "nearest are"),
        ({"lower_precision": {"to": "fp16", "calibration": "none"}}, CalibrationError, "no such"),
        ({"quantize": {}}, CalibrationError, "got neither"),
        ({"quantize": {"scales": "a", "calibration": "b"}}, CalibrationError, "got both"),
        ({"quantize": {"scales": "none.json"}}, PreconditionError, "a JSON file of scales"),
        (
            {"quantize": {"scales": "a.json", "keep": ["Conv"]}},
            CalibrationError,
            "beside 'scales'",
        ),
        ({"quantize": {"calibration": "frames", "method": "luck"}}, BuildError, "one of mse, max"),
    ],
)
def test_wrong_edits_are_refused_where_they_stand(tiny_family, edit, error, says):
    with pytest.raises(error, match=says) as caught:
        derived(tiny_family, edit)
    assert "derive test at edits[1]" in str(caught.value)


def test_frames_need_a_family():
    folder = "frames"
    for edit in (
        {"quantize": {"calibration": folder}},
        {"lower_precision": {"to": "fp16", "calibration": folder}},
    ):
        with pytest.raises(CalibrationError, match="a bare ONNX file"):
            derive(skeleton("mobilenet_v3_dynamo"), [edit], subject="test")
