"""What imported families have in common: labels, the cut of pictures, models that were run."""

import argparse
from pathlib import Path

import msgspec
import numpy as np

from edgert.artifacts import sha256_from_file
from edgert.backends.onnxruntime import reference_session
from edgert.errors import UsageError, VerificationError
from edgert.records import InputSpec
from edgert.records.base import Name
from edgert.surgery.graph import Graph, save_graph

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Crop = float | msgspec.UnsetType  # of pictures, as `InputSpec` has it


def crop_from_text(text: str) -> Crop:
    """What --crop says: "none", or a ratio that an input takes.

    Raises:
        ArgumentTypeError: It is neither.
    """
    if text == "none":
        return msgspec.UNSET
    try:
        spec = {"name": "x", "shape": (1, 3, 1, 1), "crop": float(text)}
        return msgspec.convert(spec, InputSpec).crop
    except ValueError as error:  # msgspec's is one
        wanted = "expected a ratio from 0.1 to 1, as 0.875 for 224 of 256, or none"
        raise argparse.ArgumentTypeError(f"{wanted}, got {text!r}") from error


def check_new_family(output: Path, name: str) -> None:
    """Refuse a folder that is there already, and a name that no family can have.

    Raises:
        UsageError: One of both.
    """
    if output.exists():
        raise UsageError(
            f"write {output}",
            expected="a folder that is not there yet",
            got="one that is",
            advice="Remove it or name another with -o",
        )
    check_name(name, f"name the family of {output}", "Give it another with --name")


def check_name(name: str, subject: str, advice: str) -> None:
    """Refuse a name that family.yaml can't have.

    Raises:
        UsageError: It has other letters, begins with none, or is too long.
    """
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise UsageError(
            subject,
            expected="up to 80 of A to Z, a to z, 0 to 9, '.', '_' and '-', a letter or digit "
            "first",
            got=repr(name),
            advice=advice,
        ) from error


def read_labels(path: Path | None, classes: int) -> list[str]:
    """Names of the classes, one on each line; "class 0" and on where there is no file."""
    if path is None:
        return [f"class {index}" for index in range(classes)]
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        got = getattr(error, "strerror", None) or "bytes that are not UTF-8 text"
        raise UsageError(
            f"read {path}", expected="labels, one on each line", got=got.lower(), advice="Check it"
        ) from error
    labels = [line.strip() for line in lines if line.strip()]
    if len(labels) != classes:
        raise UsageError(
            f"read {path}",
            expected=f"{classes} labels, one on each line",
            got=f"{len(labels)}",
            advice="Give the labels of this checkpoint",
        )
    return labels


def write_model(folder: Path, name: str, graph: Graph) -> dict[str, str]:
    """Write a graph with its weights beside it, and run it once.

    Returns:
        The fields of a model in family.yaml.

    Raises:
        VerificationError: Its answer on noise is not finite, or the same for every class.
    """
    path, weights = folder / f"{name}.onnx", folder / f"{name}.weights"
    save_graph(graph, path, weights=weights.name)
    shape = tuple(graph.inputs[0].shape)
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    session = reference_session(path)
    try:
        (logits,) = session.run({graph.inputs[0].name: noise}).values()
    finally:
        session.close()
    if not np.isfinite(logits).all() or np.ptp(logits) == 0:
        raise VerificationError(
            f"run {name}",
            expected="finite logits that tell classes apart",
            got=f"{logits.min()} to {logits.max()} on noise",
            advice="Check that the checkpoint was trained; nothing was written",
        )
    return {
        "graph": path.name,
        "sha256": sha256_from_file(path),
        "weights": weights.name,
        "weights_sha256": sha256_from_file(weights),
    }
