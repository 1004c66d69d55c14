"""The checks for video on a Jetson, on elements that are here: they run, and they can fail."""

import numpy as np
import pytest

from edgert.clock import MonotonicClock
from edgert.video.gstreamer import GStreamerDecoder, RtspSink
from edgert.video.gstreamer import decoder as decoder_module
from edgert.video.gstreamer.elements import Hardware
from edgert.video.uri import parse_uri
from tests.hardware.video_checks import (
    against_software,
    camera,
    decode_rate,
    memory_over_openings,
    served,
)
from tests.video.gstreamer.machines import needs_gstreamer
from tests.video.gstreamer.opened import plain_clip
from tests.video.gstreamer.rtsp_server import RtspServer, needs_rtsp_server
from tests.video.waiting import in_time

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    needs_gstreamer(serving=True)
    return plain_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 60, width=320, height=240)


@pytest.fixture
def as_hardware(monkeypatch):
    """NVIDIA's pipeline with the elements of every distribution in their places."""
    stand_in = Hardware("avdec_h264", "videoconvert", max_performance=False)
    monkeypatch.setattr(decoder_module, "find_hardware", lambda _: (stand_in, ""))


def open_now(uri):
    return GStreamerDecoder(parse_uri(str(uri)), clock=MonotonicClock())


@pytest.mark.usefixtures("as_hardware")
def test_the_comparison_runs(clip, monkeypatch):
    def software():
        monkeypatch.undo()
        return open_now(clip)

    found = in_time(lambda: against_software(lambda: open_now(clip), software))
    assert (found["frames"], found["reason"]) == (60, "")
    assert found["difference_most"] < found["difference_to_next_median"]


class Altered:
    """A decoder whose pictures went through `change`."""

    def __init__(self, decoder, change):
        self._decoder = decoder
        self._change = change

    def __getattr__(self, name):
        return getattr(self._decoder, name)

    def pictures(self):
        return self._change(self._decoder.pictures())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda pictures: list(pictures)[:-1], "60 frames against 59|59 frames against 60"),
        (
            lambda pictures: [p._replace(image=p.image[..., ::-1]) for p in pictures],
            "frames differ",
        ),
    ],
)
def test_a_decoder_that_loses_frames_or_swaps_colours_is_found(clip, change, told):
    with pytest.raises(AssertionError, match=told):
        in_time(
            lambda: against_software(
                lambda: Altered(open_now(clip), change), lambda: open_now(clip)
            )
        )


def test_rates_are_measured(clip):
    found = in_time(lambda: decode_rate(lambda: open_now(clip)))
    assert found["frames"] == 59
    assert found["frames_per_second"] > 1
    assert found["cpu_s_per_frame"] > 0


def test_what_is_kept_is_measured(clip):
    found = in_time(lambda: memory_over_openings(lambda: open_now(clip), openings=14))
    assert found["kept_handles"] <= 2


def test_what_is_kept_is_found(clip):
    held = []

    def careless():
        held.append(np.ones(4 << 20, np.uint8))
        return open_now(clip)

    with pytest.raises(AssertionError, match="MiB were kept"):
        in_time(lambda: memory_over_openings(careless, openings=14, most_bytes=6 << 20))


def test_a_served_picture_is_seen():
    needs_gstreamer(serving=True)
    found = in_time(
        lambda: served(
            lambda: RtspSink("rtsp://127.0.0.1:0", fps=30, width=320, height=240),
            open_now,
            frames=30,
        )
    )
    assert found["encoder"] == "x264enc"


def test_a_live_source_is_measured_and_one_that_is_too_slow_is_found():
    needs_gstreamer()
    needs_rtsp_server()
    with RtspServer(fps=25) as server:
        found = in_time(lambda: camera(open_now(server.uri), frames=30))
        assert found["frames_per_second"] > 15
        boasting = open_now(server.uri)
        boasting.fps = 60.0
        with pytest.raises(AssertionError, match="frames_per_second"):
            in_time(lambda: camera(boasting, frames=30))
