"""Import once-for-all ResNets as a family.

    python tools/import_ofa.py CHECKPOINT -o engines/NAME [--image-size 224] [--subnet "..."]
    python tools/import_ofa.py --specialised FOLDER FOLDER... -o engines/NAME

CHECKPOINT is a whole supernet, .pth or .safetensors: one base graph, and subnets as lists of
edits on it. FOLDERs are networks cut from one, each with weights of its own (net.config,
run.config, init): a family of several models. What is written: the graphs with their weights,
family.yaml with the configurations, dearest first, and README.md, the card. It appears whole or
not at all. Needs `pip install 'edgert[export]'`.

Of OFA-ResNet50 and of specialised networks, pictures are cut to their centre as their published
accuracies were measured; of other supernets they are stretched. `--crop` says otherwise.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from new_families.folder import Crop, check_new_family, crop_from_text, read_labels, write_model
from new_families.ofa_card import (
    Row,
    card,
    input_spec,
    specialised_story,
    supernet_story,
    write_family,
)
from one_line import status_of

from edgert.artifacts import staged_folder
from edgert.build.derive import derive
from edgert.errors import ArtifactError, UsageError
from edgert.families.ofa_checkpoint import Array, read_supernet, stated_space
from edgert.families.ofa_resnet50 import edits, note, supernet_graph
from edgert.families.ofa_space import Space, Subnet
from edgert.families.ofa_space_file import SPACE_FILE, save_space
from edgert.families.ofa_specialised import Specialised, read_specialised
from edgert.families.ofa_subnets import (
    default_subnets,
    subnets_from_file,
    subnets_from_words,
    with_full,
)
from edgert.records import (
    BaseModel,
    Configuration,
    Cost,
    Family,
    ScaledModel,
)
from edgert.surgery.cost import cost_of

USUAL_SIZE = 224
# Resize(ceil(size / 0.875)), CenterCrop(size): how OFA's ImageNet provider evaluates.
PUBLISHED_CROP = 0.875


# ---------------------------------------------------------------- a supernet and its subnets


def import_supernet(options: argparse.Namespace) -> str:
    """Make the family of a supernet's subnets.

    Returns:
        What was written, in one line.
    """
    space = stated_space(options.checkpoint)
    crop = usual_crop(space) if options.crop is None else options.crop
    size = base_size(space, options.image_size)
    subnets = asked_subnets(options, space, size)
    weights = read_supernet(options.checkpoint, space)
    labels = read_labels(options.labels, space.classes)
    rows = [
        Row(
            Configuration(
                name=name, edits=edits(space, subnet, base_image_size=size), note=note(subnet)
            ),
            subnet_cost(subnet, weights, space),
        )
        for name, subnet in subnets.items()
    ]
    rows.sort(key=lambda row: -row.cost.macs)
    with staged_folder(options.output) as folder:
        model = write_model(folder, "base", supernet_graph(weights, space, image_size=size))
        save_space(folder / SPACE_FILE, space)
        write_family(
            folder,
            Family(
                format=1,
                name=options.name,
                task="classification",
                base=BaseModel(**model),
                input=input_spec(size, crop),
                labels=labels,
                configurations=[row.configuration for row in rows],
                license=options.license,
            ),
            card(options, rows, supernet_story(space, size, options), crop),
        )
    return (
        f"wrote {options.output}: {space.name}, {len(rows)} subnets. Give them statistics of "
        f"their own: edgert recalibrate {shlex.quote(str(options.output))} --images DIR --add"
    )


def usual_crop(space: Space) -> Crop:
    """How pictures are cut unless --crop says otherwise: as published, of OFA-ResNet50 alone.

    What another supernet was trained on is not known; of ofa-small, patches of the input's size.
    """
    return PUBLISHED_CROP if space == Space() else msgspec.UNSET


def base_size(space: Space, asked: int | None) -> int:
    """The base graph's image size: what was asked for, else 224 where the space has it."""
    if asked is not None:
        return asked
    return USUAL_SIZE if USUAL_SIZE in space.image_sizes else space.image_sizes[-1]


def asked_subnets(options: argparse.Namespace, space: Space, size: int) -> dict[str, Subnet]:
    """The whole supernet and those that were named, or the default set."""
    asked = subnets_from_words(options.subnet, space)
    if options.subnets is not None:
        listed = subnets_from_file(options.subnets, space)
        twice = sorted(asked.keys() & listed.keys())
        if twice:
            raise UsageError(
                f"read {options.subnets}",
                expected="other names than --subnet has",
                got=f"'{twice[0]}' in both",
                advice="Rename one",
            )
        asked |= listed
    if asked:
        return with_full(asked, space, image_size=size)
    return default_subnets(space, image_size=size)


