"""The distribution's GStreamer: hardware decoding on a Jetson, CSI cameras, RTSP out."""

from edgert.video.gstreamer.decoder import GStreamerDecoder
from edgert.video.gstreamer.elements import hardware_decoder
from edgert.video.gstreamer.library import available
from edgert.video.gstreamer.rtsp_sink import RtspSink

__all__ = ["GStreamerDecoder", "RtspSink", "available", "hardware_decoder"]
