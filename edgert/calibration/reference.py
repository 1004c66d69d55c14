"""Calibration frames, and what the reference graph computes on them: the target of every fit.

Kept in a folder, so that worker processes share one copy and a search that was killed goes on
with it:

    graph.onnx, graph.weights    the reference graph
    frames.npy                   (frames, *input shape)
    targets/<hash>.npy           (rows of all frames, channels) of one value, sampled
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.artifacts import staged_folder
from edgert.backends.onnxruntime import session_from_bytes
from edgert.calibration.sampling import sampled_positions
from edgert.calibration.sites import furthest_site, to_rows
from edgert.errors import ArtifactError, CalibrationError
from edgert.surgery.graph import Graph, save_graph, static_shape
from edgert.surgery.linear_maps import linear_map
from edgert.surgery.load import load_graph
from edgert.surgery.segment import nodes_between, segment_bytes

Array = NDArray[Any]
Progress = Callable[[int, int, str], None]
TOKENS_PER_FRAME = 500
_GRAPH, _FRAMES, _TARGETS = "graph.onnx", "frames.npy", "targets"


class Reference:
    """Frames and the reference graph's values on them; open one with `make` or `open`."""

    def __init__(self, folder: Path, graph: Graph, frames: Array, *, threads: int | None) -> None:
        self.folder, self.graph, self.frames, self.threads = folder, graph, frames, threads

    @classmethod
    def make(
        cls,
        folder: Path,
        graph: Graph,
        frames: Iterable[Array],
        *,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> "Reference":
        """Run the reference graph on the frames and write the folder, whole or not at all.

        Args:
            folder: Written anew; one that is there is replaced.
            graph: The full model after its lossless edits; one input, static shapes.
            frames: The model's input for each frame, two or more.
            threads: That the runtime may use; None: all.
            progress: Called before each frame.

        Raises:
            CalibrationError: Too few frames, one of another shape, or numbers that are not finite.
        """
        stacked = _checked(frames, graph)
        with staged_folder(folder) as staging:
            save_graph(graph, staging / _GRAPH, weights="graph.weights")
            np.save(staging / _FRAMES, stacked)
            (staging / _TARGETS).mkdir()
            made = cls(staging, graph, stacked, threads=threads)
            made.compute(_likely_targets(graph), progress=progress)
        return cls.open(folder, threads=threads)

    @classmethod
    def open(cls, folder: Path, *, threads: int | None = None) -> "Reference":
        """Open what `make` wrote; the frames are mapped, not read.

        Raises:
            ArtifactError: The folder is not there or not whole.
        """
        try:
            frames = np.load(folder / _FRAMES, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise ArtifactError(
                f"open calibration {folder}",
                expected="a folder with frames.npy",
                got=str(error).splitlines()[0],
                advice="Make it again; workers on other machines have to see the same folder",
            ) from error
        return cls(folder, load_graph(folder / _GRAPH), frames, threads=threads)

    def positions(self, frame: int, value: Any, axis: int) -> Array:
        """The positions of a value that are sampled on one frame."""
        shape = static_shape(value) or ()
        count = int(np.prod(shape)) // shape[axis]
        return sampled_positions(frame, count, TOKENS_PER_FRAME)

    def rows(self, value: Any, axis: int) -> Array:
        """A value of the reference graph at the sampled positions: (frames, positions, channels).

        Computed on first use.
        """
        path = self._path(value, axis)
        if not path.exists():
            self.compute([(value, axis)])
        loaded: Array = np.load(path, mmap_mode="r")
        return loaded

    def compute(
        self, wanted: Sequence[tuple[Any, int]], *, progress: Progress | None = None
    ) -> None:
        """Compute values at their channel axes on all frames and keep the sampled positions."""
        values = list(dict.fromkeys(value for value, _ in wanted))
        [source] = self.graph.inputs
        nodes = nodes_between(self.graph, values, [source])
        model = segment_bytes(self.graph, nodes, inputs=[source], outputs=values)
        session = session_from_bytes(model, threads=self.threads)
        kept: dict[tuple[Any, int], list[Array]] = {key: [] for key in wanted}
        for frame, tensor in enumerate(self.frames):
            if progress is not None:
                progress(frame, len(self.frames), "what the full model computes")
            results = session.run({source.name: np.asarray(tensor)})
            for (value, axis), rows in kept.items():
                positions = self.positions(frame, value, axis)
                rows.append(to_rows(results[value.name], axis)[positions])
        session.close()
        for (value, axis), rows in kept.items():
            path = self._path(value, axis)
            staging = path.with_suffix(f".{id(self)}.tmp.npy")  # several workers may write it
            np.save(staging, np.stack(rows))
            staging.replace(path)

    def _path(self, value: Any, axis: int) -> Path:
        digest = hashlib.sha256(f"{value.producer().name}:{axis}".encode()).hexdigest()
        return self.folder / _TARGETS / f"{digest[:24]}.npy"


def _likely_targets(graph: Graph) -> list[tuple[Any, int]]:
    """What fits after most edits aim at: behind each linear map, its bias, layout and sum."""
    known = {node.name: node for node in graph.nodes}
    found: dict[tuple[Any, int], None] = {}
    for node in graph.nodes:
        linear = linear_map(node)
        site = None if linear is None else furthest_site(linear, known)
        if site is not None:
            found[(site.reference, site.axis)] = None
    return list(found)


def _checked(frames: Iterable[Array], graph: Graph) -> Array:
    if len(graph.inputs) != 1:
        raise CalibrationError(
            "calibrate",
            expected="a graph with one input",
            got=", ".join(value.name for value in graph.inputs),
            advice="Export the model with the frame as its only input",
        )
    shape = static_shape(graph.inputs[0])
    checked = []
    for index, frame in enumerate(frames):
        if frame.shape != shape:
            raise CalibrationError(
                f"calibration frame {index}",
                expected=f"shape {shape} as the model's input",
                got=f"{frame.shape}",
                advice="Preprocess the frames as the family's input says",
            )
        if not np.isfinite(frame).all():
            raise CalibrationError(
                f"calibration frame {index}",
                expected="finite numbers",
                got=f"{int((~np.isfinite(frame)).sum())} that are NaN or infinite",
                advice="Remove the frame, or mend what made it",
            )
        checked.append(frame)
    if len(checked) < 2:
        raise CalibrationError(
            "calibrate",
            expected="two frames or more; 20 to 60 spread over different scenes work well",
            got=str(len(checked)),
            advice="Name more frames",
        )
    return np.stack(checked)
