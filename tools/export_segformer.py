"""Export a Hugging Face SegFormer checkpoint as the base model of a family.

    python tools/export_segformer.py CHECKPOINT -o engines/NAME --height 360 --width 480
    python tools/export_segformer.py --fill engines/segformer-b2-ade20k
    python tools/export_segformer.py --fill FAMILY --checkpoint FOLDER b1=FOLDER b0=FOLDER

CHECKPOINT is a folder with config.json and model.safetensors, in the key names of any generation
of transformers. What is written: base.onnx and base.weights in the papers' names, family.yaml
with one configuration, and README.md, the model card. The graph is compared with the checkpoint's
own outputs first; where they differ nothing is written.

--fill fills a family that was written down without weights, from checkpoints' folders or, without
--checkpoint, from the hub by the names in family.yaml, after their licence was shown and accepted
(new_families/segformer_fill.py). Needs `pip install 'edgert[export]'`, and
for --dataset also the extra `video`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from new_families.folder import check_new_family
from new_families.segformer_fill import fill
from numpy.typing import NDArray
from one_line import status_of

from edgert.artifacts import save_family, sha256_from_file, staged_folder, write_atomically
from edgert.backends.onnxruntime import reference_session
from edgert.errors import ArtifactError, UsageError
from edgert.families.segformer import edits
from edgert.families.segformer_checkpoint import Checkpoint, read_checkpoint
from edgert.families.segformer_export import (
    OPSETS,
    largest_difference_ratio,
    random_inputs,
    write_graph,
)
from edgert.families.segformer_names import INPUT_NAME, OUTPUT_NAME
from edgert.preprocess import Preprocessor
from edgert.profiling.accuracy import measure_miou
from edgert.profiling.dataset import LabelledFrames, open_labelled_frames
from edgert.records import Accuracy, BaseModel, Configuration, Family, InputSpec

Array = NDArray[Any]


# ---------------------------------------------------------------- checking


def parity_inputs(spec: InputSpec, frames: LabelledFrames | None) -> list[Array]:
    """Three seeded random inputs, and up to three frames where there are any."""
    inputs = random_inputs(spec)
    if frames is not None:
        prepare = Preprocessor(spec)
        picked = LabelledFrames(frames.pairs[:: max(1, len(frames) // 3)][:3])
        inputs += [prepare(image).copy() for image, _ in picked]
    return inputs


def measured_accuracy(
    graph: Path, checkpoint: Checkpoint, frames: LabelledFrames, dataset: str, ignore: int | None
) -> Accuracy:
    """Mean intersection over union of the graph on labelled frames."""
    session, prepare = reference_session(graph), Preprocessor(checkpoint.input)
    classes = len(checkpoint.labels)
    try:
        value, count = measure_miou(
            lambda tensor: next(iter(session.run({INPUT_NAME: tensor}).values())),
            ((prepare(image), labels) for image, labels in frames),
            classes=classes,
            ignore_label=ignore,
        )
    except ValueError as error:
        raise ArtifactError(
            "measure the accuracy",
            expected=f"labels below {classes}, or the one to ignore",
            got=str(error),
            advice="Give --ignore-label",
        ) from error
    finally:
        session.close()
    return Accuracy(metric="miou", value=round(value, 4), frames=count, dataset=dataset)


# ---------------------------------------------------------------- the family's folder


def export(options: argparse.Namespace) -> str:
    """Make the folder of a family; it appears whole or not at all.

    Returns:
        What was checked, in one line.

    Raises:
        EdgertError: The checkpoint, the parity or the output folder is not what it should be.
    """
    output: Path = options.output
    name = options.name or Path(os.path.abspath(output)).name
    check_new_family(output, name)
    checkpoint = read_checkpoint(options.folder, options.height, options.width)
    frames = open_labelled_frames(options.dataset) if options.dataset else None
    accuracy = None
    with staged_folder(output) as folder:
        graph, weights = folder / "base.onnx", folder / "base.weights"
        write_graph(checkpoint, graph, opset=options.opset)
        inputs = parity_inputs(checkpoint.input, frames)
        ratio = largest_difference_ratio(graph, checkpoint, inputs)
        if frames is not None:
            named = options.dataset_name or f"{options.dataset.parent.name} {options.dataset.name}"
            accuracy = measured_accuracy(graph, checkpoint, frames, named, options.ignore_label)
        family = Family(
            format=1,
            name=name,
            task="segmentation",
            base=BaseModel(
                graph=graph.name,
                sha256=sha256_from_file(graph),
                weights=weights.name,
                weights_sha256=sha256_from_file(weights),
            ),
            input=checkpoint.input,
            labels=checkpoint.labels,
            configurations=[
                Configuration(
                    name="full", edits=edits(depths=checkpoint.depths), accuracy=accuracy
                )
            ],
            ignore_label=options.ignore_label,
            license=options.license,
        )
        save_family(folder / "family.yaml", family)
        parity = f"within {ratio:.1e} of the largest logit on {len(inputs)} inputs"
        write_atomically(folder / "README.md", card(family, options, parity))
    score = f", mIoU {accuracy.value:.2%} on {accuracy.dataset}" if accuracy else ""
    return f"wrote {output}: equal to the checkpoint {parity}{score}"


def card(family: Family, options: argparse.Namespace, parity: str) -> str:
    """The model card: what the numbers, the terms and the way back to the checkpoint are."""
    spec, full = family.input, family.configurations[0]
    size = f"--height {spec.height} --width {spec.width}"
    score = "not measured"
    if full.accuracy:
        measured = full.accuracy
        score = f"{measured.value:.2%} on {measured.frames} frames of {measured.dataset}"
    return f"""# {family.name}

