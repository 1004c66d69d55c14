"""Which of GStreamer's elements are here, and which of them decode and encode in hardware."""

from typing import NamedTuple, Protocol

from edgert.video.gstreamer.functions import STATE_CHANGE_FAILURE, STATE_NULL, STATE_READY
from edgert.video.gstreamer.library import Gst, available, load_gst

DECODER, CONVERTER, ENCODER = "nvv4l2decoder", "nvvidconv", "nvv4l2h264enc"
SOFTWARE_ENCODER = "x264enc"
_PLUGINS = "NVIDIA's plugins, package nvidia-l4t-gstreamer of JetPack"


class Elements(Protocol):
    """The elements of one machine."""

    def has(self, name: str) -> bool:
        """Whether there is such an element."""
        ...

    def has_property(self, name: str, wanted: str) -> bool:
        """Whether the element exists and has that property in this version."""
        ...

    def opens(self, name: str) -> bool:
        """Whether the element exists and finds the device that it drives."""
        ...


class InstalledElements:
    """The elements of GStreamer's registry on this machine."""

    def __init__(self, gst: Gst) -> None:
        self._gst = gst

    def has(self, name: str) -> bool:
        """Whether there is such an element."""
        factory = self._gst.gst_element_factory_find(name.encode())
        if factory:
            self._gst.gst_object_unref(factory)
        return bool(factory)

    def has_property(self, name: str, wanted: str) -> bool:
        """Whether its class has the property; no element is made for it, no device opened."""
        gst = self._gst
        factory = gst.gst_element_factory_find(name.encode())
        if not factory:
            return False
        loaded = gst.gst_plugin_feature_load(factory)
        gst.gst_object_unref(factory)
        if not loaded:
            return False
        kind = gst.g_type_class_ref(gst.gst_element_factory_get_element_type(loaded))
        found = bool(gst.g_object_class_find_property(kind, wanted.encode()))
        gst.g_type_class_unref(kind)
        gst.gst_object_unref(loaded)
        return found

    def opens(self, name: str) -> bool:
        """Whether an element of that name gets ready, which is when it opens its device."""
        element = self._gst.gst_element_factory_make(name.encode(), None)
        if not element:
            return False
        became = self._gst.gst_element_set_state(element, STATE_READY)
        self._gst.gst_element_set_state(element, STATE_NULL)
        self._gst.gst_object_unref(element)
        return bool(became != STATE_CHANGE_FAILURE)


class Hardware(NamedTuple):
    """What decodes in hardware, and which of its properties this version has."""

    decoder: str
    converter: str
    max_performance: bool


def hardware_decoder(elements: Elements | None = None) -> tuple[str, str]:
    """The element that decodes in hardware, and why none does.

    Args:
        elements: Of which machine; this one's by default.

    Returns:
        Its name and "", or "" and the reason in words.
    """
    if elements is None:
        missing = available()
        if missing:
            return "", f"no GStreamer: {missing}"
        elements = InstalledElements(load_gst())
    for name in (DECODER, CONVERTER):
        if not elements.has(name):
            return "", f"GStreamer has no {name} here ({_PLUGINS})"
    return DECODER, ""


def find_hardware(elements: Elements) -> tuple[Hardware | None, str]:
    """As `hardware_decoder`, with what a pipeline must know of it."""
    decoder, reason = hardware_decoder(elements)
    if not decoder:
        return None, reason
    # JetPack 7 dropped it, and a pipeline that names an unknown property does not start.
    return Hardware(
        DECODER, CONVERTER, elements.has_property(decoder, "enable-max-performance")
    ), ""


def find_encoder(elements: Elements) -> tuple[str, str]:
    """The element that encodes H.264, and why it is none in hardware.

    The Orin Nano has NVIDIA's element but no encoder for it to drive, so it is asked to open it.

    Returns:
        Its name ("" where there is none at all) and the reason, "" for hardware.
    """
    reason = f"GStreamer has no {ENCODER} here ({_PLUGINS})"
    if elements.has(ENCODER) and elements.has(CONVERTER):
        if elements.opens(ENCODER):
            return ENCODER, ""
        reason = f"{ENCODER} finds no encoder in this board"
    if elements.has(SOFTWARE_ENCODER):
        return SOFTWARE_ENCODER, reason
    return "", f"{reason}, nor {SOFTWARE_ENCODER} (package gstreamer1.0-plugins-ugly)"
