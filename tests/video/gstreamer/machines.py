"""Machines that are not here: which elements their GStreamer has, and which find their device."""

import pytest

from edgert.video.gstreamer.library import DECODING, SERVING, available

PACKAGES = "gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-libav"


class FakeElements:
    """A table of elements with their properties; those in `broken` find no device."""

    def __init__(self, table, broken=()):
        self.table = table
        self.broken = broken
        self.opened = []

    def has(self, name):
        return name in self.table

    def has_property(self, name, wanted):
        return wanted in self.table.get(name, ())

    def opens(self, name):
        self.opened.append(name)
        return name in self.table and name not in self.broken


_SOFTWARE = {"x264enc": (), "videoflip": (), "videoconvert": ()}
_NVIDIA = {"nvvidconv": (), "nvv4l2h264enc": (), "nvarguscamerasrc": ()}
LAPTOP = FakeElements(_SOFTWARE)
JETPACK_6 = FakeElements(
    {**_SOFTWARE, **_NVIDIA, "nvv4l2decoder": ("enable-max-performance", "disable-dpb")}
)
JETPACK_7 = FakeElements({**_SOFTWARE, **_NVIDIA, "nvv4l2decoder": ("disable-dpb",)})
ORIN_NANO = FakeElements(JETPACK_6.table, broken=("nvv4l2h264enc",))
BARE = FakeElements({})


def needs_gstreamer(*, serving=False):
    """Skip, loudly, where GStreamer is missing."""
    missing = available(SERVING if serving else DECODING)
    if missing:
        pytest.skip(f"GStreamer can not be tested: {missing}; also apt-get install {PACKAGES}")
