"""The frontier becomes a family: family.yaml, base model, ranking and fitted numbers."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec
import numpy as np

from edgert.artifacts import FamilyFolder, save_family, staged_folder, write_atomically
from edgert.backends.onnxruntime import session_from_bytes
from edgert.build.derive import derive, files_of
from edgert.errors import BuildError, EdgertError, PreconditionError, UsageError
from edgert.records import Accuracy, Configuration, Edit, Family
from edgert.records.base import Name
from edgert.search.choice import RANKING, edits_of, fitted_edits
from edgert.search.other_models import copy_other_models, with_other_models
from edgert.search.prepare import full_graph
from edgert.search.result import Found, SearchResult
from edgert.search.trial import GRAPHS, fitted_path, serialised
from edgert.surgery.channels_first import channels_first
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph

_SAME = 1e-4  # of the largest logit: what rounding explains
_FITTED = "fitted"


def names_of(macs: Sequence[int], letter: str = "c") -> list[str]:
    """Name configurations c976, after millions of multiply-accumulates; below ten with digits.

    Equal ones get a number behind, so that names are unique.
    """
    names: list[str] = []
    for count in macs:
        millions = count / 1e6
        name = base = letter + (f"{millions:.0f}" if millions >= 10 else f"{millions:.3g}")
        number = 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names


def new_family_name(target: Path) -> str:
    """What a new family is called: like its folder, so that both families keep their profiles.

    Raises:
        UsageError: Something is there, or no family can be called like that.
    """
    if target.exists():
        raise UsageError(
            f"-o {target}",
            expected="a folder that does not exist yet",
            got="one that does",
            advice="Name another one, or add --write to replace the family's own file",
        )
    name = Path(os.path.abspath(target)).name
    try:
        return msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"-o {target}",
            expected="a folder called with A to Z, a to z, 0 to 9, '.', '_' and '-' alone",
            got=repr(name),
            advice="Name another one: the new family is called like its folder",
        ) from error


class Written(NamedTuple):
    """A family.yaml, and by name why a configuration of another model is not in it."""

    path: Path
    left_out: dict[str, str]


def write_new_family(
    target: Path, family: FamilyFolder, result: SearchResult, work: Path, *, dataset: str
) -> Written:
    """Write a new family folder, whole or not at all.

    Args:
        target: Does not exist yet.
        family: What was searched.
        result: What was found.
        work: The work folder.
        dataset: What the scores were taken on, in words; empty for agreement.

    Returns:
        The new family.yaml. Configurations of the family's other models are in it as they were.

    Raises:
        UsageError: Something is at `target`, or no family can be called like it.
        BuildError: A configuration as written does not compute what was scored.
    """
    name = new_family_name(target)
    with staged_folder(target) as staging:
        for path in (family.graph_path, family.weights_path):
            if path is not None:
                shutil.copy2(path, staging / path.name)
        copy_other_models(family, staging)
        written, left_out = _placed_family(staging, family, result, work, dataset)
        save_family(staging / "family.yaml", msgspec.structs.replace(written, name=name))
    return Written(target / "family.yaml", {name: str(left_out[name]) for name in left_out})


def replace_family(
    family: FamilyFolder, result: SearchResult, work: Path, *, dataset: str
) -> Written:
    """Replace the configurations of the base model in a family's own family.yaml.

    Fitted numbers go in first, under names that nothing uses yet; family.yaml is then replaced
    in one step, and what it no longer names is removed. Until that step the old one stands.

    Returns:
        family.yaml.

    Raises:
        EdgertError: A configuration of another model can't be derived.
        BuildError: A configuration as written does not compute what was scored.
    """
    folder = family.path
    written, left_out = _placed_family(folder, family, result, work, dataset)
    for error in left_out.values():
        raise error  # nothing that somebody wrote is lost: family.yaml still is the old one
    save_family(folder / "family.yaml", written)
    kept = {path for c in written.configurations for path in files_of(c.edits, folder)}
    for path in (folder / _FITTED).glob("*.npz"):
        if path not in kept:
            path.unlink()
    return Written(folder / "family.yaml", {})


def _placed_family(
    folder: Path, family: FamilyFolder, result: SearchResult, work: Path, dataset: str
) -> tuple[Family, dict[str, EdgertError]]:
    """The family, its fitted numbers in the folder; and what is left out of it."""
    (folder / _FITTED).mkdir(exist_ok=True)
    ranking = placed(folder, RANKING, (work / RANKING).read_bytes())
    places = {
        found.key: placed(
            folder,
            f"{_FITTED}/{found.name}.npz",
            (work / fitted_path(found.key)).read_bytes(),
        )
        for found in result.frontier
        if edits_of(found.choice)
    }
    written = _family_of(family, result, dataset=dataset, places=places, ranking=ranking)
    _finish_and_check(folder, family, written, result, work)
    macs = [found.macs for found in (result.full, *result.frontier)]
    return with_other_models(family.family, FamilyFolder(folder, written), macs)


def placed(folder: Path, name: str, content: bytes) -> str:
    """Write a file under its name, or beside it where something else has the name."""
    path = folder / name
    if path.is_file() and path.read_bytes() != content:
        digest = hashlib.sha256(content).hexdigest()[:8]
        path = path.with_name(f"{path.stem}-{digest}{path.suffix}")
    if not path.is_file():
        write_atomically(path, content)
    return str(path.relative_to(folder))


def _family_of(
    family: FamilyFolder,
    result: SearchResult,
    *,
    dataset: str,
    places: dict[str, str],
    ranking: str,
) -> Family:
    graph, merged = full_graph(family)
    before: list[Edit] = [{"merge_linear": {}}] if merged else []
    full = Configuration(
        name="full",
        edits=[*before, *_layout_of(graph)],
        accuracy=_accuracy(result, result.full, dataset),
    )
    configurations = [full]
    for found in result.frontier:
        place = PurePosixPath(places.get(found.key, ""))  # none where nothing was fitted
        edits = fitted_edits(found.choice, fitted=place, ranking=ranking)
        configurations.append(
            Configuration(
                name=found.name,
                edits=[*before, *edits],
                accuracy=_accuracy(result, found, dataset),
            )
        )
    return msgspec.structs.replace(family.family, configurations=configurations)


def _layout_of(graph: Graph) -> list[Edit]:
    try:
        channels_first(graph)
    except PreconditionError:
        return []
    return [{"channels_first": {}}]


def _accuracy(result: SearchResult, found: Found, dataset: str) -> Accuracy | None:
    if result.metric == "agreement":
        return None
    frames = result.frames["report"]
    return Accuracy(
        metric=result.metric, value=round(found.report, 4), frames=frames, dataset=dataset
    )


def _finish_and_check(
    folder: Path, family: FamilyFolder, written: Family, result: SearchResult, work: Path
) -> None:
    """Derive each configuration as it is written, finish its edits, compare what it computes."""
    base = load_graph(family.graph_path)
    shape = family.family.input.shape
    tensor = np.random.default_rng(7).standard_normal(shape).astype(np.float32)
    for configuration, found in zip(written.configurations[1:], result.frontier, strict=True):
        subject = f"write {configuration.name}"
        graph = derive(base, configuration.edits, subject=subject, folder=folder)
        last = _layout_of(graph)
        if last:
            configuration.edits.extend(last)
            graph = derive(graph, last, subject=subject)
        scored = (work / GRAPHS / f"{found.key}.onnx").read_bytes()
        outputs = []
        for content in (serialised(graph), scored):
            session = session_from_bytes(content)
            outputs.append(next(iter(session.run({session.inputs[0].name: tensor}).values())))
            session.close()
        apart = float(np.abs(outputs[0] - outputs[1]).max() / max(np.abs(outputs[1]).max(), 1e-30))
        if not apart <= _SAME:
            raise BuildError(
                subject,
                expected=f"what was scored, within {_SAME:.0e} of the largest output",
                got=f"{apart:.1e}",
                advice="Start the search again with --restart",
            )
