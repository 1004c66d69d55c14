"""Networks that are written for any size of picture, with the same weights at each.

NETS[name](height, width) is the network as an exporter would write it for that size: shapes in
between are numbers.
"""

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray

from tests.graph_builder import GraphBuilder

CLASSES = 5


class SizedNet(GraphBuilder):
    """A builder that keeps count of rows and columns."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__(seed=7)
        self.input = (1, 3, height, width)
        self.sizes = {"x": (height, width)}

    def conv(
        self, scope: str, x: str, into: int, out: int, k: int = 3, stride: int = 1, pad: int = 1
    ) -> str:
        y = self.add(
            "Conv",
            scope,
            [x, self.weight(f"{scope}.weight", out, into, k, k)],
            strides=[stride, stride],
            pads=[pad] * 4,
            kernel_shape=[k, k],
        )
        self.sizes[y] = tuple((side + 2 * pad - k) // stride + 1 for side in self.sizes[x])
        return self.keep(self.add("Relu", scope, [y]), y)

    def keep(self, value: str, like: str) -> str:
        self.sizes[value] = self.sizes[like]
        return value

    def to_size(self, scope: str, x: str, channels: int, like: str) -> str:
        target = self.shape(f"{scope}.sizes", 1, channels, *self.sizes[like])
        y = self.add(
            "Resize",
            scope,
            [x, "", "", target],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        return self.keep(y, like)

    def doubled(self, scope: str, x: str) -> str:
        scales = self.constant(f"{scope}.scales", np.array([1, 1, 2, 2], np.float32))
        y = self.add(
            "Resize",
            scope,
            [x, "", scales],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        self.sizes[y] = tuple(2 * side for side in self.sizes[x])
        return y

    def finished(self, **outputs: str) -> onnx.ModelProto:
        """Outputs by name: (1, channels, rows, columns) maps or logits."""
        for name, value in outputs.items():
            self.add("Identity", f"out.{name}", [value], name)
        shapes = {name: self.output_shape(value) for name, value in outputs.items()}
        return self.model({"x": self.input}, shapes)

    def output_shape(self, value: str) -> tuple[int, ...]:
        return self.shapes[value] if value in self.shapes else (1, CLASSES, *self.sizes[value])

    shapes: dict[str, tuple[int, ...]]


def residual_net(height: int, width: int) -> onnx.ModelProto:
    """Stem, pooling, residual blocks of stride 2, mean over all places, a layer of logits."""
    net = SizedNet(height, width)
    x = net.conv("stem", "x", 3, 8, 7, 2, 3)
    y = net.add("MaxPool", "stem", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    net.sizes[y] = tuple((side - 1) // 2 + 1 for side in net.sizes[x])
    x = y
    for block in (1, 2):
        a = net.conv(f"b{block}.1", x, 8, 8, stride=2)
        a = net.conv(f"b{block}.2", a, 8, 8)
        short = net.conv(f"b{block}.short", x, 8, 8, 1, 2, 0)
        x = net.keep(net.add("Add", f"b{block}", [a, short]), a)
    pooled = net.add("GlobalAveragePool", "head", [x])
    flat = net.add("Flatten", "head", [pooled])
    logits = net.add("Gemm", "head", [flat, net.weight("head.weight", 8, CLASSES)])
    net.shapes = {logits: (1, CLASSES)}
    return net.finished(logits=logits)


def pyramid_net(height: int, width: int) -> onnx.ModelProto:
    """Maps at three strides, each brought to the largest by its size, put together."""
    net = SizedNet(height, width)
    maps = [net.conv("s1", "x", 3, 8, 7, 4, 3)]
    for stage in (2, 3):
        maps.append(net.conv(f"s{stage}", maps[-1], 8, 8, 3, 2, 1))
    pooled = net.add("GlobalAveragePool", "pool", [maps[-1]])
    net.sizes[pooled] = (1, 1)
    maps.append(pooled)
    large = [maps[0], *(net.to_size(f"up{i}", m, 8, maps[0]) for i, m in enumerate(maps[1:]))]
    joined = net.keep(net.add("Concat", "join", large, axis=1), maps[0])
    logits = net.conv("head", joined, 32, CLASSES, 1, 1, 0)
    net.shapes = {}
    return net.finished(logits=logits, deep=net.conv("aux", maps[2], 8, CLASSES, 1, 1, 0))


def focus_net(height: int, width: int) -> onnx.ModelProto:
    """Pixels taken apart by steps of two, pooling at stride 1, doubled maps: a small YOLO."""
    net = SizedNet(height, width)
    parts = []
    for row in (0, 1):
        for column in (0, 1):
            scope = f"focus{row}{column}"
            numbers = {"starts": [row, column], "ends": [2**31 - 1] * 2, "axes": [2, 3]}
            numbers["steps"] = [2, 2]
            names = [net.shape(f"{scope}.{key}", *value) for key, value in numbers.items()]
            parts.append(net.add("Slice", scope, ["x", *names]))
    x = net.add("Concat", "focus", parts, axis=1)
    net.sizes[x] = (height // 2, width // 2)
    near = net.conv("near", x, 12, 8)
    far = net.conv("far", near, 8, 8, stride=2)
    pools = [
        net.add(
            "MaxPool", f"spp{k}", [far], kernel_shape=[k, k], strides=[1, 1], pads=[k // 2] * 4
        )
        for k in (5, 9)
    ]
    spp = net.keep(net.add("Concat", "spp", [far, *pools], axis=1), far)
    far = net.conv("mixed", spp, 24, 8, 1, 1, 0)
    up = net.doubled("up", far)
    near = net.keep(net.add("Concat", "join", [up, near], axis=1), near)
    net.shapes = {}
    return net.finished(
        near=net.conv("n", near, 16, CLASSES, 1, 1, 0), far=net.conv("f", far, 8, CLASSES, 1, 1, 0)
    )


def token_net(height: int, width: int) -> onnx.ModelProto:
    """A SegFormer block: overlapping patches, keys of fewer places, two heads, and back."""
    net, c, heads = SizedNet(height, width), 8, 2
    x = net.conv("embed", "x", 3, c, 7, 4, 3)
    rows, columns = net.sizes[x]
    n, d = rows * columns, c // heads
    tokens = _tokens(net, "embed", x, c, n)
    normed = net.norm("norm", tokens, c)
    turned = net.add("Transpose", "image", [normed], perm=[0, 2, 1])
    image = net.add("Reshape", "image", [turned, net.shape("image.shape", 1, c, rows, columns)])
    net.sizes[image] = (rows, columns)
    small = net.conv("sr", image, c, c, 2, 2, 0)
    m = int(np.prod(net.sizes[small]))
    keys = _tokens(net, "sr", small, c, m)

    def split(scope: str, value: str, count: int, perm: list[int]) -> str:
        y = net.linear(scope, value, c, c)
        y = net.add("Reshape", scope, [y, net.shape(f"{scope}.shape", 1, count, heads, d)])
        return net.add("Transpose", scope, [y], perm=perm)

    q = split("q", normed, n, [0, 2, 1, 3])
    k = split("k", keys, m, [0, 2, 3, 1])
    v = split("v", keys, m, [0, 2, 1, 3])
    shares = net.add("Softmax", "att", [net.add("MatMul", "scores", [q, k])], axis=-1)
    mixed = net.add("Transpose", "att", [net.add("MatMul", "att", [shares, v])], perm=[0, 2, 1, 3])
    mixed = net.add("Reshape", "att", [mixed, net.shape("att.shape", -1, n, c)])
    out = net.linear("head", net.add("Add", "sum", [tokens, mixed]), c, CLASSES)
    logits = net.add("Transpose", "logits", [out], perm=[0, 2, 1])
    logits = net.add("Reshape", "logits", [logits, net.shape("l", 1, CLASSES, rows, columns)])
    nhwc = net.add("Reshape", "nhwc", [out, net.shape("nhwc.shape", 1, rows, columns, CLASSES)])
    net.sizes[logits] = (rows, columns)
    net.shapes = {out: (1, n, CLASSES), nhwc: (1, rows, columns, CLASSES)}
    return net.finished(logits=logits, tokens=out, nhwc=nhwc)


def groups_net(height: int, width: int) -> onnx.ModelProto:
    """GroupNorm written out, a gate that is expanded, a mean whose window is the whole map."""
    net, c = SizedNet(height, width), 8
    x = net.conv("stem", "x", 3, c, 3, 2, 1)
    rows, columns = net.sizes[x]
    flat = net.add("Reshape", "gn", [x, net.shape("gn.shape", 1, 2, -1)])
    ones = net.constant("gn.scale", np.array([1.5, 0.5], np.float32))
    zeros = net.constant("gn.shift", np.array([0.1, -0.1], np.float32))
    normed = net.add("InstanceNormalization", "gn", [flat, ones, zeros])
    back = net.add("Reshape", "gn.back", [normed, net.shape("gn.back", 1, c, rows, columns)])
    mean = net.add(
        "AveragePool", "gate", [back], kernel_shape=[rows, columns], strides=[rows, columns]
    )
    gate = net.add("Sigmoid", "gate", [mean])
    wide = net.add("Expand", "gate", [gate, net.shape("gate.shape", 1, c, rows, columns)])
    offset = net.constant("offset", np.full((1, 1, rows, columns), 0.25, np.float32))
    gated = net.add("Add", "offset", [net.add("Mul", "gate", [back, wide]), offset])
    head = net.conv("head", net.keep(gated, x), c, CLASSES, 1, 1, 0)
    net.shapes = {}
    return net.finished(logits=head)


def _tokens(net: SizedNet, scope: str, x: str, channels: int, count: int) -> str:
    flat = net.add("Reshape", f"{scope}.t", [x, net.shape(f"{scope}.flat", 1, channels, count)])
    return net.add("Transpose", f"{scope}.t", [flat], perm=[0, 2, 1])


NETS: dict[str, Callable[[int, int], onnx.ModelProto]] = {
    "residual": residual_net,
    "pyramid": pyramid_net,
    "focus": focus_net,
    "tokens": token_net,
    "groups": groups_net,
}


# ---------------------------------------------------------------- resizing, in numpy


def bilinear(x: NDArray, height: int, width: int) -> NDArray:
    """Rows and columns at half-pixel places, the two nearest each; edges repeated."""
    return _along(_along(x, height, -2), width, -1)


def _along(x: NDArray, size: int, axis: int) -> NDArray:
    old = x.shape[axis]
    places = (np.arange(size) + 0.5) * old / size - 0.5
    low = np.floor(places).astype(int)
    share = (places - low).reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
    near, far = (x.take(np.clip(low + step, 0, old - 1), axis=axis) for step in (0, 1))
    return ((1 - share) * near + share * far).astype(np.float32)


def shrunk(x: NDArray, height: int, width: int) -> NDArray:
    """The picture as `resize_input` says it makes it."""
    down = [-(-old // new) for old, new in zip(x.shape[2:], (height, width), strict=True)]
    large = bilinear(x, height * down[0], width * down[1])
    parts = large.reshape(*x.shape[:2], height, down[0], width, down[1])
    return parts.mean(axis=(3, 5), dtype=np.float64).astype(np.float32)
