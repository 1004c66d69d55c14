"""Which hardware is used, and what is said where it is not; no GStreamer is needed for it."""

import pytest

from edgert.errors import MissingDependencyError
from edgert.video.gstreamer import available
from edgert.video.gstreamer.elements import (
    Hardware,
    InstalledElements,
    find_encoder,
    find_hardware,
    hardware_decoder,
)
from edgert.video.gstreamer.library import DECODING, PACKAGES, SERVING, Gst, load_gst
from tests.video.gstreamer.machines import (
    BARE,
    JETPACK_6,
    JETPACK_7,
    LAPTOP,
    ORIN_NANO,
    FakeElements,
    needs_gstreamer,
)


def without(missing):
    def open_library(name):
        if name == missing:
            raise OSError(f"{name}: cannot open shared object file")
        return object()

    return open_library


@pytest.mark.parametrize("name", SERVING)
def test_a_missing_library_is_named_with_its_package(name):
    told = available(SERVING, open_library=without(name))
    assert name in told
    assert PACKAGES[name] in told
    with pytest.raises(MissingDependencyError, match="apt-get install") as caught:
        Gst((name,), open_library=without(name))
    assert caught.value.got == told
    assert PACKAGES[name] in caught.value.advice


def test_nothing_is_said_where_nothing_is_missing():
    assert available(SERVING, open_library=without(None)) == ""
    # What only serves RTSP is not asked for where nothing is served.
    assert available(open_library=without("libgstrtspserver-1.0.so.0")) == ""


@pytest.mark.parametrize("machine", [JETPACK_6, JETPACK_7])
def test_a_jetson_decodes_in_hardware(machine):
    assert hardware_decoder(machine) == ("nvv4l2decoder", "")


@pytest.mark.parametrize(
    ("machine", "missing"),
    [
        (LAPTOP, "nvv4l2decoder"),
        (FakeElements({"nvv4l2decoder": ()}), "nvvidconv"),  # NVIDIA's DeepStream on a PC
    ],
)
def test_the_reason_names_what_is_missing(machine, missing):
    element, reason = hardware_decoder(machine)
    assert element == ""
    assert f"no {missing} here" in reason
    assert find_hardware(machine) == (None, reason)


def test_a_property_that_a_jetpack_dropped_is_not_used_there():
    assert find_hardware(JETPACK_6)[0] == Hardware("nvv4l2decoder", "nvvidconv", True)
    assert find_hardware(JETPACK_7)[0] == Hardware("nvv4l2decoder", "nvvidconv", False)


def test_an_encoder_is_used_where_it_finds_its_device():
    assert find_encoder(JETPACK_7) == ("nvv4l2h264enc", "")


def test_the_orin_nano_encodes_in_software_and_says_why():
    encoder, reason = find_encoder(ORIN_NANO)
    assert encoder == "x264enc"
    assert "finds no encoder in this board" in reason
    assert "nvv4l2h264enc" in ORIN_NANO.opened


def test_a_machine_without_nvidias_plugins_is_never_asked_to_open_them():
    encoder, reason = find_encoder(LAPTOP)
    assert encoder == "x264enc"
    assert "no nvv4l2h264enc here" in reason
    assert LAPTOP.opened == []


def test_a_machine_without_any_encoder_is_told():
    encoder, reason = find_encoder(BARE)
    assert encoder == ""
    assert "gstreamer1.0-plugins-ugly" in reason


@pytest.mark.system
class TestInstalled:
    """The same questions to the GStreamer that is here."""

    @pytest.fixture
    def elements(self):
        needs_gstreamer()
        return InstalledElements(load_gst())

    def test_elements_are_found(self, elements):
        assert elements.has("appsink")
        assert not elements.has("nosuchelement")

    def test_properties_are_found_without_opening_anything(self, elements):
        assert elements.has_property("rtspsrc", "latency")
        assert not elements.has_property("rtspsrc", "enable-max-performance")
        assert not elements.has_property("nosuchelement", "latency")

    def test_what_finds_no_device_does_not_open(self, elements):
        assert elements.opens("videoconvert")
        assert not elements.opens("nosuchelement")
        assert not elements.opens("v4l2sink")  # no output device is in a test machine

    def test_the_machine_answers_as_a_table_does(self, elements):
        element, reason = hardware_decoder()
        assert (element == "nvv4l2decoder") == elements.has("nvv4l2decoder")
        assert bool(element) != bool(reason)

    def test_a_function_that_was_not_loaded_is_no_silent_none(self):
        needs_gstreamer()
        with pytest.raises(AttributeError, match="gst_rtsp_server_new"):
            Gst(DECODING).gst_rtsp_server_new()
