"""What the frame loop needs of the objects that it is handed, where no room defines it already."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgert.records import (
    Agreement,
    FrameLog,
    Profile,
    ShadowStatus,
    SourceFigures,
    TelemetrySample,
)
from edgert.runtime.shadow_cost import FullRun
from edgert.video.frame import Frame


class Engines(Protocol):
    """The part of `pool.Pool` that the loop uses."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every configuration, dearest first, loaded or not."""
        ...

    @property
    def resident(self) -> tuple[str, ...]:
        """The configurations that are loaded now."""
        ...

    @property
    def active(self) -> str:
        """The configuration that `run` runs."""
        ...

    def activate(self, name: str) -> str:
        """Make another configuration the active one, and say which really is: see the pool.

        Called before every frame that runs, also for the one that is active already.
        """
        ...

    def absence(self, name: str) -> str:
        """Why a configuration could not be made active, in words: "not loaded yet"."""
        ...

    def run(self, tensor: NDArray[np.float32]) -> NDArray[Any]:
        """The first output for a (1, 3, H, W) input; valid until the next run."""
        ...

    def run_beside(self, name: str, tensor: NDArray[np.float32]) -> NDArray[Any]:
        """The same of another loaded engine; the active one stays. Only for shadow runs."""
        ...


class StreamSource(Protocol):
    """What `StreamLoop` takes frames from: `video.source.ThreadedSource`.

    Attributes:
        fps: Nominal frames per second; 0 until it is connected for the first time.
        in_own_time: Frames come by themselves; else they wait until they are taken.
    """

    @property
    def fps(self) -> float: ...  # noqa: D102 - told above

    @property
    def in_own_time(self) -> bool: ...  # noqa: D102 - told above

    def poll(self) -> Frame | None:
        """The next frame without waiting; None while there is none, and after the end."""
        ...

    def figures(self) -> SourceFigures:
        """What it tells of itself; from any thread."""
        ...

    def on_news(self, wake: Callable[[], None]) -> None:
        """Call this from now on, from any thread, when a frame is ready or the state changes."""
        ...

    def stop(self) -> None:
        """Ask it to end; waits for nothing."""
        ...

    def close(self, timeout_s: float) -> None:
        """End it, and wait for that no longer than so long."""
        ...


class ResultWriter(Protocol):
    """Keeps the results of a stream's frames: `video.results.ResultSink`."""

    def write(self, frame: Frame, line: FrameLog, logits: NDArray[Any] | None) -> None:
        """Take the result of one frame; logits are None where it was skipped."""
        ...

    def close(self) -> None:
        """Finish what was written."""
        ...


class LivePictures(Protocol):
    """The part of `video.mjpeg.LivePicture` that the loop uses."""

    @property
    def watched(self) -> bool:
        """Whether anybody looks."""
        ...

    def show(self, image: NDArray[np.uint8]) -> None:
        """Take the newest picture; the caller may reuse it at once."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class Shadow(Protocol):
    """Runs of the full configuration on frames that were served: `runtime.shadow.ShadowRuns`."""

    @property
    def full(self) -> str:
        """The configuration that others are held against."""
        ...

    @property
    def cost(self) -> FullRun:
        """What a run takes."""
        ...

    def after_frame(
        self,
        pool: Any,
        tensor: NDArray[np.float32],
        logits: NDArray[Any],
        line: FrameLog,
        *,
        free_s: float,
        room: str,
        book: Callable[[str, float], float],
    ) -> Any:
        """Run it now, or refuse; the configuration that was active is active afterwards.

        Called between two frames when none waits.

        Args:
            pool: The engines.
            tensor: What the served configuration was given; valid until the next run.
            logits: What it said; valid until the next run.
            line: Of the frame.
            free_s: Until the next frame is expected.
            room: Why deadline, power or temperature leave no room, in words; "" where they do.
            book: Lets the board spend what was measured, and says what it is on the board.

        Returns:
            What was run, with the outcome for the frame's line; None: nothing.
        """
        ...

    def take_profile(self, profile: Profile) -> None:
        """Go on by other figures of the same engines; what was seen of them stays."""
        ...

    def saw_frame(self, arrived_s: float) -> None:
        """A frame came at that time, perhaps while a shadow run went on."""
        ...

    def agreements(self) -> dict[str, Agreement]:
        """What is known of each configuration."""
        ...

    def status(self) -> ShadowStatus:
        """What it took so far."""
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
