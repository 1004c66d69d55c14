"""Export a Hugging Face SegFormer checkpoint as the base model of a family.

    python tools/export_segformer.py CHECKPOINT -o engines/NAME --height 360 --width 480

CHECKPOINT is a folder with config.json and model.safetensors, in the key names of any generation
of transformers. What is written: base.onnx and base.weights in the papers' names, family.yaml
with one configuration, and README.md, the model card. The graph is compared with the checkpoint's
own outputs first; where they differ nothing is written. Needs `pip install 'edgert[export]'`, and
for --dataset also the extra `video`.
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import save_family, sha256_from_file, staged_folder, write_atomically
from edgert.backends.onnxruntime import reference_session
from edgert.errors import ArtifactError, EdgertError, UsageError, VerificationError
from edgert.families.segformer import edits
from edgert.families.segformer_checkpoint import Checkpoint, read_checkpoint
from edgert.families.segformer_names import (
    INPUT_NAME,
    OUTPUT_NAME,
    with_paper_names,
)
from edgert.optional import needs
from edgert.preprocess import Preprocessor
from edgert.profiling.accuracy import measure_miou
from edgert.profiling.dataset import LabelledFrames, open_labelled_frames
from edgert.records import Accuracy, BaseModel, Configuration, Family, InputSpec
from edgert.surgery.graph import save_graph
from edgert.surgery.load import load_graph

Array = NDArray[Any]

LARGEST_DIFFERENCE_RATIO = 1e-5  # of the largest logit; float32 sums taken in another order
OPSETS = range(17, 21)  # below 17 LayerNormalization is no operator; TorchScript ends at 20


# ---------------------------------------------------------------- exporting


def write_graph(checkpoint: Checkpoint, path: Path, *, opset: int) -> None:
    """Export, rename and write base.onnx with base.weights beside it.

    TorchScript's exporter, not dynamo's: it writes opset 17 to 20 without converting, and 416
    nodes instead of 434 for B0 (torch 2.13) because attention needs fewer reshapes.
    """
    torch = needs("torch", "export", "to export the model")

    class Logits(torch.nn.Module):  # type: ignore[misc, name-defined]
        """The model with its logits as the one output."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixel_values: Any) -> Any:
            return self.model(pixel_values).logits

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing fixed shapes, which is what is wanted here
        exported = Path(folder) / "exported.onnx"
        torch.onnx.export(
            Logits(checkpoint.model).eval(),  # the exporter puts this mode back on all parts
            (torch.zeros(checkpoint.input.shape),),
            str(exported),
            opset_version=opset,
            input_names=[INPUT_NAME],
            dynamo=False,
        )
        graph = with_paper_names(load_graph(exported))
    graph.model.producer_name, graph.model.producer_version = "edgert", None
    graph.model.graph.name = "segformer"
    save_graph(graph, path, weights=f"{path.stem}.weights")


def largest_difference_ratio(
    graph: Path, checkpoint: Checkpoint, inputs: Sequence[Array]
) -> float:
    """Largest |graph - checkpoint| over the largest |logit|, the worst of all inputs.

    Raises:
        VerificationError: It is above 1e-5.
    """
    session = reference_session(graph)
    ratios = []
    for tensor in inputs:
        expected = checkpoint.logits(tensor)
        (got,) = session.run({INPUT_NAME: tensor}).values()
        ratios.append(float(np.abs(got - expected).max() / np.abs(expected).max()))
    session.close()
    worst = float(np.max(ratios))  # NaN where one of them is
    if not worst <= LARGEST_DIFFERENCE_RATIO:
        raise VerificationError(
            f"compare the exported graph with {checkpoint.name}",
            expected=f"logits within {LARGEST_DIFFERENCE_RATIO:.0e} of the largest",
            got=f"{worst:.1e}",
            advice="Nothing was written; try another opset and report this with the checkpoint",
        )
    return worst


def parity_inputs(spec: InputSpec, frames: LabelledFrames | None) -> list[Array]:
    """Three seeded random inputs, and up to three frames where there are any."""
    random = np.random.default_rng(0)
    inputs: list[Array] = [random.standard_normal(spec.shape, np.float32) for _ in range(3)]
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
    if output.exists():
        raise UsageError(
            f"write {output}",
            expected="a folder that is not there yet",
            got="one that is",
            advice="Remove it or name another with -o",
        )
    checkpoint = read_checkpoint(options.checkpoint, options.height, options.width)
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
            name=options.name or output.name,
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

SegFormer for segmentation, exported from the checkpoint `{options.checkpoint.resolve().name}`
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; 0 done, 1 refused, 2 wrong usage."""
    parser = argparse.ArgumentParser(description="Export a SegFormer checkpoint as a family.")
    parser.add_argument("checkpoint", type=Path, help="folder with config.json, model.safetensors")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="new folder: engines/NAME"
    )
    parser.add_argument("--name", help="the family's name; the output folder's by default")
    parser.add_argument("--height", type=int, help="rows of the input")
    parser.add_argument("--width", type=int, help="columns of the input")
    parser.add_argument("--opset", type=int, default=18, choices=OPSETS, help="17 to 20")
    parser.add_argument("--dataset", type=Path, help="folder with images/ and labels/ for mIoU")
    parser.add_argument("--dataset-name", help='what to call it: "CamVid val"')
    parser.add_argument("--ignore-label", type=int, help="label of pixels that do not count")
    parser.add_argument("--license", default="", help="terms that go with the weights")
    options = parser.parse_args(arguments)
    try:
        print(export(options))
    except EdgertError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
