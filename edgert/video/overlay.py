"""What a person sees: the labels laid over the frame, a legend, and the strip below.

The strip is `edgert.video.strip`, the colours are `edgert.video.palette`.
"""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgert.video.boxes import Box, boxes_from_logits
from edgert.video.palette import palette_from_labels
from edgert.video.strip import Strip, StripText, rendered_text

__all__ = ["Overlay", "StripText", "Task"]

Task = Literal["segmentation", "classification", "detection"]
_KEPT_TEXTS = 512  # rendered labels with their scores
MOST_BOXES = 50  # drawn; more would hide the picture

_LEGEND_BACKGROUND = (18, 20, 24)
_LEGEND_TEXT = (238, 240, 244)


class Overlay:
    """Draws one run's frames; all of one size. Holds buffers: use it from one thread.

    Args:
        labels: Of the model's classes, in their order.
        width: Of the frames, in pixels.
        height: Of the frames.
        task: Segmentation lays label colours over the frame; classification names the best label;
            detection draws boxes with label and score.
        input_size: Width and height of the model's input, which boxes are given in; None: they
            are in pixels of the frame.
    """

    def __init__(
        self,
        labels: Sequence[str],
        width: int,
        height: int,
        *,
        task: Task = "segmentation",
        input_size: tuple[int, int] | None = None,
    ) -> None:
        self._labels = list(labels)
        self._task = task
        self._strip = Strip(width)
        self._frame_height = height
        # Even sizes, as video formats with halved colour want them.
        self.width = width + width % 2
        self.height = height + height % 2 + self._strip.height
        self._canvas = np.zeros((self.height, self.width, 3), np.uint8)
        palette = palette_from_labels(labels)
        self._colors = palette
        self._scale = tuple(
            a / b for a, b in zip((width, height), input_size or (width, height), strict=True)
        )
        self._rendered = functools.lru_cache(_KEPT_TEXTS)(rendered_text)
        self._line = max(2, round(min(width, height) / 200))
        self._half_colors = palette >> 1  # the frame's half is added: an average without floats
        self._legend = _legend(self._labels, palette, height) if task == "segmentation" else None
        self._tables: tuple[tuple[int, ...], NDArray[Any], NDArray[Any]] | None = None

    def draw(
        self, image: NDArray[np.uint8], logits: NDArray[Any], strip: StripText
    ) -> NDArray[np.uint8]:
        """Lay the result over a frame.

        Args:
            image: (height, width, 3) uint8 RGB; unchanged.
            logits: (1, C, h, w) for segmentation, (1, C) for classification, (1, N, 6) for
                detection: see `edgert.video.boxes`.
            strip: What the strip says.

        Returns:
            (self.height, self.width, 3) uint8, strip at the bottom. The next call reuses it.

        Raises:
            ValueError: The image has another size than the overlay was made for, or there are
                not as many scores as labels.
        """
        height, width = self._frame_height, self._strip.width
        if image.shape != (height, width, 3):
            raise ValueError(f"overlay is for {(height, width, 3)}, image is {image.shape}")
        if self._task != "detection" and (logits.ndim < 2 or logits.shape[1] != len(self._labels)):
            raise ValueError(f"{len(self._labels)} labels, but scores are {logits.shape}")
        frame = self._canvas[:height, :width]
        if self._task == "segmentation":
            self._blend(frame, image, logits)
        elif self._task == "detection":
            frame[:] = image
            for box in reversed(boxes_from_logits(logits, self._labels, most=MOST_BOXES)):
                self._draw_box(frame, box)  # the best last, on top
        else:
            frame[:] = image
            best = self._labels[int(logits.reshape(-1).argmax())]
            _put(frame, self._rendered(best, 22, _LEGEND_TEXT, _LEGEND_BACKGROUND), 8, 8)
        self._strip.draw(self._canvas[self.height - self._strip.height :, :width], strip)
        return self._canvas

    def _blend(
        self, frame: NDArray[np.uint8], image: NDArray[np.uint8], logits: NDArray[Any]
    ) -> None:
        """Half the frame, half its labels' colours, nearest neighbour."""
        labels = logits[0].argmax(axis=0)
        rows, columns = self._nearest(labels.shape)
        # Colour the small label map, widen it, then repeat whole rows: the cheap order.
        wide = self._half_colors[labels][:, columns]
        np.right_shift(image, 1, out=frame)
        np.add(frame, wide[rows], out=frame)
        if self._legend is not None:
            _put(frame, self._legend, 8, frame.shape[0] - self._legend.shape[0] - 8)

    def _draw_box(self, frame: NDArray[np.uint8], box: Box) -> None:
        """Four bars along the inside of the box, and its label above or inside it."""
        height, width = frame.shape[:2]
        left, right = (_inside(x * self._scale[0], width) for x in box.corners[::2])
        top, bottom = (_inside(y * self._scale[1], height) for y in box.corners[1::2])
        if left >= right or top >= bottom:  # outside the picture, or thinner than a pixel
            return
        # A number without a label has a colour all the same.
        color = self._colors[box.number % len(self._colors)] if len(self._colors) else _LEGEND_TEXT
        line = self._line
        frame[top : min(top + line, bottom), left:right] = color
        frame[max(bottom - line, top) : bottom, left:right] = color
        frame[top:bottom, left : min(left + line, right)] = color
        frame[top:bottom, max(right - line, left) : right] = color
        # In tenths, so that few texts are ever rendered.
        name = f"{box.label} {box.score:.1f}"
        text = self._rendered(
            name, max(9, min(16, height // 30)), _LEGEND_TEXT, _LEGEND_BACKGROUND
        )
        above = top - text.shape[0]
        _put(frame, text, left, above if above >= 0 else top + line)

    def _nearest(self, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
        """For each row and column of the frame, the one of the label map that it falls into."""
        if self._tables is None or self._tables[0] != shape:
            height, width = self._frame_height, self._strip.width
            rows = np.arange(height) * shape[0] // height
            columns = np.arange(width) * shape[1] // width
            self._tables = (shape, rows, columns)
        return self._tables[1], self._tables[2]


def _inside(place: float, size: int) -> int:
    return int(min(max(round(place), 0), size))


def _legend(
    labels: Sequence[str], palette: NDArray[np.uint8], height: int
) -> NDArray[np.uint8] | None:
    """Colour and name of each label; None where it would cover too much of a small frame."""
    size = max(9, min(14, height // 30))
    line = round(size * 1.4)
    if not labels or line * len(labels) > height * 2 // 3:
        return None
    names = [rendered_text(label, size, _LEGEND_TEXT, _LEGEND_BACKGROUND) for label in labels]
    width = line + max(name.shape[1] for name in names) + 6
    legend = np.empty((line * len(labels) + 4, width, 3), np.uint8)
    legend[:] = _LEGEND_BACKGROUND
    for index, (name, color) in enumerate(zip(names, palette, strict=True)):
        top = 2 + index * line
        legend[top + 2 : top + line - 2, 4 : line - 2] = color
        _put(legend, name, line + 2, top)
    return legend


def _put(target: NDArray[np.uint8], patch: NDArray[np.uint8], x: int, y: int) -> None:
    rows = min(patch.shape[0], target.shape[0] - y)
    columns = min(patch.shape[1], target.shape[1] - x)
    if x >= 0 and y >= 0 and rows > 0 and columns > 0:
        target[y : y + rows, x : x + columns] = patch[:rows, :columns]
