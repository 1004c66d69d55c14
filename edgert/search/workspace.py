"""The work folder: what a search keeps on disk, for its workers and for the day it goes on.

    journal.jsonl      every result, one line each
    setup.json         what workers have to know
    ranking.json       which units of a group go first
    reference/         frames and the full model, for the fits of the search
    reference-all/     the same with all calibration frames, for the last fits
    scoring/           the model's input and labels of each scoring frame
    counts/            what each choice counted on each frame
    timing/            graphs that wait to be timed
    final/             fitted numbers and graphs of the choices that were refitted
    result.json, frontier.png

Every worker opens it by its path, so it has to be shared where workers are on other machines.
"""

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import write_atomically
from edgert.calibration.reference import Reference
from edgert.errors import ArtifactError
from edgert.records import Record
from edgert.schema import record_from_json
from edgert.search.score import Metric

Array = NDArray[Any]
SETUP, JOURNAL, SCORING = "setup.json", "journal.jsonl", "scoring"
SEARCH_REFERENCE, FINAL_REFERENCE = "reference", "reference-all"
_OWN = (
    JOURNAL, SETUP, SCORING, SEARCH_REFERENCE, FINAL_REFERENCE, "ranking.json", "counts", "timing",
    "final", "result.json", "frontier.png",
)  # fmt: skip


class Setup(Record, frozen=True, kw_only=True):
    """What a worker has to know beside the files.

    Attributes:
        identity: Of everything that a trial's result depends on.
        metric: What is counted.
        classes: How many there are.
        ignore_label: That does not count.
        choose: Scoring frames that the search chooses by.
        report: Scoring frames that are only reported on.
    """

    identity: str
    metric: Metric
    classes: int
    ignore_label: int | None
    choose: list[int]
    report: list[int]


class Workspace:
    """An opened work folder; everything is read on first use and kept.

    Args:
        folder: Where it lies.
        setup: What its setup.json says.
    """

    def __init__(self, folder: Path, setup: Setup) -> None:
        self.folder, self.setup = folder, setup

    @functools.cached_property
    def reference(self) -> Reference:
        """Frames and full model for the fits of the search."""
        return Reference.open(self.folder / SEARCH_REFERENCE, threads=1)

    @functools.cached_property
    def final_reference(self) -> Reference:
        """The same with all calibration frames."""
        return Reference.open(self.folder / FINAL_REFERENCE, threads=1)

    def scoring_frame(self, index: int) -> tuple[Array, Array]:
        """The model's input and the labels of one scoring frame, mapped from disk."""
        stem = self.folder / SCORING / f"{index:05d}"
        return (
            np.load(f"{stem}.input.npy", mmap_mode="r"),
            np.load(f"{stem}.labels.npy", mmap_mode="r"),
        )

    def counts_path(self, key: str, part: str) -> Path:
        """Where the counts of a choice lie."""
        return self.folder / "counts" / f"{key}.{part}.npz"

    def save_counts(self, key: str, part: str, counts: Array) -> None:
        """Keep the counts of a choice, one entry for each frame of a part."""
        path = self.counts_path(key, part)
        staging = path.with_name(f".{path.name}.npz")  # two workers never have the same choice
        np.savez_compressed(staging, counts=counts)
        staging.replace(path)

    def counts(self, key: str, part: str) -> Array | None:
        """Kept counts, or None."""
        path = self.counts_path(key, part)
        if not path.is_file():
            return None
        with np.load(path) as file:
            array: Array = file["counts"]
        return array


Part = Literal["choose", "report"]


@functools.lru_cache(maxsize=2)
def open_workspace(folder: str, identity: str) -> Workspace:
    """The work folder as this process sees it; opened once.

    Args:
        folder: Its absolute path.
        identity: That it must have; another search may have taken its place.

    Raises:
        ArtifactError: This machine does not see the folder, or it is another search's.
    """
    path = Path(folder)
    file = path / SETUP
    if not file.is_file():
        raise ArtifactError(
            f"open the work folder {folder} in a worker",
            expected=SETUP,
            got="none" if path.is_dir() else "no such folder on this machine",
            advice="Share the folder with all workers under the same path, as by NFS",
        )
    setup = record_from_json(file, Setup, ArtifactError)
    if setup.identity != identity:
        raise ArtifactError(
            f"open the work folder {folder} in a worker",
            expected=f"the search {identity[:12]}",
            got=f"{setup.identity[:12]}",
            advice="Let one search at a time use a folder",
        )
    return Workspace(path, setup)


def save_setup(folder: Path, setup: Setup) -> None:
    """Write setup.json."""
    write_atomically(folder / SETUP, msgspec.json.format(msgspec.json.encode(setup), indent=1))


def clear_workspace(folder: Path, *, but: Sequence[str] = ()) -> None:
    """Remove what a search wrote, and nothing else."""
    for name in _OWN:
        path = folder / name
        if name in but or not path.exists():
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
