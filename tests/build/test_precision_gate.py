"""The parity gate at lower precisions: rounding passes, a wrong weight does not."""

import itertools

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from edgert.artifacts import load_family, save_family
from edgert.backends.onnxruntime import OnnxRuntimeBackend
from edgert.build.compile import build_family
from edgert.build.derive import derive
from edgert.build.verify import TOLERANCE, Tolerance, distance_of, tolerance_for
from edgert.calibration.scales import find_scales
from edgert.errors import VerificationError
from edgert.records import Configuration
from edgert.surgery.load import load_graph
from edgert.surgery.quantize import text_from_scales
from tests.tiny_family import INPUT_SHAPE

MERGE = {"merge_linear": {}}
EDITS = {
    "fp16": [MERGE, {"lower_precision": {"to": "fp16"}}],
    "int8": [MERGE, {"quantize": {"scales": "scales.json"}}],
}
KINDS = {"fp16": TensorProto.FLOAT16, "int8": TensorProto.INT8}


class SpoilingBackend(OnnxRuntimeBackend):
    """Compiles another graph than it was given: one weight has its output channels shifted."""

    def __init__(self, kind: int, weight: int) -> None:
        super().__init__(threads=1)
        self._kind, self._weight, self._name = kind, weight, ""

    def compile(self, graph, engine, *, progress=None):
        model = onnx.load(str(graph))
        weights = [
            tensor
            for tensor in model.graph.initializer
            if tensor.data_type == self._kind and len(tensor.dims) == 4
        ]
        self._name = self._name or weights[self._weight].name
        for tensor in weights:  # parts of the graph, compiled to find the node, may lack it
            if tensor.name == self._name:
                shifted = np.roll(numpy_helper.to_array(tensor), 1, axis=0)
                tensor.CopyFrom(numpy_helper.from_array(shifted, tensor.name))
        onnx.save(model, str(graph.with_suffix(".wrong")))
        return super().compile(graph.with_suffix(".wrong"), engine)


@pytest.fixture
def family_of(tiny_family):
    folder = load_family(tiny_family)
    graph = derive(load_graph(folder.graph_path), [MERGE], subject="test")
    random = np.random.default_rng(0)
    frames = [random.standard_normal(INPUT_SHAPE).astype(np.float32) for _ in range(3)]
    (tiny_family / "scales.json").write_text(text_from_scales(find_scales(graph, frames)))

    def make(precision):
        made = [Configuration(name=precision, edits=EDITS[precision])]
        family = msgspec.structs.replace(folder.family, configurations=made)
        save_family(tiny_family / "family.yaml", family)
        return load_family(tiny_family)

    return make


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_engine_that_rounds_otherwise_passes(family_of, precision):
    built = build_family(family_of(precision), OnnxRuntimeBackend(threads=1), device="cpu").built
    [engine] = built.manifest.engines
    assert engine.precision == precision
    relative = engine.parity.max_abs_difference / engine.parity.reference_max_abs
    assert relative < tolerance_for(precision).extreme_difference


@pytest.mark.parametrize("weight", [0, 1, 2, -1])
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_engine_with_a_wrong_weight_is_refused(family_of, precision, weight):
    backend = SpoilingBackend(KINDS[precision], weight)
    with pytest.raises(VerificationError, match=f"verify {precision}, optimisation"):
        build_family(family_of(precision), backend, device="cpu")


def test_lower_precision_is_given_more_room_and_none_is_given_all():
    order = [tolerance_for(precision) for precision in ("fp32", "fp16", "int8")]
    assert order[0] == TOLERANCE
    for tight, loose in itertools.pairwise(order):
        assert tight.difference < loose.difference
        assert tight.extreme_difference < loose.extreme_difference
        assert tight.label_agreement > loose.label_agreement
    assert order[-1].difference < 0.2
    assert order[-1].label_agreement > 0.95


def distance(relative: float, *, wrong_labels: int = 0):
    """Two results of 1000 positions and two classes, as far apart as asked."""
    want = np.stack([np.ones(1000), np.zeros(1000)])[None].astype(np.float32)
    got = want.copy()
    got[0, 1, 0] += np.float32(relative)
    got[0, :, 1000 - wrong_labels :] = want[0, ::-1, 1000 - wrong_labels :] * np.float32(1e-3)
    if wrong_labels:
        want[0, :, 1000 - wrong_labels :] *= np.float32(1e-3)
    return distance_of({"y": got[..., None]}, {"y": want[..., None]})  # (1, classes, H, 1)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_limits_cut_between_just_inside_and_just_outside(precision):
    tolerance: Tolerance = tolerance_for(precision)
    assert distance(0.99 * tolerance.difference).within(tolerance)
    assert not distance(1.01 * tolerance.difference).within(tolerance)
    assert distance(0.99 * tolerance.extreme_difference).within(tolerance, natural=False)
    assert not distance(1.01 * tolerance.extreme_difference).within(tolerance, natural=False)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_labels_that_flip_without_numbers_that_show_are_refused(precision):
    tolerance = tolerance_for(precision)
    allowed = round(1000 * (1 - tolerance.label_agreement))
    assert distance(0.0, wrong_labels=allowed - 1).within(tolerance)
    assert not distance(0.0, wrong_labels=allowed + 1).within(tolerance)
