"""Fill a family that was written down without weights: graphs, weights, hashes and labels.

    python tools/export_segformer.py --fill engines/segformer-b2-ade20k

Owns the order of things: every checkpoint is held against the family and against the others, every
graph against its checkpoint, and the folder changes as a whole or not at all. Where checkpoints
come from is `segformer_origins`'s.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edgert.artifacts import (
    FamilyFolder,
    load_family,
    save_family,
    sha256_from_file,
    staged_folder,
    write_atomically,
)
from edgert.build.derive import derive_configuration
from edgert.build.family_graphs import FamilyGraphs
from edgert.errors import ArtifactError, UsageError
from edgert.families.hub import CARD
from edgert.families.segformer_checkpoint import Checkpoint, read_checkpoint
from edgert.families.segformer_export import (
    largest_difference_ratio,
    random_inputs,
    write_graph,
)
from edgert.families.segformer_sizes import size_in_name
from edgert.records import BaseModel, Family
from new_families.segformer_origins import BASE, Origin, fetched, given_folders, models_of


def fill(options: argparse.Namespace) -> str:
    """Fill the family's folder; it is as it was before, or whole.

    Returns:
        What was filled in and checked, in one line.

    Raises:
        EdgertError: The family, a checkpoint, the hub or the folder is not what it should be, or
            the licence was not accepted.
    """
    found = load_family(options.fill, verify=False)
    family = found.family
    if not found.unfilled:
        raise UsageError(
            f"fill {found.path}",
            expected="a family whose models still have to be filled in",
            got="one that states their hashes already",
            advice="Take family.yaml as it was before, without hashes",
        )
    with tempfile.TemporaryDirectory() as temporary:
        if options.checkpoint:
            origins = given_folders(family, options.checkpoint)
        else:
            origins = fetched(family, options, Path(temporary))
        return _write(found, origins, options)


def _write(found: FamilyFolder, origins: Mapping[str, Origin], options: argparse.Namespace) -> str:
    """Export and check every model in a copy of the folder that takes its place at the end."""
    family = found.family
    checkpoints = _checkpoints(family, origins)
    terms = _terms(family, origins, options.license)
    with staged_folder(found.path.resolve()) as staging:
        shutil.copytree(found.path, staging, symlinks=True, dirs_exist_ok=True)
        written: dict[str, BaseModel] = {}
        rows = []
        for name, checkpoint in checkpoints.items():
            print(f"export {name}", file=sys.stderr)
            model, _ = models_of(family)[name]
            written[name] = _exported(staging, model, checkpoint, options.opset)
            inputs = random_inputs(checkpoint.input)
            ratio = largest_difference_ratio(staging / model.graph, checkpoint, inputs)
            parity = f"within {ratio:.1e} of the checkpoint's largest logit on 3 random inputs"
            rows.append(f"| `{name}` | {origins[name].told} | {parity} |")
        filled = _with_models(family, written, checkpoints, terms)
        _check_edits(FamilyFolder(staging, filled))
        save_family(staging / "family.yaml", filled)
        _tell_card(staging / CARD, family.name, rows, terms)
    told = ", ".join(f"{name} from {origins[name].told}" for name in written)
    return (
        f"filled {found.path} with {told}: {len(filled.labels)} labels, equal to the checkpoints"
    )


def _checkpoints(family: Family, origins: Mapping[str, Origin]) -> dict[str, Checkpoint]:
    """Every model's checkpoint, of the size that the family names, all with the same labels."""
    read: dict[str, Checkpoint] = {}
    labels, labels_of = family.labels, "family.yaml"
    for name, (model, spec) in models_of(family).items():
        checkpoint = read_checkpoint(origins[name].folder, spec.height, spec.width)
        _check_size(name, model, checkpoint)
        if labels:
            _check_labels(labels, labels_of, checkpoint.labels, name)
        else:
            labels, labels_of = checkpoint.labels, name
        read[name] = checkpoint
    return read


def _with_models(
    family: Family,
    written: Mapping[str, BaseModel],
    checkpoints: Mapping[str, Checkpoint],
    terms: str,
) -> Family:
    """The family with its models' hashes, their own preprocessing, labels and terms."""
    scaled = [
        msgspec.structs.replace(
            model,
            sha256=written[model.name].sha256,
            weights=written[model.name].weights,
            weights_sha256=written[model.name].weights_sha256,
            input=checkpoints[model.name].input,
        )
        for model in family.models
    ]
    return msgspec.structs.replace(
        family,
        base=written[BASE],
        input=checkpoints[BASE].input,
        models=scaled,
        labels=checkpoints[BASE].labels,
        license=terms,
    )


def _exported(folder: Path, model: BaseModel, checkpoint: Checkpoint, opset: int) -> BaseModel:
    """Write a model's graph and weights, and say their hashes."""
    graph = folder / model.graph
    write_graph(checkpoint, graph, opset=opset)
    weights = f"{graph.stem}.weights"
    return msgspec.structs.replace(
        model,
        sha256=sha256_from_file(graph),
        weights=weights,
        weights_sha256=sha256_from_file(folder / weights),
    )


def _check_size(name: str, model: BaseModel, checkpoint: Checkpoint) -> None:
    """Edits of a family name blocks of its own size; another one's would be other blocks."""
    wanted = size_in_name(model.source)
    if wanted and checkpoint.size != wanted:
        got = f"a {checkpoint.size.upper()}" if checkpoint.size else "another size"
        raise ArtifactError(
            f"fill {name} from {checkpoint.name}",
            expected=f"a SegFormer-{wanted.upper()}, as {model.source}",
            got=f"{got} with depths {checkpoint.depths}",
            advice="Give the checkpoint that family.yaml names as `source`",
        )


def _check_labels(wanted: Sequence[str], of: str, labels: Sequence[str], name: str) -> None:
    """All models of a family answer with the same labels in the same order."""
    advice = "Use checkpoints that were trained for the same labels in the same order"
    if len(labels) != len(wanted):
        raise ArtifactError(
            f"fill {name}",
            expected=f"{len(wanted)} labels as {of} has",
            got=f"{len(labels)}",
            advice=advice,
        )
    for index, (label, other) in enumerate(zip(wanted, labels, strict=True)):
        if label != other:
            raise ArtifactError(
                f"fill {name}",
                expected=f"label {index} to be '{label}' as in {of}",
                got=f"'{other}'",
                advice=advice,
            )


def _check_edits(folder: FamilyFolder) -> None:
    """The graphs have what the family's configurations cut, and can take turns."""
    graphs = FamilyGraphs(folder)
    for configuration in folder.family.configurations:
        subject = f"derive {configuration.name}"
        derive_configuration(folder, configuration, base=graphs, subject=subject)


def _terms(family: Family, origins: Mapping[str, Origin], given: str) -> str:
    """What family.yaml says of the licence: what the user gave, or the cards and the family."""
    if given:
        return given
    stated = [origin.licence.line for origin in origins.values() if origin.licence]
    return "; ".join(part for part in (family.license, *stated) if part)


def _tell_card(path: Path, name: str, lines: Sequence[str], terms: str) -> None:
    """Add to the model card what the family was filled with."""
    before = path.read_text(encoding="utf-8").rstrip() if path.exists() else f"# {name}"
    rows = "\n".join(["| model | checkpoint | parity |", "|---|---|---|", *lines])
    said = terms or "those of the checkpoints"
    write_atomically(path, f"{before}\n\n## Filled\n\n{rows}\n\nTerms: {said}\n")
