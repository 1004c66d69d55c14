"""What the frame loop needs of the objects that it is handed, where no room defines it already."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgert.records import TelemetrySample


class Engines(Protocol):
    """The part of `pool.Pool` that the loop uses."""

    @property
    def active(self) -> str:
        """The configuration that `run` runs."""
        ...

    def activate(self, name: str) -> None:
        """Make another configuration the active one."""
        ...

    def run(self, tensor: NDArray[np.float32]) -> NDArray[Any]:
        """The first output for a (1, 3, H, W) input; valid until the next run."""
        ...


class Painter(Protocol):
    """The part of `video.overlay.Overlay` that the loop uses."""

    def draw(
        self, image: NDArray[np.uint8], logits: NDArray[Any], strip: Any
    ) -> NDArray[np.uint8]:
        """The picture to write for an image, the model's output and the strip's text."""
        ...


class Board(Protocol):
    """What the loop uses of `emulator.board.EmulatedBoard`, itself a telemetry source."""

    name: str

    @property
    def slowdown(self) -> float:
        """How much longer than on this machine a frame takes on the board, >= 1."""
        ...

    @property
    def energy_j(self) -> float:
        """Energy drawn since the board was made."""
        ...

    def run_engine(self, name: str, busy_s: float) -> None:
        """Book one run of an engine."""
        ...

    def read(self) -> TelemetrySample | None:
        """See telemetry.base.TelemetrySource."""
        ...

    def close(self) -> None:
        """See telemetry.base.TelemetrySource."""
        ...
