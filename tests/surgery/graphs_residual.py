"""Small graphs with residual branches, and with what only looks like one.

Graphs are written in ONNX's text form; "[scope/Op]" before a node is its name. Weights come from
a seeded generator. A `Net` also has its own numpy code, with every branch optional, as the
reference that edits are compared with.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from edgert.surgery.graph import Graph
from edgert.surgery.load import normalised
from tests.surgery.sessions import session_of

Weights = Mapping[str, NDArray[np.float32]]


def graph_from_text(text: str, weights: Weights | None = None, *, opset: int = 20) -> Graph:
    """Text is what stands after the header: "g (float[1,4] x) => (float[1,4] y) { ... }"."""
    opsets = f'"" : {opset}, "ai.example" : 1, "com.microsoft" : 1'
    model = onnx.parser.parse_model(f"<ir_version: 10, opset_import: [{opsets}]> {text}")
    for name, array in (weights or {}).items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return normalised(Graph(ir.from_proto(model)))


def random_weights(
    shapes: Mapping[str, tuple[int, ...]], *, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    generator = np.random.default_rng(seed)
    return {
        name: generator.standard_normal(shape, dtype=np.float32)
        / np.float32(math.sqrt(math.prod(shape[1:] if len(shape) == 4 else shape[:1])))
        for name, shape in shapes.items()
    }


def outputs_of(graph: Graph, feeds: Mapping[str, NDArray]) -> list[NDArray]:
    """What ONNX Runtime computes, unoptimised."""
    return session_of(graph).run(None, dict(feeds))


# ---------------------------------------------------------------- nets with a numpy twin


@dataclass(frozen=True)
class Net:
    """A graph, its weights, and `reference(x, weights, without)` that computes it in numpy."""

    text: str
    shapes: Mapping[str, tuple[int, ...]]
    input_shape: tuple[int, ...]
    branches: Mapping[str, str]  # name -> kind of shortcut
    reference: Callable[[NDArray, Weights, set[str]], NDArray]

    def weights(self, seed: int = 0) -> dict[str, NDArray[np.float32]]:
        return random_weights(self.shapes, seed=seed)

    def graph(self, seed: int = 0) -> Graph:
        return graph_from_text(self.text, self.weights(seed))


def relu(x):
    return np.maximum(x, 0)


def norm(x, weights, name):
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(1e-5))
    return centred / deviation * weights[f"{name}_scale"] + weights[f"{name}_bias"]


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def conv1x1(x, weight, stride=1):
    return np.einsum("bchw,oc->bohw", x[:, :, ::stride, ::stride], weight[:, :, 0, 0])


def _mlp(x, weights, number):
    return relu(x @ weights[f"w{number}a"]) @ weights[f"w{number}b"]


def _chain(x, weights, without):
    for number in (0, 1, 2):
        if f"blocks.{number}" not in without:
            x = x + _mlp(x, weights, number)
    return x @ weights["head"]


def _block(number: int, before: str, after: str) -> str:
    return f"""
    ["blocks.{number}.fc1/MatMul"] h{number} = MatMul({before}, w{number}a)
    ["blocks.{number}/Relu"] r{number} = Relu(h{number})
    ["blocks.{number}.fc2/MatMul"] f{number} = MatMul(r{number}, w{number}b)
    ["blocks.{number}/Add"] {after} = Add({before}, f{number})"""


CHAIN = Net(
    text=f"""g (float[2,6] x) => (float[2,3] y) {{
    {_block(0, "x", "x1")} {_block(1, "x1", "x2")} {_block(2, "x2", "x3")}
    ["head/MatMul"] y = MatMul(x3, head)
    }}""",
    shapes={f"w{n}{s}": (6, 9) if s == "a" else (9, 6) for n in (0, 1, 2) for s in "ab"}
    | {"head": (6, 3)},
    input_shape=(2, 6),
    branches={f"blocks.{n}": "identity" for n in (0, 1, 2)},
    reference=_chain,
)


def _transformer(x, weights, without):
    """Pre-norm, one head, layer scale on the attention."""
    if "layer.0.attention" not in without:
        y = norm(x, weights, "n1")
        q, k, v = y @ weights["wq"], y @ weights["wk"], y @ weights["wv"]
        scores = softmax(q @ k.transpose(0, 2, 1) * np.float32(0.5))
        x = x + weights["gamma"] * (scores @ v @ weights["wo"] + weights["bo"])
    if "layer.0.mlp" not in without:
        y = norm(x, weights, "n2") @ weights["w1"]
        erf = np.vectorize(math.erf)
        x = (
            x
            + (y * (1 + erf(y * np.float32(math.sqrt(0.5)))) * 0.5).astype(np.float32)
            @ weights["w2"]
        )
    return x


TRANSFORMER = Net(
    text="""g (float[1,5,4] x) => (float[1,5,4] y)
    <float half = {0.5}, float one = {1.0}, float root = {0.70710678}> {
    ["layer.0.norm1/LayerNormalization"] a0 = LayerNormalization(x, n1_scale, n1_bias)
    ["layer.0.attention.q/MatMul"] q = MatMul(a0, wq)
    ["layer.0.attention.k/MatMul"] k = MatMul(a0, wk)
    ["layer.0.attention.v/MatMul"] v = MatMul(a0, wv)
    ["layer.0.attention/Transpose"] kt = Transpose<perm = [0, 2, 1]>(k)
    ["layer.0.attention/MatMul"] qk = MatMul(q, kt)
    ["layer.0.attention/Mul"] scaled = Mul(qk, half)
    ["layer.0.attention/Softmax"] s = Softmax(scaled)
    ["layer.0.attention/MatMul_1"] sv = MatMul(s, v)
    ["layer.0.attention.out/MatMul"] o = MatMul(sv, wo)
    ["layer.0.attention.out/Add"] ob = Add(o, bo)
    ["layer.0/Mul"] og = Mul(gamma, ob)
    ["layer.0/Add"] x1 = Add(og, x)
    ["layer.0.norm2/LayerNormalization"] m0 = LayerNormalization(x1, n2_scale, n2_bias)
    ["layer.0.mlp.fc1/MatMul"] m1 = MatMul(m0, w1)
    ["layer.0.mlp.act/Mul"] m2 = Mul(m1, root)
    ["layer.0.mlp.act/Erf"] m3 = Erf(m2)
    ["layer.0.mlp.act/Add"] m4 = Add(m3, one)
    ["layer.0.mlp.act/Mul_1"] m5 = Mul(m1, m4)
    ["layer.0.mlp.act/Mul_2"] m6 = Mul(m5, half)
    ["layer.0.mlp.fc2/MatMul"] m7 = MatMul(m6, w2)
    ["layer.0/Add_1"] y = Add(x1, m7)
    }""",
    shapes={"wq": (4, 4), "wk": (4, 4), "wv": (4, 4), "wo": (4, 4), "bo": (4,), "gamma": (4,)}
    | {f"n{n}_{s}": (4,) for n in (1, 2) for s in ("scale", "bias")}
    | {"w1": (4, 8), "w2": (8, 4)},
    input_shape=(1, 5, 4),
    branches={"layer.0.attention": "identity", "layer.0.mlp": "identity"},
    reference=_transformer,
)


def _bottleneck(x, weights, without):
    """Two residual blocks after He et al.; the first strides and has a projection."""
    short = conv1x1(x, weights["proj"], stride=2)
    if "stages.0.conv" not in without:
        short = short + conv1x1(relu(conv1x1(x, weights["c0a"], stride=2)), weights["c0b"])
    x = relu(short)
    if "stages.1.conv" not in without:
        x = x + conv1x1(relu(conv1x1(x, weights["c1a"])), weights["c1b"])
    return relu(x)


BOTTLENECK = Net(
    text="""g (float[1,3,4,4] x) => (float[1,6,2,2] y) {
    ["stages.0.conv.0/Conv"] a = Conv<strides = [2, 2]>(x, c0a)
    ["stages.0/Relu"] b = Relu(a)
    ["stages.0.conv.1/Conv"] c = Conv(b, c0b)
    ["stages.0.shortcut/Conv"] p = Conv<strides = [2, 2]>(x, proj)
    ["stages.0/Add"] d = Add(c, p)
    ["stages.0/Relu_1"] e = Relu(d)
    ["stages.1.conv.0/Conv"] f = Conv(e, c1a)
    ["stages.1/Relu"] h = Relu(f)
    ["stages.1.conv.1/Conv"] i = Conv(h, c1b)
    ["stages.1/Add"] j = Add(i, e)
    ["stages.1/Relu_1"] y = Relu(j)
    }""",
    shapes={
        "proj": (6, 3, 1, 1),
        "c0a": (5, 3, 1, 1),
        "c0b": (6, 5, 1, 1),
        "c1a": (5, 6, 1, 1),
        "c1b": (6, 5, 1, 1),
    },
    input_shape=(1, 3, 4, 4),
    branches={"stages.0.conv": "projection", "stages.1.conv": "identity"},
    reference=_bottleneck,
)


def _parallel(x, weights, without):
    """Attention's place and feed-forward side by side on one shared projection."""
    shared = norm(x, weights, "n") @ weights["win"]
    if not without & {"block.attn", "block"}:
        x = x + np.tanh(shared) @ weights["wattn"]
    if "block.mlp" not in without:
        x = x + relu(shared) @ weights["wmlp"]
    return x


