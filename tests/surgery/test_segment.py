"""A piece of a graph as a model of its own."""

import numpy as np
import onnx
import onnxruntime as ort

from edgert.surgery.segment import nodes_between, segment_bytes
from tests.calibration.graphs import frames, run, token_net


def test_only_the_nodes_between_are_taken():
    graph = token_net()
    start = graph.node("block1/Add").outputs[0]
    end = graph.node("block2.act/Relu").outputs[0]
    names = [node.name for node in nodes_between(graph, [end], [start])]
    assert names[0] == "block2.norm/LayerNormalization"
    assert names[-1] == "block2.act/Relu"
    assert not any(name.startswith(("patch", "head")) for name in names)


def test_nothing_is_between_a_value_and_itself():
    graph = token_net()
    value = graph.node("block1/Add").outputs[0]
    assert nodes_between(graph, [value], [value]) == []


def test_two_pieces_after_each_other_are_the_whole():
    graph, x = token_net(), frames(1)[0]
    middle, end = graph.node("block1/Add").outputs[0], graph.outputs[0]
    values = {graph.inputs[0]: x}
    for known, wanted in ((graph.inputs[0], middle), (middle, end)):
        nodes = nodes_between(graph, [wanted], [known])
        model = segment_bytes(graph, nodes, inputs=[known], outputs=[wanted])
        onnx.checker.check_model(onnx.ModelProto.FromString(model))
        [values[wanted]] = ort.InferenceSession(model).run(None, {known.name: values[known]})
    np.testing.assert_allclose(values[end], run(graph, x), atol=1e-5)


def test_only_the_weights_that_are_needed_come_along():
    graph = token_net()
    start, end = (graph.node(name).outputs[0] for name in ("block2/Add", "head.bias/Add"))
    nodes = nodes_between(graph, [end], [start])
    model = onnx.ModelProto.FromString(segment_bytes(graph, nodes, inputs=[start], outputs=[end]))
    assert {tensor.name for tensor in model.graph.initializer} == {"head.weight", "head.b"}
