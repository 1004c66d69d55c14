"""Samples of GStreamer's as pictures: rows brought together, copied out of its memory."""

import ctypes
from ctypes import byref, c_int
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgert.errors import VideoError
from edgert.video.decoder import Picture
from edgert.video.gstreamer.functions import (
    BUFFER_CORRUPTED,
    FORMAT_TIME,
    MAP_READ,
    NO_TIME,
    SECOND_NS,
    Map,
)
from edgert.video.gstreamer.library import Gst


class Layout(NamedTuple):
    """How the pictures of one set of caps lie in memory.

    `fps` is 0 where the caps say none; `row_bytes` is GStreamer's own for RGB, a multiple of 4.
    """

    width: int
    height: int
    fps: float
    row_bytes: int


class SampleReader:
    """Makes pictures of samples.

    Args:
        gst: The libraries.
        shown: The address, fit to be shown in an error.

    Attributes:
        layout: Of the last picture.
    """

    def __init__(self, gst: Gst, shown: str) -> None:
        self._gst = gst
        self._shown = shown
        self._caps: int | None = None
        self.layout = Layout(0, 0, 0.0, 0)

    def read(self, sample: int) -> tuple[Picture, bool]:
        """The picture of a sample, which is let go of, and whether the decoder calls it damaged.

        Raises:
            VideoError: The picture's memory is smaller than its size needs.
        """
        gst = self._gst
        try:
            self._see_caps(gst.gst_sample_get_caps(sample))
            buffer = gst.gst_sample_get_buffer(sample)
            content = buffer.contents
            time_s = self._time_s(sample, content.pts)
            damaged = bool(content.mini.flags & BUFFER_CORRUPTED)
            return Picture(time_s, self._image(buffer)), damaged
        finally:
            gst.gst_mini_object_unref(sample)

    def close(self) -> None:
        """Let go of the caps. A second call does nothing."""
        if self._caps:
            self._gst.gst_mini_object_unref(self._caps)
        self._caps = None

    def _see_caps(self, caps: int) -> None:
        """Learn the layout, where the caps are others than before."""
        if caps == self._caps:  # held, so that no others can stand at the same place
            return
        gst = self._gst
        gst.gst_mini_object_ref(caps)
        self.close()
        self._caps = caps
        words = gst.gst_caps_get_structure(caps, 0)
        width, height, above, below = c_int(), c_int(), c_int(), c_int(1)
        gst.gst_structure_get_int(words, b"width", byref(width))
        gst.gst_structure_get_int(words, b"height", byref(height))
        gst.gst_structure_get_fraction(words, b"framerate", byref(above), byref(below))
        fps = above.value / below.value if below.value else 0.0
        self.layout = Layout(width.value, height.value, fps, -(-width.value * 3 // 4) * 4)

    def _time_s(self, sample: int, pts: int) -> float | None:
        segment = self._gst.gst_sample_get_segment(sample)
        if pts == NO_TIME or not segment:
            return None
        time = self._gst.gst_segment_to_stream_time(segment, FORMAT_TIME, pts)
        return None if time == NO_TIME else time / SECOND_NS

    def _image(self, buffer: Any) -> NDArray[np.uint8]:
        """A copy of the picture, row by row where rows are longer than their pixels."""
        gst, (width, height, _, row_bytes), start = self._gst, self.layout, 0
        if meta := gst.gst_buffer_get_video_meta(buffer):
            row_bytes, start = meta.contents.stride[0], meta.contents.offset[0]
        mapped = Map()
        if not gst.gst_buffer_map(buffer, byref(mapped), MAP_READ):
            raise self._refusal("one that can not be read")
        try:
            needed = start + row_bytes * (height - 1) + 3 * width
            if height < 1 or width < 1 or row_bytes < 3 * width or mapped.size < needed:
                raise self._refusal(f"{mapped.size} bytes for {width}x{height}")
            memory = (ctypes.c_uint8 * mapped.size).from_address(mapped.data)
            steps = (row_bytes, 3, 1)
            rows = np.ndarray((height, width, 3), np.uint8, memory, start, steps)
            image: NDArray[np.uint8] = rows.copy(order="C")
            return image
        finally:
            gst.gst_buffer_unmap(buffer, byref(mapped))

    def _refusal(self, got: str) -> VideoError:
        return VideoError(
            f"read video {self._shown}",
            expected="a picture in memory",
            got=got,
            advice="Report this with the output of gst-inspect-1.0 --version",
        )
