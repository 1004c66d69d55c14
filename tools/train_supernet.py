"""Train a small once-for-all ResNet on labelled patches.

    python tools/cut_patches.py CAMVID -o PATCHES
    python tools/train_supernet.py PATCHES -o FOLDER
    python tools/train_supernet.py PATCHES -o FOLDER --alone largest

PATCHES holds train/<label>/ and val/<label>/. FOLDER takes supernet.safetensors, which
tools/import_ofa.py reads, training.json, which says how it was made, and training.pt, from which
a training that was stopped or killed goes on with the same result. --alone trains one subnet from
the beginning for the processor time that the supernet in FOLDER took, into FOLDER/alone/NAME.
Needs `pip install 'edgert[export,video]'`. The seed, the machine and the number of threads decide
every weight.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
from new_families.folder import check_name
from one_line import status_of
from supernet.data import read_patches
from supernet.training import Recipe, Training, deterministic, steps_for

from edgert.artifacts.files import write_atomically
from edgert.artifacts.lock import lock
from edgert.cli.arguments import positive_int, seed_number
from edgert.errors import ArtifactError, UsageError
from edgert.families.ofa_checkpoint import SPACE_KEY
from edgert.families.ofa_resnet50 import note, subnet_from_text
from edgert.families.ofa_space import Space, Subnet
from edgert.optional import needs
from edgert.schema import record_from_json

# Small enough for two processor cores and a quarter of an hour.
SMALL = Space(
    name="ofa-small",
    stage_widths=(48, 96, 192),
    base_depths=(1, 1, 1),
    depths=(0, 1, 2),
    expands=(0.25, 0.375, 0.5),
    width_multipliers=(0.5, 0.75, 1.0),
    stem_width=16,
    strides=(1, 2, 2),
    image_sizes=(24, 32, 40, 48),
    classes=10,
)
_TOLD_EVERY = 50  # steps


class _Report(msgspec.Struct):
    """What training.json says of a supernet, as far as a network alone has to know it."""

    recipe: dict[str, int | float]
    patches: int
    cpu_s: float


def named_subnets(space: Space) -> dict[str, Subnet]:
    """The subnets that have a name: both ends, and the middle of everything between them."""
    stages = len(space.stage_widths)
    middle = Subnet(
        depth=(space.depths[0],) + (space.depths[len(space.depths) // 2],) * stages,
        expand=(space.expands[len(space.expands) // 2],) * space.blocks,
        width=(len(space.width_multipliers) // 2,) * (2 + stages),
        image_size=space.image_sizes[len(space.image_sizes) // 2],
    )
    return {"largest": space.largest(), "middle": middle, "smallest": space.smallest()}


def train(options: argparse.Namespace) -> str:
    """Train what is asked for, or go on with it.

    Returns:
        What was written, in one line.
    """
    train_patches = read_patches(options.patches / "train", SMALL.image_sizes[-1])
    space = replace(SMALL, classes=len(train_patches.labels))
    recipe = Recipe(steps=options.steps, batch=options.batch, seed=options.seed)
    alone, folder, cpu_s = None, options.output, 0.0
    if options.alone:
        name, alone = alone_subnet(options.alone, space)
        folder = options.output / "alone" / name
        cpu_s = _supernet_cpu_s(options.output, recipe, len(train_patches))
    with _only_one(folder), deterministic(options.threads):
        if alone is not None:
            probe = Training(folder, space, train_patches, recipe, alone=alone)
            recipe = replace(recipe, steps=steps_for(probe, cpu_s))
        training = Training(folder, space, train_patches, recipe, alone=alone)
        training.resume()
        training.run(progress=_tell)
        return write_trained(training, threads=options.threads)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Make the folder and lock it: two that take turns in one file train nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        lock(
            file,
            f"train in {folder}",
            expected="no other training there",
            advice="Wait for it to end, or name another folder",
        )
        yield


def alone_subnet(text: str, space: Space) -> tuple[str, Subnet]:
    """A subnet and its folder's name: a known one, or "NAME: d=... e=... w=... r=..."."""
    known = named_subnets(space)
    if text in known:
        return text, known[text]
    name, _, words = text.partition(":")
    if not words:
        raise UsageError(
            "train alone",
            expected=f"one of {', '.join(known)}, or 'NAME: d=... e=... w=... r=...'",
            got=repr(text),
            advice="Correct the name",
        )
    check_name(name.strip(), "train alone", "Name it 'NAME: d=... e=... w=... r=...'")
    return name.strip(), subnet_from_text(words, space)


def _supernet_cpu_s(folder: Path, recipe: Recipe, patches: int) -> float:
    """The processor time that a network alone gets, if it is trained as the supernet was."""
    path = folder / "training.json"
    if not path.is_file():
        raise ArtifactError(
            f"read {path}",
            expected="what a supernet's training took",
            got="no such file",
            advice="Train the supernet first, into the same folder",
        )
    report = record_from_json(path, _Report, ArtifactError)
    for name, whole, own in (
        ("--batch", report.recipe.get("batch"), recipe.batch),
        ("pictures", report.patches, patches),
    ):
        if whole != own:
            raise UsageError(
                "train alone",
                expected=f"{name} {whole}, as the supernet in {folder} was trained with",
                got=str(own),
                advice="Give the same: what differs would be counted for the shape",
            )
    return report.cpu_s


def write_trained(training: Training, *, threads: int) -> str:
    """The weights and what they were made by; in one line what was written."""
    folder, recipe, alone = training.folder, training.recipe, training.alone
    report = {
        "space": asdict(training.space),
        "recipe": asdict(recipe),
        "alone": None if alone is None else note(alone),
        "labels": list(training.patches.labels),
        "patches": len(training.patches),
        "threads": threads,
        "cpu_s": round(training.cpu_s, 1),
    }
    write_weights(folder / "supernet.safetensors", training.model, training.space, report)
    write_atomically(folder / "training.json", json.dumps(report, indent=1) + "\n")
    return f"wrote {folder}: {recipe.steps} steps in {training.cpu_s:.0f} s of processor time"


def write_weights(path: Path, model: Any, space: Space, report: dict[str, Any]) -> None:
    """The weights as tools/import_ofa.py reads them."""
    safetensors = needs("safetensors.torch", "export", "to write the weights")
    tensors = {
        name: tensor.contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    about = {SPACE_KEY: json.dumps(asdict(space)), "training": json.dumps(report)}
    write_atomically(path, safetensors.save(tensors, metadata=about))


def _tell(step: int, steps: int, loss: float) -> None:
    if step % _TOLD_EVERY == 0 or step == steps:
        print(f"step {step} of {steps}, loss {loss:.3f}", file=sys.stderr, flush=True)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("patches", type=Path, metavar="PATCHES")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--alone",
        metavar="SUBNET",
        help="largest, middle, smallest, or 'NAME: d=... e=... w=... r=...'",
    )
    parser.add_argument("--steps", type=positive_int, default=Recipe.steps, metavar="N")
    parser.add_argument("--batch", type=positive_int, default=Recipe.batch, metavar="N")
    parser.add_argument("--seed", type=seed_number, default=Recipe.seed, metavar="N")
    parser.add_argument(
        "--threads",
        type=positive_int,
        default=1,
        metavar="N",
        help="of torch; layers are so small that a second one hinders more than it helps",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0, or 1 or 2 with one line on stderr."""
    options = parsed(arguments)
    stopped = "stopped; the same command goes on"
    return status_of(lambda: print(train(options)), "train_supernet", stopped=stopped)


if __name__ == "__main__":
    sys.exit(main())
