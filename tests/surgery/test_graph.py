"""Loading graphs, their one form, saving them, and closing an edit."""

import logging

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from edgert.errors import ArtifactError, EdgertError, PostconditionError, PreconditionError
from edgert.surgery.graph import (
    Graph,
    add_initializer,
    attribute,
    constant_array,
    finished,
    readers,
    save_graph,
    scope_of,
    static_shape,
    values_of,
)
from edgert.surgery.load import load_graph, normalised
from tests.skeletons import NAMES, skeleton, skeleton_file
from tests.surgery.graphs_residual import NETS, graph_from_text, outputs_of


def model_from_text(text, opset=18):
    return onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]> {text}')


def written(tmp_path, model, name="model.onnx"):
    path = tmp_path / name
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def refused(error, path, **options) -> str:
    with pytest.raises(error) as caught:
        load_graph(path, **options)
    assert isinstance(caught.value, EdgertError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


RELU = "g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }"


# ---------------------------------------------------------------- files that are none


def test_a_missing_file_is_named(tmp_path):
    assert "gone.onnx" in refused(ArtifactError, tmp_path / "gone.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 200])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    refused(ArtifactError, written(tmp_path, content))


def test_a_truncated_model_is_refused(tmp_path):
    content = model_from_text(RELU).SerializeToString()
    for length in range(1, len(content) - 1):
        with pytest.raises(EdgertError):
            load_graph(written(tmp_path, content[:length]))


def test_a_folder_is_refused(tmp_path):
    refused(ArtifactError, tmp_path)


def external_model(tmp_path):
    graph = graph_from_text(
        "g (float[1,64] x) => (float[1,64] y) { y = MatMul(x, w) }",
        {"w": np.eye(64, dtype=np.float32)},
    )
    save_graph(graph, tmp_path / "model.onnx", weights="model.weights")
    return tmp_path / "model.onnx"


def test_missing_weights_are_named(tmp_path):
    path = external_model(tmp_path)
    (tmp_path / "model.weights").unlink()
    message = refused(ArtifactError, path)
    assert "model.weights" in message
    assert "no such file" in message


def test_short_weights_are_refused_with_their_sizes(tmp_path):
    path = external_model(tmp_path)
    (tmp_path / "model.weights").write_bytes(bytes(100))
    message = refused(ArtifactError, path)
    assert "100 bytes" in message
    assert str(64 * 64 * 4) in message


def test_weights_beside_the_model_are_read(tmp_path):
    graph = load_graph(external_model(tmp_path))
    np.testing.assert_array_equal(
        constant_array(graph.model.graph.initializers["w"]), np.eye(64, dtype=np.float32)
    )


# ---------------------------------------------------------------- input shapes

FREE = "g (float[batch,3,height,8] x) => (float[batch,3,height,8] y) { y = Relu(x) }"


def test_a_free_batch_becomes_one_and_given_shapes_hold(tmp_path):
    path = written(tmp_path, model_from_text(FREE))
    graph = load_graph(path, input_shapes={"x": (2, 3, 5, 8)})
    assert static_shape(graph.outputs[0]) == (2, 3, 5, 8)
    only_batch = FREE.replace("height", "4")
    graph = load_graph(written(tmp_path, model_from_text(only_batch)))
    assert static_shape(graph.nodes[0].outputs[0]) == (1, 3, 4, 8)


def test_a_free_dimension_asks_for_a_shape(tmp_path):
    message = refused(PreconditionError, written(tmp_path, model_from_text(FREE)))
    assert "--input-shape x=" in message


def test_a_shape_for_an_input_that_is_not_there_is_refused(tmp_path):
    path = written(tmp_path, model_from_text(FREE))
    message = refused(PreconditionError, path, input_shapes={"pixels": (1, 3, 4, 8)})
    assert "pixels" in message


# ---------------------------------------------------------------- the one form


@pytest.mark.parametrize("name", NAMES)
def test_exports_come_out_in_one_form(name):
    graph = skeleton(name)
    assert all(static_shape(value) is not None for value in values_of(graph))
    assert not {node.op_type for node in graph.nodes} & {
        "Constant", "Dropout", "Identity", "Shape", "ConstantOfShape"}  # fmt: skip
    names = [node.name for node in graph.nodes]
    assert len(set(names)) == len(names)
    # An exporter's own optimiser joins slices to a Split that has no module path.
    named = [node for node in graph.nodes if node.op_type != "Split"]
    assert all(scope_of(node).startswith("model") for node in named)
    assert not any(node.metadata_props or node.doc_string for node in graph.nodes)


def test_constants_become_initializers_and_shape_arithmetic_numbers():
    graph = graph_from_text(
        """g (float[2,3,4] x) => (float[2,12] y) {
        s = Shape(x) first = Constant<value_ints = [0]>() one = Constant<value_ints = [1]>()
        b = Slice(s, first, one) rest = Constant<value_ints = [-1]>()
        to = Concat<axis = 0>(b, rest) y = Reshape(x, to) }"""
    )
    [reshape] = graph.nodes
    assert constant_array(reshape.inputs[1]).tolist() == [2, -1]
    assert constant_array(reshape.inputs[0]) is None
    assert constant_array(None) is None


def test_identity_and_dropout_go_except_before_an_output():
    graph = graph_from_text(
        """g (float[1,4] x) => (float[1,4] y, float[1,4] z) {
        a = Identity(x) b = Dropout(a) c = Relu(b) d = Dropout(c) y = Neg(d) z = Identity(c) }"""
    )
    assert sorted(node.op_type for node in graph.nodes) == ["Identity", "Neg", "Relu"]
    x = np.array([[-1, 2, -3, 4]], dtype=np.float32)
    y, z = outputs_of(graph, {"x": x})
    np.testing.assert_array_equal(z, np.maximum(x, 0))
    np.testing.assert_array_equal(y, -z)


def test_functions_are_inlined():
    model = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["" : 18, "own" : 1]>
        g (float[1,4] x) => (float[1,4] y) { y = own.Twice(x) }
        <domain: "own", opset_import: ["" : 18]> Twice (a) => (b) { b = Add(a, a) }"""
    )
    graph = load_graph_of(model)
    assert [node.op_type for node in graph.nodes] == ["Add"]


def load_graph_of(model):
    return normalised(Graph(ir.from_proto(model)))


def test_names_carry_the_module_path_of_either_exporter():
    model = model_from_text("g (float[1,4] x) => (float[1,4] y) { a = Relu(x) y = Relu(a) }")
    for node in model.graph.node:
        node.metadata_props.add(
            key="pkg.torch.onnx.name_scopes", value="['', 'enc', 'enc.block.0', 'relu_1']"
        )
    graph = load_graph_of(model)
    assert [node.name for node in graph.nodes] == ["enc.block.0/Relu", "enc.block.0/Relu_1"]
    assert {scope_of(node) for node in graph.nodes} == {"enc.block.0"}
    model = model_from_text(
        'g (float[1,4] x) => (float[1,4] y) { ["/enc/block.0/Relu"] y = Relu(x) }'
    )
    [node] = load_graph_of(model).nodes
    assert scope_of(node) == "enc.block.0"


def test_nodes_without_names_get_unique_ones():
    graph = graph_from_text(
        "g (float[1,4] x) => (float[1,4] y) { a = Relu(x) b = Relu(a) y = Neg(b) }"
    )
    assert [node.name for node in graph.nodes] == ["Relu", "Relu_1", "Neg"]
    assert [scope_of(node) for node in graph.nodes] == ["", "", ""]


def test_a_graph_that_hands_out_nothing_is_refused(tmp_path):
    model = model_from_text("g (float[1] x) => () { y = Relu(x) }")
    refused(ArtifactError, written(tmp_path, model))


# ---------------------------------------------------------------- reading, copying, saving


def test_a_copy_shares_weights_and_nothing_else():
    graph = NETS["chain"].graph()
    copy = graph.copy()
    copy.nodes[0].name = "changed"
    assert graph.nodes[0].name == "blocks.0.fc1/MatMul"
    weights = [g.model.graph.initializers["head"].const_value for g in (graph, copy)]
    assert weights[0] is weights[1]


def test_nodes_are_found_by_name():
    graph = NETS["bottleneck"].graph()
    assert attribute(graph.node("stages.0.conv.0/Conv"), "strides") == (2, 2)
    assert attribute(graph.node("stages.0/Add"), "axis", 7) == 7
    with pytest.raises(KeyError):
        graph.node("nowhere")


def test_readers_name_each_node_once():
    graph = graph_from_text(
        "g (float[1,4] x) => (float[1,4] y) { a = Relu(x) b = Mul(a, a) y = Add(a, b) }"
    )
    assert {node.op_type for node in readers(graph.nodes[0].outputs[0])} == {"Mul", "Add"}


@pytest.mark.parametrize("weights", [None, "w.bin"])
@pytest.mark.parametrize("name", NETS)
def test_a_saved_graph_is_the_same_when_loaded(tmp_path, name, weights):
    net = NETS[name]
    graph = net.graph()
    save_graph(graph, tmp_path / "g.onnx", weights=weights)
    loaded = load_graph(tmp_path / "g.onnx")
    assert [node.name for node in loaded.nodes] == [node.name for node in graph.nodes]
    x = np.random.default_rng(0).standard_normal(net.input_shape, dtype=np.float32)
    for one, other in zip(outputs_of(graph, {"x": x}), outputs_of(loaded, {"x": x}), strict=True):
        np.testing.assert_array_equal(one, other)


def test_large_weights_go_to_their_file_and_the_graph_in_memory_stays_as_it_was(tmp_path):
    path = external_model(tmp_path)
    assert (tmp_path / "model.weights").stat().st_size >= 64 * 64 * 4
    assert path.stat().st_size < 1000
    graph = load_graph(path)
    save_graph(graph, tmp_path / "again.onnx", weights="again.weights")
    (tmp_path / "again.weights").unlink()
    weights = constant_array(graph.model.graph.initializers["w"])
    np.testing.assert_array_equal(weights, np.eye(64, dtype=np.float32))


def test_added_constants_get_names_of_their_own():
    graph = NETS["chain"].graph()
    first = add_initializer(graph, "head", np.zeros((2, 2), dtype=np.float32))
    second = add_initializer(graph, "head", np.ones(3, dtype=np.float32).reshape(3)[::-1])
    assert (first.name, second.name) == ("head.1", "head.2")
    assert static_shape(second) == (3,)
    assert constant_array(second).tolist() == [1, 1, 1]


# ---------------------------------------------------------------- closing an edit


def test_an_edit_is_closed_without_what_nobody_reads():
    graph = NETS["chain"].graph().copy()
    last = graph.node("head/MatMul")
    last.replace_input_with(0, graph.node("blocks.0/Add").outputs[0])
    graph = finished(graph, subject="test")
    assert {node.name.split("/")[0] for node in graph.nodes} == {
        "blocks.0", "blocks.0.fc1", "blocks.0.fc2", "head"}  # fmt: skip
    assert set(graph.model.graph.initializers) == {"w0a", "w0b", "head"}


def test_an_output_behind_an_unknown_operator_keeps_its_shape():
    graph = graph_from_text("g (float[1,4] x) => (float[1,4] y) { y = ai.example.D(x) }")
    graph = finished(graph.copy(), subject="test")
    assert static_shape(graph.outputs[0]) == (1, 4)


def test_an_output_of_another_shape_is_refused():
    graph = NETS["chain"].graph().copy()
    graph.node("head/MatMul").replace_input_with(1, graph.model.graph.initializers["w0a"])
    with pytest.raises(PostconditionError, match="subject of test"):
        finished(graph, subject="subject of test")


def test_a_node_that_breaks_the_format_is_refused():
    graph = NETS["chain"].graph().copy()
    graph.node("head/MatMul").op_type = "NoSuchOperator"
    with pytest.raises(PostconditionError) as caught:
        finished(graph, subject="test")
    assert "\n" not in str(caught.value)


def test_shape_inference_that_stops_is_quiet(caplog):
    with caplog.at_level(logging.WARNING):
        graph_from_text("g (float[1,4] x) => (float[1,4] y) { a = ai.example.D(x) y = Relu(a) }")
    assert not caplog.records


def test_skeleton_weights_are_the_same_in_memory_and_in_the_file(tmp_path):
    path = skeleton_file("segformer_b0_dynamo", tmp_path)
    tensors = {t.name: numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer}
    for value in skeleton("segformer_b0_dynamo").model.graph.initializers.values():
        if value.name in tensors:
            np.testing.assert_array_equal(constant_array(value), tensors[value.name])
