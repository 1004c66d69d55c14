r"""Import versions of a model, exported as ONNX files, as one family.

    python tools/import_models.py large=resnet152.onnx middle=resnet50.onnx small=resnet18.onnx \
        -o engines/NAME --task classification --labels imagenet.txt

Each file takes one picture (1, 3, H, W) of any size and has the same classes. The dearest becomes
the family's base, the others are given its input and output when engines are built. All are taken
to want ImageNet's mean and deviation, unless --preprocessing FILE says otherwise for some, in
YAML: {small: {scale: 1, mean: [0, 0, 0], std: [1, 1, 1], color_order: bgr}}. Pictures are
stretched to the first one's size; of classifiers that are evaluated on the centre, say --crop with
the input's size over the shorter side before the cut: 0.875 for 224 of 256. Each has a
configuration of its own, merged where something merges without loss. What is written appears
whole or not at all. Needs `pip install 'edgert[build]'`.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from new_families.folder import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Crop,
    check_name,
    check_new_family,
    crop_from_text,
    read_labels,
    write_model,
)
from one_line import status_of

from edgert.artifacts import load_family, save_family, staged_folder, write_atomically
from edgert.build.derive import derive_configuration
from edgert.build.family_graphs import FamilyGraphs
from edgert.errors import ArtifactError, PreconditionError, UsageError
from edgert.records import (
    BaseModel,
    Configuration,
    Edit,
    Family,
    InputSpec,
    Positive,
    Record,
    ScaledModel,
)
from edgert.schema import record_from_yaml
from edgert.surgery.cost import cost_of
from edgert.surgery.graph import Graph, static_shape
from edgert.surgery.load import load_graph
from edgert.surgery.merge_linear import merge_linear

_RANKS = {"classification": 2, "segmentation": 4}  # of what a model gives


class Preprocessing(Record, frozen=True, kw_only=True):
    """How pictures become a model's input, as `InputSpec` says."""

    color_order: Literal["rgb", "bgr"] = "rgb"
    scale: Positive = 1 / 255
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[Positive, Positive, Positive] = IMAGENET_STD


@dataclass(frozen=True)
class Version:
    """One file, read."""

    name: str
    path: Path
    graph: Graph
    input: InputSpec
    macs: int
    classes: int

    @property
    def edits(self) -> list[Edit]:
        """What changes no output and saves: the lossless merge, where there is something."""
        try:
            merge_linear(self.graph)
        except PreconditionError:
            return []
        return [{"merge_linear": {}}]


def read_version(
    name: str, path: Path, task: str, preprocessing: Preprocessing, crop: Crop
) -> Version:
    """Read one file and see that it is a model of the task.

    Raises:
        ArtifactError: It is no ONNX file, or has not one picture and one output of the task.
    """
    graph = load_graph(path)
    edges = [static_shape(value) or () for value in (*graph.inputs, *graph.outputs)]
    one_each = len(graph.inputs) == len(graph.outputs) == 1
    ranks = [len(edge) for edge in edges]
    if not one_each or ranks != [4, _RANKS[task]] or edges[0][:2] != (1, 3):
        raise ArtifactError(
            f"import {path}",
            expected=f"one input (1, 3, H, W) and one output of {_RANKS[task]} axes for {task}",
            got=" and ".join(map(str, edges)),
            advice="Export the model alone, with static shapes",
        )
    (*_, height, width), out = edges
    how = msgspec.structs.asdict(preprocessing)
    spec = InputSpec(name=graph.inputs[0].name, shape=(1, 3, height, width), crop=crop, **how)
    return Version(name, path, graph, spec, cost_of(graph).macs, out[1])


def read_versions(options: argparse.Namespace) -> list[Version]:
    """All files, the dearest first.

    Raises:
        UsageError: A name twice, or preprocessing of none of them.
        ArtifactError: Classes differ.
    """
    named = dict(options.models)
    own: dict[str, Preprocessing] = {}
    if options.preprocessing is not None:
        own = record_from_yaml(options.preprocessing, dict[str, Preprocessing], UsageError)
    strangers = [name for name in own if name not in named]
    for name, path in named.items():
        check_name(name, f"import {path}", "Write NAME=FILE.onnx, with another name")
    if strangers or len(named) < len(options.models):
        raise UsageError(
            "import models",
            expected="a name of its own for each, and preprocessing of these names only",
            got=f"'{strangers[0]}'" if strangers else "a name twice",
            advice="Correct the name",
        )
    read = [
        read_version(n, p, options.task, own.get(n, Preprocessing()), options.crop)
        for n, p in named.items()
    ]
    for version in read[1:]:
        if version.classes != read[0].classes:
            raise ArtifactError(
                f"import {version.name} beside {read[0].name}",
                expected=f"{read[0].classes} classes",
                got=f"{version.classes}",
                advice="Import models with the same labels only",
            )
    read.sort(key=lambda version: -version.macs)
    for version in read[1:]:
        if version.name == "base":
            raise UsageError(
                f"import {version.path}",
                expected=f"a name other than base, which {read[0].path.name} is as the dearest",
                got="'base'",
                advice="Write NAME=FILE.onnx, with another name",
            )
    return read


