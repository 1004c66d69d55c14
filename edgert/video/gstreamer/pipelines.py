"""What GStreamer is to run, in gst-launch's words. Nothing here needs GStreamer.

Addresses, names of files and passwords are no part of the words: they are set as properties, so
that no character in them is taken for syntax and none of them is seen where pipelines are shown.

What is live drops pictures, and only after they were decoded: a compressed packet that is dropped
damages all that follow it up to the next key frame. Of a file nothing is dropped.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple
from urllib.parse import unquote

from edgert.errors import VideoError
from edgert.video.gstreamer.elements import ENCODER, Hardware
from edgert.video.uri import Address

SOURCE, SINK, LATEST, ENCODED_FROM = "source", "pictures", "latest", "frames"
CSI_CAMERA = "nvarguscamerasrc"
HTTP_TIMEOUT_S = 10
_LATENCY_MS = 200  # for packets that arrive out of order; those in order do not wait
_ANSWER_US = 5_000_000  # of a server to whatever it is asked, also to a goodbye
_CSI_SIZE = {"width": 1280, "height": 720, "fps": 30}
_CAMERA_OPTIONS = ("width", "height", "fps")
# What a file may hold beside sound. Without these words decodebin would decode the sound too.
_CODECS = (
    "video/x-h264;video/x-h265;video/x-av1;video/x-vp8;video/x-vp9;video/mpeg;video/x-theora;"
    "video/x-h263;video/x-divx;video/x-msmpeg;video/x-wmv;video/x-flash-video;video/x-dv;"
    "image/jpeg;image/png;video/x-raw"
)
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"styp")
_MATROSKA = b"\x1a\x45\xdf\xa3"
_WITH_HARDWARE = ("file", "http", "https", "rtsp", "rtsps")


@dataclass(frozen=True)
class Pipeline:
    """One pipeline.

    Attributes:
        text: In gst-launch's words, fit to be shown.
        live: Pictures come when they come.
        properties: Of the element `SOURCE`, by name. May hold a password.
    """

    text: str
    live: bool
    properties: dict[str, str] = field(default_factory=dict, repr=False)


class Login(NamedTuple):
    """An address without its user and password, and those two; "" where it has none."""

    address: str
    user: str
    password: str


def decode_pipeline(
    address: Address,
    hardware: Hardware | None = None,
    *,
    demuxer: str = "parsebin",
    upright: bool = True,
) -> Pipeline:
    """The pipeline that decodes an address into RGB.

    Args:
        address: Of whichever scheme but test.
        hardware: Decode and convert by these elements; None for software. A camera of scheme v4l2
            has nothing that they could decode, and one of scheme csi needs no decoder.
        demuxer: Takes a file apart; see `demuxer_of`.
        upright: Turn pictures as the file asks for (element videoflip).

    Raises:
        VideoError: An option of a camera is no whole number above 0.
    """
    source = _source(address)
    if address.scheme == "csi":
        decode = "nvvidconv flip-method={flip} ! video/x-raw,format=RGBA"
        return _finish(source, decode.format(flip=_number(address, "flip", 0, least=0)), "")
    decode = "decodebin name=decoder"
    if hardware is not None and address.scheme in _WITH_HARDWARE:
        decode = _by(hardware, at_once=not source.live)
    if address.scheme in ("file", "http", "https"):
        decode = f"{demuxer} ! {_CODECS} ! {decode}"
    turn = "videoflip video-direction=auto ! " if upright and not source.live else ""
    return _finish(source, decode, turn)


def demuxer_of(head: bytes) -> str:
    """What takes a file apart, by its first 12 bytes.

    The two most frequent kinds are named: of a damaged file, `parsebin` may swallow what the
    element that it chose says, and wait for ever (GStreamer 1.22).
    """
    if head[4:8] in _MP4_BOXES:
        return "qtdemux"
    return "matroskademux" if head.startswith(_MATROSKA) else "parsebin"


def rtsp_pipeline(encoder: str, *, width: int, height: int, fps: float, bitrate: int) -> str:
    """What an RTSP server runs for its clients, fed by an appsrc named `ENCODED_FROM`.

    Args:
        encoder: `ENCODER` of a Jetson, or x264enc.
        width: Of the RGB pictures, even.
        height: Of the RGB pictures, even.
        fps: Their rate.
        bitrate: In bits per second.
    """
    caps = f"video/x-raw,format=RGB,width={width},height={height},framerate={rate(fps)}"
    every = max(1, round(fps))  # a client that joins waits for a key frame: a second at most
    # Of pictures in slices, as zerolatency makes them, FFmpeg's RTSP client shows one slice.
    encode = (
        f"videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency sliced-threads=false "
        f"speed-preset=ultrafast bitrate={max(1, bitrate // 1000)} key-int-max={every}"
    )
    if encoder == ENCODER:
        encode = (
            "videoconvert ! video/x-raw,format=I420 ! nvvidconv "
            f"! video/x-raw(memory:NVMM),format=NV12 ! {ENCODER} bitrate={bitrate} "
            f"iframeinterval={every} idrinterval={every} insert-sps-pps=true"
        )
    return (
        f'( appsrc name={ENCODED_FROM} caps="{caps}" is-live=true format=time do-timestamp=true '
        "block=false max-buffers=2 max-bytes=0 leaky-type=downstream "
        f"! {encode} ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
    )


def rate(fps: float) -> str:
    """Frames per second as GStreamer writes them: "30/1", "2997/100"."""
    return f"{round(fps)}/1" if fps == round(fps) else f"{max(1, round(fps * 100))}/100"


def split_login(target: str) -> Login:
    """Take user and password out of an address.

    A password may hold "/" or "@" without being escaped, so that the last "@" counts where the
    first part is no host.
    """
    scheme, mark, rest = target.partition("://")
    host = rest.partition("/")[0]
    behind_colon = host.partition(":")[2]
    if "@" in host:
        user_info, _, after = host.rpartition("@")
        rest = after + rest[len(host) :]
    elif "@" in rest and behind_colon and not behind_colon.isdigit():
        user_info, _, rest = rest.rpartition("@")
    else:
        return Login(target, "", "")
    user, _, password = user_info.partition(":")
    return Login(scheme + mark + rest, unquote(user), unquote(password))


def _source(address: Address) -> Pipeline:
    """The beginning, up to what a decoder takes."""
    if address.scheme == "file":
        return Pipeline("filesrc", live=False, properties={"location": address.target})
    if address.scheme in ("http", "https"):
        # Whether it is live shows when it runs only.
        text = f"souphttpsrc timeout={HTTP_TIMEOUT_S}"
        return Pipeline(text, live=False, properties=_login(address.target))
    if address.scheme in ("rtsp", "rtsps"):
        # The caps keep sound out: it would be decoded too, and its faults would end the video.
        text = (
            f"rtspsrc protocols=tcp latency={_LATENCY_MS} tcp-timeout={_ANSWER_US} "
            "! application/x-rtp,media=video"
        )
        return Pipeline(text, live=True, properties=_login(address.target))
    if address.scheme == "v4l2":
        asked = _asked(address)
        caps = f' ! capsfilter caps="video/x-raw{asked};image/jpeg{asked}"' if asked else ""
        return Pipeline(f"v4l2src{caps}", live=True, properties={"device": address.target})
    if address.scheme == "csi":
        full = replace(address, options={**_as_text(_CSI_SIZE), **address.options})
        sensor = address.target or "0"
        return Pipeline(
            f"{CSI_CAMERA} ! video/x-raw(memory:NVMM),format=NV12{_asked(full)}",
            live=True,
            properties={"sensor-id": sensor},
        )
    raise ValueError(f"GStreamer opens no {address.scheme}://")


def _finish(source: Pipeline, decode: str, turn: str) -> Pipeline:
    """From the decoder to the pictures."""
    limits = "max-size-buffers=2 max-size-bytes=0 max-size-time=0"
    leaky, sink = ("downstream", "max-buffers=1 drop=true") if source.live else ("no", "")
    element, _, behind = source.text.partition(" ")
    return replace(
        source,
        text=(
            f"{element} name={SOURCE} {behind} ! {decode} "
            f"! queue name={LATEST} leaky={leaky} {limits} "
            f"! videoconvert ! {turn}video/x-raw,format=RGB "
            f"! appsink name={SINK} sync=false qos=false {sink or 'max-buffers=4 drop=false'}"
        ).replace("  ", " "),
    )


def _by(hardware: Hardware, *, at_once: bool) -> str:
    """The parser that the codec needs, then decoder and converter.

    A file is decoded as fast as its reader takes it; what is live comes at a rate of its own, and
    the decoder's highest clock would only cost power.
    """
    fast = " enable-max-performance=true" if hardware.max_performance and at_once else ""
    return (
        f"parsebin ! {hardware.decoder} name=decoder{fast} "
        f"! {hardware.converter} ! video/x-raw,format=RGBA"
    )


def _login(target: str) -> dict[str, str]:
    login = split_login(target)
    if not login.user:
        return {"location": login.address}
    return {"location": login.address, "user-id": login.user, "user-pw": login.password}


def _asked(address: Address) -> str:
    """The caps for what a camera's address asks for, each after a comma."""
    caps = []
    for name in _CAMERA_OPTIONS:
        if name in address.options:
            number = _number(address, name, 0)
            caps.append(f",framerate={number}/1" if name == "fps" else f",{name}={number}")
    return "".join(caps)


def _number(address: Address, name: str, default: int, *, least: int = 1) -> int:
    text = address.options.get(name, str(default))
    if text.isascii() and text.isdigit() and int(text) >= least:
        return int(text)
    raise VideoError(
        f"open video {address.uri}",
        expected=f"{name} as a whole number of {least} or more",
        got=repr(text),
        advice=f"Write {name}=NUMBER behind the address",
    )


def _as_text(numbers: dict[str, int]) -> dict[str, str]:
    return {name: str(number) for name, number in numbers.items()}
