"""One pipeline of GStreamer's from its start to its end, free of any policy.

Everything is asked for, by one thread: GStreamer calls no function of Python's back, so that none
can fail there, or be gone when it is called.
"""

import ctypes
from ctypes import POINTER, byref

from edgert.errors import VideoError
from edgert.video.gstreamer.bus import Notice, next_notice
from edgert.video.gstreamer.functions import (
    DECODER_OF_VIDEO,
    FORMAT_BYTES,
    FORMAT_TIME,
    SECOND_NS,
    STATE_NULL,
    STATE_PLAYING,
    Error,
    Value,
)
from edgert.video.gstreamer.library import Gst
from edgert.video.gstreamer.pipelines import LATEST, SINK, SOURCE, Pipeline

_ITERATOR_OK = 1


class RunningPipeline:
    """A pipeline that runs.

    Args:
        gst: The libraries.
        pipeline: What to run.
        shown: The address, fit to be shown in an error.

    Raises:
        VideoError: An element of it does not exist here.
    """

    def __init__(self, gst: Gst, pipeline: Pipeline, shown: str) -> None:
        self._gst = gst
        error = POINTER(Error)()
        self._pipeline = gst.gst_parse_launch(pipeline.text.encode(), byref(error))
        failure = gst.take_failure(error)
        if failure.text or not self._pipeline:
            if self._pipeline:
                gst.gst_object_unref(self._pipeline)
            raise VideoError(
                f"open video {shown}",
                expected="the elements of GStreamer that it needs",
                got=failure.text or "no pipeline",
                advice="Run: gst-inspect-1.0, which lists those that are here",
            )
        self._source, self._queue, self._sink = (
            gst.gst_bin_get_by_name(self._pipeline, name.encode())
            for name in (SOURCE, LATEST, SINK)
        )
        self._bus = gst.gst_element_get_bus(self._pipeline)
        for name, text in pipeline.properties.items():
            if name == "sensor-id":
                gst.gst_util_set_object_arg(self._source, name.encode(), text.encode())
            else:
                gst.set_text(self._source, name, text)

    @property
    def closed(self) -> bool:
        """Whether `close` was called; nothing else may be asked from then on."""
        return not self._pipeline

    def start(self) -> None:
        """Begin to play. What goes wrong is told by `notice`, also while it starts."""
        self._gst.gst_element_set_state(self._pipeline, STATE_PLAYING)

    def pull(self, timeout_s: float) -> int | None:
        """The next sample, to be unreferenced by the caller; None when none came in time."""
        sample: int | None = self._gst.gst_app_sink_try_pull_sample(
            self._sink, int(timeout_s * SECOND_NS)
        )
        return sample

    def notice(self) -> Notice | None:
        """The next error or warning, if there is one."""
        return next_notice(self._gst, self._bus)

    def ended(self) -> bool:
        """Whether the last sample was pulled, or the pipeline is not running."""
        return bool(self._gst.gst_app_sink_is_eos(self._sink))

    def duration_s(self) -> float | None:
        """How long the video is by its own header, where it says so."""
        value = ctypes.c_int64()
        if not self._gst.gst_element_query_duration(self._pipeline, FORMAT_TIME, byref(value)):
            return None
        return value.value / SECOND_NS if value.value >= 0 else None

    def size_bytes(self) -> int:
        """How long the source is, 0 where it does not know."""
        value = ctypes.c_int64()
        known = self._gst.gst_element_query_duration(self._source, FORMAT_BYTES, byref(value))
        return max(0, value.value) if known else 0

    def keep_latest(self) -> None:
        """From now on drop the oldest pictures where nobody takes them."""
        for element, name, value in (
            (self._queue, b"leaky", b"downstream"),
            (self._sink, b"max-buffers", b"1"),
            (self._sink, b"drop", b"true"),
        ):
            self._gst.gst_util_set_object_arg(element, name, value)

    def decoder(self) -> str:
        """The name of the element that decodes video, "" where pictures come uncompressed."""
        gst, value, found = self._gst, Value(), ""
        elements = gst.gst_bin_iterate_recurse(self._pipeline)
        while not found and gst.gst_iterator_next(elements, byref(value)) == _ITERATOR_OK:
            element = gst.g_value_get_object(byref(value))
            factory = gst.gst_element_get_factory(element)
            if factory and gst.gst_element_factory_list_is_type(factory, DECODER_OF_VIDEO):
                found = gst.take_text(gst.gst_object_get_name(factory))
            gst.g_value_unset(byref(value))
            value = Value()
        gst.gst_iterator_free(elements)
        return found

    def close(self) -> None:
        """End it and let go of everything. A second call does nothing."""
        if not self._pipeline:
            return
        gst = self._gst
        gst.gst_element_set_state(self._pipeline, STATE_NULL)
        for held in (self._source, self._queue, self._sink, self._bus, self._pipeline):
            if held:
                gst.gst_object_unref(held)
        self._pipeline = None