def write(options: argparse.Namespace) -> str:
    """Make the family; what was written, in one line."""
    versions = read_versions(options)
    labels = read_labels(options.labels, versions[0].classes)
    base, *others = versions
    with staged_folder(options.output) as folder:
        family = Family(
            format=1,
            name=options.name,
            task=options.task,
            base=BaseModel(**write_model(folder, "base", base.graph)),
            input=base.input,
            labels=labels,
            models=[
                ScaledModel(name=v.name, input=v.input, **write_model(folder, v.name, v.graph))
                for v in others
            ],
            configurations=[
                Configuration(
                    name=v.name,
                    model="" if v is base else v.name,
                    edits=v.edits,
                    note=f"{v.path.name} at {v.input.height} x {v.input.width}",
                )
                for v in versions
            ],
            license=options.license,
        )
        save_family(folder / "family.yaml", family)
        loaded = load_family(folder)
        graphs = FamilyGraphs(loaded)
        for configuration in family.configurations:  # what can't be derived is told now
            derive_configuration(loaded, configuration, base=graphs, subject=configuration.name)
        write_atomically(folder / "README.md", card(options, versions))
    names = ", ".join(version.name for version in versions)
    built = f"edgert build {shlex.quote(str(options.output))}"
    return f"wrote {options.output}: {names}. Build it: {built}"


def card(options: argparse.Namespace, versions: Sequence[Version]) -> str:
    """The model card."""
    rows = "\n".join(
        f"| {v.name} | `{v.path.name}` | {v.input.height} x {v.input.width} | {v.macs / 1e9:.3f} |"
        for v in versions
    )
    seen = "stretched to its size"
    if options.crop is not msgspec.UNSET:
        seen = f"the centre, {options.crop:g} of the shorter side"
    return f"""# {options.name}

Versions of a model behind one controller, imported by `tools/import_models.py`. Every engine takes
the first one's picture, {seen}; the others bring it to their own size and
normalisation inside.

| configuration | file | rows x columns | GMACs as exported |
|---|---|---|---|
{rows}

Accuracy was not measured. Terms: {options.license or "those of the models and of their data"}.
"""


def refuse_cut_frames(options: argparse.Namespace) -> None:
    """A segmentation's labels cover the whole frame; refuse to cut it."""
    if options.task == "segmentation" and options.crop is not msgspec.UNSET:
        raise UsageError(
            f"--crop {options.crop:g}",
            expected="none for segmentation, whose labels cover the whole frame",
            got=f"{options.crop:g}",
            advice="Leave it out: the frame is stretched",
        )


def named_path(text: str) -> tuple[str, Path]:
    """NAME=FILE.onnx; without a name the file's own."""
    name, mark, path = text.rpartition("=")
    return (name if mark else Path(path).stem), Path(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; 0 done, 1 refused, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=named_path, nargs="+", metavar="[NAME=]MODEL.onnx")
    parser.add_argument("-o", "--output", type=Path, required=True, help="new: engines/NAME")
    parser.add_argument("--name", help="the family's name; the output folder's by default")
    parser.add_argument("--task", choices=tuple(_RANKS), required=True)
    parser.add_argument("--labels", type=Path, help="names of the classes, one on each line")
    parser.add_argument("--preprocessing", type=Path, metavar="FILE", help="YAML, by name")
    parser.add_argument(
        "--crop", type=crop_from_text, default=msgspec.UNSET, metavar="RATIO",
        help="pictures are cut to their centre; 0.875 for 224 of 256 (default: none, stretched)",
    )  # fmt: skip
    parser.add_argument("--license", default="", help="terms that go with the weights")
    options = parser.parse_args(arguments)
    options.name = options.name or Path(os.path.abspath(options.output)).name

    def run() -> None:
        check_new_family(options.output, options.name)
        refuse_cut_frames(options)
        print(write(options))

    return status_of(run, "import_models", stopped="stopped; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
