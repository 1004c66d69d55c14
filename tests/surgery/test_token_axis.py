"""Following tokens: one small graph for each operator, what carries them and what stops them."""

import numpy as np
import pytest

from edgert.surgery.graph import static_shape, values_of
from edgert.surgery.graph_view import GraphView
from edgert.surgery.token_axis import follow_tokens, is_uniform, shrink
from edgert.surgery.token_rules import Falling, Tokens
from tests.surgery.graphs_residual import graph_from_text, outputs_of

N, D = 7, 4  # tokens and their width
HEAD = Tokens(head=1)


def weights(seed=0, **shapes):
    generator = np.random.default_rng(seed)
    return {n: generator.standard_normal(s, dtype=np.float32) for n, s in shapes.items()}


def whole(**numbers):
    return {name: np.array(value, np.int64) for name, value in numbers.items()}


def traced(body, constants, tokens=HEAD):
    """Follow the tokens of x (1, 7, 4), made by a Relu, to y. Returns trace and graph."""
    rank = body[1]
    out = ",".join("?" * rank)
    text = f"g (float[1,{N},{D}] i) => (float[{out}] y) {{ x = Relu(i) {body[0]} }}"
    graph = graph_from_text(text, constants, opset=20)
    view = GraphView(graph)
    start = view.nodes[0].outputs[0]
    return follow_tokens(view, start, 1, tokens), graph


# Body, rank of y, constants; and the axes of y with tokens.
FOLLOWED = {
    "bias": (("y = Add(x, b)", 3), weights(b=(D,)), {1: HEAD}),
    "guard": (("n = IsNaN(x) y = Where(n, z, x)", 3), weights(z=()), {1: HEAD}),
    "layer": (("y = MatMul(x, w)", 3), weights(w=(D, 5)), {1: HEAD}),
    "weights on the left": (
        ("t = Transpose<perm = [0, 2, 1]>(x) y = MatMul(w, t)", 3), weights(w=(5, D)), {2: HEAD},
    ),
    "scores": (("t = Transpose<perm = [0, 2, 1]>(x) y = MatMul(x, t)", 3), {}, {1: HEAD, 2: HEAD}),
    "sum over tokens, as attention makes it": (
        ("t = Transpose<perm = [0, 2, 1]>(x) s = MatMul(x, t) y = MatMul(s, x)", 3),
        {}, {1: HEAD},
    ),
    "all tokens summed up on both sides": (
        ("t = Transpose<perm = [0, 2, 1]>(x) y = MatMul(t, x)", 3), {}, {},
    ),
    "rows of a Gemm": (
        ("f = Reshape(x, s) y = Gemm(f, w, b)", 2), weights(w=(D, 5), b=(5,)) | whole(s=[N, D]),
        {0: HEAD},
    ),
    "columns of a Gemm": (
        ("f = Reshape(x, s) y = Gemm<transB = 1>(w, f)", 2), weights(w=(5, D)) | whole(s=[N, D]),
        {1: HEAD},
    ),
    "einsum": (("y = Einsum<equation = \"bnd,bmd->bnm\">(x, x)", 3), {}, {1: HEAD, 2: HEAD}),
    "heads": (("y = Reshape(x, s)", 4), whole(s=[1, -1, 2, 2]), {1: HEAD}),
    "two axes of one": (("y = Unsqueeze(x, a)", 5), whole(a=[0, 3]), {2: HEAD}),
    "expand": (("y = Expand(x, s)", 4), whole(s=[2, 1, N, D]), {2: HEAD}),
    "normalised": (("y = LayerNormalization(x, w)", 3), weights(w=(D,)), {1: HEAD}),
    "shares": (("y = Softmax<axis = 1>(x)", 3), {}, {1: HEAD}),
    "mean of all": (("y = ReduceMean<keepdims = 0>(x, a)", 2), whole(a=[1]), {}),
    "highest channel": (("y = ReduceMax<keepdims = 0>(x, a)", 2), whole(a=[2]), {1: HEAD}),
    "sum of channels": (("y = ReduceSum<keepdims = 1>(x, a)", 3), whole(a=[-1]), {1: HEAD}),
    "global pool": (("t = Transpose<perm = [0, 2, 1]>(x) y = GlobalAveragePool(t)", 3), {}, {}),
    "pointwise convolution": (
        ("t = Transpose<perm = [0, 2, 1]>(x) y = Conv(t, w)", 3), weights(w=(5, D, 1)), {2: HEAD},
    ),
    "batch normalisation": (
        ("t = Transpose<perm = [0, 2, 1]>(x) y = BatchNormalization(t, p, p, p, p)", 3),
        {"p": np.ones(D, np.float32)}, {2: HEAD},
    ),
    "quantised": (
        ("q = QuantizeLinear(x, s) y = DequantizeLinear(q, s)", 3),
        {"s": np.array(0.1, np.float32)}, {1: HEAD},
    ),
    "class token": (("y = Gather<axis = 1>(x, i0)", 2), whole(i0=0), {}),
    "channels picked": (("y = Gather<axis = 2>(x, i0)", 3), whole(i0=[0, 2]), {1: HEAD}),
    "patches": (
        ("y = Slice(x, s, e, a)", 3), whole(s=[1], e=[2**31], a=[1]), {1: Tokens()},
    ),
    "channels cut": (("y = Slice(x, s, e, a)", 3), whole(s=[0], e=[2], a=[2]), {1: HEAD}),
    "class token cut off": (("y = Slice(x, s, e, a)", 3), whole(s=[0], e=[1], a=[1]), {}),
    "split": (("c, y = Split<axis = 1>(x, s)", 3), whole(s=[1, N - 1]), {1: Tokens()}),
    "channels split": (("c, y = Split<axis = 2>(x, s)", 3), whole(s=[1, 3]), {1: HEAD}),
    "more tokens joined": (
        ("y = Concat<axis = 1>(a, x, b)", 3), weights(a=(1, 2, D), b=(1, 3, D)), {1: Tokens(3, 3)},
    ),
    "padded channels": (("y = Pad(x, p)", 3), whole(p=[0, 0, 0, 0, 0, 2]), {1: HEAD}),
}  # fmt: skip

