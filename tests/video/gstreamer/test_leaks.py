"""Memory and handles after a thousand frames, and after fifty openings."""

import contextlib
import ctypes
import gc
import itertools
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.video.gstreamer.machines import needs_gstreamer
from tests.video.gstreamer.opened import opened, plain_clip
from tests.video.gstreamer.rtsp_server import RtspServer, needs_rtsp_server
from tests.video.gstreamer.test_rtsp_sink import serving

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is held"),
]
MIB = 1 << 20
# A picture of the clip holds 0.66 MiB: ten that were kept would be seen.
ROOM_BYTES = 6 * MIB
FIRST = 0.3  # of the runs: buffers, threads and caches are made in them
NEARBY = 10
ROUNDS = 4


def resident_bytes():
    """Without what was given back to the allocator, which keeps it for the next one who asks."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def handles():
    return len(os.listdir("/proc/self/fd"))


def threads():
    return len(os.listdir("/proc/self/task"))


def least_held(run):
    """Memory, handles and threads: the least that was held after any of ten runs.

    What the one before is still giving back in threads of its own (an encoder holds 8 MiB) comes
    and goes, what leaks stays.
    """
    held = []
    for _ in range(NEARBY):
        run()
        held.append((resident_bytes(), handles(), threads()))
    return tuple(map(min, zip(*held, strict=True)))


def growth(run, count):
    """By how much memory, handles and threads grew while `run` ran `count` times.

    What leaks grows every time; a heap that takes its final size late does so once. So the runs
    are repeated, ROUNDS times at most, until memory stays within ROOM_BYTES.
    """
    for _ in range(int(FIRST * count)):
        run()
    before = least_held(run)
    grown = before
    for _ in range(ROUNDS):
        for _ in range(count - NEARBY):
            run()
        after = least_held(run)
        grown = tuple(b - a for a, b in zip(before, after, strict=True))
        if grown[0] < ROOM_BYTES:
            break
        before = after
    return grown


def over_and_over(clip):
    while True:
        with opened(clip) as decoder:
            yield from decoder.pictures()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    needs_gstreamer()
    folder = tmp_path_factory.mktemp("clip")
    return plain_clip(folder / "clip.mp4", 1200, width=640, height=360)


def test_a_thousand_frames_leave_nothing_behind(clip):
    with contextlib.closing(over_and_over(clip)) as pictures:
        grown, _, _ = growth(lambda: next(pictures), 900)
    print(f"grown by {grown / MIB:.2f} MiB")
    assert grown < ROOM_BYTES


def test_a_picture_that_is_kept_would_be_seen(clip):
    """The measure itself: a picture in ten is held on to."""
    held = []
    numbers = itertools.count()

    def run():
        image = next(pictures).image
        if next(numbers) % 10 == 0:
            held.append(image)

    with contextlib.closing(over_and_over(clip)) as pictures:
        assert growth(run, 300)[0] > ROOM_BYTES


def test_fifty_openings_leave_nothing_behind(clip):
    def run():
        with opened(clip) as decoder:
            pictures = decoder.pictures()
            for _ in range(3):
                next(pictures)

    grown, more_handles, more_threads = growth(run, 60)
    print(f"grown by {grown / MIB:.2f} MiB")
    assert grown < ROOM_BYTES
    assert more_handles <= 0
    assert more_threads <= 2  # of GLib's pools, which end by themselves


def test_fifty_connections_leave_nothing_behind():
    needs_rtsp_server()
    with RtspServer(size="640x360", fps=30) as server:

        def run():
            with opened(server.uri) as decoder:
                next(decoder.pictures())

        grown, more_handles, more_threads = growth(run, 60)
    print(f"grown by {grown / MIB:.2f} MiB")
    assert grown < ROOM_BYTES
    assert more_handles <= 0
    assert more_threads <= 2  # of GLib's pools, which end by themselves


def test_fifty_servers_with_a_client_leave_nothing_behind():
    needs_gstreamer(serving=True)
    image = np.zeros((360, 640, 3), np.uint8)

    def run():
        with serving([image]) as sink, opened(sink.uri) as decoder:
            next(decoder.pictures())

    grown, more_handles, more_threads = growth(run, 50)
    print(f"grown by {grown / MIB:.2f} MiB")
    assert grown < ROOM_BYTES
    assert more_handles <= 0
    assert more_threads <= 2
