"""New nodes come under names of their own, one at a time or many."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgert.surgery import rewire
from edgert.surgery.graph import Graph, values_of
from edgert.surgery.load import normalised
from edgert.surgery.lower_precision import lower_precision
from edgert.surgery.quantizable import quantizable
from edgert.surgery.quantize import InputScale, Scales, quantize
from edgert.surgery.rewire import GraphNames, new_node, replace_value


def chain(length: int) -> Graph:
    """MatMul and Softmax in turns: half precision crosses over at each, int8 at each second."""
    nodes, value = [], "x"
    for block in range(length):
        nodes += [
            helper.make_node("MatMul", [value, "w"], [f"m{block}"], name=f"/{block}/MatMul"),
            helper.make_node("Softmax", [f"m{block}"], [f"s{block}"], name=f"/{block}/Softmax"),
        ]
        value = f"s{block}"
    edges = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", value)
    ]
    weight = numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")
    model = helper.make_model(
        helper.make_graph(nodes, "chain", edges[:1], edges[1:], [weight]),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    model.ir_version = 9
    onnx.checker.check_model(model)
    return normalised(Graph(ir.from_proto(model)))


def quantised(graph: Graph) -> Graph:
    inputs = [InputScale(node=n.name, input=i, scale=0.1) for n, i in quantizable(graph)]
    return quantize(graph, Scales(method="max", frames=1, inputs=inputs))


def add_identity(graph: Graph, **more) -> str:
    [x] = graph.inputs
    output = new_node(
        graph, "Identity", [x], name="new", shape=(1, 4), before=graph.nodes[0], **more
    )
    return output.producer().name


def names_in(graph: Graph) -> tuple[list[str], list[str]]:
    return [node.name for node in graph.nodes], [value.name for value in values_of(graph)]


@pytest.mark.parametrize("many", [False, True])
def test_a_name_that_is_taken_gets_a_number(many: bool):
    graph = chain(1).copy()
    more = {"names": GraphNames(graph)} if many else {}
    assert [add_identity(graph, **more) for _ in range(3)] == ["new", "new_1", "new_2"]
    for names in names_in(graph):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("many", [False, True])
def test_the_output_s_name_is_its_own_too(many: bool):
    graph = chain(1).copy()
    graph.nodes[0].outputs[0].name = "new.output"
    more = {"names": GraphNames(graph)} if many else {}
    add_identity(graph, **more)
    assert graph.nodes[0].outputs[0].name == "new.output_1"


@pytest.mark.parametrize("edit", [lower_precision, quantised])
def test_one_look_at_the_graph_s_names_for_all_insertions(edit, monkeypatch):
    """The cost of an insertion may not grow with the graph."""
    looks = []

    class Counted(GraphNames):
        def __init__(self, graph):
            looks.append(len(graph.nodes))
            super().__init__(graph)

    for module in ("lower_precision", "quantize"):
        monkeypatch.setattr(f"edgert.surgery.{module}.GraphNames", Counted)
    monkeypatch.setattr(rewire, "GraphNames", Counted)
    edited = edit(chain(20))
    assert len(edited.nodes) > 40
    assert looks == [40]
    for names in names_in(edited):
        assert len(set(names)) == len(names)


def test_an_output_of_the_graph_is_replaced_under_its_name():
    graph = chain(1).copy()
    [old] = graph.outputs
    name = old.name
    new = new_node(graph, "Relu", [graph.inputs[0]], name="r", shape=(1, 4), before=graph.nodes[0])
    replace_value(old, new)
    assert graph.outputs == (new,)
    assert (new.name, old.name) == (name, f"{name}.replaced")
