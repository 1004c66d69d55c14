"""Kernels of well-known models, counted from the structure that their papers give.

Published latencies come without their graphs. These are the graphs as an export has them, before
any edit; `kernels.work_of` counts the same of exports, which the tests hold against this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgert.errors import ArtifactError
from edgert.profiling.roofline.kernels import GraphWork, Kernel


@dataclass
class _Builder:
    """Notes kernels while a convolutional model is walked through; keeps the picture's size."""

    height: int
    width: int
    channels: int
    kernels: list[Kernel] = field(default_factory=list)

    @property
    def elements(self) -> int:
        """Of the present feature map."""
        return self.height * self.width * self.channels

    def conv(self, channels: int, size: int = 1, stride: int = 1, groups: int = 1) -> None:
        """A convolution with "same" padding, which becomes the present feature map."""
        before = self.elements
        self.height, self.width = -(-self.height // stride), -(-self.width // stride)
        weights = channels * self.channels // groups * size * size
        macs = weights * self.height * self.width
        self.channels = channels
        self.kernels.append(Kernel(macs, weights, before, self.elements))

    def conv_silu(self, channels: int, size: int = 1, stride: int = 1) -> None:
        """A convolution with an activation that is a kernel of its own."""
        self.conv(channels, size, stride)
        self.kernels.append(_whole(self.elements))

    def pool(self, stride: int) -> None:
        """A pooling or interpolation to 1/stride of the size; stride 0 pools to one pixel."""
        before = self.elements
        self.height = -(-self.height // stride) if stride else 1
        self.width = -(-self.width // stride) if stride else 1
        self.kernels.append(Kernel(0, 0, before, self.elements))


def _matmul(rows: int, inner: int, columns: int, *, heads: int = 1, weight: bool) -> Kernel:
    """(heads, rows, inner) by (heads, inner, columns); the right one is a weight, or computed."""
    right = heads * inner * columns
    return Kernel(
        macs=heads * rows * inner * columns,
        weights=right if weight else 0,
        inputs=heads * rows * inner + (0 if weight else right),
        outputs=heads * rows * columns,
    )


def _linear(rows: int, inner: int, columns: int) -> Kernel:
    return _matmul(rows, inner, columns, weight=True)


def _whole(elements: int) -> Kernel:
    """A normalisation, softmax or activation, which reads and writes a tensor."""
    return Kernel(0, 0, elements, elements)


def _attention(queries: int, keys: int, width: int, heads: int) -> list[Kernel]:
    depth = width // heads
    return [
        _matmul(queries, depth, keys, heads=heads, weight=False),
        _whole(heads * queries * keys),
        _matmul(queries, keys, depth, heads=heads, weight=False),
    ]


def vit(
    image: int, patch: int, *, width: int = 768, layers: int = 12, heads: int = 12,
    classes: int = 1000,
) -> GraphWork:  # fmt: skip
    """A vision transformer with a class token (Dosovitskiy et al., arXiv 2010.11929)."""
    patches = (image // patch) ** 2
    tokens = patches + 1
    grid = _Builder(image, image, 3)
    grid.conv(width, patch, patch)
    kernels = list(grid.kernels)
    for _ in range(layers):
        kernels += [_whole(tokens * width)]
        kernels += [_linear(tokens, width, width)] * 3
        kernels += _attention(tokens, tokens, width, heads)
        kernels += [_linear(tokens, width, width), _whole(tokens * width)]
        kernels += [_linear(tokens, width, 4 * width), _whole(tokens * 4 * width)]
        kernels.append(_linear(tokens, 4 * width, width))
    kernels.append(_whole(tokens * width))
    if classes:
        kernels.append(_linear(1, width, classes))
    return GraphWork(tuple(kernels))


def resnet(depths: Sequence[int] = (3, 4, 6, 3), *, bottleneck: bool = True) -> GraphWork:
    """ResNet v1.5 on 224 x 224, 1000 classes (He et al., arXiv 1512.03385)."""
    net = _Builder(224, 224, 3)
    net.conv(64, 7, 2)
    net.pool(2)
    for stage, depth in enumerate(depths):
        inner = 64 << stage
        outer = inner * 4 if bottleneck else inner
        for block in range(depth):
            stride = 2 if stage and not block else 1
            entry = (net.height, net.width, net.channels)
            if bottleneck:
                net.conv(inner)
                net.conv(inner, 3, stride)
                net.conv(outer)
            else:
                net.conv(inner, 3, stride)
                net.conv(outer, 3)
            if entry[2] != outer:
                shortcut = _Builder(*entry)
                shortcut.conv(outer, 1, stride)
                net.kernels += shortcut.kernels
    net.pool(0)
    net.conv(1000)
    return GraphWork(tuple(net.kernels))


def mobilenet_v2() -> GraphWork:
    """MobileNetV2 1.0 on 224 x 224, 1000 classes (Sandler et al., arXiv 1801.04381, table 2)."""
    net = _Builder(224, 224, 3)
    net.conv(32, 3, 2)
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
    for expand, channels, repeats, first_stride in [*rows, (6, 160, 3, 2), (6, 320, 1, 1)]:
        for block in range(repeats):
            hidden = net.channels * expand
            if expand > 1:
                net.conv(hidden)
            net.conv(hidden, 3, 1 if block else first_stride, groups=hidden)
            net.conv(channels)
    net.conv(1280)
    net.pool(0)
    net.conv(1000)
    return GraphWork(tuple(net.kernels))


def yolo_v8n() -> GraphWork:
    """YOLOv8n on 640 x 640, 80 classes, to the head's outputs before they are decoded.

    From the model's published layout (ultralytics, yolov8.yaml, scale n).
    """
    net = _Builder(640, 640, 3)
    net.conv_silu(16, 3, 2)
    levels = []
    for channels, repeats in ((32, 1), (64, 2), (128, 2), (256, 1)):
        net.conv_silu(channels, 3, 2)
        _c2f(net, channels, repeats)
        levels.append((net.height, net.width, channels))
    net.conv_silu(128)  # SPPF: halve, three poolings of 5 x 5, concatenate
    net.kernels += [Kernel(0, 0, net.elements, net.elements)] * 3
    net.channels *= 4
    net.conv_silu(256)
    heads = []
    for level, channels in ((2, 128), (1, 64)):  # top down: enlarge, concatenate
        net.kernels.append(Kernel(0, 0, net.elements, 4 * net.elements))
        net.height, net.width = levels[level][:2]
        net.channels += levels[level][2]
        _c2f(net, channels, 1)
        heads.append((net.height, net.width, channels))
    for channels, joined in ((128, heads[0][2]), (256, 256)):  # bottom up
        net.conv_silu(net.channels, 3, 2)
        net.channels += joined
        _c2f(net, channels, 1)
        heads.append((net.height, net.width, channels))
    for height, width, channels in heads[1:]:
        for inner, outputs in ((64, 64), (80, 80)):  # boxes, classes
            head = _Builder(height, width, channels)
            head.conv_silu(inner, 3)
            head.conv_silu(inner, 3)
            head.conv(outputs)
            net.kernels += head.kernels
    return GraphWork(tuple(net.kernels))


def _c2f(net: _Builder, channels: int, repeats: int) -> None:
    half = channels // 2
    net.conv_silu(channels)
    net.channels = half
    for _ in range(repeats):
        net.conv_silu(half, 3)
        net.conv_silu(half, 3)
    net.channels = half * (2 + repeats)
    net.conv_silu(channels)


def segformer(
    height: int, width: int, classes: int, *, widths: Sequence[int] = (32, 64, 160, 256),
    depths: Sequence[int] = (2, 2, 2, 2), decoder: int = 256,
) -> GraphWork:  # fmt: skip
    """SegFormer, B0 unless told (Xie et al., arXiv 2105.15203, table 6); scores at a quarter."""
    kernels: list[Kernel] = []
    rows, columns, before = height, width, 3
    stages = []
    for stage, (channels, depth) in enumerate(zip(widths, depths, strict=True)):
        grid = _Builder(rows, columns, before)
        grid.conv(channels, 3 if stage else 7, 2 if stage else 4)
        kernels += [*grid.kernels, _whole(grid.elements)]
        rows, columns, before = grid.height, grid.width, channels
        for _ in range(depth):
            kernels += _mix_block(rows, columns, channels, (1, 2, 5, 8)[stage], 8 >> stage)
        kernels.append(_whole(grid.elements))
        stages.append((rows, columns, channels))
    area = stages[0][0] * stages[0][1]
    for stage, (rows, columns, channels) in enumerate(stages):
        kernels.append(_linear(rows * columns, channels, decoder))
        if stage:
            kernels.append(Kernel(0, 0, rows * columns * decoder, area * decoder))
    head = _Builder(*stages[0][:2], 4 * decoder)
    head.conv(decoder)
    head.conv(classes)
    return GraphWork((*kernels, *head.kernels))


def _mix_block(rows: int, columns: int, channels: int, heads: int, ratio: int) -> list[Kernel]:
    """A transformer block of SegFormer; keys and values are `ratio` times coarser each way."""
    queries = rows * columns
    keys = _Builder(rows, columns, channels)
    kernels = [_whole(queries * channels), _linear(queries, channels, channels)]
    if ratio > 1:
        keys = _Builder(rows // ratio * ratio, columns // ratio * ratio, channels)
        keys.conv(channels, ratio, ratio)
        taken = keys.kernels[0]
        kernels.append(Kernel(taken.macs, taken.weights, queries * channels, taken.outputs))
        kernels.append(_whole(keys.elements))
    coarse = keys.height * keys.width
    kernels += [_linear(coarse, channels, channels)] * 2
    kernels += _attention(queries, coarse, channels, heads)
    kernels += [_linear(queries, channels, channels), _whole(queries * channels)]
    hidden = _Builder(rows, columns, 4 * channels)
    hidden.conv(4 * channels, 3, groups=4 * channels)
    kernels.append(_linear(queries, channels, 4 * channels))
    kernels += [*hidden.kernels, _whole(hidden.elements)]
    return [*kernels, _linear(queries, 4 * channels, channels)]


_VIT = "vision transformer"
# Name in published.yaml to the architecture that it is one of, and its structure.
_GRAPHS: dict[str, tuple[str, Callable[[], GraphWork]]] = {
    "vit-b16-224": (_VIT, lambda: vit(224, 16)),
    "vit-b32-224": (_VIT, lambda: vit(224, 32)),
    "vit-tiny16-224": (_VIT, lambda: vit(224, 16, width=192, heads=3)),
    "clip-b16-224": (_VIT, lambda: vit(224, 16, classes=512)),  # vision tower and projection
    "clip-b32-224": (_VIT, lambda: vit(224, 32, classes=512)),
    "dinov2-b14-224": (_VIT, lambda: vit(224, 14, classes=0)),
    "resnet18-224": ("ResNet", lambda: resnet((2, 2, 2, 2), bottleneck=False)),
    "resnet34-224": ("ResNet", lambda: resnet((3, 4, 6, 3), bottleneck=False)),
    "resnet50-224": ("ResNet", resnet),
    "mobilenet-v2-224": ("MobileNet", mobilenet_v2),
    "yolo-v8n-640": ("YOLO", yolo_v8n),
    "segformer-b0-512": ("SegFormer", lambda: segformer(512, 512, 35)),
}


@dataclass(frozen=True)
class PublishedGraph:
    """A model that somebody published figures of."""

    architecture: str
    work: GraphWork


def published_graph(name: str) -> PublishedGraph:
    """The model of the name that published.yaml gives it.

    Raises:
        ArtifactError: No such model is known here.
    """
    if name not in _GRAPHS:
        raise ArtifactError(
            f"count graph {name}",
            expected=f"one of {', '.join(_GRAPHS)}",
            got="another name",
            advice="Correct the name, or add the model's structure",
        )
    architecture, structure = _GRAPHS[name]
    return PublishedGraph(architecture, structure())
