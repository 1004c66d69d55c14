"""A supernet's family folder: its graph, its space, and the graphs of its subnets."""

from dataclasses import dataclass
from pathlib import Path

from edgert.artifacts import FamilyFolder, load_family
from edgert.build.derive import derive
from edgert.errors import ArtifactError
from edgert.families.ofa_resnet50 import edits
from edgert.families.ofa_space import Space, Subnet
from edgert.families.ofa_space_file import SPACE_FILE, read_space
from edgert.records import Edit
from edgert.surgery.graph import Graph
from edgert.surgery.load import load_graph


@dataclass(frozen=True)
class Supernet:
    """A supernet that can be searched.

    Attributes:
        folder: Its family.
        space: What it may be cut to.
        graph: The whole of it.
        image_sizes: The space's sizes that its input allows: none larger than the input.
    """

    folder: FamilyFolder
    space: Space
    graph: Graph
    image_sizes: tuple[int, ...]

    @property
    def base_image_size(self) -> int:
        """Rows and columns of the input."""
        return self.folder.family.input.height

    @property
    def full(self) -> Subnet:
        """The whole supernet at the largest image size that the input allows."""
        return self.space.largest(self.image_sizes[-1])

    def edits(self, subnet: Subnet, statistics: str | None = None) -> list[Edit]:
        """A subnet as family.yaml writes it."""
        return edits(
            self.space, subnet, base_image_size=self.base_image_size, statistics=statistics
        )

    def derived(self, subnet: Subnet, *, subject: str) -> Graph:
        """A subnet's graph, with the supernet's own statistics."""
        return derive(self.graph, self.edits(subnet), subject=subject, folder=self.folder.path)


def open_supernet(folder: Path) -> Supernet:
    """Open a family that was made from a supernet's checkpoint.

    Raises:
        ArtifactError: It is no classifier with square pictures, says no space, or its space is
            not the one of its graph.
    """
    opened = load_family(folder)
    spec, path = opened.family.input, opened.path / SPACE_FILE
    if not path.is_file():
        raise ArtifactError(
            f"search subnets of {opened.path}",
            expected=f"{SPACE_FILE}, which says what the supernet may be cut to",
            got="no such file",
            advice="Make the family from a supernet's checkpoint: python tools/import_ofa.py",
        )
    space = read_space(path)
    sizes = tuple(size for size in space.image_sizes if size <= spec.height)
    if opened.family.task != "classification" or spec.height != spec.width or not sizes:
        raise ArtifactError(
            f"search subnets of {opened.path}",
            expected=f"a classifier of square pictures, {space.image_sizes[0]} pixels or more",
            got=f"{opened.family.task} of {spec.height} x {spec.width}",
            advice="Make the family from the supernet's checkpoint again",
        )
    supernet = Supernet(opened, space, load_graph(opened.graph_path), sizes)
    _check_graph(supernet, path)
    return supernet


def _check_graph(supernet: Supernet, path: Path) -> None:
    """Whether the graph has the classes of the space and can be cut as it says."""
    labels, classes = len(supernet.folder.family.labels), supernet.space.classes
    if labels != classes:
        raise ArtifactError(
            f"search subnets of {supernet.folder.path}",
            expected=f"{classes} labels, as {path.name} says",
            got=str(labels),
            advice="Correct the labels in family.yaml",
        )
    supernet.derived(supernet.space.smallest(supernet.image_sizes[-1]), subject=f"read {path}")
