"""Values inside a graph, computed part by part."""

import numpy as np
import pytest

from edgert.calibration.activations import Activations
from edgert.surgery.linear_maps import linear_map
from edgert.surgery.refit import set_numbers
from tests.calibration.graphs import frames, run, token_net


def test_values_part_by_part_are_those_of_one_run():
    graph, inputs = token_net(), frames(3)
    activations = Activations(graph, inputs, threads=1)
    for name in ("block1/Add", "block2.act/Relu", "head.bias/Add"):
        value = graph.node(name).outputs[0]
        activations.compute([value])
    for index, tensor in enumerate(inputs):
        np.testing.assert_allclose(activations[value][index], run(graph, tensor), atol=1e-5)


def test_a_weight_changed_between_parts_is_seen_by_what_comes_after():
    graph, inputs = token_net().copy(), frames(2)
    activations = Activations(graph, inputs, threads=1)
    first = graph.node("block1/Add").outputs[0]
    activations.compute([first])
    head = linear_map(graph.node("head/MatMul"))
    set_numbers(graph, head, np.zeros_like(head.weight), np.array([1.0, 2.0, 3.0]))
    last = graph.node("head.bias/Add").outputs[0]
    activations.compute([last])
    np.testing.assert_allclose(activations[last][0][0, 5], [1, 2, 3], atol=1e-6)


def test_what_nobody_reads_any_more_is_dropped():
    graph = token_net()
    activations = Activations(graph, frames(2), threads=1)
    early, late = (graph.node(name).outputs[0] for name in ("block1.norm/LayerNormalization",
                                                            "head.bias/Add"))  # fmt: skip
    activations.compute([early])
    activations.compute([late])
    assert len(activations[late]) == 2
    with pytest.raises(KeyError):
        activations[early]


def test_computing_the_same_twice_runs_nothing_new():
    graph = token_net()
    activations = Activations(graph, frames(2), threads=1)
    value = graph.node("block1/Add").outputs[0]
    activations.compute([value])
    held = activations[value]
    activations.compute([value])
    assert activations[value] is held
