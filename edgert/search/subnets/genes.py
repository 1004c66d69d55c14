"""A subnet as whole numbers, one for each thing that can be chosen, and as a short word."""

import itertools
import random
from collections.abc import Sequence

from edgert.families.ofa_space import Space, Subnet

Genes = tuple[int, ...]


class GeneSpace:
    """The subnets of a space as tuples of whole numbers.

    The order is: image size, stem, blocks of each stage, widths, expansions. What makes no
    difference has one form only: blocks that are gone have the smallest expansion, a stem that
    is not whole the smallest depth.

    Args:
        space: Of the supernet.
        image_sizes: Those to choose among, ascending; some of the space's.
    """

    def __init__(self, space: Space, image_sizes: Sequence[int]) -> None:
        self.space, self.image_sizes = space, tuple(image_sizes)
        self._stems = (space.depths[0], space.depths[-1])
        self._stages, self._widths = len(space.stage_widths), 2 + len(space.stage_widths)
        stage, width = len(space.depths), len(space.width_multipliers)
        self.counts: tuple[int, ...] = (
            len(self.image_sizes),
            len(self._stems),
            *(stage for _ in range(self._stages)),
            *(width for _ in range(self._widths)),
            *(len(space.expands) for _ in range(space.blocks)),
        )

    def subnet(self, genes: Genes) -> Subnet:
        """The subnet of some genes."""
        size, stem, rest = genes[0], genes[1], genes[2:]
        depths, rest = rest[: self._stages], rest[self._stages :]
        widths, expands = rest[: self._widths], rest[self._widths :]
        return Subnet(
            depth=(self._stems[stem], *(self.space.depths[number] for number in depths)),
            expand=tuple(self.space.expands[number] for number in expands),
            width=widths,
            image_size=self.image_sizes[size],
        )

    def genes(self, subnet: Subnet) -> Genes:
        """The genes of a subnet, in canonical form.

        Raises:
            UsageError: The space does not have it.
            ValueError: Its image size is not among those to choose.
        """
        space = self.space
        space.check(subnet)
        return self.canonical(
            (
                self.image_sizes.index(subnet.image_size),
                int(space.keeps_stem_residual(subnet)),
                *(space.depths.index(depth) for depth in subnet.depth[1:]),
                *subnet.width,
                *(space.expands.index(expand) for expand in subnet.expand),
            )
        )

    def canonical(self, genes: Genes) -> Genes:
        """The same subnet in the one form that it has here."""
        kept = {block.index for block in self.space.kept_blocks(self.subnet(genes))}
        first = len(genes) - self.space.blocks
        expands = (genes[first + i] if i in kept else 0 for i in range(self.space.blocks))
        return (*genes[:first], *expands)

    def sample(self, draw: random.Random) -> Genes:
        """A subnet, each of its numbers drawn evenly and alone."""
        return self.canonical(tuple(draw.randrange(count) for count in self.counts))

    def corners(self) -> list[Genes]:
        """The cheapest and the dearest of all, and with one thing alone at its other end."""
        low, high = (0,) * len(self.counts), tuple(count - 1 for count in self.counts)
        edges = (0, 1, 2 + self._stages, 2 + self._stages + self._widths, len(self.counts))
        found = [high, low]
        for start, stop in itertools.pairwise(edges):
            found.append((*high[:start], *low[start:stop], *high[stop:]))
            found.append((*low[:start], *high[start:stop], *low[stop:]))
        return list(dict.fromkeys(self.canonical(genes) for genes in found))

    def uniform(self) -> list[Genes]:
        """What one would try by hand: one depth, one expansion, one width for all, each size."""
        space = self.space
        choices = (self.image_sizes, space.depths, space.width_multipliers, space.expands)
        found = []
        for size, depth, width, expand in itertools.product(*(range(len(c)) for c in choices)):
            depths = (int(depth == len(space.depths) - 1), *(depth,) * self._stages)
            genes = (size, *depths, *(width,) * self._widths, *(expand,) * space.blocks)
            found.append(self.canonical(genes))
        return list(dict.fromkeys(found))


def word_of(space: Space, subnet: Subnet) -> str:
    """A subnet as a short word that names it, for files and journals: "r224-d20121-w220122-e01_2".

    Depths, widths and expansions are indices; a block that is gone is "_". Equal subnets have
    equal words.
    """
    kept = {block.index for block in space.kept_blocks(subnet)}
    stem = int(space.keeps_stem_residual(subnet))
    depths = "".join(str(space.depths.index(depth)) for depth in subnet.depth[1:])
    widths = "".join(map(str, subnet.width))
    expands = "".join(
        str(space.expands.index(e)) if i in kept else "_" for i, e in enumerate(subnet.expand)
    )
    return f"r{subnet.image_size}-d{stem}{depths}-w{widths}-e{expands}"
