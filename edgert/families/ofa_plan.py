"""The layers of a once-for-all ResNet: which convolution stands where, and its tensors' names.

Owns the structure of a supernet at its widest and of one block, and the names of tensors in
checkpoints. Numbers are `ofa_checkpoint`'s, nodes `ofa_graph`'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edgert.families.ofa_space import Space

Shape = tuple[int, ...]
Shortcut = Literal["identity", "pooled", "strided"]

_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
COLORS = 3


@dataclass(frozen=True)
class Layer:
    """A convolution without bias and the BatchNormalization behind it.

    Attributes:
        name: Dotted path of its nodes.
        key: What its tensors' names in a checkpoint begin with.
        into: Channels read.
        out: Channels written.
        kernel: Rows and columns; padding is half of it.
        stride: In both directions.
        weight_name: Dotted path that its weight is named after, where it is not `name`. Channel
            groups take their names from weights, and layers that can be skipped may not
            change the name of the group that they write.
    """

    name: str
    key: str
    into: int
    out: int
    kernel: int = 1
    stride: int = 1
    weight_name: str = ""


@dataclass(frozen=True)
class Bottleneck:
    """A residual block: three layers and what stands on its shortcut.

    `shortcut` is None where it is the identity. "pooled" means: average pooling by the block's
    stride, then the layer; "strided": the layer alone, which then has the stride.
    """

    name: str
    layers: tuple[Layer, Layer, Layer]
    shortcut: Layer | None = None
    shortcut_kind: Shortcut = "identity"

    @property
    def stride(self) -> int:
        """Of the whole block; its second layer has it."""
        return self.layers[1].stride


@dataclass(frozen=True)
class Plan:
    """A whole network. `residual` is the layer that the stem adds to its own input, if any.

    `nested` says that tensors' names have the supernet's extra level: "conv.conv.weight".
    `epsilon` is that of every BatchNormalization.
    """

    name: str
    stem: tuple[Layer, Layer]
    residual: Layer | None
    blocks: tuple[Bottleneck, ...]
    classes: int
    nested: bool
    epsilon: float = 1e-5  # OFA's own

    @property
    def layers(self) -> Iterator[Layer]:
        """All convolutions, in the order they run; a block's shortcut comes last in it."""
        start, end = self.stem
        yield from (layer for layer in (start, self.residual, end) if layer is not None)
        for block in self.blocks:
            yield from block.layers
            if block.shortcut is not None:
                yield block.shortcut

    @property
    def features(self) -> int:
        """Channels that the classifier reads."""
        return self.blocks[-1].layers[2].out if self.blocks else self.stem[1].out

    def weight_key(self, layer: Layer) -> str:
        """Name of a convolution's weight in a checkpoint."""
        return f"{layer.key}.conv.conv.weight" if self.nested else f"{layer.key}.conv.weight"

    def norm_keys(self, layer: Layer) -> tuple[str, ...]:
        """Names of scale, shift, mean and variance of the normalisation behind it."""
        middle = "bn.bn" if self.nested else "bn"
        return tuple(f"{layer.key}.{middle}.{part}" for part in _NORM_PARTS)

    def classifier_key(self, part: Literal["weight", "bias"]) -> str:
        """Name of one of the classifier's tensors in a checkpoint."""
        return f"classifier.linear.{'linear.' if self.nested else ''}{part}"

    def tensor_shapes(self) -> dict[str, Shape]:
        """Every tensor that a checkpoint of this network has, by name."""
        shapes: dict[str, Shape] = {}
        for layer in self.layers:
            kernel = (layer.kernel, layer.kernel)
            shapes[self.weight_key(layer)] = (layer.out, layer.into, *kernel)
            shapes.update(dict.fromkeys(self.norm_keys(layer), (layer.out,)))
        shapes[self.classifier_key("weight")] = (self.classes, self.features)
        shapes[self.classifier_key("bias")] = (self.classes,)
        return shapes


def block_name(stage: int, position: int) -> str:
    """What a block and its residual branch are called; stage and position count from 0."""
    return f"stage{stage + 1}.block{position + 1}"


def stage_group(stage: int) -> str:
    """The channel group of a stage's width; stages count from 0."""
    return f"stage{stage + 1}"


STEM_RESIDUAL = "stem.residual"
STEM_GROUPS = ("stem.middle", "stem.end")


def inside_groups(stage: int, position: int) -> tuple[str, str]:
    """The two channel groups inside a block, equally wide; stage and position count from 0."""
    name = block_name(stage, position)
    return f"{name}.conv1", f"{name}.conv2"


def supernet_plan(space: Space) -> Plan:
    """The whole supernet, every layer at its widest.

    Source:
        mit-han-lab/once-for-all, OFAResNets; as published. Differs: a stage's first block has a
        projection on its shortcut also where the stem is as wide as the first stage, which
        OFA-ResNet50 is not: otherwise the two widths could not be chosen apart.
    """
    middle, end = space.stem_widths()
    blocks: list[Bottleneck] = []
    width = end
    for stage, depth in enumerate(space.stage_depths):
        outside = space.stage_width(stage)
        inside = space.inside_width(stage, space.expands[-1])
        for position in range(depth):
            blocks.append(
                bottleneck(
                    (stage, position),
                    f"blocks.{len(blocks)}",
                    (width, inside, outside),
                    stride=1 if position else space.strides[stage],
                    shortcut="identity" if position else "pooled",
                )
            )
            width = outside
    return Plan(
        name=space.name,
        stem=stem_layers(middle, end, last_key="input_stem.2"),
        residual=stem_residual(middle),
        blocks=tuple(blocks),
        classes=space.classes,
        nested=True,
    )


def stem_layers(middle: int, end: int, *, last_key: str) -> tuple[Layer, Layer]:
    """The stem's first and last convolution."""
    return (
        Layer(STEM_GROUPS[0], "input_stem.0", COLORS, middle, kernel=3, stride=2),
        Layer(STEM_GROUPS[1], last_key, middle, end, kernel=3),
    )


def stem_residual(middle: int) -> Layer:
    """The convolution that the stem adds to what comes in, between the other two."""
    weight = f"{STEM_GROUPS[0]}.residual"
    return Layer(STEM_RESIDUAL, "input_stem.1.conv", middle, middle, 3, weight_name=weight)


def bottleneck(
    place: tuple[int, int],
    key: str,
    widths: tuple[int, int, int],
    *,
    stride: int,
    shortcut: Shortcut,
    kernel: int = 3,
) -> Bottleneck:
    """A residual block.

    Args:
        place: Its stage and its position there, from 0.
        key: What its tensors' names in a checkpoint begin with.
        widths: Channels in front of it, inside, and behind it.
        stride: Of its second convolution and its shortcut.
        shortcut: What stands there.
        kernel: Of its second convolution.
    """
    into, inside, outside = widths
    name, groups = block_name(*place), inside_groups(*place)
    downsample = None
    if shortcut != "identity":
        step = stride if shortcut == "strided" else 1
        scope = f"{stage_group(place[0])}.shortcut"
        downsample = Layer(scope, f"{key}.downsample", into, outside, stride=step)
    return Bottleneck(
        name=name,
        layers=(
            Layer(groups[0], f"{key}.conv1", into, inside),
            Layer(groups[1], f"{key}.conv2", inside, inside, kernel, stride),
            Layer(f"{name}.conv3", f"{key}.conv3", inside, outside),
        ),
        shortcut=downsample,
        shortcut_kind=shortcut,
    )