def subnet_cost(subnet: Subnet, weights: Mapping[str, Array], space: Space) -> Cost:
    """What a subnet costs at its own image size."""
    own = supernet_graph(weights, space, image_size=subnet.image_size)
    cut = edits(space, subnet, base_image_size=subnet.image_size)
    return cost_of(derive(own, cut, subject=f"derive {note(subnet)}"))


# ---------------------------------------------------------------- specialised networks


def import_specialised(options: argparse.Namespace) -> str:
    """Make the family of several specialised networks; the dearest is the base model.

    Returns:
        What was written, in one line.
    """
    networks = [read_specialised(folder) for folder in options.specialised]
    check_alike(networks)
    crop = PUBLISHED_CROP if options.crop is None else options.crop
    labels = read_labels(options.labels, networks[0].plan.classes)
    graphs = {network.name: network.graph() for network in networks}
    costs = {name: cost_of(graph) for name, graph in graphs.items()}
    networks.sort(key=lambda network: -costs[network.name].macs)
    base, *others = networks
    rows = [
        Row(
            Configuration(name=n.name, model="" if n is base else n.name, note=size_note(n)),
            costs[n.name],
        )
        for n in networks
    ]
    with staged_folder(options.output) as folder:
        model = write_model(folder, "base", graphs[base.name])
        models = [
            ScaledModel(
                name=n.name,
                input=input_spec(n.image_size, crop),
                **write_model(folder, n.name, graphs[n.name]),
            )
            for n in others
        ]
        write_family(
            folder,
            Family(
                format=1,
                name=options.name,
                task="classification",
                base=BaseModel(**model),
                input=input_spec(base.image_size, crop),
                labels=labels,
                configurations=[row.configuration for row in rows],
                models=models,
                license=options.license,
            ),
            card(options, rows, specialised_story(networks), crop),
        )
    return f"wrote {options.output}: {len(networks)} specialised networks"


def size_note(network: Specialised) -> str:
    """What a specialised network is, in a few words."""
    blocks = len(network.plan.blocks)
    return f"specialised network of {blocks} blocks at {network.image_size} px"


def check_alike(networks: Sequence[Specialised]) -> None:
    """Refuse networks that can't be one family: a name twice, other classes, a reserved name."""
    names = [network.name for network in networks]
    for index, network in enumerate(networks):
        if network.name in names[:index] or network.name == "base":
            raise UsageError(
                "import specialised networks",
                expected="folders with names of their own, other than base",
                got=f"'{network.name}'",
                advice="Rename one",
            )
        if network.plan.classes != networks[0].plan.classes:
            raise ArtifactError(
                f"import {network.name} beside {names[0]}",
                expected=f"{networks[0].plan.classes} classes",
                got=f"{network.plan.classes}",
                advice="Import networks with the same labels only",
            )


# ---------------------------------------------------------------- the command


def command_line() -> argparse.ArgumentParser:
    """What the tool can be told."""
    parser = argparse.ArgumentParser(description="Import once-for-all ResNets as a family.")
    parser.add_argument("checkpoint", type=Path, nargs="?", help="a whole supernet's weights")
    parser.add_argument("--specialised", type=Path, nargs="+", metavar="FOLDER", default=[])
    parser.add_argument("-o", "--output", type=Path, required=True, help="new: engines/NAME")
    parser.add_argument("--name", help="the family's name; the output folder's by default")
    parser.add_argument("--image-size", type=int, help="of the base graph; 224 by default")
    parser.add_argument(
        "--subnet", action="append", default=[], help='"small d=0 e=0.2 w=0 r=128"; repeatable'
    )
    parser.add_argument("--subnets", type=Path, help="YAML: a list of {name, d, e, w, image_size}")
    parser.add_argument(
        "--crop", type=crop_from_text, metavar="RATIO", help="pictures are cut to their centre, "
        "or not: none (default: 0.875, as published, for OFA-ResNet50 and specialised networks)",
    )  # fmt: skip
    parser.add_argument("--labels", type=Path, help="names of the classes, one on each line")
    parser.add_argument("--license", default="", help="terms that go with the weights")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; 0 done, 1 refused, 2 wrong usage."""
    parser = command_line()
    options = parser.parse_args(arguments)
    if (options.checkpoint is None) != bool(options.specialised):
        parser.error("give a CHECKPOINT, or --specialised FOLDER..., not both")
    if options.specialised and (options.subnet or options.subnets):
        parser.error("specialised networks have no subnets")
    options.name = options.name or Path(os.path.abspath(options.output)).name

    def run() -> None:
        check_new_family(options.output, options.name)
        print(import_specialised(options) if options.specialised else import_supernet(options))

    return status_of(run, "import_ofa", stopped="stopped; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
