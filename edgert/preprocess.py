"""A picture becomes the model's input: resized or cut out, normalised, one plane per colour."""

from math import ceil
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgert.optional import needs
from edgert.records import InputSpec

# Planes of FFmpeg's gbrp format, as red, green, blue.
_GBRP = (2, 0, 1)
# SWS_BILINEAR | SWS_FULL_CHR_H_INP. Without the second, swscale halves the colour resolution of
# RGB when it reduces to half or less: up to 43 grey levels off in a picture of coloured squares.
_FULL_COLOR_BILINEAR = 2 | 0x4000
# swscale resizes whole pictures; one of 20,000 x 1 would become gigabytes, of which a square is
# used. Where more than this many pixels come for one that is used, Pillow makes these alone. Up
# to here swscale is the faster one: a picture of 16:9 has 2.3 for a square, one of 6:1 has 7.8.
_MOST_UNUSED = 8
# Pixels: a crop of 224/236, written as 0.94915, asks for 236 and not for 237. OFA's sizes are
# sevenths with 0.875, so that it changes none of them.
_ROUNDING = 0.01


class Window(NamedTuple):
    """What a model sees of a picture: the size before the cut, and the corner of the cut."""

    rows: int
    columns: int
    top: int = 0
    left: int = 0


def window_of(spec: InputSpec, height: int, width: int) -> Window:
    """What the model sees of a picture.

    Args:
        spec: The input. Its H x W are what is cut out.
        height: Rows of the picture.
        width: Columns of it.

    Returns:
        The size that the whole picture is brought to, and where the input begins in it.

    Source:
        torchvision's Resize(ceil(size / crop)) and CenterCrop(size), as OFA's ImageNet provider
        puts them together for evaluation: the longer side is rounded down, the corner to the
        nearest even where it falls between two pixels. Differs: inputs that are not square,
        which torchvision has no rule for, are covered on both sides; a hundredth of a pixel is
        none.
    """
    if spec.crop is msgspec.UNSET:
        return Window(spec.height, spec.width)
    rows, columns = (ceil(size / spec.crop - _ROUNDING) for size in (spec.height, spec.width))
    if rows * width >= columns * height:  # the rows ask for more
        columns = rows * width // height
    else:
        rows = columns * height // width
    return Window(
        rows, columns, round((rows - spec.height) / 2), round((columns - spec.width) / 2)
    )


class Preprocessor:
    """Makes (1, 3, H, W) float32 tensors, `(pixel * scale - mean) / std`, out of pictures.

    A picture of another size is stretched to H x W, or its centre is cut out (`InputSpec.crop`),
    by swscale's bilinear filter, which widens with the reduction as Pillow's does: within one grey
    level of the exact result, in less time than Pillow takes. Only at the border they differ:
    swscale repeats the edge, Pillow narrows the filter. The same size needs numpy alone. Of long
    and narrow pictures Pillow makes the pixels that are used; see `_MOST_UNUSED`.

    The picture is resized whole, and the centre is a view of the result. Cut first, at whole
    pixels, it would be resized by another ratio from another corner: 2 to 8 grey levels off on
    average in pictures of coarse noise, for a third of the time at most.

    Args:
        spec: Size, cut, colour order and normalisation. mean and std are in the order of the
            planes.
    """

    def __init__(self, spec: InputSpec) -> None:
        self.spec = spec
        self._tensor = np.empty((1, 3, spec.height, spec.width), np.float32)
        self._order = (0, 1, 2) if spec.color_order == "rgb" else (2, 1, 0)
        std = np.asarray(spec.std, np.float64)
        self._gain = (spec.scale / std).astype(np.float32)
        self._offset = (-np.asarray(spec.mean, np.float64) / std).astype(np.float32)
        self._av: Any = None
        self._reformat: Any = None

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The input tensor for one picture.

        Args:
            image: (height, width, 3) uint8 RGB of any size.

        Returns:
            The same buffer every time; copy it to keep it.

        Raises:
            MissingDependencyError: The size differs and PyAV, or for a long and narrow picture
                Pillow, is not installed.
            ValueError: The shape or dtype is another.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"needs (H, W, 3) uint8, got {image.shape} {image.dtype}")
        planes = self._planes(image)
        for channel, color in enumerate(self._order):
            plane = self._tensor[0, channel]
            np.multiply(planes[color], self._gain[channel], out=plane, dtype=np.float32)
            np.add(plane, self._offset[channel], out=plane)
        return self._tensor

    def _planes(self, image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Red, green and blue planes of the model's size."""
        height, width = self.spec.height, self.spec.width
        window = window_of(self.spec, *image.shape[:2])
        if image.shape[:2] == window[:2]:
            whole = [image[..., color] for color in range(3)]
        elif window.rows * window.columns > _MOST_UNUSED * height * width:
            return self._window_alone(image, window)
        else:
            whole = self._resized(image, window.rows, window.columns)
        rows, columns = (
            slice(window.top, window.top + height),
            slice(window.left, window.left + width),
        )
        return [plane[rows, columns] for plane in whole]

    def _resized(
        self, image: NDArray[np.uint8], height: int, width: int
    ) -> list[NDArray[np.uint8]]:
        """Red, green and blue planes of the whole picture at another size."""
        if self._reformat is None:
            self._av = needs("av", "video", "to resize frames to the model's input")
            reformatter = needs("av.video.reformatter", "video", "to resize frames")
            self._reformat = reformatter.VideoReformatter().reformat
        frame = self._av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
        small = self._reformat(
            frame, width=width, height=height, format="gbrp", interpolation=_FULL_COLOR_BILINEAR
        )
        planes = (small.planes[index] for index in _GBRP)
        return [
            np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, :width]
            for plane in planes
        ]

    def _window_alone(self, image: NDArray[np.uint8], window: Window) -> list[NDArray[np.uint8]]:
        """Red, green and blue planes of what is used alone, at the same places as in the whole."""
        pillow = needs("PIL.Image", "video", "to cut the centre out of long and narrow pictures")
        down, right = image.shape[0] / window.rows, image.shape[1] / window.columns
        box = (
            window.left * right,
            window.top * down,
            (window.left + self.spec.width) * right,
            (window.top + self.spec.height) * down,
        )
        size = (self.spec.width, self.spec.height)
        cut = pillow.fromarray(np.ascontiguousarray(image)).resize(
            size, pillow.Resampling.BILINEAR, box=box
        )
        pixels = np.asarray(cut)
        return [pixels[..., color] for color in range(3)]
