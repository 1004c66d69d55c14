"""A decoder as tests open it, and clips that GStreamer shows all frames of."""

import contextlib

from edgert.clock import MonotonicClock
from edgert.video.gstreamer import GStreamerDecoder
from edgert.video.uri import Address, parse_uri
from tests.video.clips import remux, write_clip

SECRET = "hunter2"


@contextlib.contextmanager
def opened(uri, **options):
    """`uri` is an Address, a path, or text; the decoder is closed behind it."""
    address = uri if isinstance(uri, Address) else parse_uri(str(uri))
    decoder = GStreamerDecoder(address, clock=options.pop("clock", MonotonicClock()), **options)
    try:
        yield decoder
    finally:
        decoder.close()


def all_of(uri, **options):
    """Every picture, and the decoder as it was at the end."""
    with opened(uri, **options) as decoder:
        return list(decoder.pictures()), decoder


def plain_clip(path, count=30, **options):
    """A clip in the container of the path's ending; an mp4 with its index first, so that its
    beginning alone can be played."""
    raw = write_clip(path.with_name(f"raw-{path.stem}.mp4"), count, **options)
    return remux(raw, path, **({"movflags": "faststart"} if path.suffix == ".mp4" else {}))


class StubbornClock:
    """Every look at it finds `step_s` more gone: a wait that would take 15 s ends at once."""

    def __init__(self, step_s):
        self.step_s = step_s
        self.time_s = 0.0

    def now_s(self):
        self.time_s += self.step_s
        return self.time_s

    def sleep(self, duration_s):
        self.time_s += duration_s
