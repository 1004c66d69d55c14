"""What the doors (HTTP, MQTT, dashboard) know of the service behind them.

All of it may be called from any thread and none of it waits for a frame, but for the futures that
`infer` and `reload` return.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgert.records import (
    ConfigurationStatus,
    Event,
    EventKind,
    PictureResult,
    ServiceStatus,
    Wanted,
    WantedChange,
)


class Events(Protocol):
    """The newest events, and a way to wait for the next. See daemon/events.py."""

    def add(self, kind: EventKind, text: str, **facts: object) -> Event:
        """Note an event now."""
        ...

    def since(self, last_id: int) -> list[Event]:
        """Those kept with a larger id, oldest first."""
        ...

    def wait(self, last_id: int, timeout_s: float) -> list[Event]:
        """As `since`, but waits for one; empty if none came in time."""
        ...


class Pictures(Protocol):
    """One stream's newest picture as JPEG, encoded only while somebody looks: video/mjpeg.py."""

    def newest(self, *, after: int = 0, timeout_s: float = 5.0) -> tuple[int, bytes] | None:
        """A picture with a number larger than `after`, and its number; None if none came."""
        ...

    def watch(self) -> Iterator[bytes]:
        """Pictures as they come, the newest each time, until the stream is closed."""
        ...


class Service(Protocol):
    """The daemon, for whoever shows or steers it."""

    events: Events

    def status(self) -> ServiceStatus:
        """Everything at this moment. Cheap: at most a few hundred microseconds."""
        ...

    def configurations(self) -> list[ConfigurationStatus]:
        """Every configuration of the engines that are served, dearest first."""
        ...

    def change(self, change: WantedChange, *, by: str) -> Wanted:
        """Ask for something else from the next frame on; kept over restarts.

        Args:
            change: What.
            by: Who asked, for the event: "http", "mqtt".

        Raises:
            SettingsError: It makes no sense: an unknown configuration, energy without a mission…
        """
        ...

    def infer(self, image: NDArray[np.uint8], *, with_map: bool) -> "Future[PictureResult]":
        """Run one (H, W, 3) uint8 RGB picture between two frames.

        Raises:
            ServiceBusyError: Too many wait already.
        """
        ...

    def pictures(self, stream: str) -> Pictures:
        """The live picture of a stream.

        Raises:
            KeyError: There is no such stream.
        """
        ...

    def reload(self, *, by: str) -> "Future[str]":
        """Read the settings again and take the engines that are built now, if they are others.

        The future's result says what was done, in words; it fails with an EdgertError where the
        new set was refused, and then the old one goes on.
        """
        ...
