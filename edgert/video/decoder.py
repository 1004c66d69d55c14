"""One opened video, whatever decodes it. What happens when it breaks off is `connection`'s."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Picture(NamedTuple):
    """One decoded picture.

    `time_s` is by the video's own clock, and None where it does not say; `image` is (H, W, 3)
    uint8 RGB, contiguous, in the size that the video has at that moment.
    """

    time_s: float | None
    image: NDArray[np.uint8]


class Decoder(Protocol):
    """A video from its opening to its end, or to where it breaks off.

    Attributes:
        name: "pyav", "gstreamer avdec_h264", "gstreamer nvv4l2decoder", …
        reason: Why frames are not decoded in hardware, in words; "" where they are.
        width, height: Of the first picture, in pixels, after the rotation that the file asks for.
        fps: As the video announces it; 30 where it does not.
        live: Frames come when they come, and are lost when nobody takes them.
        damage: What was wrong with the video so far, in one line.
        damaged: Places that could not be decoded, or only in part.
    """

    name: str
    reason: str
    width: int
    height: int
    fps: float
    live: bool

    @property
    def damage(self) -> str | None: ...  # noqa: D102 - told above

    @property
    def damaged(self) -> int: ...  # noqa: D102 - told above

    def pictures(self) -> Iterator[Picture]:
        """Every picture, in order, ending with the video. Can be used once.

        Raises:
            VideoError: The connection broke off, or went silent for too long.
        """
        ...

    def stop(self) -> None:
        """End `pictures` soon; from any thread, also while it waits for the network."""
        ...

    def close(self) -> None:
        """Let go of everything, from the thread that ran `pictures`, or before it runs."""
        ...
