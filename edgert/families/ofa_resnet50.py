"""A once-for-all ResNet's supernet as a base graph, and its subnets as lists of edits.

Owns what depth, expansion, width and image size become as edits, and how a subnet is written in
the paper's words. The space is `ofa_space`'s, checkpoints are `ofa_checkpoint`'s.
"""

from collections.abc import Mapping, Sequence

from edgert.errors import UsageError
from edgert.families.ofa_graph import Array, graph_of
from edgert.families.ofa_plan import (
    STEM_GROUPS,
    STEM_RESIDUAL,
    block_name,
    inside_groups,
    stage_group,
    supernet_plan,
)
from edgert.families.ofa_space import Space, Subnet
from edgert.records import Edit
from edgert.surgery.graph import Graph

_WORDS = ("d", "e", "w", "r")  # the paper's, in the order they are written


def supernet_graph(weights: Mapping[str, Array], space: Space, *, image_size: int) -> Graph:
    """The graph of a whole supernet, which all its subnets are cut from.

    Args:
        weights: As `ofa_checkpoint.read_supernet` gives them.
        space: The supernet's.
        image_size: Rows and columns of the input, in pixels; any that the network takes, since
            subnets bring the picture to the sizes of the space by an edit.

    Returns:
        A graph with the input "pixel_values" (1, 3, image_size, image_size) and the output
        "logits" (1, classes). Its residual branches are "stem.residual" and "stage1.block1" to
        the last; its channel groups "stem.middle", "stem.end", each stage ("stage1") and two in
        each block ("stage1.block1.conv1" and ".conv2"). All groups can be cut, and their names
        hold when branches are skipped that a subnet may lack.

    Raises:
        ValueError: The weights are not those of the space.

    Source:
        Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
        ICLR 2020, arXiv 1908.09791; mit-han-lab/once-for-all, OFAResNets; as published.
    """
    plan = supernet_plan(space)
    for key, shape in plan.tensor_shapes().items():
        if key not in weights or weights[key].shape != shape:
            got = weights[key].shape if key in weights else "nothing"
            raise ValueError(f"{key} of {space.name} is {shape}, not {got}")
    return graph_of(plan, weights, image_size=image_size)


def edits(
    space: Space, subnet: Subnet, *, base_image_size: int, statistics: str | None = None
) -> list[Edit]:
    """A subnet as the list of edits that family.yaml takes.

    Args:
        space: The supernet's.
        subnet: What to cut it to.
        base_image_size: Of the base graph, in pixels.
        statistics: File with the subnet's own statistics of every BatchNormalization, relative
            to the family's folder; None leaves those of the supernet, with which subnets other
            than the largest answer badly.

    Returns:
        Branches that go, channels that stay (always the first ones, since training sorted
        them), the image size, the statistics; each only where the subnet differs from the whole
        supernet at `base_image_size`.

    Raises:
        UsageError: The space has no such subnet.

    Source:
        Cai et al., "Once-for-All", ICLR 2020, arXiv 1908.09791; as published. The stem's
        residual convolution stays at the largest depth only, stages lose their last blocks.
    """
    space.check(subnet, subject=f"cut {space.name} to a subnet")
    steps: list[Edit] = []
    branches = _skipped(space, subnet)
    if branches:
        steps.append({"skip_residuals": {"branches": branches}})
    widths = _narrowed(space, subnet)
    if widths:
        steps.append({"narrow_groups": {"widths": widths, "order": "prefix"}})
    if subnet.image_size != base_image_size:
        size = subnet.image_size
        steps.append({"resize_input": {"height": size, "width": size}})
    if statistics is not None:
        steps.append({"recalibrate_batchnorm": {"statistics": statistics}})
    return steps


def _skipped(space: Space, subnet: Subnet) -> list[str]:
    """The residual branches that go, in the order they run."""
    branches = [] if space.keeps_stem_residual(subnet) else [STEM_RESIDUAL]
    for stage, depth in enumerate(space.stage_depths):
        kept = space.base_depths[stage] + subnet.depth[1 + stage]
        branches += [block_name(stage, position) for position in range(kept, depth)]
    return branches


