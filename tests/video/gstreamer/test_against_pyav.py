"""PyAV and GStreamer on the same file, frame by frame."""

import numpy as np
import pytest

from edgert.clock import MonotonicClock
from edgert.video.source import open_source
from tests.video.clips import read_all
from tests.video.gstreamer.machines import needs_gstreamer
from tests.video.gstreamer.opened import all_of, plain_clip
from tests.video.waiting import in_time

pytestmark = pytest.mark.system
COUNT = 60
MOST_DIFFERENCE = 3.0  # of 255: the two spread colour over its four pixels in their own ways


def difference(one, other):
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("size", [(320, 240), (322, 182), (1280, 720)])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_the_same_frames_at_the_same_times(tmp_path, ending, size):
    needs_gstreamer()
    width, height = size
    count = COUNT if width < 1000 else 12
    clip = plain_clip(tmp_path / f"clip.{ending}", count, width=width, height=height)
    pictures, decoder = in_time(lambda: all_of(clip))
    with open_source(str(clip), clock=MonotonicClock()) as source:
        frames = in_time(lambda: read_all(source))
        assert (source.width, source.height) == (decoder.width, decoder.height)
        assert source.fps == pytest.approx(decoder.fps, rel=0.01)
    assert len(pictures) == len(frames) == count
    begin_s = pictures[0].time_s
    apart = []
    for picture, frame in zip(pictures, frames, strict=True):
        assert picture.time_s - begin_s == pytest.approx(frame.time_s, abs=0.002)
        apart.append(difference(picture.image, frame.image))
    assert max(apart) < MOST_DIFFERENCE
    # The bound is one that the neighbouring frame, or channels in another order, do not keep.
    neighbours = [difference(a.image, b.image) for a, b in zip(pictures, frames[1:], strict=False)]
    assert min(neighbours) > 1.5 * max(apart)
    assert difference(pictures[3].image[..., ::-1], frames[3].image) > MOST_DIFFERENCE