_PARALLEL_LAYERS = """
    ["block.norm/LayerNormalization"] n = LayerNormalization(x, n_scale, n_bias)
    ["block.in/MatMul"] s = MatMul(n, win)
    ["block/Tanh"] t = Tanh(s)
    ["block.attn/MatMul"] a = MatMul(t, wattn)
    ["block/Relu"] r = Relu(s)
    ["block.mlp/MatMul"] m = MatMul(r, wmlp)
"""


def _parallel_net(sums: str, first: str = "block.attn") -> Net:
    return Net(
        text=f"g (float[2,4] x) => (float[2,4] y) {{ {_PARALLEL_LAYERS} {sums} }}",
        shapes={
            "n_scale": (4,),
            "n_bias": (4,),
            "win": (4, 6),
            "wattn": (6, 4),
            "wmlp": (6, 4),
        },
        input_shape=(2, 4),
        branches={first: "identity", "block.mlp": "identity"},
        reference=_parallel,
    )


PARALLEL_INSIDE = _parallel_net('["block/Add"] i = Add(a, m) ["block/Add_1"] y = Add(x, i)')
PARALLEL_CHAINED = _parallel_net(
    '["block/Add"] i = Add(x, a) ["block/Add_1"] y = Add(m, i)', first="block"
)
PARALLEL_SUM = _parallel_net('["block/Sum"] y = Sum(a, x, m)')


