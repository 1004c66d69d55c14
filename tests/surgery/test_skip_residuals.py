"""Dropping branches: numbers against numpy code of the same nets, composition, errors."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import PreconditionError
from edgert.surgery.graph import constant_array, save_graph, static_shape
from edgert.surgery.load import load_graph
from edgert.surgery.residuals import find_residual_branches
from edgert.surgery.skip_residuals import skip_residuals
from tests.skeletons import NAMES, skeleton
from tests.surgery.graphs_residual import (
    NETS,
    SQUARE,
    VECTORS,
    graph_from_text,
    outputs_of,
    random_weights,
    single_branch,
)

TOLERANCE = 1e-5  # float32, outputs around 1


def names_of(graph):
    return [branch.name for branch in find_residual_branches(graph)]


def frame(shape, seed=7):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def as_text(graph):
    """A graph's nodes and weights, for comparing two graphs."""
    nodes = [
        (n.name, n.op_type, [v.name if v else "" for v in n.inputs], [v.name for v in n.outputs])
        for n in graph.nodes
    ]
    weights = {
        v.name: constant_array(v).tobytes() for v in graph.model.graph.initializers.values()
    }
    return nodes, weights


def difference(net, weights, without, graph):
    x = frame(net.input_shape)
    [result] = outputs_of(graph, {"x": x})
    return np.abs(result - net.reference(x, weights, without)).max()


SUBSETS = [
    (name, subset)
    for name, net in NETS.items()
    for subset in [*([branch] for branch in net.branches), list(net.branches)]
]


@pytest.mark.parametrize(("name", "subset"), SUBSETS, ids=str)
def test_edited_nets_compute_what_numpy_computes_without_the_branches(name, subset):
    net = NETS[name]
    edited = skip_residuals(net.graph(), branches=subset)
    assert difference(net, net.weights(), set(subset), edited) < TOLERANCE


@pytest.mark.parametrize("name", NETS)
def test_a_perturbed_weight_fails_the_comparison(name):
    net = NETS[name]
    dropped = next(iter(net.branches))
    edited = skip_residuals(net.graph(), branches=[dropped])
    weights = net.weights()
    for value in edited.model.graph.initializers.values():
        array = constant_array(value)
        if value.name in weights and array.ndim >= 2:
            weights[value.name] = array + 0.05
            break
    assert difference(net, weights, {dropped}, edited) > 100 * TOLERANCE


@pytest.mark.parametrize("name", NETS)
def test_a_branch_that_stays_fails_the_comparison(name):
    net = NETS[name]
    for branch in net.branches:
        assert difference(net, net.weights(), {branch}, net.graph()) > 100 * TOLERANCE


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_dropping_one_after_another_in_any_order_is_dropping_at_once(data):
    graph = NETS[data.draw(st.sampled_from(["chain", "parallel_inside", "parallel_chained",
                                            "parallel_sum", "transformer"]))].graph()  # fmt: skip
    names = names_of(graph)
    subset = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    one_by_one = graph
    for name in subset:
        one_by_one = skip_residuals(one_by_one, branches=[name])
    assert as_text(one_by_one) == as_text(skip_residuals(graph, branches=sorted(subset)))
    assert names_of(one_by_one) == [name for name in names if name not in subset]


@settings(deadline=None, max_examples=8)
@given(
    data=st.data(), name=st.sampled_from([n for n in NAMES if not n.startswith(("detr", "swin"))])
)
def test_names_last_through_dropping_saving_and_loading(data, name, tmp_path_factory):
    graph = skeleton(name)
    names = names_of(graph)
    subset = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    edited = skip_residuals(graph, branches=subset)
    left = [n for n in names if n not in subset]
    assert names_of(edited) == left
    path = tmp_path_factory.mktemp("derived") / "graph.onnx"
    save_graph(edited, path)
    assert names_of(load_graph(path)) == left


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("detr")])
def test_without_cross_attention_a_decoder_works_on_constants_and_they_are_folded(name):
    graph = skeleton(name)
    names = names_of(graph)
    subset = ["decoder.layers.0.encoder_attn", "encoder.layers.2.mlp"]
    left = names_of(skip_residuals(graph, branches=subset))
    gone = {*subset, "decoder.layers.0.mlp", "decoder.layers.1.self_attn"}
    assert left == [n for n in names if n not in gone]