def _narrowed(space: Space, subnet: Subnet) -> dict[str, int]:
    """The channels kept, of groups that lose some."""
    widths: dict[str, int] = {}
    wide = zip(STEM_GROUPS, space.stem_widths(), strict=True)
    for (group, widest), kept in zip(wide, space.stem_widths(*subnet.width[:2]), strict=True):
        if kept < widest:
            widths[group] = kept
    for block in space.kept_blocks(subnet):
        if block.position == 0 and block.outside < space.stage_width(block.stage):
            widths[stage_group(block.stage)] = block.outside
        if block.inside < space.inside_width(block.stage, space.expands[-1]):
            for group in inside_groups(block.stage, block.position):
                widths[group] = block.inside
    return widths


# ---------------------------------------------------------------- in the paper's words


def note(subnet: Subnet) -> str:
    """A subnet in the paper's words: "d=2,1,2,2,1 e=0.25 w=2 r=224".

    `w` are indices of width multipliers, `r` is the image size. Entries that are all alike are
    written once. `subnet_from_text` reads it.
    """
    numbers: tuple[Sequence[float], ...] = (
        subnet.depth,
        subnet.expand,
        subnet.width,
        (subnet.image_size,),
    )
    return " ".join(
        f"{word}={','.join(map(str, list(values)[:1] if len(set(values)) == 1 else values))}"
        for word, values in zip(_WORDS, numbers, strict=True)
    )


def subnet_from_text(text: str, space: Space) -> Subnet:
    """A subnet from the paper's words, as `note` writes them.

    Args:
        text: "d=2,1,2,2,1 e=0.25 w=2 r=224". A single number stands for all entries.
        space: What the subnet is of.

    Raises:
        UsageError: A word is missing, given twice or unknown, a number is none, or the space
            has no such subnet.
    """
    subject = f"read the subnet '{text}'"
    given: dict[str, str] = {}
    for part in text.split():
        word, _, value = part.partition("=")
        if word not in _WORDS or word in given or not value:
            raise UsageError(
                subject,
                expected="d=..., e=..., w=... and r=..., each once",
                got=f"'{part}'{' a second time' if word in given else ''}",
                advice="Write d for depths, e for expansions, w for widths, r for the image size",
            )
        given[word] = value
    missing = [word for word in _WORDS if word not in given]
    if missing:
        raise UsageError(
            subject,
            expected="d=..., e=..., w=... and r=..., each once",
            got=f"no {' and no '.join(missing)}",
            advice="Add it",
        )
    values = {word: _numbers(given[word], f"{subject} at {word}") for word in _WORDS}
    return subnet_of(space, values["d"], values["e"], values["w"], values["r"], subject=subject)


def subnet_of(
    space: Space,
    depth: Sequence[float],
    expand: Sequence[float],
    width: Sequence[float],
    image_size: Sequence[float],
    *,
    subject: str,
) -> Subnet:
    """A subnet of numbers that were read; a single one stands for all entries of its list.

    Raises:
        UsageError: The space has no such subnet.
    """
    stages = len(space.stage_widths)

    def each(values: Sequence[float], count: int) -> tuple[float, ...]:
        return tuple(values) * count if len(values) == 1 else tuple(values)

    asked = Subnet(
        depth=tuple(map(_whole, each(depth, 1 + stages))),
        expand=each(expand, space.blocks),
        width=tuple(map(_whole, each(width, 2 + stages))),
        image_size=_whole(image_size[0]) if len(image_size) == 1 else -1,
    )
    space.check(asked, subject=subject)
    return asked


def _whole(number: float) -> int:
    """A whole number as an int; another one becomes -1, which no space has."""
    return int(number) if float(number).is_integer() else -1


def _numbers(text: str, subject: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(
            subject,
            expected="numbers with commas between them",
            got=f"'{text}'",
            advice="Correct it",
        ) from error
