"""The frontier's subnets become a family: family.yaml with their edits, and their statistics."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from edgert.artifacts import save_family, staged_folder
from edgert.build.derive import derive
from edgert.errors import BuildError
from edgert.families.ofa_resnet50 import note
from edgert.families.ofa_space import Subnet
from edgert.families.ofa_space_file import SPACE_FILE
from edgert.records import Accuracy, Configuration, Family
from edgert.search.subnets.finish import logits_of, probe_path, statistics_path
from edgert.search.subnets.predictor import TRUSTED_BELOW_MACS
from edgert.search.subnets.result import FoundSubnet, SubnetResult
from edgert.search.subnets.run import FINAL
from edgert.search.subnets.supernet import Supernet
from edgert.search.write import new_family_name, placed

FOLDER = "recalibrated"
_SAME = 1e-4  # of the largest logit: what rounding explains


def write_subnet_family(
    target: Path, supernet: Supernet, result: SubnetResult, work: Path, *, dataset: str
) -> Path:
    """Write a new family folder, whole or not at all.

    Args:
        target: Does not exist yet.
        supernet: What was searched.
        result: What was found.
        work: The work folder.
        dataset: What accuracies were measured on, in words; empty where there are none.

    Returns:
        The new family.yaml.

    Raises:
        UsageError: Something is at `target`, or no family can be called like it.
        BuildError: A configuration as written does not compute what was scored.
    """
    name = new_family_name(target)
    folder = supernet.folder
    with staged_folder(target) as staging:
        for path in (folder.graph_path, folder.weights_path, folder.path / SPACE_FILE):
            if path is not None:
                shutil.copy2(path, staging / path.name)
        _write(staging, supernet, result, work, dataset, name=name)
    return target / "family.yaml"


def replace_subnets(supernet: Supernet, result: SubnetResult, work: Path, *, dataset: str) -> Path:
    """Replace the configurations of the supernet's own family.yaml.

    Statistics go in first, beside what is there; family.yaml is then replaced in one step. Until
    that step the old one stands. What it no longer names is removed after it.

    Returns:
        family.yaml.

    Raises:
        BuildError: A configuration as written does not compute what was scored.
    """
    folder = supernet.folder.path
    name = supernet.folder.family.name
    named = _write(folder, supernet, result, work, dataset, name=name)
    for path in (folder / FOLDER).glob("*.npz"):
        if f"{FOLDER}/{path.name}" not in named:
            path.unlink()
    return folder / "family.yaml"


def _write(
    folder: Path,
    supernet: Supernet,
    result: SubnetResult,
    work: Path,
    dataset: str,
    *,
    name: str,
) -> set[str]:
    """Statistics, then family.yaml, once every configuration computes what was scored."""
    (folder / FOLDER).mkdir(exist_ok=True)
    places = {}
    for found in (result.full, *result.frontier):
        content = statistics_path(work / FINAL, found.word).read_bytes()
        places[found.word] = placed(folder, f"{FOLDER}/{found.name}.npz", content)
    written = family_of(supernet, result, places, dataset=dataset)
    _check(folder, supernet, written, result, work)
    save_family(folder / "family.yaml", msgspec.structs.replace(written, name=name))
    return set(places.values())


def family_of(
    supernet: Supernet, result: SubnetResult, places: Mapping[str, str], *, dataset: str
) -> Family:
    """The family with the whole supernet first and then its subnets, dearest first.

    Args:
        supernet: What was searched.
        result: What was found.
        places: By a subnet's word, the file of its statistics, relative to the family's folder.
        dataset: What accuracies were measured on, in words.
    """
    configurations = [
        Configuration(
            name=found.name,
            edits=supernet.edits(subnet_of(found), places[found.word]),
            note=_note(found, result),
            accuracy=_accuracy(found, result, dataset),
        )
        for found in (result.full, *result.frontier)
    ]
    family = supernet.folder.family
    return msgspec.structs.replace(family, configurations=configurations, models=[])


def subnet_of(found: FoundSubnet) -> Subnet:
    """The subnet of a row of the result."""
    return Subnet(found.depth, found.expand, found.width, found.image_size)


def _note(found: FoundSubnet, result: SubnetResult) -> str:
    words = note(subnet_of(found))
    if result.metric == "agreement":
        share, pictures = found.report or 0.0, result.images["report"]
        return f"{words}; answers as the full one on {share:.1%} of {pictures} held-out pictures"
    if result.metric == "predicted top1":
        caution = "3.1 to 3.6 points too much"
        if found.macs >= TRUSTED_BELOW_MACS:
            caution += ", and not to be relied on above 3 GMACs"
        return f"{words}; top-1 {found.choose:.2%} modelled by the published predictor, {caution}"
    return words


def _accuracy(found: FoundSubnet, result: SubnetResult, dataset: str) -> Accuracy | None:
    if result.metric != "top1" or found.report is None:
        return None
    frames = result.images["report"]
    return Accuracy(metric="top1", value=round(found.report, 4), frames=frames, dataset=dataset)


def _check(
    folder: Path, supernet: Supernet, written: Family, result: SubnetResult, work: Path
) -> None:
    """Derive each configuration as it is written and compare what it computes."""
    probe = np.load(work / FINAL / "probe.npy")
    rows = (result.full, *result.frontier)
    for configuration, found in zip(written.configurations, rows, strict=True):
        subject = f"write {configuration.name}"
        graph = derive(supernet.graph, configuration.edits, subject=subject, folder=folder)
        got, scored = logits_of(graph, probe), np.load(probe_path(work / FINAL, found.word))
        apart = float(np.abs(got - scored).max() / max(np.abs(scored).max(), 1e-30))
        if not apart <= _SAME:
            raise BuildError(
                subject,
                expected=f"what was scored, within {_SAME:.0e} of the largest output",
                got=f"{apart:.1e}",
                advice="Start the search again with --restart",
            )
