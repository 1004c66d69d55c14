"""x + (W x + b) as one map."""

import numpy as np
import pytest

from edgert.surgery.compensate import with_numbers
from edgert.surgery.cost import cost_of
from edgert.surgery.fold_stand_ins import fold_stand_ins
from edgert.surgery.linear_maps import linear_map
from edgert.surgery.merge_linear import merge_linear
from edgert.surgery.refit import set_numbers
from edgert.surgery.replace_residuals import replace_residuals
from edgert.surgery.rewire import replace_value
from tests.calibration.graphs import conv_net, frames, run, token_net


def _random(graph, name="mix/stand_in"):
    """The graph with random numbers in its stand-in."""
    copy = graph.copy()
    linear = linear_map(copy.node(name))
    random = np.random.default_rng(0)
    set_numbers(copy, linear, random.standard_normal(linear.weight.shape), random.random(8))
    return copy


def test_a_folded_convolution_computes_the_same_without_the_sum():
    graph = _random(replace_residuals(conv_net(), branches=["mix"]))
    folded, x = graph.copy(), frames(1)[0]
    assert fold_stand_ins(folded) == 1
    np.testing.assert_allclose(run(folded, x), run(graph, x), rtol=1e-4, atol=1e-4)
    assert len(folded.node("mix/stand_in").outputs[0].uses()) == 1
    assert folded.node("mix/stand_in").outputs[0].uses()[0][0].op_type == "Relu"
    linear = linear_map(folded.node("mix/stand_in"))
    set_numbers(folded, linear, linear.weight * 1.01, None)
    assert not np.allclose(run(folded, x), run(graph, x), rtol=1e-4, atol=1e-4)


def test_a_folded_factor_computes_the_same():
    numbers = {"mix/stand_in.factor": np.linspace(-1, 1, 8), "mix/stand_in.shift": np.ones(8)}
    graph = replace_residuals(conv_net(), branches=["mix"], by="scale")
    before = [node.name for node in graph.nodes]
    fitted = with_numbers(graph, numbers, subject="test")
    assert "mix/Add" in before
    assert "mix/Add" not in [node.name for node in fitted.nodes]
    stem = conv_net()
    relu = run(_cut_at(stem, "stem.act/Relu"), frames(1)[0])
    column = (1, 8, 1, 1)
    expected = relu + relu * np.linspace(-1, 1, 8).reshape(column) + 1
    got = run(_cut_at(fitted, "mix/stand_in.bias"), frames(1)[0])
    np.testing.assert_allclose(got, expected, atol=1e-5)


def _cut_at(graph, name):
    """The graph with a node's result for its output."""
    copy = graph.copy()
    copy.model.graph.outputs[0] = copy.node(name).outputs[0]
    return copy


def test_compensation_folds_what_it_wrote():
    graph = replace_residuals(conv_net(), branches=["mix"])
    numbers = {"mix/stand_in.weight": np.zeros((8, 8, 1, 1)), "mix/stand_in.bias": np.zeros(8)}
    folded = with_numbers(graph, numbers, subject="test")
    assert len(folded.nodes) == len(graph.nodes) - 1
    assert cost_of(folded).macs == cost_of(graph).macs
    np.testing.assert_allclose(run(folded, frames(1)[0]), run(graph, frames(1)[0]), atol=1e-6)


def test_a_stand_in_behind_a_normalisation_stays():
    graph = replace_residuals(token_net(), branches=["block1"]).copy()
    assert fold_stand_ins(graph) == 0


@pytest.mark.parametrize("by", ["linear", "scale"])
def test_a_folded_stand_in_at_the_graphs_output_keeps_its_name(by):
    graph = replace_residuals(conv_net(), branches=["mix"], by=by).copy()
    head = graph.node("head/Conv").outputs[0]
    replace_value(head, graph.node("mix/Add").outputs[0])
    assert fold_stand_ins(graph) == 1
    assert graph.outputs[0].name == "logits"


def test_what_was_folded_merges_with_the_map_before_it():
    """Without the activation in front, the stand-in is multiplied into the stem."""
    graph = conv_net().copy()
    relu = graph.node("stem.act/Relu")
    relu.outputs[0].replace_all_uses_with(relu.inputs[0])
    replaced = _random(replace_residuals(graph, branches=["mix"]))
    folded = replaced.copy()
    fold_stand_ins(folded)
    merged, x = merge_linear(folded), frames(1)[0]
    assert cost_of(merged).macs < cost_of(replaced).macs
    np.testing.assert_allclose(run(merged, x), run(replaced, x), rtol=1e-3, atol=1e-3)
