"""Which decoder opens an address: PyAV, GStreamer, or the generated pattern."""

import platform
from typing import Literal

from edgert.clock import Clock
from edgert.errors import VideoError
from edgert.video.decode import OpenContainer, PyavDecoder
from edgert.video.decoder import Decoder
from edgert.video.pattern import PatternDecoder, parse_pattern
from edgert.video.uri import Address

DecoderChoice = Literal["", "pyav", "gstreamer"]
_JETSON = "aarch64"


def open_decoder(
    address: Address,
    *,
    choice: DecoderChoice = "",
    clock: Clock,
    open_container: OpenContainer | None = None,
) -> Decoder:
    """Open an address once.

    Args:
        address: What to open.
        choice: "pyav", "gstreamer", or "": GStreamer for csi:// and where it decodes in hardware,
            else PyAV.
        clock: Of the run.
        open_container: Stands in for av.open; with it PyAV is what decodes.

    Raises:
        VideoError: It can not be opened, or nothing here can open such an address.
        MissingDependencyError: PyAV is not installed, and this is no test:// pattern.
    """
    if address.scheme == "test":
        return PatternDecoder(parse_pattern(address.options))
    if address.scheme == "csi" and choice == "pyav":
        raise VideoError(
            f"open video {address.uri}",
            expected="the decoder gstreamer for a CSI camera",
            got="pyav",
            advice="Leave the decoder out",
        )
    if choice == "gstreamer" or address.scheme == "csi":
        return _by_gstreamer(address, clock)
    reason = "the settings ask for pyav"
    if choice != "pyav" and open_container is None:
        decoder, reason = _by_hardware(address, clock)
        if decoder is not None:
            return decoder
    return PyavDecoder(address, reason=reason, open_container=open_container)


def _by_gstreamer(address: Address, clock: Clock) -> Decoder:
    from edgert.video.gstreamer import GStreamerDecoder

    return GStreamerDecoder(address, clock=clock)


def _by_hardware(address: Address, clock: Clock) -> tuple[Decoder | None, str]:
    """A decoder that runs in hardware, or None and why there is none."""
    if (machine := platform.machine()) != _JETSON:
        # Known without loading GStreamer, which takes 0.4 s and 25 MiB.
        return None, f"only a Jetson's hardware is used, and this is {machine}"
    from edgert.video.gstreamer import hardware_decoder

    element, reason = hardware_decoder()
    if not element:
        return None, reason
    try:
        return _by_gstreamer(address, clock), ""
    except VideoError as error:
        # A file may hold what GStreamer does not know. Of a stream, opening it a second time
        # would tell no more, and a camera counts wrong passwords.
        if address.scheme != "file":
            raise
        return None, f"GStreamer could not: {error.got}"
