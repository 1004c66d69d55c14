"""The BatchNorm statistics of a family's configurations, measured and stored one after another.

Each configuration's lie in recalibrated/NAME.npz, with what they were measured of and on, and
family.yaml names the file as soon as it is there. What holds already is left alone, so work that
was killed goes on where it was.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import FamilyFolder, save_family, sha256_from_file, write_atomically
from edgert.artifacts.lock import lock
from edgert.build.derive import derive_configuration, files_of
from edgert.build.family_graphs import FamilyGraphs
from edgert.build.statistics_origin import origin_of
from edgert.build.statistics_places import (
    FOLDER,
    StatisticsPlace,
    nothing_to_measure,
    places_in,
)
from edgert.calibration.picture_batches import Batches, pick_pictures
from edgert.calibration.recalibration import measure_statistics
from edgert.clock import Clock
from edgert.errors import ArtifactError, CalibrationError, PreconditionError
from edgert.records import Configuration, ScaledModel
from edgert.surgery.batchnorm import (
    Statistics,
    bytes_of_statistics,
    is_batchnorm,
    read_statistics,
    statistics_of,
)
from edgert.surgery.graph import Graph

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]
_FLOOR = 1e-5  # of a variance, which the node adds to it by itself


@dataclass(frozen=True)
class Recalibrated:
    """What came of one configuration.

    Attributes:
        name: The configuration.
        layers: Its BatchNormalization nodes.
        size_bytes: Of its file.
        largest_change: Of a statistic: of a mean over the old standard deviation, of a variance
            over the old variance; of the stored statistics where nothing was measured.
        largest_at: The statistic that changed by that.
        replaced: The family has other statistics now; an accuracy measured with the old is gone.
        seconds: What measuring took; None where the file held.
    """

    name: str
    layers: int
    size_bytes: int
    largest_change: float
    largest_at: str
    replaced: bool
    seconds: float | None


def recalibrate_family(
    folder: FamilyFolder,
    images: Path,
    *,
    count: int,
    batch: int,
    clock: Clock,
    names: Sequence[str] = (),
    add: bool = False,
    threads: int | None = None,
    progress: Progress = lambda name, done, total: None,
) -> list[Recalibrated]:
    """Measure the statistics of configurations on pictures, and store them in the family.

    Args:
        folder: The family; its family.yaml is written anew, one configuration after another.
        images: A folder of pictures, or of one folder for each class.
        count: How many of them to use.
        batch: How many are normalised together.
        clock: What the work is timed by.
        names: Configurations; none: all that have the edit `recalibrate_batchnorm`.
        add: Give the edit to configurations that lack it, where their edits change what their
            normalisations see.
        threads: That the runtime may use; None: all.
        progress: Called with the configuration, batches done and batches in all.

    Returns:
        One entry for each configuration that has statistics of its own now.

    Raises:
        UsageError: There is no such configuration, or none that has anything to measure.
        CalibrationError: The pictures are too few or can't be used.
        ArtifactError: The family's folder can't be written to, or another writes there.
        EdgertError: A configuration can't be derived.
    """
    places = places_in(folder.family, names, add=add)
    batches = Batches(pick_pictures(images, count), folder.family.input, batch)
    given = {"pictures": _pictures_hash(batches.paths, images), "count": count, "batch": batch}
    graphs = FamilyGraphs(folder)
    done = []
    with _only_writer(folder.path / FOLDER):
        for place in places:
            name = place.configuration.name
            graph = _graph(folder, place, graphs)
            if not place.written and not any(is_batchnorm(node) for node in graph.nodes):
                continue
            path, about = folder.path / place.file, {**_about(folder, place), **given}
            start_s, measured = clock.now_s(), not _holds(path, about)
            replaced = False
            if measured:
                tensors = _measured(name, graph, batches, threads, progress)
                replaced = not (place.named and _has(path, tensors))
                if replaced:  # the accuracy goes before what it was measured with
                    folder = _saved(folder, place.unscored())
                write_atomically(path, bytes_of_statistics(Statistics(tensors, about)))
            folder = _saved(folder, place.filled(replaced=replaced))
            seconds = clock.now_s() - start_s if measured else None
            done.append(_row(name, graph, path, replaced=replaced, seconds=seconds))
    if not done:
        names = [place.configuration.name for place in places]
        raise nothing_to_measure("a configuration with BatchNormalization nodes", names)
    return done


def largest_change(old: dict[str, Array], new: dict[str, Array]) -> tuple[float, str]:
    """By how much a statistic changed, measured by the old spread, and which changed most.

    Args:
        old: Statistics by key, of one graph.
        new: Others of the same graph.
    """
    found = (0.0, "")
    for key, array in new.items():
        variance = old[f"{key.rpartition('.')[0]}.var"].astype(float) + _FLOOR
        scale = variance if key.endswith(".var") else np.sqrt(variance)
        change = float(np.max(np.abs(array.astype(float) - old[key]) / scale))
        found = max(found, (change, key))
    return found


def _graph(folder: FamilyFolder, place: StatisticsPlace, graphs: FamilyGraphs) -> Graph:
    bare = msgspec.structs.replace(place.configuration, edits=place.before)
    return derive_configuration(folder, bare, base=graphs, subject=f"recalibrate {bare.name}")


def _measured(
    name: str, graph: Graph, batches: Batches, threads: int | None, progress: Progress
) -> dict[str, Array]:
    try:
        return measure_statistics(
            graph,
            batches,
            threads=threads,
            progress=lambda done: progress(name, done, len(batches)),
        )
    except CalibrationError as error:
        raise CalibrationError(
            f"recalibrate {name}: {error.subject}",
            expected=error.expected,
            got=error.got,
            advice=error.advice,
        ) from error


def _about(folder: FamilyFolder, place: StatisticsPlace) -> dict[str, Any]:
    """What the statistics of a configuration depend on besides pictures."""
    model = folder.model_of(place.configuration)
    inputs = [folder.family.input, *([model.input] if isinstance(model, ScaledModel) else [])]
    files = files_of(place.before, folder.path)
    return {
        **origin_of(folder, place.configuration, place.before, files),
        "input": _sha256(msgspec.json.encode(inputs)),
    }


def _holds(path: Path, about: dict[str, Any]) -> bool:
    """Whether a file is there that was measured of the same on the same."""
    try:
        return dict(read_statistics(path).about) == about
    except PreconditionError:  # none, or a damaged one
        return False


def _has(path: Path, tensors: dict[str, Array]) -> bool:
    """Whether a file is there with these statistics to the last bit, whatever it says of them."""
    try:
        old = read_statistics(path).tensors
    except PreconditionError:
        return False
    return old.keys() == tensors.keys() and all(
        np.array_equal(old[key], tensor) for key, tensor in tensors.items()
    )


def _row(
    name: str, graph: Graph, path: Path, *, replaced: bool, seconds: float | None
) -> Recalibrated:
    tensors = dict(read_statistics(path).tensors)
    change, at = largest_change(statistics_of(graph), tensors)
    return Recalibrated(
        name=name,
        layers=len(tensors) // 2,
        size_bytes=path.stat().st_size,
        largest_change=change,
        largest_at=at,
        replaced=replaced,
        seconds=seconds,
    )


def _saved(folder: FamilyFolder, configuration: Configuration) -> FamilyFolder:
    """Put the configuration into family.yaml, where it is not there as it is."""
    family = folder.family
    places = [one.name for one in family.configurations]
    configurations = list(family.configurations)
    configurations[places.index(configuration.name)] = configuration
    if configurations == family.configurations:
        return folder
    written = msgspec.structs.replace(family, configurations=configurations)
    save_family(folder.path / "family.yaml", written)
    return FamilyFolder(folder.path, written)


def _pictures_hash(paths: Sequence[Path], images: Path) -> str:
    """Of the pictures' names, contents and order, wherever the folder lies."""
    listed = [(str(path.relative_to(images)), sha256_from_file(path)) for path in paths]
    return _sha256(msgspec.json.encode(listed))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Make the folder and lock it; what a killed process left half-written goes."""
    try:
        folder.mkdir(exist_ok=True)
        lock_file = folder.with_name(f".{folder.name}.lock").open("w")
    except OSError as error:
        raise ArtifactError(
            f"write {folder}",
            expected="a folder that can be written to",
            got=(error.strerror or str(error)).lower(),
            advice="Check the path and its permissions; nothing was measured",
        ) from error
    with lock_file:
        lock(
            lock_file,
            f"write {folder}",
            expected="no other process measuring",
            advice="Wait for it to end, then start again",
        )
        for leftover in folder.glob(".*.npz.*.tmp"):
            leftover.unlink()
        yield
