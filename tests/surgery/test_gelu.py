import numpy as np
import pytest

from edgert.surgery.gelu import spell_gelu
from tests.surgery.graphs_linear import graph_from_text, outputs_of

CONSTANTS = {name: np.float32(value) for name, value in [("r", 2**0.5), ("one", 1), ("half", 0.5)]}


def gelu(*lines):
    body = " ".join(["d = Div(x, r) e = Erf(d)", *lines])
    return graph_from_text(
        f"agraph (float[3,50] x) => (float[3,50] y) {{ {body} }}", CONSTANTS, in_form=False
    )


@pytest.mark.parametrize(
    "lines",
    [
        ("a = Add(e, one)", "h = Mul(half, a)", "y = Mul(x, h)"),
        ("a = Add(one, e)", "h = Mul(a, half)", "y = Mul(h, x)"),
    ],
)
def test_gelu_gets_the_fused_spelling_and_keeps_its_bits(lines):
    graph = gelu(*lines)
    spelled = graph.copy()
    assert spell_gelu(spelled.model.graph) == 1
    last = spelled.nodes[-1]
    assert last.inputs[1].const_value.numpy() == 0.5
    assert spelled.inputs[0] in last.inputs[0].producer().inputs
    assert np.array_equal(outputs_of(graph)[0], outputs_of(spelled)[0])
    assert spell_gelu(spelled.model.graph) == 0


@pytest.mark.parametrize(
    "lines",
    [
        ("a = Add(e, one)", "h = Mul(x, a)", "y = Mul(h, half)"),
        ("a = Add(e, half)", "h = Mul(half, a)", "y = Mul(x, h)"),
        ("a = Add(e, one)", "h = Mul(one, a)", "y = Mul(x, h)"),
        ("a = Add(e, one)", "h = Mul(half, a)", "p = Mul(x, h)", "y = Add(p, h)"),
        ("a = Add(e, one)", "h = Mul(half, a)", "z = Neg(x)", "y = Mul(z, h)"),
        ("y = Mul(x, e)",),
    ],
)
def test_other_products_stay_as_they_are(lines):
    graph = gelu(*lines)
    before = [[value.name for value in node.inputs] for node in graph.nodes]
    assert spell_gelu(graph.model.graph) == 0
    assert [[value.name for value in node.inputs] for node in graph.nodes] == before