STOPPED = {
    "layer over tokens": (("y = MatMul(w, x)", 3), weights(w=(3, N)), "mixes the tokens"),
    "Gemm over tokens": (
        ("f = Reshape(x, s) y = Gemm(w, f)", 2), weights(w=(3, N)) | whole(s=[N, D]),
        "mixes the tokens",
    ),
    "einsum over tokens": (
        ('y = Einsum<equation = "bnd,nm->bmd">(x, w)', 3), weights(w=(N, 3)), "mixes the tokens",
    ),
    "einsum that sums": (('y = Einsum<equation = "bnd->bd">(x)', 2), {}, "adds up the tokens"),
    "einsum with dots": (
        ('y = Einsum<equation = "...d,de->...e">(x, w)', 3), weights(w=(D, 3)), "index by index",
    ),
    "a plain vector": (("y = MatMul(x, w)", 2), weights(w=(D,)), "a plain vector"),
    "image": (("y = Reshape(x, s)", 3), whole(s=[1, 14, 2]), "lays the tokens out as 1 x 14 x 2"),
    "flattened": (("y = Flatten(x)", 2), {}, "lays the tokens out as 1 x 28"),
    "convolution over tokens": (("y = Conv(x, w)", 3), weights(w=(5, N, 1)), "mixes the tokens"),
    "neighbours": (
        ("t = Transpose<perm = [0, 2, 1]>(x) y = Conv(t, w)", 3), weights(w=(5, D, 3)),
        "with their neighbours",
    ),
    "pooled neighbours": (
        ("t = Transpose<perm = [0, 2, 1]>(x) y = MaxPool<kernel_shape = [2]>(t)", 3), {},
        "needs each token at its place",
    ),
    "normalised over tokens": (
        ("y = LayerNormalization<axis = 1>(x, w)", 3), weights(w=(N, D)), "normalises over",
    ),
    "a scale for each token": (
        ("q = QuantizeLinear<axis = 1>(x, s) y = DequantizeLinear<axis = 1>(q, s)", 3),
        {"s": np.linspace(0.1, 0.5, N, dtype=np.float32)}, "its own scale for each token",
    ),
    "batch normalisation of tokens": (
        ("y = BatchNormalization(x, p, p, p, p)", 3), {"p": np.ones(N, np.float32)},
        "its own numbers for each token",
    ),
    "sum": (("y = ReduceSum(x, a)", 3), whole(a=[1]), "adds up the tokens"),
    "token by place": (("y = Gather<axis = 1>(x, i0)", 2), whole(i0=3), "tokens 3 to 3 of 7"),
    "every other token": (
        ("y = Slice(x, s, e, a, t)", 3), whole(s=[0], e=[N], a=[1], t=[2]), "every 2th token",
    ),
    "first half": (("y = Slice(x, s, e, a)", 3), whole(s=[0], e=[4], a=[1]), "tokens 0 to 3"),
    "equal parts": (
        ("z = Concat<axis = 1>(x, b) y, c = Split<axis = 1, num_outputs = 2>(z)", 3),
        weights(b=(1, 1, D)), "into equal parts",
    ),
    "twice": (("y = Concat<axis = 1>(x, x)", 3), {}, "behind each other twice"),
    "shifted": (
        ("z = Slice(x, s, e, a) c = Concat<axis = 1>(z, b) y = Add(x, c)", 3),
        weights(b=(1, 1, D)) | whole(s=[1], e=[N], a=[1]), "lie at other places",
    ),
    "running sum": (("y = CumSum(x, a)", 3), {"a": np.array(1)}, "CumSum"),
    "padded tokens": (("y = Pad(x, p)", 3), whole(p=[0, 1, 0, 0, 0, 0]), "at its place"),
    "mask by token": (
        ("y = Where(m, x, z)", 3),
        {"m": np.arange(N).reshape(1, N, 1) < 3, "z": np.array(0, np.float32)},
        "tells tokens apart by m",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWED)
def test_tokens_are_followed_through(name):
    body, constants, expected = FOLLOWED[name]
    trace, graph = traced(body, constants)
    [y] = graph.outputs
    stops = [stop.reason for stop in trace.stops]
    assert stops == (["output y needs every token"] if expected else [])
    assert dict(trace.axes.get(y, {})) == expected


@pytest.mark.parametrize("name", STOPPED)
def test_tokens_are_stopped_with_the_node_and_the_reason(name):
    body, constants, reason = STOPPED[name]
    trace, _ = traced(body, constants)
    assert reason in trace.blocked
    assert trace.stops[0].reason.split()[0] in body[0]


@pytest.mark.parametrize("name", [n for n, case in FOLLOWED.items() if n != "shares"])
def test_a_shrunken_graph_computes_what_the_graph_of_fewer_tokens_would(name):
    """Two tokens cut off behind the first: all numbers of the others are as if alone."""
    body, constants, expected = FOLLOWED[name]
    _, graph = traced(body, constants)
    edited = graph.copy()
    view = GraphView(edited)
    start = view.nodes[0].outputs[0]
    trace = follow_tokens(view, start, 1, HEAD)
    fewer = graph_from_text(
        f"""g (float[1,{N},{D}] i) => (float[1,{N - 2},{D}] k)
        {{ k = Slice(i, s, e, a) }}""",
        whole(s=[2], e=[N], a=[1]),
    )
    assert static_shape(fewer.outputs[0]) == (1, N - 2, D)
    edited.inputs[0].shape = fewer.outputs[0].shape
    start.shape = fewer.outputs[0].shape
    shrink(edited, trace, reduced=start, removed=2, reduce=None)
    i = np.random.default_rng(8).standard_normal((1, N, D), np.float32)
    keep = [0, *range(3, N)]
    [got] = outputs_of(edited, {"i": i[:, keep]})
    shapes = {value.name: static_shape(value) for value in values_of(edited)}
    assert got.shape == shapes[edited.outputs[0].name]
    [full] = outputs_of(graph, {"i": i})
    if name == "sum over tokens, as attention makes it":
        x = np.maximum(i[0, keep], 0)
        np.testing.assert_allclose(got[0], x @ x.T @ x, rtol=1e-4)
    elif expected:
        for axis, tokens in expected.items():
            outside = [*range(tokens.head), *range(tokens.head + 2, full.shape[axis])]
            full = full.take(outside, axis=axis)
        np.testing.assert_allclose(got, full, rtol=1e-4, atol=1e-6)


def test_places_behind_the_tokens_move_with_them():
    trace, _ = traced(("y = Gather<axis = 1>(x, i0)", 2), whole(i0=-1), Tokens(tail=1))
    [step] = trace.steps.values()
    assert step.falling[1].without(3) == N - 4
    trace, _ = traced(
        ("y = Slice(x, s, e, a)", 3), whole(s=[-2], e=[N], a=[1]), Tokens(head=1, tail=2)
    )
    [step] = trace.steps.values()
    assert [int(step.falling[i].without(2)[0]) for i in (1, 2)] == [N - 4, N - 2]


@pytest.mark.parametrize(
    ("places", "more"), [([0], (1, 0)), ([0, 1], (2, 0)), ([-1], (0, 1)), ([N - 2], (0, 2))]
)
def test_a_stop_by_place_says_how_many_tokens_would_have_to_stay(places, more):
    tokens = Tokens()
    while True:
        trace, _ = traced(("y = Gather<axis = 1>(x, i0)", 3), whole(i0=places), tokens)
        if not trace.stops:
            break
        [stop] = trace.stops
        tokens = Tokens(tokens.head + stop.head, tokens.tail + stop.tail)
    assert (tokens.head, tokens.tail) == more


def test_only_the_named_readers_are_followed():
    text = f"""g (float[1,{N},{D}] i) => (float[1,{N},{D}] y) {{
        x = Relu(i) a = Abs(x) m = ReduceMean(a, axis) y = Add(x, m) }}"""
    graph = graph_from_text(text, whole(axis=[1]))
    view = GraphView(graph)
    start = view.nodes[0].outputs[0]
    everything = follow_tokens(view, start, 1, Tokens())
    assert everything.blocked == "output y needs every token"
    part = follow_tokens(view, start, 1, Tokens(), only=[view.nodes[1]])
    assert not part.blocked
    assert [node.op_type for node in part.steps] == ["Abs", "ReduceMean"]


def test_uniform_is_the_same_number_all_along():
    graph = graph_from_text(
        "g (float[2,3] i) => (float[2,3] y) { a = Add(i, u) b = Add(a, v) y = Add(b, n) }",
        {
            "u": np.array([[1, 2, 3]] * 2, np.float32),
            "v": np.eye(2, 3, dtype=np.float32),
            "n": np.full((2, 3), np.nan, np.float32),
        },
    )
    named = dict(graph.model.graph.initializers)
    assert [is_uniform(named[n], 0) for n in "uvn"] == [True, False, True]
    assert not is_uniform(named["u"], 1)
    assert not is_uniform(graph.inputs[0], 0)


def test_falling_numbers():
    falling = Falling(np.array([1, 197, 384]), np.array([0, 1, 0]))
    assert list(falling.without(57)) == [1, 140, 384]