def _nested(x, weights, without):
    """A residual group: two blocks and a tail layer, and a shortcut around all of it."""
    body = x
    if "body" not in without:
        for number in (0, 1):
            if f"body.blocks.{number}" not in without:
                body = body + _mlp(body, weights, number)
        x = x + body @ weights["tail"]
    return x - (relu(x @ weights["wsa"]) @ weights["wsb"] if "minus" not in without else 0)


NESTED = Net(
    text=f"""g (float[2,6] x) => (float[2,6] y) {{
    {_block(0, "x", "x1").replace("blocks", "body.blocks")}
    {_block(1, "x1", "x2").replace("blocks", "body.blocks")}
    ["body.tail/MatMul"] t = MatMul(x2, tail)
    ["/Add"] g = Add(x, t)
    ["minus.fc1/MatMul"] a = MatMul(g, wsa)
    ["minus/Relu"] b = Relu(a)
    ["minus.fc2/MatMul"] c = MatMul(b, wsb)
    ["/Sub"] y = Sub(g, c)
    }}""",
    shapes={f"w{n}{s}": (6, 9) if s == "a" else (9, 6) for n in "01s" for s in "ab"}
    | {"tail": (6, 6)},
    input_shape=(2, 6),
    branches={
        "body.blocks.0": "identity",
        "body.blocks.1": "identity",
        "body.tail": "identity",
        "minus": "identity",
    },
    reference=lambda x, weights, without: _nested(
        x, weights, {"body" if name == "body.tail" else name for name in without}
    ),
)

NETS = {
    "chain": CHAIN,
    "transformer": TRANSFORMER,
    "bottleneck": BOTTLENECK,
    "parallel_inside": PARALLEL_INSIDE,
    "parallel_chained": PARALLEL_CHAINED,
    "parallel_sum": PARALLEL_SUM,
    "nested": NESTED,
}


# ---------------------------------------------------------------- graphs to search only

SQUARE = {"wa": (4, 4), "wb": (4, 4), "wc": (4, 4), "wd": (4, 4)}
MAPS = dict.fromkeys(("ka", "kb", "kc", "kd"), (3, 3, 1, 1))
VECTORS = "g (float[1,4] x) => (float[1,4] y)"
TOKENS = "g (float[1,5,4] x) => (float[1,5,4] y)"
IMAGES = "g (float[1,3,8,8] x) => (float[1,3,8,8] y)"

