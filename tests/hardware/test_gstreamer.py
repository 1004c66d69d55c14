"""Video through NVIDIA's elements of GStreamer, which nobody could see where this was written.

    pytest tests/hardware/test_gstreamer.py -m hardware

Figures go to build/hardware/gstreamer.json. The camera's tests need one at csi://0.
"""

import json
from pathlib import Path

import pytest

from edgert.boards import read_machine
from edgert.clock import MonotonicClock
from edgert.errors import VideoError
from edgert.video.gstreamer import GStreamerDecoder, RtspSink, available, hardware_decoder
from edgert.video.gstreamer.elements import DECODER, ENCODER, InstalledElements, find_hardware
from edgert.video.gstreamer.library import load_gst
from edgert.video.uri import Address, parse_uri
from tests.hardware.video_checks import (
    against_software,
    camera,
    decode_rate,
    memory_over_openings,
    served,
)
from tests.video.gstreamer.opened import plain_clip
from tests.video.gstreamer.rtsp_server import RtspServer, needs_rtsp_server

pytestmark = pytest.mark.hardware

REPORT = Path(__file__).resolve().parents[2] / "build" / "hardware" / "gstreamer.json"


@pytest.fixture(scope="module")
def figures():
    machine = read_machine()
    found = {name: getattr(machine, name) for name in ("model", "part_number", "jetpack")}
    yield found
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(found, indent=2))


@pytest.fixture(scope="module")
def elements():
    if missing := available():
        pytest.skip(missing)
    element, reason = hardware_decoder()
    if not element:
        pytest.skip(reason)
    return InstalledElements(load_gst())


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    return plain_clip(folder / "clip.mp4", 300, width=1280, height=720)


def in_hardware(uri):
    address = uri if isinstance(uri, Address) else parse_uri(str(uri))
    return GStreamerDecoder(address, clock=MonotonicClock())


def in_software(uri):
    """The same, on a machine that has none of NVIDIA's elements."""

    class Without(InstalledElements):
        def has(self, name):
            return not name.startswith("nv") and super().has(name)

    address = parse_uri(str(uri))
    return GStreamerDecoder(address, clock=MonotonicClock(), elements=Without(load_gst()))


def test_what_this_jetpack_has_is_told(elements, figures):
    hardware, _ = find_hardware(elements)
    figures["max_performance"] = hardware.max_performance
    figures["encoder_opens"] = elements.opens(ENCODER)


def test_a_file_is_decoded_in_hardware_as_in_software(elements, clip, figures):
    found = against_software(lambda: in_hardware(clip), lambda: in_software(clip))
    figures["file"] = found
    assert found["name"] == f"gstreamer {DECODER}"
    assert found["reason"] == ""


def test_rate_and_cost_of_both(elements, clip, figures):
    figures["rates"] = {
        "hardware": decode_rate(lambda: in_hardware(clip)),
        "software": decode_rate(lambda: in_software(clip)),
    }


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_stream_is_decoded_in_hardware(elements, codec):
    """Also at another size in the same connection, which NVIDIA's decoder handles by itself."""
    needs_rtsp_server()
    with RtspServer(codec=codec, size="640x480") as server:
        decoder = in_hardware(server.uri)
        try:
            assert decoder.name == f"gstreamer {DECODER}"
            pictures = decoder.pictures()
            assert next(pictures).image.shape == (480, 640, 3)
            server.tell("size 320x240")
            assert any(picture.image.shape == (240, 320, 3) for picture in pictures)
        finally:
            decoder.close()


def test_hardware_gives_its_memory_back(elements, clip, figures):
    figures["openings"] = memory_over_openings(lambda: in_hardware(clip))


def test_pictures_are_served(elements, figures):
    figures["served"] = served(
        lambda: RtspSink("rtsp://127.0.0.1:0", fps=30, width=1280, height=720), in_hardware
    )


def test_a_camera(elements, figures):
    csi = Address("csi", "csi://0", {"width": "1280", "height": "720", "fps": "30"}, "0")
    try:
        decoder = in_hardware(csi)
    except VideoError as error:
        pytest.skip(f"no CSI camera: {error}")
    figures["camera"] = camera(decoder, frames=300)
    assert (decoder.width, decoder.height) == (1280, 720)