SegFormer for segmentation, exported from the checkpoint `{options.folder.resolve().name}`
by `tools/export_segformer.py`, opset {options.opset}.

| | |
|---|---|
| input | `{spec.name}`, 1 x 3 x {spec.height} x {spec.width}, {spec.color_order.upper()}, \
(pixel x {spec.scale:.6g} - mean) / std |
| mean, std | {", ".join(map(str, spec.mean))}; {", ".join(map(str, spec.std))} |
| output | `{OUTPUT_NAME}`, a quarter of the input's height and width |
| labels | {", ".join(f"{index} {label}" for index, label in enumerate(family.labels))} |
| mIoU | {score} |
| parity | equal to the checkpoint {parity} |
| terms | {family.license or "those of the checkpoint and of its data"} |

To make it again: `python tools/export_segformer.py CHECKPOINT -o FOLDER {size} \
--opset {options.opset}`. Equal versions of torch and transformers give equal bytes.
""".replace("\\\n", "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Export a SegFormer checkpoint as a family, or fill a family without weights."
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="CHECKPOINT",
        help="folder with config.json and model.safetensors, for a new family",
    )  # fmt: skip
    new = parser.add_argument_group("a new family")
    new.add_argument("-o", "--output", type=Path, help="new folder: engines/NAME")
    new.add_argument("--name", help="the family's name; the output folder's by default")
    new.add_argument("--height", type=int, help="rows of the input")
    new.add_argument("--width", type=int, help="columns of the input")
    new.add_argument("--dataset", type=Path, help="folder with images/ and labels/ for mIoU")
    new.add_argument("--dataset-name", help='what to call it: "CamVid val"')
    new.add_argument("--ignore-label", type=int, help="label of pixels that do not count")
    filled = parser.add_argument_group("a family that is to be filled")
    filled.add_argument("--fill", type=Path, metavar="FAMILY", help="its folder")
    filled.add_argument(
        "--checkpoint", nargs="+", default=[], metavar="[NAME=]FOLDER",
        help="checkpoints' folders: of the base model, and NAME=FOLDER of each scaled one "
        "(default: fetched from the hub by the names in family.yaml)",
    )  # fmt: skip
    filled.add_argument(
        "--accept-license", action="store_true",
        help="the licence, which is shown all the same, was read and is accepted",
    )  # fmt: skip
    filled.add_argument("--endpoint", metavar="URL", help="of the hub (default: huggingface.co)")
    filled.add_argument(
        "--cache", type=Path, metavar="FOLDER",
        help="where what is fetched is kept (default: the hub library's own)",
    )  # fmt: skip
    parser.add_argument("--opset", type=int, default=18, choices=OPSETS, help="17 to 20")
    parser.add_argument("--license", default="", help="terms that go with the weights")
    return parser


def _checked(options: argparse.Namespace) -> argparse.Namespace:
    """The flags, of which one use or the other was made."""
    for_new = ("folder", "output", "name", "height", "width", "dataset", "ignore_label")
    for_filled = ("checkpoint", "accept_license", "endpoint", "cache")
    wrong = for_new if options.fill else for_filled
    values = {name: getattr(options, name) for name in wrong}
    given = [
        name for name, value in values.items() if value not in (None, []) and value is not False
    ]
    if given:
        flag = "CHECKPOINT" if given[0] == "folder" else f"--{given[0].replace('_', '-')}"
        raise UsageError(
            f"read {flag}",
            expected="flags of a new family, or --fill and its own",
            got="both" if options.fill else "it without --fill",
            advice="See --help for which flags go together",
        )
    if not options.fill and (options.folder is None or options.output is None):
        raise UsageError(
            "export a checkpoint",
            expected="its folder, and a new one with -o",
            got="no folder" if options.folder is None else "no -o",
            advice="Give CHECKPOINT -o FOLDER, or --fill FAMILY",
        )
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; 0 done, 1 refused, 2 wrong usage."""
    options = _parser().parse_args(arguments)

    def run() -> None:
        _checked(options)
        print(fill(options) if options.fill else export(options))

    return status_of(run, "", stopped="stopped; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