# name -> (text, weights): each holds exactly one branch, "a" for identity, "b" for projection.
SINGLE_BRANCHES: dict[str, tuple[str, dict[str, tuple[int, ...]], str]] = {
    "post-norm": (
        f"""{VECTORS} {{ h = MatMul(x, wa) r = Relu(h) f = MatMul(r, wb) s = Add(f, x)
        y = LayerNormalization(s, scale, bias) }}""",
        SQUARE | {"scale": (4,), "bias": (4,)},
        "identity",
    ),
    "pre-activation": (
        f"{IMAGES} {{ r = Relu(x) c = Conv(r, ka) s = Relu(c) d = Conv(s, kb) y = Add(x, d) }}",
        MAPS,
        "identity",
    ),
    "one linear layer": (f"{VECTORS} {{ h = MatMul(x, wa) y = Add(x, h) }}", SQUARE, "identity"),
    "weights on the left": (
        "g (float[1,4,5] x) => (float[1,4,5] y) { h = MatMul(wa, x) y = Add(x, h) }",
        SQUARE,
        "identity",
    ),
    "pooling mixer": (
        f"""{IMAGES} {{ n = BatchNormalization(x, p, p, p, p)
        a = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(n)
        m = Sub(a, n) f = Mul(m, gamma) y = Add(x, f) }}""",
        {"p": (3,), "gamma": (3, 1, 1)},
        "identity",
    ),
    "scaled shortcut": (
        f"""{VECTORS} <float alpha = {{1.5}}> {{ s = Mul(x, alpha) h = MatMul(x, wa)
        y = Add(s, h) }}""",
        SQUARE,
        "identity",
    ),
    "reshaped shortcut": (
        """g (float[1,2,2] x) => (float[1,4] y) <int64[2] to = {1, 4}> {
        s = Reshape(x, to) f = Flatten(x) h = MatMul(f, wa) y = Add(h, s) }""",
        SQUARE,
        "identity",
    ),
    "unbatched weights behind a quantised sum": (
        f"""{VECTORS} <float q = {{0.1}}, int8 z = {{0}}> {{
        xq = QuantizeLinear(x, q, z) xd = DequantizeLinear(xq, q, z)
        h = MatMul(xd, wa) hq = QuantizeLinear(h, q, z) hd = DequantizeLinear(hq, q, z)
        y = Add(xd, hd) }}""",
        SQUARE,
        "identity",
    ),
    "cross-attention on another input": (
        """g (float[1,5,4] x, float[1,7,4] memory) => (float[1,5,4] y) {
        q = MatMul(x, wa) k = MatMul(memory, wb) kt = Transpose<perm = [0, 2, 1]>(k)
        v = MatMul(memory, wc) qk = MatMul(q, kt) s = Softmax(qk) sv = MatMul(s, v)
        o = MatMul(sv, wd) y = Add(x, o) }""",
        SQUARE,
        "identity",
    ),
    "cross-attention of a constant query": (
        """g (float[1,7,4] memory) => (float[1,5,4] y) {
        k = MatMul(memory, wb) kt = Transpose<perm = [0, 2, 1]>(k) v = MatMul(memory, wc)
        qk = MatMul(query, kt) m = Add(qk, mask) s = Softmax(m) n = IsNaN(s)
        w = Where(n, zero, s) sv = MatMul(w, v) o = MatMul(sv, wd) y = Add(stream, o) }""",
        SQUARE | {"query": (1, 5, 4), "mask": (1, 5, 7), "stream": (1, 5, 4), "zero": ()},
        "identity",
    ),
    "fused cross-attention of a constant query": (
        """g (float[1,7,4] memory) => (float[1,5,4] y) {
        k = MatMul(memory, wb) v = MatMul(memory, wc)
        a = Attention<q_num_heads = 2, kv_num_heads = 2>(query, k, v)
        o = MatMul(a, wd) y = Add(o, stream) }""",
        SQUARE | {"query": (1, 5, 4), "stream": (1, 5, 4)},
        "identity",
    ),
    "resize that makes nothing larger": (
        f"""{IMAGES} <float[4] once = {{1.0, 1.0, 1.0, 1.0}}> {{
        a = Conv(x, ka) b = Resize(a, , once) y = Add(x, b) }}""",
        MAPS,
        "identity",
    ),
    "projection with two linear layers": (
        f"""{IMAGES} {{ p = Conv<group = 3>(x, depthwise) s = Conv(p, ka)
        a = Conv(x, kb) b = Relu(a) c = Conv(b, kc) d = Relu(c) e = Conv(d, kd)
        y = Add(e, s) }}""",
        MAPS | {"depthwise": (3, 1, 1, 1)},
        "projection",
    ),
    "pooled shortcut": (
        """g (float[1,3,8,8] x) => (float[1,3,4,4] y) {
        s = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)
        a = Conv<strides = [2, 2]>(x, ka) b = Relu(a) c = Conv(b, kb) y = Add(s, c) }""",
        MAPS,
        "projection",
    ),
    "both sides upsample": (
        """g (float[1,3,4,4] x) => (float[1,3,8,8] y) <float[4] twice = {1.0, 1.0, 2.0, 2.0}> {
        u = Resize(x, , twice) s = Conv(u, ka)
        a = Relu(x) b = Resize(a, , twice) c = Conv(b, kb) d = Relu(c) e = Conv(d, kc)
        y = Add(s, e) }""",
        MAPS,
        "projection",
    ),
}

