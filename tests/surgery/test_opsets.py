import pytest

from edgert.errors import PreconditionError
from edgert.surgery.operator_types import opset_of
from edgert.surgery.opsets import raise_opset
from tests.skeletons import skeleton
from tests.surgery.graphs_linear import difference, graph_from_text


def graph_of(body, *, opset, inputs="float[1,4,6,6] x", output="float[1,4,6,6] y"):
    return graph_from_text(f"agraph ({inputs}) => ({output}) {{ {body} }}", opset=opset)


def test_newer_opset_is_imported_and_nothing_else_changes():
    graph = skeleton("opsets/segformer_b0_dynamo_20").copy()
    assert opset_of(graph) == 20
    older = skeleton("segformer_b0_torchscript")
    raised = older.copy()
    raise_opset(raised, 19, subject="test")
    assert (opset_of(older), opset_of(raised)) == (18, 19)
    assert difference(older, raised) == 0


def test_older_opset_is_not_gone_back_to():
    graph = skeleton("opsets/segformer_b0_dynamo_20").copy()
    raise_opset(graph, 19, subject="test")
    assert opset_of(graph) == 20


@pytest.mark.parametrize(
    ("body", "opset", "output", "reason"),
    [
        ("y = ReduceMean<axes=[2,3]>(x)", 13, "float[1,4,1,1] y", "the attribute axes"),
        (
            "a, b = Split<axis=1>(x) y = Concat<axis=1>(b, a)",
            13,
            "float[1,4,6,6] y",
            "num_outputs",
        ),
        ("y = Softmax(x)", 11, "float[1,4,6,6] y", "older than 13"),
    ],
)
def test_node_that_is_written_otherwise_is_named(body, opset, output, reason):
    graph = graph_of(body, opset=opset, output=output)
    first = graph.nodes[0].name
    with pytest.raises(PreconditionError, match=reason) as caught:
        raise_opset(graph, 19, subject="test")
    assert first in str(caught.value)
    assert opset_of(graph) == opset


def test_changed_default_is_refused():
    inputs = "float[1,4,6,6] x, float[2,4] r, int64[2] i"
    graph = graph_of("y = RoiAlign(x, r, i)", opset=13, inputs=inputs, output="float[2,4,1,1] y")
    with pytest.raises(PreconditionError, match="a default that changed"):
        raise_opset(graph, 19, subject="test")


def test_operators_of_other_domains_are_none_of_its_business():
    graph = graph_of("y = Relu(x)", opset=18).copy()
    graph.nodes[0].domain = "com.example"
    raise_opset(graph, 19, subject="test")
    assert opset_of(graph) == 19
