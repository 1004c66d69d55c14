"""What the model said of each frame, as JSON lines.

One line a frame, with the keys `frame`, `time_s` (in the video), `configuration`, `latency_s`,
`met_deadline`, and by task

    segmentation     "shares":  {"road": 0.31, "sky": 0.22, …}   of the pixels, most first
    classification   "scores":  {"heron": 0.91, …}               the best five, 0 to 1
    detection        "boxes":   [{"label": "car", "score": 0.88, "box": [x1, y1, x2, y2]}, …]
                                in pixels of the model's input, best first

A frame that the controller left out has "skip": true and nothing of these.

A run writes one file. For months there are FILE.jsonl, FILE.2.jsonl and so on, of which the newest
are kept.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.artifacts.numbered_files import LinesOnDisk, NumberedFiles
from edgert.closing import Closing
from edgert.errors import VideoError
from edgert.records import FrameLog
from edgert.video.boxes import boxes_from_logits
from edgert.video.frame import Frame
from edgert.video.uri import redact

BEST_SCORES = 5
MOST_BOXES = 100
_MOST_POINTS = 128  # of a label map in each direction; shares of finer ones are of every n-th


class ResultSink(Closing):
    """Appends one line a frame to a file that it begins anew, or to the next of several.

    Args:
        path: FILE.jsonl; its folder must exist.
        labels: Of the model's classes, in their order.
        task: "segmentation", "classification" or "detection".
        shown: The file's name in messages; empty: its path.
        max_bytes: A file that has grown so long is followed by the next, and what is there at
            first is never written over. None: one file, of any length, begun anew.
        files: How many are kept, the newest included; only with `max_bytes`.

    Raises:
        VideoError: The file can not be written.
        ValueError: A bound below 1.
    """

    def __init__(
        self,
        path: Path,
        *,
        labels: Sequence[str],
        task: str,
        shown: str = "",
        max_bytes: int | None = None,
        files: int = 1,
    ) -> None:
        if files < 1 or (max_bytes is not None and max_bytes < 1):
            raise ValueError(f"max_bytes and files start at 1, got {max_bytes} and {files}")
        self._shown, self._labels, self._task = shown or str(path), list(labels), task
        self._encoder = msgspec.json.Encoder()
        self._path, self._max_bytes, self._files = path, max_bytes, files
        self._numbered = NumberedFiles.behind(path)
        try:
            self._file: LinesOnDisk | None = self._open()
        except (OSError, ValueError) as error:  # a name may hold what no name may
            raise self._refusal(error) from error

    def write(self, frame: Frame, line: FrameLog, logits: NDArray[Any] | None) -> None:
        """Write the line of one frame.

        Args:
            frame: Its place and time are written.
            line: What was decided and how long it took.
            logits: (1, C, h, w), (1, C) or (1, N, 6); None for a frame that was left out.

        Raises:
            VideoError: The disk is full, or the file can't be written any more.
        """
        result: dict[str, Any] = {
            "frame": frame.index,
            "time_s": round(frame.time_s, 6),
            "configuration": line.configuration,
        }
        if line.skip or logits is None:
            result["skip"] = True
        else:
            result["latency_s"] = line.latency_s
            result["met_deadline"] = line.met_deadline
            result.update(said(logits, self._labels, self._task))
        try:
            self._append(self._encoder.encode(result) + b"\n")
        except OSError as error:
            raise self._refusal(error) from error

    def close(self) -> None:
        """Finish the file; does nothing the second time."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> LinesOnDisk:
        if self._max_bytes is None:
            return LinesOnDisk(self._path, anew=True)
        path = self._numbered.next_path()
        self._numbered.prune(keep=self._files - 1)
        return LinesOnDisk(path)

    def _append(self, line: bytes) -> None:
        """Write a line; where that fails and files are numbered, the next line begins a file."""
        bound = math.inf if self._max_bytes is None else self._max_bytes
        if self._file is not None and self._file.size_bytes >= bound:
            self._end_file()
        if self._file is None:
            self._file = self._open()
        try:
            self._file.append(line)
        except OSError:
            if self._max_bytes is not None:
                self._end_file()
            raise

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.discard_empty()
            self._file = None

    def _refusal(self, error: OSError | ValueError) -> VideoError:
        return VideoError(
            f"write results {self._shown}",
            expected="a file that can be written",
            got=(getattr(error, "strerror", None) or str(error)).lower(),
            advice="Check the folder, its permissions and the free space",
        )


class Said(NamedTuple):
    """One label and how much of it."""

    label: str
    amount: float


def is_result_uri(uri: str) -> bool:
    """Whether results are meant rather than pictures: FILE.jsonl, file:// before it or not."""
    path = uri.removeprefix("file://")
    return path.lower().endswith(".jsonl") and "://" not in path


def open_result_sink(uri: str, *, labels: Sequence[str], task: str) -> ResultSink:
    """Open FILE.jsonl, file:// before it or not. See `ResultSink`.

    Raises:
        VideoError: It is none, or can not be written.
    """
    if not is_result_uri(uri):
        raise VideoError(
            f"write results {redact(uri)}",
            expected="a path ending in .jsonl",
            got="something else",
            advice="Write a path such as results.jsonl",
        )
    path = Path(uri.removeprefix("file://"))
    return ResultSink(path, labels=labels, task=task, shown=" ".join(redact(uri).split()))


def said(logits: NDArray[Any], labels: Sequence[str], task: str) -> dict[str, Any]:
    """What the model's output says, for people and programs; see the module.

    Raises:
        ValueError: The output has not the shape of the task.
    """
    if task == "detection":
        boxes = boxes_from_logits(logits, labels, most=MOST_BOXES)
        told = [
            {
                "label": box.label,
                "score": round(box.score, 4),
                "box": [round(x, 1) for x in box.corners],
            }
            for box in boxes
        ]
        return {"boxes": told}
    if task == "segmentation":
        return {"shares": {one.label: round(one.amount, 6) for one in _shares(logits, labels)}}
    return {"scores": {one.label: round(one.amount, 6) for one in _best(logits, labels)}}


def _shares(logits: NDArray[Any], labels: Sequence[str]) -> list[Said]:
    if logits.ndim != 4:
        raise ValueError(f"segmentation needs (1, C, h, w), got {logits.shape}")
    steps = [max(1, -(-size // _MOST_POINTS)) for size in logits.shape[2:]]
    found = logits[0, :, :: steps[0], :: steps[1]].argmax(axis=0)
    counts = np.bincount(found.reshape(-1), minlength=logits.shape[1])
    order = np.argsort(-counts, kind="stable")
    return [Said(_name(k, labels), float(counts[k] / found.size)) for k in order if counts[k]]


def _best(logits: NDArray[Any], labels: Sequence[str]) -> list[Said]:
    scores = logits.reshape(-1).astype(np.float64)
    odds = np.exp(scores - scores.max())
    odds /= odds.sum()
    order = np.argsort(-odds, kind="stable")[:BEST_SCORES]
    return [Said(_name(k, labels), float(odds[k])) for k in order]


def _name(index: Any, labels: Sequence[str]) -> str:
    return labels[index] if index < len(labels) else str(index)
