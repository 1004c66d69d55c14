"""The frontier becomes a family: family.yaml, base model, ranking and fitted numbers."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from edgert.artifacts import FamilyFolder, save_family, staged_folder, write_atomically
from edgert.backends.onnxruntime import session_from_bytes
from edgert.build.derive import derive
from edgert.errors import BuildError, PreconditionError, UsageError
from edgert.records import Accuracy, Configuration, Edit, Family
from edgert.search.choice import RANKING, fitted_edits
from edgert.search.prepare import full_graph
from edgert.search.result import Found, SearchResult
from edgert.search.trial import GRAPHS, fitted_path, serialised
from edgert.surgery.channels_first import channels_first
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph

_SAME = 1e-4  # of the largest logit: what rounding explains
_FITTED = "fitted"


def names_of(macs: Sequence[int]) -> list[str]:
    """Name configurations c976, after millions of multiply-accumulates; below ten with digits.

    Equal ones get a number behind, so that names are unique.
    """
    names: list[str] = []
    for count in macs:
        millions = count / 1e6
        name = base = f"c{millions:.0f}" if millions >= 10 else f"c{millions:.3g}"
        number = 2
        while name in names:
            name, number = f"{base}-{number}", number + 1
        names.append(name)
    return names


def refuse_existing(target: Path) -> None:
    """A new family goes where nothing is.

    Raises:
        UsageError: Something is there.
    """
    if target.exists():
        raise UsageError(
            f"-o {target}",
            expected="a folder that does not exist yet",
            got="one that does",
            advice="Name another one, or add --write to replace the family's own file",
        )


def write_new_family(
    target: Path, family: FamilyFolder, result: SearchResult, work: Path, *, dataset: str
) -> Path:
    """Write a new family folder, whole or not at all.

    Args:
        target: Does not exist yet.
        family: What was searched.
        result: What was found.
        work: The work folder.
        dataset: What the scores were taken on, in words; empty for agreement.

    Returns:
        The new family.yaml.

    Raises:
        UsageError: Something is at `target`.
        BuildError: A configuration as written does not compute what was scored.
    """
    refuse_existing(target)
    with staged_folder(target) as staging:
        for path in (family.graph_path, family.weights_path):
            if path is not None:
                shutil.copy2(path, staging / path.name)
        (staging / _FITTED).mkdir()
        places = {found.key: f"{_FITTED}/{found.name}.npz" for found in result.frontier}
        for found in result.frontier:
            shutil.copyfile(work / fitted_path(found.key), staging / places[found.key])
        shutil.copyfile(work / RANKING, staging / RANKING)
        written = _family_of(family, result, dataset=dataset, places=places, ranking=RANKING)
        _finish_and_check(staging, family, written, result, work)
        save_family(staging / "family.yaml", written)
    return target / "family.yaml"


def replace_family(
    family: FamilyFolder, result: SearchResult, work: Path, *, dataset: str
) -> Path:
    """Replace the configurations of a family in its own family.yaml.

    Fitted numbers go in first, under names that nothing uses yet; family.yaml is then replaced
    in one step, and what it no longer names is removed. Until that step the old one stands.

    Returns:
        family.yaml.

    Raises:
        BuildError: A configuration as written does not compute what was scored.
    """
    folder = family.path
    (folder / _FITTED).mkdir(exist_ok=True)
    ranking = _placed(folder, RANKING, (work / RANKING).read_bytes())
    places = {
        found.key: _placed(
            folder,
            f"{_FITTED}/{found.name}.npz",
            (work / fitted_path(found.key)).read_bytes(),
        )
        for found in result.frontier
    }
    written = _family_of(family, result, dataset=dataset, places=places, ranking=ranking)
    _finish_and_check(folder, family, written, result, work)
    save_family(folder / "family.yaml", written)
    for path in (folder / _FITTED).glob("*.npz"):
        if f"{_FITTED}/{path.name}" not in places.values():
            path.unlink()
    return folder / "family.yaml"


def _placed(folder: Path, name: str, content: bytes) -> str:
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
        place = PurePosixPath(places[found.key])
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
