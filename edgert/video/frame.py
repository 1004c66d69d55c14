"""One decoded picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """A picture with its place in the video.

    Attributes:
        index: 0 for the first decoded frame, one more for each next one. Frames that a live
            source dropped leave a gap.
        time_s: Seconds since the first frame, by the video's own timestamps, or for a live
            source by the moment of arrival. Never goes back.
        image: (H, W, 3) uint8 RGB, contiguous. Not to be written to.
        arrived_s: When it was decoded, or was due where a file is played at its own speed; on
            the run's clock.
    """

    index: int
    time_s: float
    image: NDArray[np.uint8]
    arrived_s: float = 0.0
