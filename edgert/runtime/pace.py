"""What a frame costs in time: as it really passes, or in the virtual time of a simulation."""

import math
from typing import Protocol

from edgert.clock import Clock, VirtualClock


class Pace(Protocol):
    """Turns measured seconds into the board's and lets the rest of a frame pass."""

    def lengthen(self, measured_s: float, slowdown: float) -> float:
        """Seconds that measured work takes on the board."""
        ...

    def due_s(self, start_s: float) -> float:
        """When the next frame is expected after one that began at `start_s`; inf: never by itself.

        Of a live source only the source knows.
        """
        ...

    def finish(self, start_s: float, latency_s: float | None) -> None:
        """End the frame that began at `start_s`; None: it was skipped."""
        ...


class RealPace:
    """Time passes by itself; a slower board is waited for.

    Args:
        clock: The machine's clock.
        period_s: From one frame to the next.
        paced: Wait for the period's end after every frame.
        wait_when_skipped: Wait for it after a skipped frame, so that skipping gives the board
            rest where the source would deliver the next frame at once.
    """

    def __init__(
        self, clock: Clock, *, period_s: float, paced: bool, wait_when_skipped: bool
    ) -> None:
        self._clock = clock
        self._period_s = period_s
        self._paced = paced
        self._wait_when_skipped = wait_when_skipped

    def lengthen(self, measured_s: float, slowdown: float) -> float:
        """Wait for as long as the board is slower than this machine."""
        self._clock.sleep(measured_s * (slowdown - 1))
        return measured_s * slowdown

    def due_s(self, start_s: float) -> float:
        """A period later, where it is kept."""
        return start_s + self._period_s if self._paced else math.inf

    def finish(self, start_s: float, latency_s: float | None) -> None:
        """Wait for the period's end, where asked to."""
        if self._paced or (latency_s is None and self._wait_when_skipped):
            self._clock.sleep(start_s + self._period_s - self._clock.now_s())


class VirtualPace:
    """The clock stands still during the work and is then advanced by what it stands for.

    Args:
        clock: The virtual clock.
        period_s: A frame every so often, or slower where the latency is longer; None: frame
            after frame.
        skipped_s: How long a skipped frame lasts when there is no period.
        scale: Seconds on the board for one second on this machine.
    """

    def __init__(
        self, clock: Clock, *, period_s: float | None, skipped_s: float, scale: float
    ) -> None:
        self._clock = clock
        self._period_s = period_s
        self._skipped_s = skipped_s
        self._scale = scale

    def lengthen(self, measured_s: float, slowdown: float) -> float:
        """The measured seconds, scaled."""
        return measured_s * self._scale * slowdown

    def due_s(self, start_s: float) -> float:
        """A period later, where there is one."""
        return start_s + self._period_s if self._period_s else math.inf

    def finish(self, start_s: float, latency_s: float | None) -> None:
        """Advance to the period's end, or to the frame's where that is later."""
        lasted_s = (
            self._skipped_s if latency_s is None and not self._period_s else latency_s or 0.0
        )
        end_s = start_s + max(self._period_s or 0.0, lasted_s)
        self._clock.sleep(end_s - self._clock.now_s())


def choose_pace(
    clock: Clock,
    *,
    period_s: float | None,
    fps: float,
    live: bool,
    paced: bool,
    latency_scale: float,
) -> Pace:
    """The pace that goes with a clock.

    Args:
        clock: A VirtualClock is advanced by the loop; any other passes by itself.
        period_s: The operator's period, if any; 1 / fps stands in where one is needed.
        fps: Of the source.
        live: Whether the source delivers in real time.
        paced: Keep the period on a real clock.
        latency_scale: Seconds on the board per second on this machine, virtual clock only.

    Raises:
        ValueError: A latency scale with a real clock, or one that is not positive.
    """
    skipped_s = period_s or 1 / fps
    if isinstance(clock, VirtualClock):
        if latency_scale <= 0:
            raise ValueError(f"latency_scale must be positive, got {latency_scale}")
        return VirtualPace(clock, period_s=period_s, skipped_s=skipped_s, scale=latency_scale)
    if latency_scale != 1:
        raise ValueError("latency_scale needs a VirtualClock: real seconds cannot be scaled")
    return RealPace(clock, period_s=skipped_s, paced=paced, wait_when_skipped=not live)
