"""The space of a once-for-all ResNet: what a supernet may be cut to, in the paper's words.

Owns the arithmetic of widths and the checks of depths, expansions, widths and image sizes. It
knows neither weights nor graphs. Another supernet of the same build is another `Space`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from edgert.errors import UsageError

_DIVISOR = 8
_LEAST_SHARE = 0.9  # of a width that rounding may leave


def divisible(channels: float) -> int:
    """A number of channels rounded to a multiple of 8, never by more than a tenth down.

    Source:
        mit-han-lab/once-for-all, make_divisible; as published.
    """
    rounded = max(_DIVISOR, int(channels + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return rounded + _DIVISOR if rounded < _LEAST_SHARE * channels else rounded


@dataclass(frozen=True)
class Subnet:
    """One choice from a space; the paper's d, e, w, and the image size.

    Attributes:
        depth: One entry for the stem, which keeps its residual convolution at the largest value
            only, then one for each stage: blocks kept beyond the stage's base depth.
        expand: For each block of the supernet, gone or not: width inside over width outside.
        width: Indices into the space's multipliers: middle and end of the stem, then each stage.
        image_size: Rows and columns of the picture that the network sees.
    """

    depth: tuple[int, ...]
    expand: tuple[float, ...]
    width: tuple[int, ...]
    image_size: int


@dataclass(frozen=True)
class Block:
    """A bottleneck block that stays, with its channels."""

    index: int  # among all blocks of the supernet, from 0
    stage: int  # from 0
    position: int  # in its stage, from 0
    inside: int
    outside: int


@dataclass(frozen=True)
class Space:
    """What a supernet may be cut to. The defaults are those of OFA-ResNet50.

    Attributes:
        name: Of the supernet.
        stage_widths: Channels of each stage at multiplier 1.
        base_depths: The fewest blocks of each stage.
        depths: What may come on top.
        expands: Widths inside a block over its width outside, ascending.
        width_multipliers: Ascending, the last one 1.
        stem_width: Channels behind the stem at multiplier 1.
        strides: Of each stage's first block.
        image_sizes: Ascending.
        classes: Outputs of the classifier.

    Source:
        Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
        ICLR 2020, arXiv 1908.09791; mit-han-lab/once-for-all, OFAResNets.
    """

    name: str = "ofa-resnet50"
    stage_widths: tuple[int, ...] = (256, 512, 1024, 2048)
    base_depths: tuple[int, ...] = (2, 2, 4, 2)
    depths: tuple[int, ...] = (0, 1, 2)
    expands: tuple[float, ...] = (0.2, 0.25, 0.35)
    width_multipliers: tuple[float, ...] = (0.65, 0.8, 1.0)
    stem_width: int = 64
    strides: tuple[int, ...] = (1, 2, 2, 2)
    image_sizes: tuple[int, ...] = (128, 144, 160, 176, 192, 224, 240, 256)
    classes: int = 1000

    @property
    def stage_depths(self) -> tuple[int, ...]:
        """Blocks of each stage in the supernet."""
        return tuple(base + self.depths[-1] for base in self.base_depths)

    @property
    def blocks(self) -> int:
        """Blocks in the supernet."""
        return sum(self.stage_depths)

    def stem_widths(self, middle: int = -1, end: int = -1) -> tuple[int, int]:
        """Channels inside and behind the stem, for two indices of multipliers."""
        ends = [divisible(self.stem_width * m) for m in self.width_multipliers]
        return divisible(ends[middle] // 2), ends[end]

    def stage_width(self, stage: int, width: int = -1) -> int:
        """Channels of a stage (from 0), for an index of a multiplier."""
        return divisible(self.stage_widths[stage] * self.width_multipliers[width])

    def inside_width(self, stage: int, expand: float, width: int = -1) -> int:
        """Channels inside a block of a stage."""
        return divisible(round(self.stage_width(stage, width) * expand))

    def kept_blocks(self, subnet: Subnet) -> list[Block]:
        """The blocks of a subnet with their channels, in the order they run."""
        kept, first = [], 0
        for stage, depth in enumerate(self.stage_depths):
            width = subnet.width[2 + stage]
            for position in range(self.base_depths[stage] + subnet.depth[1 + stage]):
                index = first + position
                inside = self.inside_width(stage, subnet.expand[index], width)
                outside = self.stage_width(stage, width)
                kept.append(Block(index, stage, position, inside, outside))
            first += depth
        return kept

    def keeps_stem_residual(self, subnet: Subnet) -> bool:
        """Whether the stem keeps its residual convolution."""
        return subnet.depth[0] == self.depths[-1]

    def largest(self, image_size: int | None = None) -> Subnet:
        """The whole supernet, by default at its largest image size."""
        return self._uniform(-1, image_size)

    def smallest(self, image_size: int | None = None) -> Subnet:
        """The cheapest subnet, by default at its smallest image size."""
        return self._uniform(0, image_size)

    def _uniform(self, end: int, image_size: int | None) -> Subnet:
        stages, width = len(self.stage_widths), end % len(self.width_multipliers)
        return Subnet(
            depth=(self.depths[end],) * (1 + stages),
            expand=(self.expands[end],) * self.blocks,
            width=(width,) * (2 + stages),
            image_size=self.image_sizes[end] if image_size is None else image_size,
        )

    def sample(self, draw: random.Random) -> Subnet:
        """A subnet, each of its numbers drawn evenly and alone."""

        def choices(values: Sequence[float | int], count: int) -> tuple[float | int, ...]:
            return tuple(draw.choice(values) for _ in range(count))

        stages = len(self.stage_widths)
        stem = draw.choice((self.depths[0], self.depths[-1]))
        return Subnet(
            depth=(stem, *(draw.choice(self.depths) for _ in range(stages))),
            expand=choices(self.expands, self.blocks),
            width=tuple(draw.randrange(len(self.width_multipliers)) for _ in range(2 + stages)),
            image_size=draw.choice(self.image_sizes),
        )

    def check(self, subnet: Subnet, *, subject: str = "choose a subnet") -> None:
        """Refuse what the space does not have.

        Raises:
            UsageError: One of the subnet's numbers is missing, too many, or none of the space's.
        """
        stages = len(self.stage_widths)
        indices = range(len(self.width_multipliers))
        _check_each(subject, "depth", subnet.depth, 1 + stages, self.depths)
        _check_each(subject, "expand", subnet.expand, self.blocks, self.expands)
        _check_each(subject, "width", subnet.width, 2 + stages, indices)
        _check_each(subject, "image_size", (subnet.image_size,), 1, self.image_sizes)


def _check_each(
    subject: str, name: str, given: Sequence[float], count: int, known: Sequence[float]
) -> None:
    if len(given) != count:
        raise UsageError(
            f"{subject} at {name}",
            expected=f"{count} numbers",
            got=f"{len(given)}",
            advice="Give one for each",
        )
    for place, number in enumerate(given):
        if number not in known:
            raise UsageError(
                f"{subject} at {name}[{place}]",
                expected=f"one of {', '.join(map(str, known))}",
                got=f"{number}",
                advice="Correct the number",
            )