@pytest.mark.parametrize(
    "name", [n for n in NAMES if not n.startswith(("segformer_b2", "swin_tiny_torch"))]
)
def test_all_branches_of_known_models_can_go(name):
    graph = skeleton(name)
    edited = skip_residuals(graph, branches=names_of(graph))
    assert find_residual_branches(edited) == []
    shape = static_shape(edited.inputs[0])
    for result, value in zip(
        outputs_of(edited, {edited.inputs[0].name: frame(shape)}), graph.outputs, strict=True
    ):
        assert result.shape == static_shape(value)
        assert np.isfinite(result).all()


def test_the_graph_itself_is_untouched():
    graph = NETS["bottleneck"].graph()
    before = ir.to_proto(graph.model).SerializeToString()
    skip_residuals(graph, branches=names_of(graph))
    assert ir.to_proto(graph.model).SerializeToString() == before


def test_weights_that_only_the_branch_read_go():
    edited = skip_residuals(NETS["chain"].graph(), branches=["blocks.1"])
    left = set(edited.model.graph.initializers)
    assert left == {"w0a", "w0b", "w2a", "w2b", "head"}


def test_a_sum_that_is_an_output_keeps_its_name_and_hands_out_the_shortcut():
    text = """g (float[1,4] x) => (float[1,4] s, float[1,4] y)
        { h = MatMul(x, wa) s = Add(h, x) y = Relu(s) }"""
    graph = graph_from_text(text, random_weights(SQUARE))
    edited = skip_residuals(graph, branches=names_of(graph))
    assert [value.name for value in edited.outputs] == ["s", "y"]
    x = frame((1, 4))
    shortcut, after = outputs_of(edited, {"x": x})
    np.testing.assert_array_equal(shortcut, x)
    np.testing.assert_array_equal(after, np.maximum(x, 0))


def test_a_constant_shortcut_can_be_all_that_is_left():
    graph = single_branch("cross-attention of a constant query")
    edited = skip_residuals(graph, branches=names_of(graph))
    [result] = outputs_of(edited, {"memory": frame((1, 7, 4))})
    np.testing.assert_array_equal(result, constant_array(graph.model.graph.initializers["stream"]))


def test_a_branch_inside_a_dropped_one_goes_with_it():
    edited = skip_residuals(NETS["nested"].graph(), branches=["body.tail"])
    assert names_of(edited) == ["minus"]


# ---------------------------------------------------------------- errors


def refused(graph, branches):
    with pytest.raises(PreconditionError) as caught:
        skip_residuals(graph, branches=branches)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_no_branches_are_refused():
    assert "none" in refused(NETS["chain"].graph(), [])


def test_a_bare_name_in_place_of_a_list_is_refused():
    assert "'blocks.0'" in refused(NETS["chain"].graph(), "blocks.0")


def test_a_repeated_name_is_refused():
    message = refused(NETS["chain"].graph(), ["blocks.0", "blocks.1", "blocks.0"])
    assert "blocks.0 more than once" in message


def test_an_unknown_name_is_answered_with_the_nearest_and_their_number():
    message = refused(skeleton("segformer_b0_dynamo"), ["segformer.stage.0.blocks.1.mlp"])
    assert "16 residual branches" in message
    assert "segformer.stages.0.blocks.1.mlp" in message


def test_a_name_that_has_gone_is_unknown():
    edited = skip_residuals(NETS["chain"].graph(), branches=["blocks.0"])
    assert "2 residual branches" in refused(edited, ["blocks.0"])


def test_a_graph_without_branches_says_so():
    graph = graph_from_text(f"{VECTORS} {{ y = MatMul(x, wa) }}", random_weights(SQUARE))
    assert "without any" in refused(graph, ["block"])
