"""Recorded telemetry as a source: every sample comes when it came, counted from the first.

The samples keep their source, provenance and gaps; only their time is moved to the reader's clock.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgert.boards import Board
from edgert.clock import Clock, MonotonicClock
from edgert.errors import ArtifactError
from edgert.records import TelemetrySample
from edgert.telemetry.recording import read_recording


class ReplaySource:
    """Plays a recording, once.

    Args:
        path: A file that a Recorder wrote.
        root: Not used; every source takes it.
        clock: Real or virtual; the recording begins at its present time.
        board: Not used.
        check: Read the whole file once before it plays, so that a damaged line is told now.

    Raises:
        ArtifactError: See `read_recording`; also a recording without samples.
    """

    name = "replay"

    def __init__(
        self,
        *,
        path: Path,
        root: Path = Path("/"),
        clock: Clock | None = None,
        board: Board | None = None,
        check: bool = True,
    ) -> None:
        self.path = path
        self._clock = clock or MonotonicClock()
        if check:
            for _ in read_recording(path):
                pass
        self._samples: Iterator[TelemetrySample] = read_recording(path)
        self._next = next(self._samples, None)
        if self._next is None:
            raise ArtifactError(
                f"replay {path}", expected="samples", got="none", advice="Record some"
            )
        self._shift_s = self._clock.now_s() - self._next.time_s - self._next.age_s
        self._newest: TelemetrySample | None = None

    @property
    def ended(self) -> bool:
        """Whether the last sample was handed out; it then ages."""
        return self._next is None

    def read(self) -> TelemetrySample | None:
        """The newest sample whose time has come; None after `close`."""
        now_s = self._clock.now_s()
        while self._next is not None and self._came_s(self._next) <= now_s:
            self._newest = self._next
            self._next = next(self._samples, None)
        if self._newest is None:
            return None
        time_s = self._newest.time_s + self._shift_s
        age_s = max(0.0, now_s - time_s)
        return msgspec.structs.replace(self._newest, time_s=time_s, age_s=age_s)

    def _came_s(self, sample: TelemetrySample) -> float:
        """When it was handed out: its sensors had been read `age_s` before."""
        return sample.time_s + sample.age_s + self._shift_s

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._samples = iter(())
        self._next = self._newest = None
