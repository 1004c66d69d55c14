"""How each kind of address is opened, and what of it is live; `decode` takes it from there."""

from pathlib import Path
from typing import Any

from edgert.errors import VideoError
from edgert.video.uri import Address

OPEN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 5.0
# FFmpeg looks at a stream for so long before it hands out anything; by itself for 2 s and more.
_LOOK_US = "500000"
_PLAYLISTS = ("hls", "dash")
_NETWORK = ("rtsp", "rtsps", "http", "https")


def target_from_address(address: Address) -> str:
    """What av.open gets to open.

    Raises:
        VideoError: There is no such file.
    """
    if address.scheme != "file":
        return address.target
    path = Path(address.target)
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise open_refusal(address, "a video file", got)
    return str(path.absolute())  # begins with "/", so that no name is taken for a protocol


def options_from_address(address: Address) -> dict[str, Any]:
    """Keywords for av.open: a camera's size and rate, a network's time limits."""
    if address.scheme == "v4l2":
        asked = dict(address.options)
        if "width" in asked and "height" in asked:
            asked["video_size"] = f"{asked.pop('width')}x{asked.pop('height')}"
        if "fps" in asked:
            asked["framerate"] = asked.pop("fps")
        return {"format": "v4l2", "options": asked}
    if address.scheme in _NETWORK:
        rtsp = address.scheme.startswith("rtsp")
        options = {"rtsp_transport": "tcp", "analyzeduration": _LOOK_US} if rtsp else {}
        return {"timeout": (OPEN_TIMEOUT_S, READ_TIMEOUT_S), "options": options}
    return {}


def is_live(address: Address, container: Any) -> bool:
    """Whether frames come when they come.

    Over HTTP that is what has neither a duration nor a length in bytes; a playlist's own length
    says nothing about what it lists.
    """
    if address.scheme not in ("http", "https"):
        return address.scheme != "file"
    playlist = container.format.name.split(",")[0] in _PLAYLISTS
    return container.duration is None and (playlist or (container.size or 0) <= 0)


def open_refusal(address: Address, expected: str, got: str) -> VideoError:
    """The error of a video that can not be opened."""
    return VideoError(
        f"open video {address.uri}",
        expected=expected,
        got=got,
        advice="Check the address, and that the file or stream plays elsewhere",
    )
