"""The adapter to ModelOpt, with a stand-in that records what it is asked and writes a graph.

What ModelOpt itself makes of the bundled family was looked at by hand; it needs torch.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgert.calibration.modelopt import _modelopt, autocast, find_scales, quantised_inputs
from edgert.errors import CalibrationError, MissingDependencyError, PreconditionError
from edgert.surgery.lower_precision import lower_precision
from edgert.surgery.precision import half_precision_norms, precision_of
from edgert.surgery.quantize import InputScale, quantize
from tests.surgery.graphs_linear import difference, graph_from_text, operators

WEIGHT = np.random.default_rng(0).standard_normal((4, 4, 1, 1)).astype(np.float32)
FRAMES = [
    np.random.default_rng(i).standard_normal((1, 4, 6, 6)).astype(np.float32) for i in (0, 1)
]
BODY = '["a"] h = Conv(x, w) ["n"] s = Softmax<axis=1>(h) ["b"] y = Conv(s, w)'
STEP = 0.03125


def graph_of(body=BODY):
    return graph_from_text(
        f"agraph (float[1,4,6,6] x) => (float[1,4,6,6] y) {{ {body} }}", {"w": WEIGHT}
    )


class StandIn:
    """ModelOpt's two entry points. It lowers by edgert's means, and quantises each Conv."""

    def __init__(self, error: Exception | None = None, *, quantises: bool = True) -> None:
        self.asked: dict = {}
        self.archives: list[dict] = []
        self._error, self._quantises = error, quantises

    def convert_to_mixed_precision(self, **asked):
        print("noise")
        self.asked = asked
        if self._error:
            raise self._error
        if asked["calibration_data"]:
            for path in sorted(Path(asked["calibration_data"]).glob("*.npz")):
                with np.load(path) as archive:
                    self.archives.append(dict(archive))
        return onnx_ir.to_proto(lower_precision(graph_of()).model)

    def quantize(self, path, *, output_path, **asked):
        print("noise")
        self.asked = asked
        if self._error:
            raise self._error
        model = onnx.load(path)
        if self._quantises:
            quantise_convolutions(model)
        onnx.save(model, output_path)


def quantise_convolutions(model):
    """Q/DQ as ModelOpt writes it: weights as floats behind a Q and a DQ of their own."""
    tensors = [
        numpy_helper.from_array(np.array(STEP, np.float32), "step"),
        numpy_helper.from_array(np.array(0, np.int8), "zero"),
    ]
    model.graph.initializer.extend(tensors)
    nodes = []
    for node in list(model.graph.node):
        if node.op_type == "Conv":
            for index in (0, 1):
                name = f"{node.name}.{index}"
                nodes += [
                    helper.make_node(
                        "QuantizeLinear", [node.input[index], "step", "zero"], [f"{name}.q"]
                    ),
                    helper.make_node("DequantizeLinear", [f"{name}.q", "step", "zero"], [name]),
                ]  # fmt: skip
                node.input[index] = name
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def test_autocast_is_asked_to_keep_normalisations_and_types_of_the_edges(capsys):
    vendor = StandIn()
    made = autocast(graph_of(), keep=["a"], vendor=vendor)
    assert vendor.asked["low_precision_type"] == "fp16"
    assert vendor.asked["keep_io_types"] is True
    assert vendor.asked["op_types_to_exclude"] == ["Softmax"]
    assert vendor.asked["nodes_to_exclude"] == ["^a$"]
    assert vendor.asked["calibration_data"] is None
    assert precision_of(made) == "fp16"
    assert half_precision_norms(made) == []
    assert difference(graph_of(), made) < 5e-3
    assert capsys.readouterr().out == ""


def test_autocast_gets_frames_as_archives():
    vendor = StandIn()
    autocast(graph_of(), frames=FRAMES, vendor=vendor)
    assert [list(archive) for archive in vendor.archives] == [["x"], ["x"]]
    for archive, frame in zip(vendor.archives, FRAMES, strict=True):
        np.testing.assert_array_equal(archive["x"], frame)


def test_places_and_scales_are_taken_from_what_modelopt_made(capsys):
    vendor = StandIn()
    found = find_scales(graph_of(), FRAMES, keep=["n", "Softmax"], vendor=vendor)
    assert found.inputs == [
        InputScale(node="a", input=0, scale=STEP),
        InputScale(node="b", input=0, scale=STEP),
    ]
    assert (found.method, found.frames) == ("modelopt entropy", 2)
    assert vendor.asked["calibration_data"]["x"].shape == (2, 4, 6, 6)
    assert vendor.asked["calibration_eps"] == ["cpu"]
    assert vendor.asked["high_precision_dtype"] == "fp32"
    assert vendor.asked["op_types_to_exclude"] == ["Softmax"]
    assert vendor.asked["nodes_to_exclude"] == ["n"]
    assert capsys.readouterr().out == ""
    quantised = quantize(graph_of(), found)
    assert operators(quantised).count("QuantizeLinear") == 2


def test_scale_for_each_channel_is_no_scale_of_an_input():
    onnx_graph = onnx_ir.to_proto(graph_of().model)
    assert quantised_inputs(onnx_graph) == []
    quantise_convolutions(onnx_graph)
    assert len(quantised_inputs(onnx_graph)) == 2
    assert onnx_graph.graph.initializer[0].data_type == TensorProto.FLOAT


@pytest.mark.parametrize(
    "error", [RuntimeError("no such\nthing"), AssertionError(), ValueError("x")]
)
def test_failures_of_modelopt_are_one_line(error):
    with pytest.raises(PreconditionError, match="leave 'by' out") as caught:
        autocast(graph_of(), vendor=StandIn(error))
    assert "\n" not in str(caught.value)
    with pytest.raises(PreconditionError, match="a graph that ModelOpt takes"):
        find_scales(graph_of(), FRAMES, vendor=StandIn(error))


def test_nothing_quantised_and_no_frames_are_refused():
    with pytest.raises(PreconditionError, match="something that ModelOpt quantises"):
        find_scales(graph_of(), FRAMES, vendor=StandIn(quantises=False))
    with pytest.raises(CalibrationError, match="a frame or more"):
        find_scales(graph_of(), [], vendor=StandIn())


@pytest.mark.skipif(find_spec("modelopt") is not None, reason="ModelOpt is installed")
def test_missing_modelopt_names_its_extra():
    with pytest.raises(MissingDependencyError, match=r"edgert\[modelopt\]"):
        autocast(graph_of())
    with pytest.raises(MissingDependencyError, match=r"edgert\[modelopt\]"):
        find_scales(graph_of(), FRAMES)


def test_modelopt_without_its_own_packages_names_the_extra_too():
    def load(*_):
        raise ImportError("No module named 'onnxslim'\nPlease install")

    with pytest.raises(MissingDependencyError, match=r"got No module named 'onnxslim'. Run: pip"):
        _modelopt("modelopt.onnx.autocast", "to convert", load=load)
