"""Small vision transformers with weights of their own, and numpy code of them with pruning.

Three ways to write the attention, as exporters do: "separate" projections, one "fused" projection
(qkv), and "flat" tokens without a batch axis. All compute the same.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from edgert.surgery.graph import Graph
from tests.surgery.graphs_residual import graph_from_text, norm, random_weights, relu, softmax

WIDTH, HEADS, PATCHES, CLASSES = 8, 2, 9, 5
BLOCKS = (0, 1, 2)
DEPTH = WIDTH // HEADS
STYLES = ("separate", "fused", "flat")


@dataclass(frozen=True)
class Vit:
    """Three blocks on a 6x6 picture, 9 patches: behind the first two, tokens still meet.

    Attributes:
        style: How the attention is written.
        class_tokens: Learned tokens in front; the first one is read out. 0: the mean is.
        late_positions: Positions are added before the second block as well.
        opset: Version of the operators.
    """

    style: str = "separate"
    class_tokens: int = 1
    late_positions: bool = False
    opset: int = 20
    seed: int = 0
    tokens: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", PATCHES + self.class_tokens)

    def weights(self) -> dict[str, np.ndarray]:
        shapes: dict[str, tuple[int, ...]] = {"patch": (WIDTH, 3, 2, 2), "head": (WIDTH, CLASSES)}
        for b in BLOCKS:
            shapes |= {f"{w}{b}": (WIDTH, WIDTH) for w in ("wq", "wk", "wv", "wo")}
            shapes |= {f"wa{b}": (WIDTH, 3 * WIDTH), f"wb{b}": (3 * WIDTH, WIDTH)}
            shapes |= {f"{n}{b}_{s}": (WIDTH,) for n in "mn" for s in ("scale", "bias")}
        weights = random_weights(shapes, seed=self.seed)
        generator = np.random.default_rng((self.seed, 1))
        for name, count in (("class", self.class_tokens), ("first", self.tokens),
                            ("late", self.tokens)):  # fmt: skip
            weights[name] = generator.standard_normal((1, count, WIDTH), dtype=np.float32)
        for b in BLOCKS:  # attention that tells tokens apart
            weights[f"wq{b}"] *= 4
        return weights

    def graph(self) -> Graph:
        weights = self.weights()
        used = {**weights, **self._numbers()}
        for b in BLOCKS:
            used[f"wqkv{b}"] = np.concatenate([weights[f"w{w}{b}"] for w in "qkv"], axis=1)
        blocks = self._block(0, "s0") + self._between() + self._block(1, "s1")
        blocks += self._block(2, "e1")
        text = f"g (float[1,3,6,6] x) => (float[1,{CLASSES}] y) {{ {self._stem()} {blocks}"
        return graph_from_text(f"{text} {self._readout()} }}", self._named_in(text, used),
                               opset=self.opset)  # fmt: skip

    def run(self, x, *, keep=None, score="attention_and_value", kept=None):
        """Numpy code of the net.

        Args:
            x: The picture.
            keep: Block number -> tokens that go on behind its attention.
            score: As in `prune_tokens`.
            kept: Patches that stay at a site, chosen otherwise; for controls.
        """
        w = self.weights()
        picture = x[0].reshape(3, 3, 2, 3, 2)  # channels, rows, in a patch, columns, in a patch
        patches = np.einsum("cipjq,ocpq->ijo", picture, w["patch"]).reshape(PATCHES, WIDTH)
        s = np.concatenate([w["class"][0], patches]) + w["first"][0]
        late = w["late"][0]
        for b in BLOCKS:
            if b == 1 and self.late_positions:
                s = s + late
            n = norm(s, w, f"n{b}")
            q, k, v = (_heads(n @ w[f"w{name}{b}"]) for name in "qkv")
            shares = softmax(q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(DEPTH)))
            s = s + (shares @ v).transpose(1, 0, 2).reshape(len(s), WIDTH) @ w[f"wo{b}"]
            if keep and b in keep:
                order = self._order(shares, v, score) if kept is None else kept
                best = keep[b] - self.class_tokens - 1
                s, late = (self._reduced(value, order, best) for value in (s, late))
            s = s + relu(norm(s, w, f"m{b}") @ w[f"wa{b}"]) @ w[f"wb{b}"]
        read = s[0] if self.class_tokens else s.mean(axis=0)
        return (read @ w["head"])[None]

    def _order(self, shares, v, score):
        """Patches, best first: the metric of arXiv 2407.05941, patch by patch."""
        c, n = self.class_tokens, shares.shape[1]
        if score == "class_attention":
            metric = [np.mean([head[0, j] for head in shares]) for j in range(c, n)]
            return np.argsort(-np.array(metric), kind="stable")
        received = [
            sum(max(head[i, j] for head in shares) for i in range(c, n)) for j in range(c, n)
        ]
        metric = np.array(received) / max(received)
        if score == "attention_and_value":
            strength = [sum(max(head[j, f] for head in v) for f in range(DEPTH)) for j in range(n)]
            metric = metric + softmax(np.array(strength))[c:]
        return np.argsort(-metric, kind="stable")

    def _reduced(self, value, order, best):
        c = self.class_tokens
        patches = value[c:]
        mean = patches[order[best:]].mean(axis=0, keepdims=True)
        return np.concatenate([value[:c], patches[order[:best]], mean])

    # ------------------------------------------------------------ text

    def _stem(self):
        joined = "c = Concat<axis = 1>(class, t)" if self.class_tokens else "c = Identity(t)"
        flat = "s0 = Reshape(s, rows)" if self.style == "flat" else "s0 = Identity(s)"
        return f"""
        ["embed/Conv"] p = Conv<kernel_shape = [2, 2], strides = [2, 2]>(x, patch)
        ["embed/Reshape"] r = Reshape(p, patches) ["embed/Transpose"] t =
        Transpose<perm = [0, 2, 1]>(r) ["embed/Concat"] {joined} ["embed/Add"] s = Add(c, first)
        ["embed/Flat"] {flat}"""

    def _between(self):
        late = "late_flat" if self.style == "flat" else "late"
        return f'["late/Add"] s1 = Add(e0, {late})' if self.late_positions else "s1 = Identity(e0)"

    def _block(self, b, before):
        at, style = f"layers.{b}", self.style
        turned, keys = ("1, 0, 2", "1, 2, 0") if style == "flat" else ("0, 2, 1, 3", "0, 2, 3, 1")
        if style == "fused":
            projected = f"""
            ["{at}.attention.qkv/MatMul"] qkv{b} = MatMul(n{b}, wqkv{b})
            ["{at}.attention/Reshape"] g{b} = Reshape(qkv{b}, three)
            ["{at}.attention/Transpose"] h{b} = Transpose<perm = [2, 0, 3, 1, 4]>(g{b})
            q{b} = Gather<axis = 0>(h{b}, zero) kk{b} = Gather<axis = 0>(h{b}, one)
            v{b} = Gather<axis = 0>(h{b}, two)
            kt{b} = Transpose<perm = [0, 1, 3, 2]>(kk{b})"""
        else:
            projected = "".join(
                f"""["{at}.attention.{w}/MatMul"] {w}m{b} = MatMul(n{b}, w{w}{b})
                {w}r{b} = Reshape({w}m{b}, split)
                {w if w != "k" else "kt"}{b} =
                Transpose<perm = [{keys if w == "k" else turned}]>({w}r{b})"""
                for w in "qkv"
            )
        return f"""
        ["{at}.norm1/LayerNormalization"] n{b} =
        LayerNormalization<axis = -1>({before}, n{b}_scale, n{b}_bias) {projected}
        ["{at}.attention/Scores"] sc{b} = MatMul(q{b}, kt{b}) sd{b} = Mul(sc{b}, scale)
        ["{at}.attention/Softmax"] sh{b} = Softmax<axis = -1>(sd{b})
        ["{at}.attention/Product"] o{b} = MatMul(sh{b}, v{b})
        ot{b} = Transpose<perm = [{turned}]>(o{b}) oj{b} = Reshape(ot{b}, joined)
        ["{at}.attention.o/MatMul"] oo{b} = MatMul(oj{b}, wo{b})
        ["{at}/Add"] d{b} = Add({before}, oo{b})
        ["{at}.norm2/LayerNormalization"] m{b} =
        LayerNormalization<axis = -1>(d{b}, m{b}_scale, m{b}_bias)
        ["{at}.mlp.fc1/MatMul"] fa{b} = MatMul(m{b}, wa{b}) ["{at}.mlp/Relu"] fr{b} = Relu(fa{b})
        ["{at}.mlp.fc2/MatMul"] fb{b} = MatMul(fr{b}, wb{b})
        ["{at}/Add_1"] e{b} = Add(d{b}, fb{b})"""

    def _readout(self):
        axis = 0 if self.style == "flat" else 1
        if self.class_tokens:
            picked = f"z = Gather<axis = {axis}>(e2, first_place)"
        elif self.opset >= 18:
            picked = f"z = ReduceMean<keepdims = 0>(e2, mean_axis_{axis})"
        else:
            picked = f"z = ReduceMean<axes = [{axis}], keepdims = 0>(e2)"
        widened = "zz = Reshape(z, row)"
        return f'["pool/Read"] {picked} {widened} ["head/MatMul"] y = MatMul(zz, head)'

    def _numbers(self):
        n = self.tokens
        flat = self.style == "flat"
        numbers = {
            "patches": [1, WIDTH, PATCHES],
            "rows": [n, WIDTH],
            "three": [1, n, 3, HEADS, DEPTH],
            "split": [n, HEADS, -1] if flat else [1, n, HEADS, -1],
            "joined": [n, -1] if flat else [1, n, -1],
            "row": [1, WIDTH],
            "zero": 0,
            "one": 1,
            "two": 2,
            "first_place": 0,
            "mean_axis_0": [0],
            "mean_axis_1": [1],
        }
        arrays = {name: np.array(value, np.int64) for name, value in numbers.items()}
        arrays["scale"] = np.array(1 / math.sqrt(DEPTH), np.float32)
        arrays["late_flat"] = self.weights()["late"][0]
        return arrays

    def _named_in(self, text, arrays):
        words = set((text + self._readout()).replace("(", " ").replace(")", " ").replace(",", " ")
                    .split())  # fmt: skip
        return {name: array for name, array in arrays.items() if name in words}


def _heads(x):
    return x.reshape(len(x), HEADS, DEPTH).transpose(1, 0, 2)


def picture(seed=3):
    return np.random.default_rng(seed).standard_normal((1, 3, 6, 6), dtype=np.float32)
