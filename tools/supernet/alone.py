"""Networks that tools/train_supernet.py --alone trained, beside the family of their supernet."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edgert.errors import ArtifactError
from edgert.families.ofa_checkpoint import stated_space
from edgert.families.ofa_resnet50 import edits, subnet_from_text
from edgert.records import Configuration, Family
from edgert.schema import record_from_json


class _Report(msgspec.Struct):
    """What training.json says, as far as it counts here."""

    alone: str | None = None
    labels: list[str] = []


def alone_checkpoints(folder: Path | None, labels: Sequence[str]) -> dict[str, Path]:
    """What was trained alone, by the subnet in the paper's words.

    Args:
        folder: Holds a folder of each; None for nothing.
        labels: Of the family, in its order.

    Raises:
        ArtifactError: There is no such folder, nothing in it, something that was not trained
            alone or for other labels, or two of one shape.
    """
    if folder is None:
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*/training.json")):
        report = record_from_json(path, _Report, ArtifactError)
        if report.alone is None or report.alone in found:
            raise ArtifactError(
                f"read {path}",
                expected="one network of each shape, trained alone",
                got="another supernet" if report.alone is None else f"{report.alone} again",
                advice="Name the folder that tools/train_supernet.py --alone made",
            )
        if report.labels and report.labels != list(labels):
            raise ArtifactError(
                f"read {path}",
                expected=f"the family's labels, {', '.join(labels)}",
                got=", ".join(report.labels),
                advice="Train it on the same classes",
            )
        found[report.alone] = path.parent / "supernet.safetensors"
    if not found:
        raise ArtifactError(
            f"read {folder}",
            expected="networks trained alone",
            got="none",
            advice="Train them with tools/train_supernet.py --alone",
        )
    return found


def missing_shapes(family: Family, alone: Mapping[str, Path]) -> list[Configuration]:
    """Subnets of the shapes that were trained alone and that no configuration has."""
    names = {configuration.name for configuration in family.configurations}
    known = {configuration.note for configuration in family.configurations}
    found = []
    for words, path in alone.items():
        if words not in known:
            space, own = stated_space(path), path.parent.name
            subnet = subnet_from_text(words, space)
            steps = edits(space, subnet, base_image_size=family.input.height)
            name = f"{own}-alone" if own in names else own
            found.append(Configuration(name=name, edits=steps, note=words))
    return found
