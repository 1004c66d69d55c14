"""What a subnet of a once-for-all ResNet costs, counted from its numbers alone.

A search looks at thousands of subnets; deriving each one's graph to count it would take seconds.
Counts here equal those of `surgery.cost` on the derived graph, to the last one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edgert.families.ofa_space import Space, Subnet

STEM, CLASSIFIER = "stem", "classifier"


@dataclass(frozen=True)
class Layer:
    """One convolution of a subnet, or its classifier.

    Attributes:
        place: "stem", "stage1" and so on, or "classifier".
        inputs: Channels that it reads.
        outputs: Channels that it makes.
        kernel: Rows and columns of its window.
        before: Rows and columns of what it reads.
        after: Rows and columns of what it makes.
    """

    place: str
    inputs: int
    outputs: int
    kernel: int
    before: int
    after: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.after**2 * self.outputs * self.weights_per_output

    @property
    def weights_per_output(self) -> int:
        """Weights that each of its outputs is made with."""
        return self.inputs * self.kernel**2

    @property
    def activations(self) -> int:
        """Numbers that it reads and writes, weights not among them."""
        return self.before**2 * self.inputs + self.after**2 * self.outputs

    @property
    def weights(self) -> int:
        """Its weights."""
        return self.outputs * self.weights_per_output


def macs_of_subnet(space: Space, subnet: Subnet) -> int:
    """Multiply-accumulates of a subnet at its image size, exactly as `cost_of` counts them."""
    return sum(layer.macs for layer in layers_of(space, subnet))


def layers_of(space: Space, subnet: Subnet) -> Iterator[Layer]:
    """The convolutions of a subnet and its classifier, in the order they run."""
    middle, end = space.stem_widths(subnet.width[0], subnet.width[1])
    size = _halved(subnet.image_size)
    yield Layer(STEM, 3, middle, 3, subnet.image_size, size)
    if space.keeps_stem_residual(subnet):
        yield Layer(STEM, middle, middle, 3, size, size)
    yield Layer(STEM, middle, end, 3, size, size)
    size, channels = _halved(size), end  # behind the pooling
    for block in space.kept_blocks(subnet):
        place, after = f"stage{block.stage + 1}", size
        if block.position == 0:
            after = -(-size // space.strides[block.stage])
            yield Layer(place, channels, block.outside, 1, after, after)  # the shortcut
        yield Layer(place, channels, block.inside, 1, size, size)
        yield Layer(place, block.inside, block.inside, 3, size, after)
        yield Layer(place, block.inside, block.outside, 1, after, after)
        size, channels = after, block.outside
    yield Layer(CLASSIFIER, channels, space.classes, 1, 1, 1)


def _halved(size: int) -> int:
    return -(-size // 2)  # a window of 3 at stride 2 with one row of padding