# What a search for "sum of a value and something computed from it" would fall for.
NO_BRANCHES: dict[str, tuple[str, dict[str, tuple[int, ...]]]] = {
    "gelu by erf": (
        f"""{VECTORS} <float one = {{1.0}}> {{ h = MatMul(x, wa) e = Erf(h) p = Add(e, one)
        g = Mul(h, p) y = MatMul(g, wb) }}""",
        SQUARE,
    ),
    "gelu by tanh": (
        f"""{VECTORS} <float three = {{3.0}}, float c = {{0.044715}}, float one = {{1.0}}> {{
        h = MatMul(x, wa) q = Pow(h, three) m = Mul(q, c) i = Add(h, m) t = Tanh(i)
        p = Add(t, one) g = Mul(h, p) y = MatMul(g, wb) }}""",
        SQUARE,
    ),
    "bias": (f"{VECTORS} {{ h = MatMul(x, wa) y = Add(h, b) }}", SQUARE | {"b": (1, 4)}),
    "constant positions after a stem": (
        f"{TOKENS} {{ h = MatMul(x, wa) r = Relu(h) e = MatMul(r, wb) y = Add(positions, e) }}",
        SQUARE | {"positions": (1, 5, 4)},
    ),
    "key of memory with positions": (
        """g (float[1,7,4] x) => (float[1,7,4] y, float[1,7,4] z) {
        p = Relu(x) m = MatMul(p, wa) k = Add(m, p) y = MatMul(k, wb) z = MatMul(m, wc) }""",
        SQUARE,
    ),
    "branch read elsewhere": (
        f"{VECTORS} {{ h = MatMul(x, wa) s = Add(x, h) t = Relu(h) y = Mul(s, t) }}",
        SQUARE,
    ),
    "branch is an output too": (
        """g (float[1,4] x) => (float[1,4] y, float[1,4] h)
        { h = MatMul(x, wa) y = Add(x, h) }""",
        SQUARE,
    ),
    "broadcast": (
        """g (float[1,4] x) => (float[3,4] y) {
        h = MatMul(x, wa) f = MatMul(ones, h) y = Add(x, f) }""",
        SQUARE | {"ones": (3, 1)},
    ),
    "softmax guard": (
        f"""{TOKENS} <float zero = {{0.0}}> {{ h = MatMul(x, wa) s = Softmax(h) n = IsNaN(s)
        y = Where(n, zero, s) }}""",
        SQUARE,
    ),
    "taken off the shortcut's other side": (
        f"{VECTORS} {{ h = MatMul(x, wa) y = Sub(h, x) }}",
        SQUARE,
    ),
    "mask of full shape on every layer's scores": (
        """g (float[1,5,4] x, float[1,5,5] mask) => (float[1,5,4] y) {
        q = MatMul(x, wa) qt = Transpose<perm = [0, 2, 1]>(q) s = MatMul(x, qt)
        m = Add(s, mask) p = Softmax(m) a = MatMul(p, x) r = Relu(a)
        q2 = MatMul(r, wb) q2r = MatMul(q2, wc) q2t = Transpose<perm = [0, 2, 1]>(q2r)
        s2 = MatMul(r, q2t) m2 = Add(s2, mask) p2 = Softmax(m2) y = MatMul(p2, r) }""",
        SQUARE,
    ),
    "two linear ways": (
        f"{IMAGES} {{ a = Conv(x, ka) b = Conv(x, kb) c = Add(a, b) y = Relu(c) }}",
        MAPS,
    ),
    "recurrent gates": (
        f"""{VECTORS} {{ h = MatMul(x, wa) t = Tanh(h) i = MatMul(x, wb) r = MatMul(t, wc)
        s = Add(i, r) g = Sigmoid(s) y = Mul(g, t) }}""",
        SQUARE,
    ),
    "shortcut with an activation": (
        f"""{IMAGES} {{ a = Conv(x, ka) s = Relu(a) b = Conv(x, kb) c = Relu(b)
        d = Conv(c, kc) y = Add(s, d) }}""",
        MAPS,
    ),
    "shortcut as long as the branch": (
        f"""{IMAGES} {{ a = Conv(x, ka) s = Conv(a, kb) b = Conv(x, kc) c = Relu(b)
        d = Conv(c, kd) y = Add(s, d) }}""",
        MAPS,
    ),
    "constants behind a stem with a gate": (
        f"""{TOKENS} {{ h = MatMul(x, wa) g = Softmax(h) m = Mul(x, g) e = MatMul(m, wb)
        y = Add(positions, e) }}""",
        SQUARE | {"positions": (1, 5, 4)},
    ),
    "constants behind a softmax of the input": (
        f"""{TOKENS} {{ g = Softmax(x) e = MatMul(g, wb) y = Add(positions, e) }}""",
        SQUARE | {"positions": (1, 5, 4)},
    ),
    "constants behind a softmax of a sum": (
        f"""{TOKENS} {{ r = Relu(x) t = Sub(x, r) g = Softmax(t) e = MatMul(g, wb)
        y = Add(positions, e) }}""",
        SQUARE | {"positions": (1, 5, 4)},
    ),
    "relative positions from the query": (
        """g (float[1,4,4] x) => (float[1,4,4] y) { q = MatMul(x, wa) k = MatMul(x, wb)
        kt = Transpose<perm = [0, 2, 1]>(k) s = MatMul(q, kt) p = MatMul(q, wc)
        sp = Add(s, p) y = Softmax(sp) }""",
        SQUARE,
    ),
    "feature pyramid": (
        f"""{IMAGES} <float[4] twice = {{1.0, 1.0, 2.0, 2.0}}> {{
        a = Conv(x, ka) c1 = Relu(a) b = Conv<strides = [2, 2]>(c1, kb) c2 = Relu(b)
        l1 = Conv(c1, kc) l2 = Conv(c2, kd) u = Resize(l2, , twice) p = Add(l1, u)
        y = Relu(p) }}""",
        MAPS,
    ),
    "u-net that adds": (
        f"""{IMAGES} {{ a = Conv(x, ka) e1 = Relu(a) b = Conv<strides = [2, 2]>(e1, kb)
        e2 = Relu(b) d = ConvTranspose<strides = [2, 2]>(e2, up) s = Add(e1, d) y = Relu(s) }}""",
        MAPS | {"up": (3, 3, 2, 2)},
    ),
    "far skip to another level's layer": (
        """g (float[1,4] x) => (float[1,4] y, float[1,4] z) { a = MatMul(x, wa) b = Relu(a)
        c = MatMul(b, wb) d = Relu(c) e = MatMul(d, wc) f = Relu(e) z = MatMul(f, wa)
        h = MatMul(f, wd) y = Add(b, h) }""",
        SQUARE,
    ),
    "works on constants": (
        f"{VECTORS} {{ h = MatMul(c, wa) r = Relu(h) z = Add(c, r) y = Mul(x, z) }}",
        SQUARE | {"c": (1, 4)},
    ),
    "the same value twice": (f"{VECTORS} {{ h = MatMul(x, wa) y = Add(h, h) }}", SQUARE),
}


def single_branch(name: str) -> Graph:
    text, shapes, _ = SINGLE_BRANCHES[name]
    return graph_from_text(text, random_weights(shapes), opset=23)


def no_branch(name: str) -> Graph:
    text, shapes = NO_BRANCHES[name]
    return graph_from_text(text, random_weights(shapes))
