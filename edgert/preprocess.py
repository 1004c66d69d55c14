"""A picture becomes the model's input: resized, normalised, one plane per colour."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgert.optional import needs
from edgert.records import InputSpec

# Planes of FFmpeg's gbrp format, as red, green, blue.
_GBRP = (2, 0, 1)
# SWS_BILINEAR | SWS_FULL_CHR_H_INP. Without the second, swscale halves the colour resolution of
# RGB when it reduces to half or less: up to 43 grey levels off in a picture of coloured squares.
_FULL_COLOR_BILINEAR = 2 | 0x4000


class Preprocessor:
    """Makes (1, 3, H, W) float32 tensors, `(pixel * scale - mean) / std`, out of pictures.

    A picture of another size is stretched to H x W by swscale's bilinear filter, which widens with
    the reduction as Pillow's does: within one grey level of the exact result, in less time than
    Pillow takes. Only at the border they differ: swscale repeats the edge, Pillow narrows the
    filter. The same size needs numpy alone.

    Args:
        spec: Size, colour order and normalisation. mean and std are in the order of the planes.
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
            MissingDependencyError: The size differs and PyAV is not installed.
            ValueError: The shape or dtype is another.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"needs (H, W, 3) uint8, got {image.shape} {image.dtype}")
        same_size = image.shape[:2] == (self.spec.height, self.spec.width)
        planes = [image[..., k] for k in range(3)] if same_size else self._resized(image)
        for channel, color in enumerate(self._order):
            plane = self._tensor[0, channel]
            np.multiply(planes[color], self._gain[channel], out=plane, dtype=np.float32)
            np.add(plane, self._offset[channel], out=plane)
        return self._tensor

    def _resized(self, image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """Red, green and blue planes of the model's size."""
        if self._reformat is None:
            self._av = needs("av", "video", "to resize frames to the model's input")
            reformatter = needs("av.video.reformatter", "video", "to resize frames")
            self._reformat = reformatter.VideoReformatter().reformat
        height, width = self.spec.height, self.spec.width
        frame = self._av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
        small = self._reformat(
            frame, width=width, height=height, format="gbrp", interpolation=_FULL_COLOR_BILINEAR
        )
        planes = (small.planes[index] for index in _GBRP)
        return [
            np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, :width]
            for plane in planes
        ]
