"""What an imported once-for-all family has besides its models: family.yaml, the card."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgert.artifacts import save_family, write_atomically
from edgert.families.ofa_graph import INPUT_NAME, OUTPUT_NAME
from edgert.families.ofa_space import Space
from edgert.families.ofa_specialised import Specialised
from edgert.records import Configuration, Cost, Family, InputSpec
from new_families.folder import IMAGENET_MEAN, IMAGENET_STD, Crop


@dataclass(frozen=True)
class Row:
    """A configuration with what it costs, for the order and for the card."""

    configuration: Configuration
    cost: Cost


def input_spec(size: int, crop: Crop) -> InputSpec:
    """How pictures become the input: ImageNet's mean and deviation, a square of `size`.

    Args:
        size: Rows and columns.
        crop: As `InputSpec` has it.
    """
    return InputSpec(
        name=INPUT_NAME,
        shape=(1, 3, size, size),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        crop=crop,
    )


def write_family(folder: Path, family: Family, text: str) -> None:
    """Write family.yaml and the card."""
    save_family(folder / "family.yaml", family)
    write_atomically(folder / "README.md", text)


def card(options: argparse.Namespace, rows: Sequence[Row], story: str, crop: Crop) -> str:
    """The model card: where it comes from, what it costs, what was not measured."""
    table = "\n".join(
        f"| {row.configuration.name} | {row.configuration.note} | {row.cost.macs / 1e9:.3f} | "
        f"{row.cost.parameters / 1e6:.2f} |"
        for row in rows
    )
    terms = options.license or "those of the checkpoint and of its data"
    return f"""# {options.name or options.output.name}

{story}

| configuration | what it is | GMACs | million parameters |
|---|---|---|---|
{table}

Costs are counted on the graphs, convolutions and the classifier alone; parameters with the mean
and the variance of every BatchNormalization. Accuracy was not measured.

Graphs: input `{INPUT_NAME}`, output `{OUTPUT_NAME}`, float32. Terms: {terms}.

{pictures_story(crop)}
"""


def pictures_story(crop: Crop) -> str:
    """The card's last lines: what of a picture the networks see."""
    if crop is msgspec.UNSET:
        return (
            "Pictures: RGB, ImageNet's mean and deviation. The whole frame is stretched to the "
            "square, so that\nnothing at its edges is lost. Published once-for-all networks were "
            "measured on the middle of a\npicture (`--crop 0.875`): accuracies measured here and "
            "published ones are not the same thing."
        )
    return (
        "Pictures: RGB, ImageNet's mean and deviation. Their short side is brought to "
        f"1/{crop:g} of the network's\nsize, and a square is cut out of the middle; with 0.875 "
        "that is how published once-for-all networks\nwere measured. What lies at the edges of a "
        "frame is not seen: without `input.crop` in family.yaml the\nwhole frame is stretched."
    )


def supernet_story(space: Space, size: int, options: argparse.Namespace) -> str:
    """The card's first lines, of a supernet."""
    return (
        f"Subnets of the once-for-all supernet {space.name}, imported from the checkpoint\n"
        f"`{options.checkpoint.resolve().name}` by `tools/import_ofa.py`; the base graph takes "
        f"{size} x {size} pixels.\nd: depth of stem and stages, e: expansion of the blocks, "
        "w: index of the width multiplier of stem\nand stages, r: image size.\n\n"
        "All carry the supernet's statistics in every BatchNormalization. Subnets other than "
        "`full` answer\nbadly with these. Give them their own, from pictures like those that the "
        "supernet was trained on:\n`edgert recalibrate FAMILY --images DIR --add`; and where "
        "subnets of all sizes left their mark on the\nsupernet's own statistics, the same with "
        "`--configurations full`."
    )


def specialised_story(networks: Sequence[Specialised]) -> str:
    """The card's first lines, of specialised networks."""
    return (
        f"{len(networks)} specialised once-for-all networks, each with weights of its own, "
        "imported by\n`tools/import_ofa.py`. Each sees the picture at its own size."
    )
